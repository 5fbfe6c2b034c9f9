"""The plan: said before the start, never above the limit, and kept to without a clock."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ulmus import TextClassifier
from ulmus.corpus.labels import Labels
from ulmus.evaluation.splits import Together
from ulmus.tasks.budget import Budget
from ulmus.tasks.classifier.config import ClassifierConfig
from ulmus.tasks.classifier.material import Material
from ulmus.tasks.classifier.plan import Plan
from ulmus.tasks.ids import RunTexts
from ulmus.tasks.language_model import fitting
from ulmus.tasks.settings import RunSettings


def plan(labelled: int, more: int, words: int, minutes: float | None) -> Plan:
    """The plan for so many texts of so many words."""
    texts = [f"text {k} " + "word " * words for k in range(labelled + more)]
    labels = Labels.of(["ab"[k % 2] for k in range(labelled)])
    material = Material(
        texts[:labelled], labels, texts[labelled:], labels.target[:0], together=Together.nothing(labelled)
    )
    return Plan.of(
        material,
        ClassifierConfig(),
        Budget(minutes),
        weights=10**6,
        tokenizer=None,
        epochs=lambda _: 2,
        teach=more > 0,
    )


@given(st.integers(2, 50), st.integers(0, 50), st.integers(0, 200), st.sampled_from([0.1, 1.0, None]))
def test_more_text_takes_longer_and_no_plan_exceeds_its_limit(
    labelled: int, more: int, words: int, minutes: float | None
) -> None:
    """In every step; several networks share what a limit leaves."""
    some, longer = plan(labelled, more, words, minutes), plan(2 * labelled, 2 * more, 2 * words, minutes)
    for step, m in some.steps.items():
        assert 0 <= m <= longer.steps[step] + 1e-9
    assert some.minutes() <= some.minutes(3)
    if minutes is not None:
        assert longer.minutes(5) <= minutes


def test_a_fit_says_its_plan_before_it_counts(
    corpus: Any, settings: Any, language_model: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    """With the time of its end and what sets the limit."""
    for minutes, limit in ((None, "--minutes, or minutes=, sets a limit"), (5, "the limit is 5")):
        model = TextClassifier(
            language_model=language_model, config=settings, minutes=minutes, device="cpu", verbose=True
        )
        model.fit(corpus.texts[:40], corpus.labels[:40], unlabeled=corpus.unlabeled)
        said = capfd.readouterr().err
        assert re.search(r"Plan: at most 0\.1 min on one core, until \d\d:\d\d ", said)
        assert limit in said
        assert said.index("Plan:") < said.index("Counting words.")


@pytest.mark.parametrize("tuning", [True, False])
def test_a_language_model_trains_on_no_more_tokens_than_it_is_given(
    corpus: Any, language_model: Any, lm_settings: Any, tuning: bool
) -> None:
    """Of more texts some are drawn, others for the stage of the new words; of fewer it reads all, as often as fits."""

    def read(most: float) -> list[int]:
        settings = RunSettings(device="cpu", precision="float32", lm_tokens=most)
        texts = RunTexts(corpus.texts)
        made = (
            fitting.fine_tune(language_model.fitted_, texts, settings)
            if tuning
            else fitting.fit(lm_settings, texts, settings)
        )
        return [row["seen"] for row in made.history]

    everything, few = read(float("inf")), read(500)
    assert sum(few) <= 500 < sum(everything)
    assert sum(few) > 250
    assert len(few) == (2 if tuning else 1)
