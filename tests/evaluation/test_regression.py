"""Numbers as targets: scores, scale, splits by groups and by value, and the mix of two predictions."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.stats import pearsonr, spearmanr
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

from ulmus.evaluation.combination import Combination, fit_weight
from ulmus.evaluation.comparison import compare
from ulmus.evaluation.metrics import bootstrap_of_correlations, number_scores, pearson
from ulmus.evaluation.objectives import (
    MULTI_LABEL,
    REGRESSION,
    SINGLE_LABEL,
    Regression,
    objective_of,
    restored,
)
from ulmus.evaluation.splits import Together, held_out, spread_folds

RNG = np.random.default_rng(0)
VALUES = RNG.normal(50, 8, 400)


def noisy(values: np.ndarray, noise: float, seed: int) -> np.ndarray:
    """The values with errors of a normal distribution."""
    return values + np.random.default_rng(seed).normal(0, noise, len(values))


def test_scores_are_those_of_scipy_and_scikit_learn() -> None:
    """Pearson, Spearman, R2, MAE and RMSE."""
    guess = noisy(VALUES, 5, 1)
    found = number_scores(VALUES, guess)
    assert found["pearson"] == pytest.approx(pearsonr(VALUES, guess).statistic)
    assert found["spearman"] == pytest.approx(spearmanr(VALUES, guess).statistic)
    assert found["r2"] == pytest.approx(r2_score(VALUES, guess))
    assert found["mae"] == pytest.approx(mean_absolute_error(VALUES, guess))
    assert found["rmse"] == pytest.approx(root_mean_squared_error(VALUES, guess))


def test_a_constant_column_has_no_correlation() -> None:
    """It is 0, without a warning; R2 is not defined for constant targets."""
    assert pearson(VALUES, np.full(400, 3.3)) == 0
    assert np.isnan(number_scores(np.ones(4), np.arange(4.0))["r2"])


def test_the_interval_of_a_difference_covers_it() -> None:
    """Above 0 where one prediction is clearly better; around 0 for two that are alike."""
    better = bootstrap_of_correlations(VALUES, noisy(VALUES, 3, 1), noisy(VALUES, 12, 2))
    assert 0 < better.low < better.difference < better.high
    alike = bootstrap_of_correlations(VALUES, noisy(VALUES, 6, 3), noisy(VALUES, 6, 4))
    assert alike.low < 0 < alike.high


def test_the_objective_holds_the_scale() -> None:
    """Targets have mean 0 and standard deviation 1; decisions are in the user's units, within the range."""
    objective = Regression.of(VALUES)
    target = objective.standardised(VALUES)
    assert target.shape == (400, 1)
    assert target.mean() == pytest.approx(0, abs=1e-9)
    assert target.std() == pytest.approx(1)
    np.testing.assert_allclose(objective.decide(target), VALUES)
    assert objective.decide(np.array([[99.0], [-99.0]])).tolist() == [VALUES.max(), VALUES.min()]
    assert objective.report(target, target)["rmse"] == pytest.approx(0, abs=1e-9)


def test_an_objective_comes_back_from_its_manifest() -> None:
    """Through JSON; without numbers it is a classification."""
    for objective in (SINGLE_LABEL, MULTI_LABEL, Regression.of(VALUES), REGRESSION):
        assert restored(json.loads(json.dumps(objective.stored()))) == objective
    with pytest.raises(ValueError, match="impossible scale"):
        restored({"multi_label": False, "numbers": {"mean": 0, "standard_deviation": 0}})


def test_the_objective_of_targets_goes_by_their_type() -> None:
    """Class numbers, zeros and ones, floats."""
    assert objective_of(np.array([0, 1])) is SINGLE_LABEL
    assert objective_of(np.array([[0, 1]])) is MULTI_LABEL
    assert objective_of(np.array([[0.5]])) is REGRESSION


def test_two_predictions_are_mixed_by_how_good_they_are() -> None:
    """The better part weighs more, the mix beats both, and a useless part is left out."""
    z = (VALUES[:, None] - VALUES.mean()) / VALUES.std()
    good, fair = z + RNG.normal(0, 0.5, z.shape), z + RNG.normal(0, 0.9, z.shape)
    mix = fit_weight(good, fair, z)
    assert mix.weight > 0.5
    together = pearson(z[:, 0], mix.combine(good, fair)[:, 0])
    assert together > max(pearson(z[:, 0], part[:, 0]) for part in (good, fair))
    useless = fit_weight(RNG.normal(size=z.shape), z, z, prior_strength=1)
    assert useless.weight == 0
    assert Combination.restore(mix.stored(), REGRESSION) == mix


def test_the_report_compares_correlations() -> None:
    """In points of the correlation, with the number of documents; errors are in the user's units."""
    objective = Regression.of(VALUES)
    z = objective.standardised(VALUES)
    parts = {
        name: objective.standardised(noisy(VALUES, noise, seed))
        for name, noise, seed in (("combined", 3, 1), ("counts", 9, 2))
    }
    report = compare(z, parts, dict.fromkeys(parts, 0.5), objective=objective)
    assert "The combination is better than word counts" in report["verdict"]
    assert "points of Pearson correlation" in report["verdict"]
    assert 2 < report["combined"]["mae"] < 3


def test_numbers_are_held_out_evenly_over_their_range() -> None:
    """The held-out set has a fifth of every tenth of the values; so has each of five folds."""
    z = np.sort(VALUES)[:, None]
    held = held_out(z, 0)[1]
    assert np.bincount(held // 40, minlength=10).tolist() == [8] * 10
    folds = spread_folds(z, folds=5, seed=0)
    assert np.bincount(folds[:40]).tolist() == [8] * 5


@pytest.mark.parametrize("kind", ["classes", "labels", "numbers"])
def test_groups_stay_on_one_side(kind: str) -> None:
    """About a fifth of the documents, in whole groups, whatever the targets are."""
    groups = np.repeat(np.arange(40), 10)
    target = {
        "classes": np.arange(400) % 3,
        "labels": (RNG.random((400, 3)) > 0.5).astype(np.int64),
        "numbers": VALUES[:, None],
    }[kind]
    train, held = held_out(target, 0, Together(groups, whole=True))
    assert len(held) == 80
    assert not set(groups[train]) & set(groups[held])
    assert len(train) + len(held) == 400


def test_large_groups_are_held_out_if_there_is_no_smaller_one() -> None:
    """The smallest of two halves is; of a single group nothing can be; nor the only examples of a class."""
    two = np.repeat([0, 1], [120, 110])
    assert set(two[held_out(np.zeros(230, np.int64), 0, Together(two, whole=True))[1]]) == {1}
    assert len(held_out(np.zeros(230, np.int64), 0, Together(np.zeros(230, np.int64), whole=True))[1]) == 0
    assert len(held_out(two, 0, Together(two, whole=True))[1]) == 0
