"""Opening a folder for a task: what serves which task, and what is said where it does not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ulmus import pipelines
from ulmus.errors import BundleError, UsageError
from ulmus.tasks.pipelines.checkpoint import TASKS, Checkpoint, load

Make = Callable[..., Path]


@pytest.mark.parametrize("task", [task for task, needs in TASKS.items() if needs.heads != ("",)])
def test_a_folder_of_another_task_is_refused(make_checkpoint: Make, task: str) -> None:
    """The error names what the folder holds and what the task needs."""
    folder = make_checkpoint("BertForMultipleChoice")
    with pytest.raises(BundleError, match=rf"holds a BertForMultipleChoice; {task} needs a \.\.\.\w+"):
        load(task, folder)


def test_any_transformer_gives_features(make_checkpoint: Make) -> None:
    """feature-extraction ignores the head."""
    assert isinstance(load("feature-extraction", make_checkpoint("BertForMultipleChoice")), Checkpoint)


def test_an_unknown_task_is_a_usage_error() -> None:
    """A misspelt task is answered with the nearest one."""
    with pytest.raises(UsageError, match=r"expected one of .*Did you mean 'summarization'"):
        load("sumarization", "anywhere")


def test_a_model_serves_the_task_it_was_opened_for(make_checkpoint: Make) -> None:
    """A model that was opened for one task is not used for another."""
    model = pipelines.load("fill-mask", make_checkpoint("BertForMaskedLM"))
    with pytest.raises(UsageError, match="opened for fill-mask: open it for ner"):
        pipelines.ner(["a film"], model)


def test_the_limit_is_the_smaller_of_model_and_tokenizer(make_checkpoint: Make) -> None:
    """Positions of the model and the tokenizer's limit both count; relative positions have none of their own."""
    bert = load("fill-mask", make_checkpoint("BertForMaskedLM", max_position_embeddings=16))
    t5 = load("summarization", make_checkpoint("T5ForConditionalGeneration"))
    assert isinstance(bert, Checkpoint)
    assert isinstance(t5, Checkpoint)
    assert (bert.limit, t5.limit) == (16, 24)
    t5.tokenizer.model_max_length = int(1e30)
    assert t5.limit is None


def test_the_positions_of_roberta_begin_behind_its_padding(make_checkpoint: Make) -> None:
    """Of 24 positions, those up to that of padding cannot be used."""
    found = load("fill-mask", make_checkpoint("RobertaForMaskedLM", pad_token_id=1))
    assert isinstance(found, Checkpoint)
    assert found.limit == 22
    assert pipelines.feature_extraction(["a film " * 30], found.folder)


def test_names_agree_with_the_functions() -> None:
    """Every task has a function of its name."""
    assert {name.replace("_", "-") for name in pipelines.__all__ if name != "load"} == set(TASKS)
    for name in pipelines.__all__:
        assert getattr(pipelines, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'nre'"):
        pipelines.nre  # noqa: B018
