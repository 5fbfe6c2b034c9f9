"""Exported models: the same numbers as the model itself, for every kind of model; int8 only where it is safe."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ulmus import LanguageModel, TextClassifier, TextRegressor, bundle
from ulmus.errors import DataError, UsageError
from ulmus.serve.runtime import Runtime, load
from ulmus.tasks.classifier.base import TextEstimator
from ulmus.tasks.classifier.config import ClassifierConfig, transformer_config

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

CLOSE = 1e-4
WEIGHTS = {"mixed": (0.5, 0.7, 0.6), "counts": (0.0, 0.0, 0.8), "network": (1.0, 0.9, 0.0)}
Same = Callable[..., Runtime]


@pytest.fixture
def long(corpus: Any) -> str:
    """A text of several chunks."""
    return " ".join(corpus.texts[:60])


@pytest.fixture
def same(tmp_path: Path, corpus: Any, long: str) -> Same:
    """Exports a model and compares the runtime's outputs and decisions with the model's own; the runtime."""

    def check(model: TextEstimator, texts: list[Any] | None = None) -> Runtime:
        texts = [*corpus.test_texts, "", "x", long] if texts is None else texts
        model.export(tmp_path / "exported.ulmus")
        runtime = load(tmp_path / "exported.ulmus")
        outputs = runtime.outputs(texts)
        np.testing.assert_allclose(outputs, model.outputs(texts), atol=CLOSE)
        assert np.allclose(np.concatenate([runtime.outputs([text]) for text in texts]), outputs, atol=1e-5)
        decided = runtime.predict(texts[:9])
        assert decided == (pytest.approx if model.NUMERIC else list)(model.labels_of(outputs[:9]))
        return runtime

    return check


def weighed(model: TextClassifier, kind: str) -> TextClassifier:
    """The same classifier with other weights of its two parts."""
    weight, lm, counts = WEIGHTS[kind]
    fitted = model.fitted_
    combination = dataclasses.replace(
        fitted.combination, weight=weight, exponent_lm=lm, exponent_counts=counts
    )
    return TextClassifier.of(
        dataclasses.replace(fitted, combination=combination), device="cpu", precision="float32"
    )


@pytest.mark.parametrize(
    ("kind", "has_network", "has_counts"),
    [("mixed", True, True), ("counts", False, True), ("network", True, False)],
)
def test_network_and_counts_are_exported_where_they_have_a_weight(
    classifier: TextClassifier, same: Same, kind: str, has_network: bool, has_counts: bool
) -> None:
    """A combination predicts as in torch, and a part without weight is left out."""
    runtime = same(weighed(classifier, kind))
    assert bool(runtime.networks) is has_network
    assert (runtime.counts is not None) is has_counts


@pytest.mark.parametrize(
    "changes",
    [{"cell": "qrnn"}, {"backwards": True}, {"cell": "qrnn", "backwards": True, "layers": 3}],
    ids=["qrnn", "backwards", "both"],
)
def test_every_recurrent_encoder_gives_the_same_numbers(
    corpus: Any, settings: ClassifierConfig, quiet: dict[str, Any], same: Same, changes: dict[str, Any]
) -> None:
    """QRNN layers and networks that read backwards, chunk by chunk with a carried state."""
    own = dataclasses.replace(settings.language_model, **changes)
    lm = LanguageModel(dataclasses.replace(own, epochs=1), **quiet).fit(corpus.unlabeled)
    model = TextClassifier(config=settings, language_model=lm, combine="none", **quiet)
    same(model.fit(corpus.texts[:60], corpus.labels[:60]))


def test_several_labels_are_decided_by_the_same_threshold(corpus: Any, make: Any, same: Same) -> None:
    """Multi-label: independent probabilities, tuples of labels."""
    labels = [
        [label, *(["long"] if len(text) > 80 else [])]
        for text, label in zip(corpus.texts, corpus.labels, strict=True)
    ]
    model = weighed(make().fit(corpus.texts, labels), "mixed")
    runtime = same(model)
    assert runtime.objective.multi_label
    assert runtime.threshold == model.thresholds_["combined"]


def test_pairs_are_taken_apart_as_in_torch(
    settings: ClassifierConfig, quiet: dict[str, Any], same: Same
) -> None:
    """Both texts of a pair go through the encoder, and what they share is counted."""
    rng = random.Random(0)
    words = "oak moss owl fern beetle root acorn tram baker tower market".split()
    pairs, labels = [], []
    for i in range(120):
        first = rng.sample(words, 4)
        pairs.append((" ".join(first), " ".join(rng.sample(first if i % 2 else words, 4))))
        labels.append(i % 2)
    model = TextClassifier(language_model="none", config=settings, **quiet).fit(pairs, labels)
    runtime = same(weighed(model, "mixed"), [*pairs[:40], ("", "oak"), ("oak", ""), ("", "")])
    with pytest.raises(UsageError, match="pairs of texts"):
        runtime.predict(["oak"])


def test_numbers_come_in_the_users_units(
    settings: ClassifierConfig, quiet: dict[str, Any], same: Same
) -> None:
    """Regression: the same numbers, and no probabilities."""
    rng = random.Random(0)
    worth = {"awful": -2, "poor": -1, "fine": 1, "superb": 2}
    texts = [" ".join(rng.choices([*worth, "film", "story"], k=6)) for _ in range(220)]
    numbers = [10.0 + sum(worth.get(word, 0) for word in text.split()) for text in texts]
    model = TextRegressor(language_model="none", config=settings, **quiet).fit(texts, numbers)
    runtime = same(model, texts[:30])
    assert min(numbers) <= min(runtime.predict(texts)) <= max(runtime.predict(texts)) <= max(numbers)
    with pytest.raises(UsageError, match="a regressor predicts numbers"):
        runtime.predict_proba(texts)


def test_the_networks_of_an_ensemble_are_averaged(corpus: Any, make: Any, same: Same) -> None:
    """Several networks, each with its own graph; one tokenizer for those that share it."""
    model = make(ensemble="seeds:2", language_model="new").fit(corpus.texts[:60], corpus.labels[:60])
    runtime = same(weighed(model, "mixed"))
    assert len(runtime.networks) == 2
    assert runtime.networks[0][1] is runtime.networks[1][1]


@pytest.mark.parametrize("kind", ["BertModel", "MPNetModel", "GPT2Model"])
def test_transformers_are_exported_with_their_windows(
    make_checkpoint: Any, quiet: dict[str, Any], same: Same, kind: str
) -> None:
    """Overlapping windows with special tokens, pooled; decoders too."""
    pytest.importorskip("transformers")
    config = dataclasses.replace(transformer_config(), most_epochs=1, batch_size=8)
    texts = [f"the film was {word} ." for word in ("good", "bad", "great", "dull")] * 12
    model = TextClassifier(encoder=make_checkpoint(kind), config=config, **quiet)
    model.fit(texts, ["pos", "neg"] * 24)
    same(weighed(model, "mixed"), [*texts[:9], "", "the film was " * 40, "great in paris"])


def test_pairs_go_through_a_transformer_together(
    make_checkpoint: Any, quiet: dict[str, Any], same: Same
) -> None:
    """A pair is one document with a separator and token types."""
    pytest.importorskip("transformers")
    config = dataclasses.replace(transformer_config(), most_epochs=1, batch_size=8)
    pairs = [
        (f"the film was {a}", f"paris is {b} ,")
        for a in ("good", "bad", "dull")
        for b in ("good", "bad", "dull")
    ]
    labels = ["same" if a.split()[-1] == b.split()[2] else "other" for a, b in pairs]
    model = TextClassifier(encoder=make_checkpoint("BertModel"), config=config, **quiet)
    model.fit(pairs * 6, labels * 6)
    same(weighed(model, "network"), [*pairs, ("good " * 40, "bad " * 30)])


def test_int8_is_measured_on_labelled_texts_and_smaller(
    corpus: Any, classifier: TextClassifier, tmp_path: Path
) -> None:
    """An int8 file says what it was measured to lose; its predictions are the same alone and in a batch."""
    model = weighed(classifier, "mixed")
    plain = model.export(tmp_path / "plain.ulmus")
    check = (corpus.texts, corpus.labels)
    done = model.export(tmp_path / "int8.ulmus", int8=True, check=check)
    assert done["checked"]["texts"] == len(corpus.texts)
    assert done["checked"]["lost"] <= 0.3
    assert done["size_mb"] < plain["size_mb"]
    runtime = load(tmp_path / "int8.ulmus")
    together = runtime.predict_proba(corpus.test_texts)
    alone = np.concatenate([runtime.predict_proba([text]) for text in corpus.test_texts])
    np.testing.assert_array_equal(together, alone)
    np.testing.assert_allclose(together, model.predict_proba(corpus.test_texts), atol=0.1)
    assert (
        bundle.read_manifest(tmp_path / "int8.ulmus")["export"]["checked"]["lost"] == done["checked"]["lost"]
    )


def test_a_transformer_can_be_int8(make_checkpoint: Any, quiet: dict[str, Any], tmp_path: Path) -> None:
    """Its matrices are quantized by ONNX Runtime, and checked like all others."""
    pytest.importorskip("transformers")
    config = dataclasses.replace(transformer_config(), most_epochs=1, batch_size=8)
    texts = [f"the film was {word} ." for word in ("good", "bad", "great", "dull")] * 30
    model = TextClassifier(encoder=make_checkpoint("BertModel"), config=config, combine="none", **quiet)
    model.fit(texts, ["pos", "neg"] * 60)
    model.export(tmp_path / "int8.ulmus", int8=True, check=(texts, list(model.predict(texts))))
    found = load(tmp_path / "int8.ulmus").predict_proba(texts[:4])
    np.testing.assert_allclose(found, model.predict_proba(texts[:4]), atol=0.1)


def test_int8_that_loses_too_much_is_refused(
    corpus: Any, classifier: TextClassifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is written, and the message says how much is lost."""
    from ulmus.models import graphs

    def coarse(matrix: Any) -> Any:
        return np.zeros(matrix.shape, np.int8), np.ones(matrix.shape[1], np.float32)

    monkeypatch.setattr(graphs, "_quantized", coarse)
    model = weighed(classifier, "network")
    check = (corpus.texts, list(model.predict(corpus.texts)))
    with pytest.raises(DataError, match=r"int8 loses .* points on 240 of these texts .* Export without int8"):
        model.export(tmp_path / "int8.ulmus", int8=True, check=check)
    assert not list(tmp_path.iterdir())


def test_int8_needs_enough_labelled_texts(corpus: Any, classifier: TextClassifier, tmp_path: Path) -> None:
    """Without texts there is nothing to measure, and with a few of them no way to."""
    with pytest.raises(UsageError, match="int8 and check belong together"):
        classifier.export(tmp_path / "int8.ulmus", int8=True)
    with pytest.raises(UsageError, match="int8 and check belong together"):
        classifier.export(tmp_path / "int8.ulmus", check=(corpus.texts, corpus.labels))
    few = (corpus.texts[:20], corpus.labels[:20])
    with pytest.raises(DataError, match="int8 is checked on 100 to 2,000 labelled texts, got 20"):
        classifier.export(tmp_path / "int8.ulmus", int8=True, check=few)


def test_a_file_gives_the_same_bytes_again(classifier: TextClassifier, tmp_path: Path) -> None:
    """Exporting is deterministic."""
    for name in "ab":
        classifier.export(tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
