"""How the time budget is distributed."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ulmus.tasks.budget import SHARES, Budget
from ulmus.tasks.language_model.model import LanguageModel

MakeLM = Callable[..., LanguageModel]


def test_without_a_budget_the_clock_limits_nothing() -> None:
    """No step has minutes; the amounts of text are those of ten minutes, and of a part of a run a share of them."""
    budget = Budget(None)
    assert budget.left() is None
    assert budget.of_left(SHARES.language_model) is None
    assert budget.tokens(0.1, 1_000_000) == Budget(10).tokens(0.1, 1_000_000)
    assert budget.part(1, 2).tokens(0.1, 1_000_000) == Budget(5).tokens(0.1, 1_000_000)
    assert budget.part(1, 2).left() is None
    assert budget.minutes_for(budget.tokens(0.3, 7_000), 7_000) == pytest.approx(3)
    assert Budget(2).tokens(0.5, 1_000_000) == 2 * Budget(1).tokens(0.5, 1_000_000) > 0


@pytest.mark.parametrize("taught", [True, False])
def test_the_stages_share_what_is_left(taught: bool) -> None:
    """Never more than there is, and some time is kept for evaluation."""
    names = ("teaching", "taught_labels", "second_teaching") if taught else ("labels", "all_labels")
    assert 0.8 < sum(getattr(SHARES, name) for name in names) < 1
    assert sum(SHARES.unfreezing) == pytest.approx(1)
    assert 0 < (Budget(60).of_left(SHARES.language_model) or 0) < 60


def test_time_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time spent is not distributed again; an exhausted budget leaves a few seconds, not a negative number."""
    now = [0.0]
    monkeypatch.setattr("ulmus.train.processes.time.perf_counter", lambda: now[0])
    budget = Budget(10)
    now[0] = 4 * 60
    assert (budget.spent(), budget.left()) == (4, 6)
    now[0] = 60 * 60
    assert 0 < (budget.left() or 0) < 0.2
