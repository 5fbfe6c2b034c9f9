"""The exception tree: exit codes, what generic `except` clauses catch, and pickling."""

from __future__ import annotations

import pickle

import pytest

from ulmus import errors

EXIT_CODES = {
    errors.UsageError: 2,
    errors.ConfigError: 2,
    errors.DataError: 1,
    errors.BundleError: 1,
    errors.VocabMismatch: 1,
    errors.MissingExtra: 1,
    errors.StorageError: 1,
}


@pytest.mark.parametrize(("kind", "code"), EXIT_CODES.items())
def test_every_error_is_an_ulmus_error_with_its_exit_code(kind: type[errors.UlmusError], code: int) -> None:
    """Every error is an UlmusError; the command line exits with 2 for usage errors, 1 for failures."""
    assert issubclass(kind, errors.UlmusError)
    assert kind.exit_code == code


def test_the_public_list_is_the_whole_tree() -> None:
    """`__all__` names every class of the module and nothing else."""
    classes = {name for name, value in vars(errors).items() if isinstance(value, type)}
    assert set(errors.__all__) == classes


@pytest.mark.parametrize("kind", EXIT_CODES)
def test_an_error_survives_pickling(kind: type[errors.UlmusError]) -> None:
    """An error raised in a worker process arrives with its type and text."""
    copy = pickle.loads(pickle.dumps(kind("what came, what to do")))
    assert type(copy) is kind
    assert str(copy) == "what came, what to do"


def test_bad_input_is_a_value_error_too() -> None:
    """`except ValueError`, as in code written for scikit-learn, catches usage errors and data errors."""
    assert issubclass(errors.UsageError, ValueError)
    assert issubclass(errors.DataError, ValueError)


def test_a_missing_extra_names_the_pip_command() -> None:
    """The error for a missing extra contains the pip command."""
    error = errors.MissingExtra.of("serve", "onnxruntime", "Serving a model")
    assert "pip install 'ulmus[serve]'" in str(error)
    assert isinstance(error, ImportError)
