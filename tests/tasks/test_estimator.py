"""scikit-learn's own tools with our classifier."""

from __future__ import annotations

import inspect
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone, is_classifier
from sklearn.metrics import get_scorer, log_loss
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_val_score

from ulmus.errors import UsageError
from ulmus.tasks.classifier.config import ClassifierConfig
from ulmus.tasks.classifier.model import TextClassifier

Fit = Callable[..., TextClassifier]


def test_parameters_can_be_read_and_set(make: Fit) -> None:
    """All arguments of __init__, by name; set_params returns the estimator; an unknown name gets a suggestion."""
    model = make(seed=4)
    assert model.get_params()["seed"] == 4
    assert model.set_params(seed=5, teach="none") is model
    assert (model.seed, model.teach) == (5, "none")
    with pytest.raises(UsageError, match=r"there is no parameter 'sead'\. Did you mean 'seed'"):
        model.set_params(sead=3)


def test_an_unknown_parameter_gets_a_suggestion() -> None:
    """A misspelt parameter, and a setting that belongs in `config`."""
    with pytest.raises(UsageError, match=r"there is no parameter 'minuts'\. Did you mean 'minutes'"):
        TextClassifier(minuts=3)  # type: ignore[call-arg]
    with pytest.raises(UsageError, match=r"It is a setting: config=ClassifierConfig\(all_epochs=\.\.\. or"):
        TextClassifier(epochs=3)  # type: ignore[call-arg]
    assert list(inspect.signature(TextClassifier).parameters)[:2] == ["size", "tokenizer"]


def test_a_clone_has_the_parameters_and_no_learned_state(classifier: TextClassifier) -> None:
    """sklearn.base.clone: the start of every search and cross-validation."""
    other = clone(classifier)
    assert other.config == classifier.config
    assert not hasattr(other, "network_")
    assert is_classifier(other)


def test_repr_shows_parameters_and_learned_state(classifier: TextClassifier) -> None:
    """Only what differs from the defaults, in the settings too; classes and vocabulary if fitted."""
    assert repr(TextClassifier()) == "<TextClassifier(), not fitted>"
    assert repr(TextClassifier(seed=3, teach="none")) == "<TextClassifier(teach='none', seed=3), not fitted>"
    config = ClassifierConfig(all_epochs=3)
    assert "(config=ClassifierConfig(all_epochs=3)), not" in repr(TextClassifier(config=config))
    tokens = len(classifier.tokenizer_)
    assert repr(classifier).endswith(f"fitted: 3 classes (sea, town, wood), vocabulary of {tokens} tokens>")


def test_scikit_learn_cross_validates_and_searches(make: Fit, corpus: Any) -> None:
    """Lists and arrays of texts, plain and named scores, predictions, a grid."""
    texts, labels = corpus.texts[:24], corpus.labels[:24]
    assert cross_val_score(make(), texts, labels, cv=2).shape == (2,)
    assert cross_val_score(make(), np.array(texts), np.array(labels), cv=2, scoring="f1_macro").shape == (2,)
    assert set(cross_val_predict(make(), texts, labels, cv=2)) <= set(labels)
    search = GridSearchCV(make(), {"class_weight": [None, "balanced"]}, cv=2).fit(texts, labels)
    assert len(search.predict(texts)) == 24


def test_scikit_learns_scores_accept_the_probabilities(classifier: TextClassifier, corpus: Any) -> None:
    """Log loss and area under the curve; classes_ is an array, as in scikit-learn."""
    x, y = corpus.test_texts, corpus.test_labels
    assert classifier.classes_.tolist() == list(classifier.class_names_)
    loss = get_scorer("neg_log_loss")(classifier, x, y)
    assert loss == pytest.approx(-log_loss(y, classifier.predict_proba(x)))
    assert 0 <= get_scorer("roc_auc_ovr")(classifier, x, y) <= 1


@pytest.mark.parametrize("score", ["roc_auc", "average_precision"])
def test_two_classes_have_a_roc_curve(make: Fit, corpus: Any, score: str) -> None:
    """The second class is the positive one."""
    labels = [int(label == "sea") for label in corpus.labels]
    model = make(language_model="none").fit(corpus.texts, labels)
    truth = [int(label == "sea") for label in corpus.test_labels]
    assert 0 <= get_scorer(score)(model, corpus.test_texts, truth) <= 1 + 1e-9


def test_importing_the_classifier_does_not_import_scikit_learn() -> None:
    """scikit-learn's base class would add a second to every start."""
    code = "import sys, ulmus.tasks.classifier.model; sys.exit('sklearn' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
