"""Exported models: the same numbers as the model itself, for every kind of model; int8 only where it is safe."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ulmus import bundle
from ulmus.errors import ConfigError, DataError, UsageError
from ulmus.evaluation.objectives import Regression
from ulmus.serve.runtime import Runtime, load
from ulmus.tasks.classifier.base import TextEstimator

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

CLOSE = 1e-4
TEXTS = [
    "a film of the sea",
    "GOOD book",
    "",
    "x",
    "sooooo the the the the gull",
    "the owl and a tram " * 180,
]
PAIRS = [
    ("a film", "a film of the sea"),
    ("", "owl"),
    ("owl", ""),
    ("", ""),
    ("town " * 300, "the reef " * 280),
]
CHECK = [
    f"{a} {b} {c}" for a in "film owl GOOD a".split() for b in "sea moss the".split() for c in TEXTS[:5]
] * 4
Make = Callable[..., TextEstimator]
Same = Callable[..., Runtime]


@pytest.fixture
def same(tmp_path: Path) -> Same:
    """Exports a model and compares the runtime's outputs and decisions with the model's own; the runtime."""

    def check(model: TextEstimator, texts: list[Any] = TEXTS) -> Runtime:
        model.export(tmp_path / "exported.ulmus")
        runtime = load(tmp_path / "exported.ulmus")
        outputs = runtime.outputs(texts)
        np.testing.assert_allclose(outputs, model.outputs(texts), atol=CLOSE)
        np.testing.assert_allclose(
            np.concatenate([runtime.outputs([one]) for one in texts]), outputs, atol=1e-5
        )
        decided = runtime.predict(texts)
        assert decided == (pytest.approx if model.NUMERIC else list)(model.labels_of(outputs))
        return runtime

    return check


@pytest.mark.parametrize(
    ("kind", "has_network", "has_counts"),
    [("mixed", True, True), ("counts", False, True), ("network", True, False), ("alone", True, False)],
)
def test_network_and_counts_are_exported_where_they_have_a_weight(
    make: Make, same: Same, kind: str, has_network: bool, has_counts: bool
) -> None:
    """A combination predicts as in torch, and a part without weight is left out."""
    runtime = same(make(kind))
    assert bool(runtime.networks) is has_network
    assert (runtime.counts is not None) is has_counts


@pytest.mark.parametrize("head", [0, 6], ids=["linear", "hidden"])
@pytest.mark.parametrize("cell", ["lstm", "qrnn"])
@pytest.mark.parametrize("backwards", [False, True])
def test_every_recurrent_network_gives_the_same_numbers(
    make: Make, same: Same, cell: str, backwards: bool, head: int
) -> None:
    """Both cells, both heads, both directions; chunk by chunk with a carried state."""
    same(make("alone", cell=cell, backwards=backwards, head=head, layers=3))


def test_several_labels_are_decided_by_the_same_threshold(make: Make, same: Same) -> None:
    """Multi-label: independent probabilities, tuples of labels."""
    target = (np.arange(480).reshape(120, 4) * 7 % 5 < 2).astype(int)
    runtime = same(make(target=target))
    assert runtime.objective.multi_label
    assert runtime.threshold == 0.4


def test_two_classes_share_one_score_of_the_counts(make: Make, same: Same) -> None:
    """The counts of two classes have one output, the network two."""
    same(make(target=np.arange(120) % 2))


@pytest.mark.parametrize("backwards", [False, True])
def test_pairs_are_taken_apart_as_in_torch(make: Make, same: Same, backwards: bool) -> None:
    """Both texts of a pair go through the encoder, and what they share is counted."""
    runtime = same(make(target=np.arange(120) % 2, pairs=True, backwards=backwards), PAIRS)
    with pytest.raises(UsageError, match="pairs of texts"):
        runtime.predict(["owl"])


def test_numbers_come_in_the_users_units(make: Make, same: Same) -> None:
    """Regression: the same numbers within the range of training, and no probabilities."""
    numbers = np.linspace(-1.5, 1.5, 120)[:, None]
    scale = Regression(mean=10.0, sd=2.0, low=8.0, high=12.5)
    runtime = same(make(objective=scale, target=numbers))
    assert all(8 <= number <= 12.5 for number in runtime.predict(TEXTS))
    with pytest.raises(UsageError, match="a regressor predicts numbers"):
        runtime.predict_proba(TEXTS)


def test_the_networks_of_an_ensemble_are_averaged(make: Make, same: Same) -> None:
    """Several networks; one tokenizer for those that share it."""
    runtime = same(make(networks=3))
    one, two, three = (tokenizer for _, tokenizer in runtime.networks)
    assert one is two is not three


def test_an_ensemble_too_large_for_a_file_is_refused(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anything is written."""
    monkeypatch.setattr("ulmus.tasks.classifier.export.MOST_NETWORKS", 1)
    with pytest.raises(ConfigError, match="at most 1 networks can be exported, got 2"):
        make(networks=2).export(tmp_path / "exported.ulmus")


@pytest.mark.parametrize("kind", ["BertModel", "MPNetModel", "GPT2Model"])
def test_transformers_are_exported_with_their_windows(
    make_checkpoint: Any, make: Make, same: Same, kind: str
) -> None:
    """Overlapping windows with special tokens, pooled; decoders too."""
    pytest.importorskip("transformers")
    texts = ["the film was good", "", "great", "bad in paris , the film was dull " * 20]
    same(make(folder=make_checkpoint(kind)), texts)


def test_pairs_go_through_a_transformer_together(make_checkpoint: Any, make: Make, same: Same) -> None:
    """A pair is one document with a separator and token types."""
    pytest.importorskip("transformers")
    same(make("alone", folder=make_checkpoint("BertModel"), pairs=True, target=np.arange(120) % 2), PAIRS)


@pytest.mark.parametrize("cell", ["lstm", "qrnn", "BertModel"])
def test_int8_is_measured_on_labelled_texts(
    make_checkpoint: Any, make: Make, tmp_path: Path, cell: str
) -> None:
    """An int8 file says what it was measured to lose; its predictions are the same alone and in a batch."""
    if cell == "BertModel":
        pytest.importorskip("transformers")
        model = make("alone", folder=make_checkpoint(cell))
    else:
        model = make("alone", cell=cell, embedding=32, hidden=64)
    plain = model.export(tmp_path / "plain.ulmus")
    check = (CHECK, model.labels_of(model.outputs(CHECK)))
    done = model.export(tmp_path / "int8.ulmus", int8=True, check=check)
    assert done["checked"]["texts"] == len(CHECK)
    assert done["checked"]["lost"] <= 0.3
    assert cell == "BertModel" or done["size_mb"] < plain["size_mb"]
    runtime = load(tmp_path / "int8.ulmus")
    together = runtime.outputs(TEXTS)
    np.testing.assert_array_equal(together, np.concatenate([runtime.outputs([text]) for text in TEXTS]))
    np.testing.assert_allclose(together, model.outputs(TEXTS), atol=0.1)
    assert bundle.read_manifest(tmp_path / "int8.ulmus")["export"]["checked"] == done["checked"]


def test_int8_that_loses_too_much_is_refused(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is written, and the message says how much is lost."""

    def nothing(matrix: Any) -> Any:
        return np.zeros(matrix.shape, np.int8), np.ones(matrix.shape[1], np.float32)

    model = make("alone", head=0)
    labels = model.labels_of(model.outputs(CHECK))
    assert len(set(labels)) > 1
    monkeypatch.setattr("ulmus.models.graphs._quantized", nothing)
    check = (CHECK, labels)
    with pytest.raises(DataError, match=r"int8 loses .* points on 240 of these texts .* Export without int8"):
        model.export(tmp_path / "int8.ulmus", int8=True, check=check)
    assert not list(tmp_path.iterdir())


def test_int8_needs_enough_labelled_texts(model: TextEstimator, tmp_path: Path) -> None:
    """Without texts there is nothing to measure, and with a few of them no way to."""
    labels = model.labels_of(model.outputs(CHECK))
    for how in ({"int8": True}, {"check": (CHECK, labels)}):
        with pytest.raises(UsageError, match="int8 and check belong together"):
            model.export(tmp_path / "int8.ulmus", **how)
    with pytest.raises(DataError, match="int8 is checked on 100 to 2,000 labelled texts, got 20"):
        model.export(tmp_path / "int8.ulmus", int8=True, check=(CHECK[:20], labels[:20]))
    with pytest.raises(UsageError, match="each text needs a label"):
        model.export(tmp_path / "int8.ulmus", int8=True, check=(CHECK, labels[:20]))


def test_a_file_gives_the_same_bytes_again(model: TextEstimator, tmp_path: Path) -> None:
    """Exporting is deterministic."""
    for name in "ab":
        model.export(tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
