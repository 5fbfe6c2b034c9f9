"""The language model that a classifier starts from."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ulmus.errors import BundleError, UsageError
from ulmus.tasks.ids import RunTexts
from ulmus.tasks.language_model.model import LanguageModel
from ulmus.tasks.language_model.start import check_given, starting_model
from ulmus.tasks.progress import tell
from ulmus.tasks.settings import RunSettings

MakeLM = Callable[..., LanguageModel]


def started(given: Any, texts: list[str], lm_settings: Any, *, tune: str = "auto") -> Any:
    """The language model to start from."""
    settings = RunSettings(device="cpu", precision="float32")
    return starting_model(given, lm_settings, RunTexts(texts), settings, tune=tune)


def test_a_language_model_that_fits_the_texts_is_not_fine_tuned(
    corpus: Any, language_model: LanguageModel, lm_settings: Any
) -> None:
    """auto measures it on a sample: it is fine-tuned only if its perplexity there is well above its own."""
    strange = [text[::-1] for text in corpus.test_texts]
    assert started(language_model, corpus.test_texts, lm_settings) is language_model.fitted_
    assert started(language_model, strange, lm_settings).network is not language_model.network_
    always = started(language_model, corpus.test_texts, lm_settings, tune="always")
    assert always.network is not language_model.network_
    assert started(language_model, strange, lm_settings, tune="none") is language_model.fitted_


def test_the_choice_of_fine_tuning_is_reported(
    corpus: Any, language_model: LanguageModel, lm_settings: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """On stderr, unless the run is quiet: a skipped fine-tuning with both perplexities, or that it begins."""
    settings = RunSettings(device="cpu", precision="float32", verbose=True)
    starting_model(language_model, lm_settings, RunTexts(corpus.test_texts), settings, tune="auto")
    assert re.search(r"Fine-tuning skipped: perplexity \d+ is close", capsys.readouterr().err)
    starting_model(language_model, lm_settings, RunTexts(corpus.test_texts), settings, tune="always")
    assert capsys.readouterr().err.startswith("Fine-tuning the language model on all texts.")


def test_none_is_an_encoder_with_random_weights(corpus: Any, lm_settings: Any) -> None:
    """A tokenizer of the texts, random weights from the seed, no training."""
    one = started("none", corpus.texts, lm_settings)
    assert one.history == []
    assert one.tokenizer.vocab.id_of("harbour")


def test_a_given_model_is_checked_before_anything_else(
    language_model: LanguageModel, make_lm: MakeLM, tmp_path: Path
) -> None:
    """A model that is not fitted, a missing file or one of another kind fails; None, "none" and a valid file pass."""
    language_model.save(tmp_path / "lm.ulmus")
    for fine in (None, "none", language_model, tmp_path / "lm.ulmus", str(tmp_path / "lm.ulmus")):
        check_given(fine)
    with pytest.raises(UsageError, match="is not fitted"):
        check_given(make_lm())
    with pytest.raises(BundleError, match="no model file"):
        check_given(tmp_path / "nowhere.ulmus")
    (tmp_path / "text.ulmus").write_text("just text")
    with pytest.raises(BundleError):
        check_given(tmp_path / "text.ulmus")


def test_messages_go_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    """stdout is for results."""
    tell("Counting words.")
    assert capsys.readouterr() == ("", "Counting words.\n")
