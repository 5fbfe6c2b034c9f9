"""Batches of the rows of arrays: each row once, sizes even, resuming."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ulmus.data.array_batches import ArrayBatches
from ulmus.errors import UsageError


def batches_of(documents: int, batch_size: int, seed: int) -> ArrayBatches:
    """Document i has the features (i, -i) and the target i."""
    number = np.arange(documents)
    return ArrayBatches(
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
    assert sorted(np.concatenate([targets for _, targets in found]).tolist()) == list(range(documents))
    for features, targets in found:
        np.testing.assert_array_equal(features, np.stack([targets, -targets], 1))
    sizes = [len(targets) for _, targets in found]
    assert max(sizes) <= size
    assert max(sizes) - min(sizes) <= 1


def test_epochs_are_shuffled_anew_and_a_position_can_be_saved() -> None:
    """What is left after a stop is what would have come."""
    batches = batches_of(50, 8, 0)
    first = [targets.tolist() for _, targets in batches]
    batches.set_epoch(1)
    second = [targets.tolist() for _, targets in batches]
    assert first != second
    again = batches_of(50, 8, 0)
    again.set_epoch(1)
    reading = iter(again)
    next(reading)
    other = batches_of(50, 8, 0)
    other.load_state_dict(json.loads(json.dumps(again.state_dict())))
    assert [targets.tolist() for _, targets in other] == second[1:]


def test_arrays_of_different_lengths_are_an_error() -> None:
    """The message says how many rows there are."""
    with pytest.raises(UsageError, match="2, 3"):
        ArrayBatches(np.zeros(2), np.zeros(3))
