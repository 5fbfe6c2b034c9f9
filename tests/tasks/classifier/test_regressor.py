"""Texts and numbers -> numbers: what regression adds to the training of a classifier."""

from __future__ import annotations

import dataclasses
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ulmus import TextClassifier, TextRegressor, bundle
from ulmus.corpus.numbers import Numbers
from ulmus.errors import BundleError, ConfigError, DataError, UsageError
from ulmus.tasks.classifier.config import ClassifierConfig

STARS = {"awful": -2, "poor": -1, "fine": 1, "superb": 2}
FILLING = "the film was and we saw a story of two friends who met".split()


def rated(n: int, seed: int = 0) -> tuple[list[str], list[float]]:
    """`n` texts whose number is 10 plus what their words are worth."""
    rng = random.Random(seed)
    texts, numbers = [], []
    for _ in range(n):
        words = rng.choices(list(STARS), k=2)
        text = rng.choices(FILLING, k=6) + words
        rng.shuffle(text)
        texts.append(" ".join(text))
        numbers.append(10.0 + sum(STARS[word] for word in words))
    return texts, numbers


@pytest.fixture(scope="module")
def small(settings: ClassifierConfig) -> ClassifierConfig:
    """The shared small settings, without a language model to train."""
    return dataclasses.replace(settings, tune="none")


@pytest.fixture(scope="module")
def regressor(small: ClassifierConfig, quiet: dict[str, Any]) -> TextRegressor:
    """Fitted with a held-out set and unlabelled texts. Shared: do not train it."""
    texts, numbers = rated(220)
    model = TextRegressor(language_model="none", config=small, **quiet)
    return model.fit(texts, numbers, unlabeled=rated(460, seed=1)[0])


def test_predictions_are_numbers_in_the_units_and_the_range_of_the_training_numbers(
    regressor: TextRegressor,
) -> None:
    """Shape (N,), between the smallest and the largest number, near the truth."""
    texts, numbers = rated(60, seed=2)
    predicted = regressor.predict([*texts, "superb " * 30, "awful " * 30])
    assert predicted.shape == (62,)
    assert predicted.dtype == np.float64
    assert predicted.min() >= 6
    assert predicted.max() <= 14
    assert regressor.score(texts, numbers) > 0.7


def test_every_part_is_reported_with_four_scores_and_the_gain_with_its_interval(
    regressor: TextRegressor,
) -> None:
    """Pearson, Spearman, MAE and RMSE of network, counts and both; the difference of correlations."""
    report = regressor.report_
    for part in ("lm", "counts", "combined"):
        assert {"pearson", "spearman", "mae", "rmse", "r2"} <= set(report[part])
    assert report["counts"]["pearson"] > 0.9
    assert report["gain"]["low"] <= report["gain"]["difference"] <= report["gain"]["high"]
    assert "correlation" in report["verdict"]
    assert report["n"] == 44


def test_evaluate_scores_every_part(regressor: TextRegressor) -> None:
    """In the units of the numbers; `score` is R2."""
    texts, numbers = rated(40, seed=3)
    found = regressor.evaluate(texts, numbers)
    predicted = regressor.predict(texts)
    assert found["pearson"] == pytest.approx(np.corrcoef(numbers, predicted)[0, 1], abs=1e-6)
    assert found["mae"] == pytest.approx(np.abs(predicted - numbers).mean())
    assert found["r2"] == pytest.approx(regressor.score(texts, numbers))
    assert set(found["parts"]) == {"lm", "counts", "combined"}
    assert found["n"] == 40


def test_a_saved_regressor_predicts_the_same(regressor: TextRegressor, tmp_path: Path) -> None:
    """And its file says that it is one: a classifier cannot be loaded from it."""
    path = tmp_path / "stars.ulmus"
    regressor.save(path)
    loaded = TextRegressor.load(path, device="cpu", precision="float32")
    texts = rated(20, seed=4)[0]
    for part in ("lm", "counts", "combined"):
        np.testing.assert_allclose(
            loaded.predict(texts, part=part), regressor.predict(texts, part=part), atol=1e-4
        )
    assert bundle.read_manifest(path)["kind"] == "regressor"
    with pytest.raises(BundleError, match="holds a regressor, expected a classifier"):
        TextClassifier.load(path)
    assert "numbers from 6 to 14" in repr(loaded)


def test_it_is_a_regressor_to_scikit_learn(regressor: TextRegressor) -> None:
    """Clone, tags, and the same parameters as a classifier but for class weights."""
    from sklearn.base import clone, is_classifier, is_regressor

    assert is_regressor(regressor)
    assert not is_classifier(regressor)
    assert clone(regressor).get_params()["language_model"] == "none"
    assert set(TextClassifier().get_params(deep=False)) - set(TextRegressor().get_params(deep=False)) == {
        "class_weight"
    }


@pytest.mark.parametrize(
    ("numbers", "error", "message"),
    [
        (["a", "b"] * 10, UsageError, "regression expects finite numbers, got 'a' at position 0"),
        ([1.0, float("inf")] * 10, UsageError, "finite numbers, got 'inf' at position 1"),
        ([3] * 20, DataError, "at least two different numbers to learn, got only 3"),
        ([1.0, 2.0], UsageError, "20 texts and 2 labels"),
    ],
)
def test_targets_that_are_no_numbers_are_refused(numbers: Any, error: type[Exception], message: str) -> None:
    """With what was expected, what came and where."""
    with pytest.raises(error, match=message):
        TextRegressor(language_model="none", verbose=False).fit(rated(20)[0], numbers)


def test_an_unknown_loss_is_refused() -> None:
    """The config names the two there are."""
    with pytest.raises(ConfigError, match="squared-error or huber"):
        ClassifierConfig(regression_loss="l1")


def test_huber_loss_and_missing_numbers(small: ClassifierConfig, quiet: dict[str, Any]) -> None:
    """A text without a number counts as unlabelled, and numbers may be strings."""
    texts, numbers = rated(30)
    given: list[Any] = [str(number) for number in numbers]
    given[3] = None
    config = dataclasses.replace(small, regression_loss="huber")
    model = TextRegressor(language_model="none", config=config, teach="none", **quiet).fit(texts, given)
    assert model.report_["trained_on"]["labelled"] == 29
    assert model.fitted_.network.objective.cost == "huber"


def test_numbers_as_classes_are_doubted(small: ClassifierConfig, quiet: dict[str, Any], capsys: Any) -> None:
    """Many labels that are numbers but not whole: the hint names regression."""
    texts, numbers = rated(40)
    model = TextClassifier(language_model="none", config=small, teach="none", **(quiet | {"verbose": True}))
    model.fit(texts, [number / 4 for number in numbers])
    assert "--task regression" in capsys.readouterr().err


@pytest.mark.parametrize("values", [[0.0, 1e300, 2e300], [0.0, 1e-300, 2e-300]])
def test_numbers_of_impossible_spread_are_refused(values: list[float]) -> None:
    """With what to do; neither overflow nor an internal error."""
    with pytest.raises(DataError, match="Scale them first"):
        Numbers.of(values)
