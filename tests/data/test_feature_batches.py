"""Batches of features that were made before: each document once, sizes even, resuming."""

from __future__ import annotations

import json

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ulmus.data.feature_batches import FeatureBatches


def batches_of(documents: int, batch_size: int, seed: int) -> FeatureBatches:
    """Document i has the features (i, -i) and the target i."""
    number = np.arange(documents)
    return FeatureBatches(
        np.stack([number, -number], 1).astype(np.float32), number, batch_size=batch_size, seed=seed
    )


@settings(deadline=None)
@given(st.integers(1, 300), st.integers(1, 70), st.integers(0, 3), st.integers(0, 3))
def test_every_document_comes_once_with_its_target(documents: int, size: int, seed: int, epoch: int) -> None:
    """In as many batches as `len` tells, none of which is larger than asked for or much smaller than another."""
    batches = batches_of(documents, size, seed)
    batches.set_epoch(epoch)
    found = list(batches)
    assert len(found) == len(batches)
    assert sorted(np.concatenate([b.targets for b in found]).tolist()) == list(range(documents))
    for features, targets in found:
        np.testing.assert_array_equal(features, np.stack([targets, -targets], 1))
    sizes = [len(b.targets) for b in found]
    assert max(sizes) <= size
    assert max(sizes) - min(sizes) <= 1


def test_epochs_are_shuffled_anew_and_a_position_can_be_saved() -> None:
    """What is left after a stop is what would have come."""
    batches = batches_of(50, 8, 0)
    first = [b.targets.tolist() for b in batches]
    batches.set_epoch(1)
    second = [b.targets.tolist() for b in batches]
    assert first != second
    again = batches_of(50, 8, 0)
    again.set_epoch(1)
    reading = iter(again)
    next(reading)
    other = batches_of(50, 8, 0)
    other.load_state_dict(json.loads(json.dumps(again.state_dict())))
    assert [b.targets.tolist() for b in other] == second[1:]
