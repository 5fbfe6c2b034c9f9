"""What a model file claims, measured again on the same documents or on others."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from ulmus import TextRegressor
from ulmus.errors import DataError, UsageError
from ulmus.tasks.classifier.model import TextClassifier
from ulmus.tasks.classifier.verification import Verification, verify


@pytest.fixture(scope="module")
def held_out(settings: Any, corpus: Any, quiet: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A classifier that was measured on a held-out set of its training data, from a file."""
    path = tmp_path_factory.mktemp("model") / "m.ulmus"
    model = TextClassifier(config=settings, language_model="none", **quiet)
    model.fit(corpus.texts, corpus.labels).save(path)
    return TextClassifier.load(path, device="cpu", precision="float32")


def claiming(model: Any, accuracy: float) -> Any:
    """The model with another claim about each part."""
    report = dict(model.report_)
    for part in ("combined", "lm", "counts"):
        report[part] = report[part] | {"accuracy": accuracy}
    return TextClassifier.of(dataclasses.replace(model.fitted_, report=report), device="cpu", verbose=False)


def kinds(done: Verification) -> set[str]:
    """What was compared, for each part."""
    return {check.kind for check in done.checks}


def test_the_held_out_set_is_recovered_from_the_training_data(held_out: Any, corpus: Any) -> None:
    """The same number of documents; the parts that predict have learnt their labels since, and the outcome says so."""
    done = verify(held_out, corpus.texts, corpus.labels)
    assert (done.claimed_on, done.measured_on, done.left_out) == (48, 48, 0)
    assert {check.part: check.kind for check in done.checks} == {
        "combined": "learnt",
        "lm": "same",
        "counts": "learnt",
    }
    assert done.agrees
    assert "measured scores are too good" in done.explanation
    assert all(check.measured >= check.claimed - 0.1 for check in done.checks)


def test_a_model_that_is_worse_than_claimed_on_what_it_has_learnt_is_found_out(
    held_out: Any, corpus: Any
) -> None:
    """Every label shifted: the texts are others by their SHA-256, and no score agrees."""
    names = sorted(set(corpus.labels))
    wrong = [names[(names.index(label) + 1) % 3] for label in corpus.test_labels]
    done = verify(held_out, corpus.test_texts, wrong)
    assert kinds(done) == {"other"}
    assert not done.agrees


def test_other_documents_are_compared_with_a_confidence_interval(held_out: Any, corpus: Any) -> None:
    """Texts that were trained on are left out; a claim far from what is measured does not agree."""
    texts, labels = corpus.test_texts + corpus.texts[:40], corpus.test_labels + corpus.labels[:40]
    done = verify(held_out, texts, labels)
    assert (done.measured_on, done.left_out) == (60, 40)
    assert "are left out" in done.explanation
    measured = done.checks[0].measured
    assert verify(claiming(held_out, measured), texts, labels).agrees
    assert not verify(claiming(held_out, abs(measured - 0.5)), texts, labels).agrees


def test_a_model_that_was_not_trained_after_measuring_must_be_equal(make: Any, corpus: Any) -> None:
    """With texts of their own to measure on and no teaching, a difference of 1 % is a wrong claim."""
    model = make().fit(corpus.texts, corpus.labels, valid=(corpus.test_texts, corpus.test_labels))
    done = verify(model, corpus.test_texts, corpus.test_labels)
    assert kinds(done) == {"same"}
    assert done.agrees
    assert all(check.gap.difference == pytest.approx(0, abs=1e-9) for check in done.checks)
    assert not verify(
        claiming(model, done.checks[0].claimed - 0.05), corpus.test_texts, corpus.test_labels
    ).agrees
    with pytest.raises(UsageError, match="measured on texts of their own"):
        verify(model, corpus.texts, corpus.labels)


def test_a_taught_network_that_predicts_is_trained_again_after_measuring(
    settings: Any, language_model: Any, quiet: Any, corpus: Any
) -> None:
    """It is compared with an interval; word counts, which are not fitted again, must be equal."""
    config = dataclasses.replace(settings, tune="none")
    model = TextClassifier(config=config, language_model=language_model, combine="none", **quiet)
    model.fit(
        corpus.texts[:60], corpus.labels[:60], corpus.unlabeled, (corpus.texts[60:], corpus.labels[60:])
    )
    done = verify(model, corpus.texts[60:], corpus.labels[60:])
    assert {check.part: check.kind for check in done.checks} == {"lm": "trained", "counts": "same"}


def test_groups_and_numbers(make: Any, corpus: Any, settings: Any, quiet: Any) -> None:
    """A held-out set of groups needs them again; numbers are compared by their correlation."""
    groups = [i // 10 for i in range(len(corpus.texts))]
    numbers = [float(len(text)) for text in corpus.texts]
    model = TextRegressor(config=settings, language_model="none", **quiet)
    model.fit(corpus.texts, numbers, groups=groups)
    done = verify(model, corpus.texts, numbers, groups=groups)
    assert done.checks[0].measure == "pearson"
    assert kinds(done) == {"learnt"}
    with pytest.raises(UsageError, match="chosen by groups"):
        verify(model, corpus.texts, numbers)
    with pytest.raises(UsageError, match="cannot be recovered"):
        verify(model, corpus.texts, numbers, groups=[g // 2 for g in groups])


def test_what_cannot_be_verified(make: Any, held_out: Any, corpus: Any, tmp_path: Path) -> None:
    """A model without scores, texts that were all trained on, another number of labels."""
    few = make().fit(corpus.texts[:30], corpus.labels[:30])
    with pytest.raises(DataError, match="claims no scores"):
        verify(few, corpus.texts, corpus.labels)
    with pytest.raises(DataError, match="trained on all of these texts"):
        verify(held_out, corpus.texts[:50], corpus.labels[:50])
    with pytest.raises(UsageError, match="each text needs a label"):
        verify(held_out, corpus.texts, corpus.labels[:5])
