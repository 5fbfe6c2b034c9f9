"""The name of a checkpoint: the same for a resumed run, different for anything that would give another result."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ulmus.data.label_batches import LabelBatches
from ulmus.data.store import IdStore
from ulmus.tasks.checkpoints import checkpoint


def store(words: int = 9) -> IdStore:
    """Four documents."""
    made = IdStore.from_arrays([np.arange(2, n, dtype=np.int32) for n in (words, 8, 7, 6)])
    made.key = f"key of {words}"
    return made


def name(network: Any, **changes: Any) -> str:
    """The file name for a training with some parts changed."""
    parts: dict[str, Any] = {
        "targets": np.array([0, 1, 0, 1]),
        "documents": np.array([0, 1, 2]),
        "settings": {"a": 1},
    }
    parts |= {"store": store(), "valid": None} | changes
    batches = LabelBatches(parts["store"], parts["targets"], documents=parts["documents"], shuffle=True)
    path = checkpoint(
        Path("folder"), "labels", network, batches=[batches, parts["valid"]], settings=parts["settings"]
    )
    assert path is not None
    assert path.parent == Path("folder")
    return path.name


def test_the_same_training_has_the_same_name(make_classifier_network: Callable[..., Any]) -> None:
    """Computed again from the same parts, in another process or on another day."""
    one, other = name(make_classifier_network()), name(make_classifier_network())
    assert one == other
    assert one.startswith("labels-")
    assert one.endswith(".checkpoint")


@pytest.mark.parametrize(
    "changes",
    [
        {"targets": np.array([1, 1, 0, 1])},
        {"documents": np.array([0, 1, 3])},
        {"documents": np.array([0, 2, 1])},
        {"settings": {"a": 2}},
        {"store": store(10)},
        {"valid": LabelBatches(store())},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_another_training_has_another_name(
    changes: dict[str, Any], make_classifier_network: Callable[..., Any]
) -> None:
    """Labels, documents, settings, texts, evaluation batches."""
    network = make_classifier_network()
    assert name(network, **changes) != name(network)


def test_other_starting_weights_have_another_name(make_classifier_network: Callable[..., Any]) -> None:
    """A single weight is enough."""
    network = make_classifier_network()
    before = name(network)
    with torch.no_grad():
        network.encoder.embedding[3, 1] += 1e-6
    assert name(network) != before


def test_without_a_folder_there_is_no_checkpoint(make_classifier_network: Callable[..., Any]) -> None:
    """Nothing is written without a work folder."""
    assert checkpoint(None, "labels", make_classifier_network(), batches=[], settings=None) is None
