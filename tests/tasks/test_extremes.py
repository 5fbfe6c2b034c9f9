"""Extreme settings and texts: a model, or an error that says what to do, never a traceback."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ulmus.errors import ConfigError, UlmusError
from ulmus.tasks.classifier.model import TextClassifier
from ulmus.tasks.language_model.model import LanguageModel
from ulmus.text.tokenizer import KINDS, Tokenizer, TokenizerConfig
from ulmus.train.schedules import Schedule


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("text", ["a b c d e f g h", "!!! ???", "🇩🇪", "\u0300", "xxmaj", "-"])
def test_a_language_model_can_be_trained_on_one_line(make_lm: Any, kind: str, text: str) -> None:
    """However short, and although no word occurs three times: the most frequent ones form the vocabulary."""
    model = make_lm(tokenizer=TokenizerConfig(kind), epochs=1).fit([text])
    assert np.isfinite(model.perplexity([text, text]))
    assert len(model.tokenizer_) > len(Tokenizer.train([text], TokenizerConfig(kind)).vocab.tokens[:9])


def test_a_classifier_can_be_trained_on_two_texts(make: Any) -> None:
    """No word occurs three times in them."""
    model = make(language_model="new").fit(["x y", "x z"], ["a", "b"])
    assert model.predict(["x y"])[0] in ("a", "b")
    assert np.isfinite(model.predict_proba(["x y", ""])).all()


@pytest.mark.parametrize("seed", [-1, 2**32, 1.5, "0", True, None])
def test_an_invalid_seed_is_refused_at_once(seed: Any) -> None:
    """Both models refuse it and name the valid range."""
    with pytest.raises(ConfigError, match="seed: expected a whole number from 0 to 4,294,967,295, got"):
        LanguageModel(seed=seed, verbose=False).fit(["a b", "b a"])
    with pytest.raises(ConfigError, match="seed: expected"):
        TextClassifier(seed=seed).fit(["a", "b"], ["x", "y"])


def test_a_training_that_diverges_is_an_error(make_lm: Any, corpus: Any) -> None:
    """If the perplexity overflows, the training diverged, even though the loss is finite."""
    model = make_lm(schedule=Schedule("constant", peak=1e4))
    with pytest.raises(UlmusError, match="lower learning rate"):
        model.fit(corpus.texts)
    assert not hasattr(model, "network_")


def test_hostile_texts_get_the_same_prediction_alone_and_in_a_batch(classifier: Any) -> None:
    """Empty, very long, punctuation only, lone surrogates, markers and markup: none changes another's prediction."""
    texts = [
        *("", " \n\t", "\0", "\ud800 wave", "xxmaj xxrep 999 a", "🇩🇪" * 300, "a" * 5_000, "wave " * 700),
        *("\u0301" * 200, "<br><b", "&#0;&amp;", "🇩\u200d" * 50, "๑" * 200, "oak"),
    ]
    together = classifier.predict_proba(texts)
    alone = np.concatenate([classifier.predict_proba([text]) for text in texts])
    assert np.isfinite(together).all()
    np.testing.assert_allclose(together, alone, atol=1e-5)
