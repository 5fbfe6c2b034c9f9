"""A language model learns the vectors of a sentence encoder, goes on writing, resumes and is saved. Tiny models."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ulmus import LanguageModel, TextClassifier
from ulmus.errors import BundleError, ConfigError, DataError, UsageError
from ulmus.tasks.classifier.config import ClassifierConfig
from ulmus.tasks.distillation.config import DistillationConfig
from ulmus.tasks.distillation.teacher import open_teacher
from ulmus.tasks.ids import RunTexts
from ulmus.train.schedules import Schedule

FAST = DistillationConfig(
    schedule=Schedule("one_cycle", peak=2e-2), epochs=8, batch_size=8, token_budget=400, longest=120
)
ENCODER, DECODER = "BertModel", "GPT2LMHeadModel"


def texts(n: int = 80) -> list[str]:
    """`n` texts on one of two subjects each."""
    rng = random.Random(0)
    subjects = ("the film was good", "john lives in paris")
    return [". ".join([subjects[i % 2]] * rng.randrange(1, 6)) + "." for i in range(n)]


@pytest.fixture(scope="module")
def teacher(make_checkpoint: Callable[..., Path]) -> Path:
    """A tiny encoder in the format of `transformers`."""
    return make_checkpoint(ENCODER)


@pytest.fixture
def student(language_model: LanguageModel, quiet: dict[str, Any]) -> Callable[..., LanguageModel]:
    """A new estimator around the shared language model."""

    def new(**changes: Any) -> LanguageModel:
        model = LanguageModel(language_model.config, **(quiet | changes))
        model.fitted_ = language_model.fitted_
        return model

    return new


def weights(model: LanguageModel) -> list[torch.Tensor]:
    """All weights."""
    return [t.detach().clone() for t in model.network_.parameters()]


def test_the_features_come_to_predict_the_teachers_vectors(
    student: Callable[..., LanguageModel], teacher: Path
) -> None:
    """The cosine on held-out passages rises with training; the given model stays as it was; it can still write."""
    given = student().fitted_.network
    before = [t.clone() for t in given.parameters()]
    little = student().distil(texts(), teacher=teacher, config=fast_config(epochs=1, peak=1e-4))
    much = student().distil(texts(), teacher=teacher, config=FAST)
    assert much.metrics_["distilled"]["similarity"] > max(
        0.9, little.metrics_["distilled"]["similarity"] + 0.1
    )
    assert all(map(torch.equal, before, given.parameters()))
    assert much.metrics_["distilled"]["perplexity"] < much.metrics_["distilled"]["perplexity_before"]
    assert "perplexity" not in much.metrics_
    assert len(much.generate("the", words=5, seed=0)[0].split()) > 1
    assert much.card_["distilled"]["teacher"] == teacher.name


def fast_config(*, epochs: int, peak: float) -> DistillationConfig:
    """`FAST` with other epochs and another peak rate."""
    changed = {"epochs": epochs, "schedule": Schedule("one_cycle", peak=peak)}
    return DistillationConfig(**{**vars(FAST), **changed})


def test_the_same_seed_gives_the_same_weights(student: Callable[..., LanguageModel], teacher: Path) -> None:
    """With and without a work folder."""
    one, two = (student().distil(texts(), teacher=teacher, config=FAST) for _ in range(2))
    assert all(map(torch.equal, weights(one), weights(two)))


def test_a_stopped_run_resumes_to_the_same_weights(
    student: Callable[..., LanguageModel], teacher: Path, stop_at: Any, tmp_path: Path
) -> None:
    """The teacher's vectors are not computed again; the weights are the same to the last bit."""
    steps = stop_at()
    expected = student()
    expected.callbacks.append(steps)
    whole = expected.distil(texts(), teacher=teacher, config=FAST)
    stopped = student(work_dir=tmp_path)
    stopped.callbacks.append(stop_at(steps.steps // 2))
    with pytest.raises(KeyboardInterrupt):
        stopped.distil(texts(), teacher=teacher, config=FAST)
    vectors = next(tmp_path.glob("vectors-*.f16"))
    written = vectors.stat().st_mtime_ns
    resumed = student(work_dir=tmp_path).distil(texts(), teacher=teacher, config=FAST)
    assert vectors.stat().st_mtime_ns == written
    assert all(map(torch.equal, weights(whole), weights(resumed)))


def test_vectors_that_were_interrupted_are_completed(teacher: Path, tmp_path: Path) -> None:
    """A file that ends within a row: the rest is computed, and all rows are as without an interruption."""
    given = RunTexts(texts(30), tmp_path)
    knows = open_teacher(teacher, device="cpu", precision="float32")
    whole = np.array(knows.vectors(given, "vectors"))
    path = next(tmp_path.glob("vectors-*.f16"))
    path.write_bytes(path.read_bytes()[: 7 * knows.width * 2 + 3])
    np.testing.assert_array_equal(knows.vectors(given, "vectors"), whole)
    np.testing.assert_array_equal(knows.vectors(RunTexts(texts(30)), "vectors"), whole)


def test_vectors_are_those_of_plain_transformers(teacher: Path) -> None:
    """Mean over the attention mask, normalised, as sentence encoders are used."""
    import transformers

    found = open_teacher(teacher, device="cpu", precision="float32").vectors(RunTexts(texts(6)), "vectors")
    tokenizer = transformers.AutoTokenizer.from_pretrained(teacher)
    model = transformers.AutoModel.from_pretrained(teacher).eval()
    compared = 0
    for text, vector in zip(texts(6), found, strict=True):
        batch = tokenizer(text, return_tensors="pt", truncation=True)
        with torch.no_grad():
            mean = model(**batch).last_hidden_state[0].mean(dim=0)
        if batch["input_ids"].shape[1] < 20:  # one window
            np.testing.assert_allclose(vector, torch.nn.functional.normalize(mean, dim=0), atol=2e-3)
            compared += 1
    assert compared >= 2


def test_a_distilled_model_is_saved_and_starts_a_classifier(
    student: Callable[..., LanguageModel],
    teacher: Path,
    tmp_path: Path,
    corpus: Any,
    settings: ClassifierConfig,
    quiet: dict[str, Any],
) -> None:
    """It is a language model like any other."""
    model = student().distil(texts(), teacher=teacher, config=FAST)
    model.save(tmp_path / "lm.ulmus")
    loaded = LanguageModel.load(tmp_path / "lm.ulmus", **quiet)
    assert all(map(torch.equal, weights(model), weights(loaded)))
    made = {key: value for key, value in model.card_["distilled"].items() if key not in ("minutes", "date")}
    assert loaded.card_["distilled"] == made
    config = dataclasses.replace(settings, tune="none")
    classifier = TextClassifier(config=config, language_model=loaded, **quiet).fit(
        corpus.texts, corpus.labels
    )
    assert set(classifier.predict(corpus.texts[:5])) <= set(corpus.labels)


def test_a_backward_model_reads_passages_backwards(
    corpus: Any, lm_settings: Any, teacher: Path, quiet: dict[str, Any]
) -> None:
    """It learns as a forward one does."""
    backwards = LanguageModel(dataclasses.replace(lm_settings, backwards=True), **quiet).fit(corpus.texts)
    assert backwards.distil(texts(), teacher=teacher, config=FAST).metrics_["distilled"]["similarity"] > 0.9


def test_what_cannot_teach_is_refused(
    student: Callable[..., LanguageModel], teacher: Path, make_checkpoint: Callable[..., Path], tmp_path: Path
) -> None:
    """A folder without a model, a decoder, a model without training, no texts, only empty ones."""
    with pytest.raises(BundleError, match=r"config\.json"):
        student().distil(texts(), teacher=tmp_path)
    with pytest.raises(ConfigError, match="expected an encoder"):
        student().distil(texts(), teacher=make_checkpoint(DECODER))
    with pytest.raises(UsageError, match="not fitted"):
        LanguageModel().distil(texts(), teacher=teacher)
    for nothing in ([], ["", " "]):
        with pytest.raises(DataError, match="expected texts"):
            student().distil(nothing, teacher=teacher)
