"""Ulmus' own model files in the tasks that take them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ulmus import pipelines
from ulmus.errors import BundleError
from ulmus.tasks.classifier.model import TextClassifier
from ulmus.tasks.ids import tokenized
from ulmus.tasks.language_model.model import LanguageModel

TEXTS = ["the old harbour and the sailor", "", "a new tram " * 60]


@pytest.fixture(scope="module")
def lm_file(language_model: LanguageModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shared language model, saved."""
    file = tmp_path_factory.mktemp("own") / "lm.ulmus"
    language_model.save(file)
    return file


@pytest.fixture(scope="module")
def classifier_file(classifier: TextClassifier, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shared classifier, saved."""
    file = tmp_path_factory.mktemp("own") / "model.ulmus"
    classifier.save(file)
    return file


def test_a_classifier_gives_its_pooled_features(classifier_file: Path, classifier: TextClassifier) -> None:
    """Features are those that its head gets, for texts of any length."""
    model = classifier.fitted_
    store = tokenized(TEXTS, model.tokenizer)
    expected = model.inference("cpu", "float32")[0].features(store, np.arange(len(TEXTS)))
    found = pipelines.feature_extraction(TEXTS, classifier_file)
    np.testing.assert_allclose([row["features"] for row in found], expected, atol=1e-5)


def test_a_language_model_gives_features(lm_file: Path, language_model: LanguageModel) -> None:
    """Each text has a vector of the width of the encoder's pooling, alone the same as among others."""
    found = pipelines.feature_extraction(TEXTS, lm_file)
    width = language_model.network_.encoder.config.pooled()
    for text, row in zip(TEXTS, found, strict=True):
        assert len(row["features"]) == width
        assert row == {
            "features": pytest.approx(pipelines.feature_extraction([text], lm_file)[0]["features"], abs=1e-5)
        }


def test_a_backward_model_reads_from_the_end(make_lm: Callable[..., LanguageModel], tmp_path: Path) -> None:
    """The features of a backward language model are those that its own classifier would have."""
    model = make_lm(backwards=True).fit(["the old harbour and the sailor"] * 12)
    model.save(tmp_path / "bwd.ulmus")
    encoder, ids = model.network_.encoder, model.tokenizer_.encode(TEXTS[0])[::-1]
    import torch

    from ulmus.models.encoders import for_inference

    reader = for_inference(encoder, "float32")
    expected = reader.features(torch.tensor([ids.tolist()]), torch.tensor([len(ids)]))[0]
    found = pipelines.feature_extraction(TEXTS[:1], tmp_path / "bwd.ulmus")[0]["features"]
    np.testing.assert_allclose(found, expected.numpy(), atol=1e-5)


def test_a_language_model_continues_texts(lm_file: Path, language_model: LanguageModel) -> None:
    """text-generation writes what `generate` writes."""
    found = pipelines.text_generation(["The old", "A"], lm_file, words=5, samples=2, seed=3)
    assert found == [
        {"texts": language_model.generate(text, words=5, samples=2, seed=3)} for text in ["The old", "A"]
    ]


def test_an_own_model_of_another_task_is_refused(
    classifier_file: Path, lm_file: Path, tmp_path: Path
) -> None:
    """The error says what the file holds, what the task needs, and what the file is for."""
    with pytest.raises(BundleError, match=r"holds a classifier; text-generation needs .* a language-model"):
        pipelines.load("text-generation", classifier_file)
    with pytest.raises(BundleError, match=r"holds a classifier; sentiment-analysis needs.*`ulmus predict`"):
        pipelines.load("sentiment-analysis", str(classifier_file))
    with pytest.raises(BundleError, match=r"holds a language-model; ner needs the folder of a transformer\."):
        pipelines.load("ner", lm_file)
    with pytest.raises(BundleError, match="There is no folder"):
        pipelines.load("text-generation", tmp_path / "absent.ulmus")
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(BundleError, match="is a file: expected the folder"):
        pipelines.load("text-generation", tmp_path / "notes.txt")
