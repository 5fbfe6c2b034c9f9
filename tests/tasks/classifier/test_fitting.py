"""The steps of a fit by hand: which documents are which, and what each step leaves behind."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from ulmus.corpus.labels import Labels
from ulmus.tasks.classifier.budget import Budget
from ulmus.tasks.classifier.fitting import Fitting
from ulmus.tasks.classifier.material import Material
from ulmus.tasks.language_model.model import LanguageModel


@pytest.fixture
def material(corpus: Any) -> Material:
    """60 labelled texts of which every fifth is held back, 120 more."""
    return Material(corpus.texts[:60], Labels.of(corpus.labels[:60]), corpus.unlabeled, np.arange(0, 60, 5))


def test_documents_are_numbered_labelled_unlabelled_judged(corpus: Any, material: Material) -> None:
    """Held-back documents are measured and not trained on; given ones come after all others."""
    assert len(material.everything) == 180
    assert set(material.train) == set(range(60)) - set(material.held)
    assert material.measured.tolist() == material.held.tolist()
    assert material.truth.target.tolist() == material.labels.target[material.held].tolist()
    judged = Labels.of(corpus.test_labels)
    other = Material(
        material.texts, material.labels, material.unlabeled, material.held[:0], corpus.test_texts, judged
    )
    assert other.measured.tolist() == list(range(180, 240))
    assert other.truth is judged
    assert other.everything[180:] == corpus.test_texts
    assert len(other.train) == 60


def test_every_step_can_be_made_by_hand(
    material: Material, settings: Any, language_model: LanguageModel
) -> None:
    """count, begin, learn, combine, give back: each leaves what the next one needs."""
    lines: list[str] = []
    how = {"seed": 0, "device": "cpu", "precision": "float32", "folder": None, "callbacks": []}
    fitting = Fitting(material, settings, Budget(None), how)
    fitting.count(lines.append)
    assert lines == ["Counting words."]
    assert fitting.teacher.classes == 3
    fitting.begin(language_model)
    assert len(fitting.store) == 180
    assert fitting.run.network.classes == 3
    fitting.learn()
    assert [row["stage"] for row in fitting.run.history] == [
        "teaching",
        "head",
        "head and top layer",
        "all layers",
    ]
    found = fitting.combine()
    assert 0 <= found.weight <= 1
    assert fitting.report["n"] == 12
    final = fitting.give_back()
    assert fitting.run.history[4]["stage"] == "teaching again"
    assert final is not fitting.teacher


def test_the_teacher_never_sees_what_is_held_back(material: Material, settings: Any) -> None:
    """Other labels of held-back documents change neither the teacher nor its soft labels."""
    how = {"seed": 0, "device": "cpu", "precision": "float32", "folder": None, "callbacks": []}

    def weights(m: Material) -> np.ndarray:
        fitting = Fitting(m, settings, Budget(None), how)
        fitting.count(lambda line: None)
        return np.asarray(fitting.teacher.weights)

    target = material.labels.target.copy()
    target[material.held] = (target[material.held] + 1) % 3
    turned = Material(
        material.texts, Labels(material.labels.classes, target, False), material.unlabeled, material.held
    )
    np.testing.assert_array_equal(weights(material), weights(turned))


@pytest.mark.parametrize(("minutes", "expected"), [(None, 2_000), (1_000_000, 2_000), (1e-7, 128)])
def test_little_time_is_spent_on_parts_of_many_documents(
    corpus: Any, settings: Any, language_model: LanguageModel, minutes: float | None, expected: int
) -> None:
    """Where a time budget is too short to read long documents whole, they are cut; where it is not, they are not."""
    texts = [" ".join([text] * 60) for text in corpus.texts[:30]]
    m = Material(texts, Labels.of(corpus.labels[:30]), texts * 3, np.arange(0))
    how = {"seed": 0, "device": "cpu", "precision": "float32", "folder": None, "callbacks": []}
    fitting = Fitting(m, dataclasses.replace(settings, longest=2_000), Budget(minutes), how)
    fitting.count(lambda line: None)
    fitting.begin(language_model)
    assert fitting.store.lengths.max() > 128
    assert fitting.run.most_tokens == expected
