"""What a classifier's encoder starts from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ulmus.errors import BundleError, UsageError
from ulmus.tasks.language_model.model import LanguageModel
from ulmus.tasks.language_model.start import check_given, starting_model
from ulmus.tasks.progress import told

MakeLM = Callable[..., LanguageModel]


def started(given: Any, texts: list[str], quiet: dict[str, Any], lm_settings: Any, **how: Any) -> Any:
    """The language model to start from, and what was told on the way."""
    lines: list[str] = []
    settings = quiet | {"seed": 0, "minutes": None, "work_dir": None}
    model = starting_model(
        given, lm_settings, texts, tune=how.get("tune", "auto"), settings=settings, say=lines.append
    )
    return model, lines


def test_a_language_model_that_knows_such_texts_is_not_tuned(
    corpus: Any, language_model: LanguageModel, lm_settings: Any, quiet: dict[str, Any]
) -> None:
    """auto measures it on a sample: about as easy as its own texts, and it is taken as it is; else it is tuned."""
    same, lines = started(language_model, corpus.test_texts, quiet, lm_settings)
    assert same.network_ is language_model.network_
    assert "knows texts of this kind" in lines[-1]
    strange = [text[::-1] for text in corpus.test_texts]
    other, lines = started(language_model, strange, quiet, lm_settings)
    assert other.network_ is not language_model.network_
    assert lines[-1].startswith("Fine-tuning")
    always, _ = started(language_model, corpus.test_texts, quiet, lm_settings, tune="always")
    assert always.network_ is not language_model.network_
    never, lines = started(language_model, strange, quiet, lm_settings, tune="none")
    assert (never.network_, lines) == (language_model.network_, [])


def test_none_is_an_encoder_that_knows_nothing(corpus: Any, lm_settings: Any, quiet: dict[str, Any]) -> None:
    """A tokenizer of the texts, random weights from the seed, no training."""
    one, lines = started("none", corpus.texts, quiet, lm_settings)
    assert lines == []
    assert one.history_ == []
    assert one.tokenizer_.vocab.id_of("harbour")


def test_what_is_given_is_checked_before_anything_else(
    language_model: LanguageModel, make_lm: MakeLM, tmp_path: Path
) -> None:
    """An untrained object, a missing file, a file of something else; None, "none" and a sound file pass."""
    language_model.save(tmp_path / "lm.ulmus")
    for fine in (None, "none", language_model, tmp_path / "lm.ulmus", str(tmp_path / "lm.ulmus")):
        check_given(fine)
    with pytest.raises(UsageError, match="knows nothing yet"):
        check_given(make_lm())
    with pytest.raises(BundleError, match="no model file"):
        check_given(tmp_path / "nowhere.ulmus")
    (tmp_path / "text.ulmus").write_text("just text")
    with pytest.raises(BundleError):
        check_given(tmp_path / "text.ulmus")


def test_lines_for_people_go_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    """stdout is for results."""
    told("Counting words.")
    assert capsys.readouterr() == ("", "Counting words.\n")
