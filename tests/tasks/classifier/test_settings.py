"""The classifier's settings: what each does, which values are refused, and scikit-learn's conventions."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ulmus.errors import BundleError, ConfigError, DataError, UsageError
from ulmus.tasks.classifier.model import TextClassifier
from ulmus.tasks.language_model.model import LanguageModel
from ulmus.text.tokenizer import TokenizerConfig

Fit = Callable[..., TextClassifier]


def test_teaching_happens_if_there_are_enough_unlabelled_texts(make: Fit, corpus: Any) -> None:
    """auto: with at least a hundred unlabelled texts and twice as many as labels; none: never."""

    def stages(labelled: int, unlabeled: int, **how: Any) -> set[str]:
        model = make(**how).fit(
            corpus.texts[:labelled], corpus.labels[:labelled], corpus.unlabeled[:unlabeled]
        )
        return {row["stage"] for row in model.history_}

    assert "teaching" in stages(30, 120)
    assert "teaching" not in stages(30, 99)
    assert "teaching" not in stages(61, 120)
    assert "teaching" not in stages(30, 120, teach="none")


def test_the_word_counts_are_in_the_prediction_unless_switched_off(make: Fit, corpus: Any) -> None:
    """combine="none" predicts with the language model alone; the counts are still available as a part."""
    given = (corpus.texts[:30], corpus.labels[:30])
    both, alone = make().fit(*given), make(combine="none").fit(*given)
    texts = corpus.test_texts
    assert np.array_equal(both.predict_proba(texts, part="lm"), alone.predict_proba(texts))
    assert np.array_equal(both.predict_proba(texts, part="counts"), alone.predict_proba(texts, part="counts"))
    assert not np.allclose(both.predict_proba(texts), alone.predict_proba(texts))
    assert alone.report_["weight"] == 1.0
    assert alone.evaluate(texts, corpus.test_labels)["parts"].keys() == {"lm", "counts"}


def test_balanced_weights_raise_the_rare_class(make: Fit, make_texts: Any) -> None:
    """With one text in ten of a class, balanced weights predict it at least as often."""
    texts, labels = make_texts(40, seed=5, classes=("sea", *["wood"] * 9))
    plain, balanced = (make(class_weight=w).fit(texts, labels) for w in (None, "balanced"))
    fresh = make_texts(60, seed=6)[0]
    means = [model.predict_proba(fresh)[:, 0].mean() for model in (plain, balanced)]
    assert means[1] > means[0]
    assert balanced.network_.class_weight is not None


def test_the_language_model_may_be_an_object_a_file_or_none(
    make: Fit, settings: Any, language_model: LanguageModel, corpus: Any, tmp_path: Path
) -> None:
    """The object and its file give the same classifier; "none" starts from random weights; None trains one."""
    language_model.save(tmp_path / "lm.ulmus")
    given = (corpus.texts[:30], corpus.labels[:30])
    config = dataclasses.replace(settings, tune="none")
    texts = corpus.test_texts
    by_object, by_file, by_name, by_none = (
        make(config=config, language_model=lm).fit(*given)
        for lm in (language_model, tmp_path / "lm.ulmus", str(tmp_path / "lm.ulmus"), "none")
    )
    assert np.array_equal(by_object.predict_proba(texts), by_file.predict_proba(texts))
    assert np.array_equal(by_object.predict_proba(texts), by_name.predict_proba(texts))
    assert by_object.tokenizer_.fingerprint == language_model.tokenizer_.fingerprint
    assert not np.allclose(by_object.predict_proba(texts, part="lm"), by_none.predict_proba(texts, part="lm"))
    trained = make(language_model=None).fit(*given)
    assert trained.report_["language_model"]["documents"] == 30


@pytest.mark.parametrize("tune", ["always", "auto", "none"])
def test_a_given_language_model_stays_as_it_was(
    tune: str, make: Fit, settings: Any, language_model: LanguageModel, corpus: Any
) -> None:
    """Fine-tuned or not, fit changes neither its weights nor its vocabulary: it can be used again."""
    before = {name: t.clone() for name, t in language_model.network_.state_dict().items()}
    vocabulary, metrics = language_model.tokenizer_.vocab, dict(language_model.metrics_)
    config = dataclasses.replace(settings, tune=tune)
    model = make(config=config, language_model=language_model)
    model.fit(corpus.texts[:30], corpus.labels[:30], ["Something else entirely, zebra."] * 60)
    assert model.language_model is language_model
    assert language_model.tokenizer_.vocab == vocabulary
    assert language_model.metrics_ == metrics
    assert all(torch.equal(t, before[name]) for name, t in language_model.network_.state_dict().items())
    assert ("zebra" in model.tokenizer_.vocab) is (tune != "none")


def test_backward_language_models_make_backward_classifiers(make: Fit, settings: Any, corpus: Any) -> None:
    """The classifier processes texts in the direction of its encoder."""
    lm = dataclasses.replace(settings.language_model, backwards=True)
    model = make(config=dataclasses.replace(settings, language_model=lm)).fit(
        corpus.texts[:20], corpus.labels[:20]
    )
    there, back = "wave gull oak path", "path oak gull wave"
    forward = make().fit(corpus.texts[:20], corpus.labels[:20])
    forward.network_.load_state_dict(model.network_.state_dict())
    mine, theirs = model.predict_proba([there], part="lm"), forward.predict_proba([back], part="lm")
    np.testing.assert_allclose(mine, theirs, atol=1e-6)
    assert not np.allclose(mine, forward.predict_proba([there], part="lm"), atol=1e-6)


@pytest.mark.parametrize("kind", ["unigram", "bpe", "char"])
def test_any_tokenizer_type_classifies(kind: str, quiet: dict[str, Any], settings: Any, corpus: Any) -> None:
    """The small sizes of a kind, by name."""
    lm = dataclasses.replace(
        settings.language_model, tokenizer=TokenizerConfig(kind=kind, max_size=120, min_freq=1)
    )
    config = dataclasses.replace(settings, language_model=lm)
    model = TextClassifier(config=config, language_model="none", **quiet).fit(
        corpus.texts[:30], corpus.labels[:30]
    )
    assert len(model.predict(corpus.test_texts)) == 60


def test_the_same_seed_gives_the_same_classifier_and_leaves_global_random_states_alone(
    make: Fit, corpus: Any
) -> None:
    """Training repeats to the last bit; torch's and numpy's global random states are not touched."""
    given = (corpus.texts[:30], corpus.labels[:30])
    torch.manual_seed(3)
    np.random.seed(3)  # noqa: NPY002 - the state that must stay
    state = torch.get_rng_state(), np.random.get_state()[1].tolist()  # noqa: NPY002
    one = make(language_model=None).fit(*given).predict_proba(corpus.test_texts)
    assert torch.equal(torch.get_rng_state(), state[0])
    assert np.random.get_state()[1].tolist() == state[1]  # noqa: NPY002
    assert np.array_equal(one, make(language_model=None).fit(*given).predict_proba(corpus.test_texts))
    assert not np.array_equal(
        one, make(language_model=None, seed=1).fit(*given).predict_proba(corpus.test_texts)
    )


# -- what it refuses ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("texts", "labels", "error", "message"),
    [
        (["a", "b", "c"], ["x", "y"], UsageError, "each text needs a label: got 3 texts and 2 labels"),
        (["a", "b", "c"], ["x", "x", "x"], DataError, "at least two classes, got only 'x'"),
        (["", "  "], ["x", "y"], DataError, "got only empty ones"),
        ([], [], DataError, "at least two classes"),
        ("a text", ["x"], UsageError, "single str"),
        (["a", "b", "c"], ["x", "y", ("x", None)], UsageError, "has no label"),
        (["a", "b"], [None, None], DataError, "only missing ones"),
        (["a", 5], ["x", "y"], UsageError, "expected str, got int at position 1"),
        (["a"], [["x", "y"]], DataError, "at least two"),
    ],
)
def test_unusable_texts_and_labels_are_refused(
    texts: Any, labels: Any, error: type[Exception], message: str, make: Fit
) -> None:
    """Before anything is trained, with what was expected and what came."""
    with pytest.raises(error, match=message):
        make().fit(texts, labels)


def test_a_label_seen_only_in_validation_is_refused(make: Fit, corpus: Any) -> None:
    """No part could predict it; the message names it."""
    with pytest.raises(DataError, match="desert is not a class of this model"):
        make().fit(corpus.texts[:9], corpus.labels[:9], valid=(["sand", "waves"], ["desert", "sea"]))
    with pytest.raises(UsageError, match="valid: got 1 texts and 2 labels"):
        make().fit(corpus.texts[:9], corpus.labels[:9], valid=(["sand"], ["sea", "sea"]))


def test_evaluating_expects_known_labels(classifier: TextClassifier) -> None:
    """As many as texts, at least one, and none that was not in training."""
    with pytest.raises(DataError, match="desert is not a class"):
        classifier.evaluate(["sand"], ["desert"])
    with pytest.raises(DataError, match="got none"):
        classifier.evaluate([], [])
    with pytest.raises(UsageError, match="2 texts and 1 labels"):
        classifier.evaluate(["sand", "waves"], ["sea"])


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"teach": "always"}, "teach: expected one of auto, none, got 'always'"),
        ({"combine": "sometimes"}, "combine: expected one of auto, none"),
        ({"class_weight": "even"}, "class_weight: expected None, 'balanced' or a dict"),
        ({"size": "huge", "config": None, "language_model": None}, "size: expected one of small, base"),
        ({"tokenizer": "syllable", "config": None, "language_model": None}, "syllable"),
        ({"device": "tpu"}, "device: expected auto, cpu or cuda"),
        ({"precision": "fp4"}, "precision: expected"),
        ({"minutes": 0}, "minutes: expected"),
        ({"minutes": -3.0}, "minutes: expected"),
    ],
)
def test_invalid_settings_are_refused(wrong: dict[str, Any], message: str, make: Fit, corpus: Any) -> None:
    """In `fit`, as in scikit-learn, with the valid choices."""
    with pytest.raises(ConfigError, match=message):
        make(**wrong).fit(corpus.texts[:9], corpus.labels[:9])


def test_a_missing_language_model_is_reported_before_training(make: Fit, corpus: Any, tmp_path: Path) -> None:
    """With its path; so is an object that is not fitted."""
    with pytest.raises(BundleError, match=r"nowhere\.ulmus"):
        make(language_model=tmp_path / "nowhere.ulmus").fit(corpus.texts[:9], corpus.labels[:9])
    with pytest.raises(UsageError, match="is not fitted"):
        make(language_model=LanguageModel()).fit(corpus.texts[:9], corpus.labels[:9])


def test_a_classifier_that_is_not_fitted_says_so(make: Fit) -> None:
    """Whichever method is called."""
    for ask in (lambda c: c.predict(["a"]), lambda c: c.score(["a"], ["b"]), lambda c: c.save("x.ulmus")):
        with pytest.raises(UsageError, match=r"is not fitted: call fit"):
            ask(make())


def test_an_unknown_part_is_refused(classifier: TextClassifier) -> None:
    """The message lists the valid parts."""
    with pytest.raises(UsageError, match="part: expected one of combined, lm, counts"):
        classifier.predict_proba(["a"], part="magic")


# -- scikit-learn conventions -------------------------------------------------------------------------------------


def test_init_only_stores_and_fit_returns_the_classifier(make: Fit, corpus: Any) -> None:
    """Every argument is an attribute of its name, the very same object; nothing learnt is there before fit."""
    given = {name: object() for name in inspect.signature(TextClassifier).parameters}
    model = TextClassifier(**given)
    assert all(getattr(model, name) is value for name, value in given.items())
    assert not [name for name in vars(model) if name.endswith("_")]
    model = make()
    assert model.fit(corpus.texts[:9], corpus.labels[:9]) is model


def test_fitting_again_starts_over(make: Fit, corpus: Any) -> None:
    """A second fit does not depend on the first."""
    model = make().fit(corpus.texts[:20], ["x", "y"] * 10)
    model.fit(corpus.texts[:30], corpus.labels[:30])
    fresh = make().fit(corpus.texts[:30], corpus.labels[:30])
    assert model.class_names_ == fresh.class_names_
    assert np.array_equal(model.predict_proba(corpus.test_texts), fresh.predict_proba(corpus.test_texts))
    assert len(model.history_) == len(fresh.history_)
