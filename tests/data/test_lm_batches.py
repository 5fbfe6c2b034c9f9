"""Language-model streams: coverage, continuity, shifted targets, random bptt, resuming."""

from __future__ import annotations

import json
import tracemalloc
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ulmus.data.lm_batches import LMBatches
from ulmus.data.store import IdStore
from ulmus.errors import DataError, UsageError


def numbered(lengths: list[int]) -> IdStore:
    """A store in which every token has its own id, so that it can be followed."""
    ends = np.cumsum([0, *lengths]) + 10
    return IdStore.from_arrays([np.arange(a, b) for a, b in pairwise(ends)])


def streams(batches: LMBatches) -> tuple[np.ndarray, np.ndarray]:
    """All inputs and all targets of an epoch, (B, S) each."""
    epoch = list(batches)
    return np.concatenate([x for x, _ in epoch], axis=1), np.concatenate([y for _, y in epoch], axis=1)


corpora = st.lists(st.integers(0, 30), min_size=1, max_size=30).filter(lambda lengths: sum(lengths) > 8)
any_settings = st.fixed_dictionaries(
    {
        "batch_size": st.integers(1, 7),
        "bptt": st.integers(1, 40),
        "seed": st.integers(0, 5),
        "random_bptt": st.booleans(),
        "backwards": st.booleans(),
        "shuffle": st.booleans(),
    }
)


@settings(deadline=None)
@given(lengths=corpora, options=any_settings, epoch=st.integers(0, 3))
def test_every_token_is_read_and_predicted_once(lengths: list[int], options: dict, epoch: int) -> None:
    """In an epoch each token is a target exactly once, but for the first one and less than B at the end."""
    batches = LMBatches(numbered(lengths), **options)
    batches.set_epoch(epoch)
    x, y = streams(batches)
    for read in (x, y):
        assert len(np.unique(read)) == read.size
        assert 1 <= sum(lengths) - read.size <= options["batch_size"]


@settings(deadline=None)
@given(lengths=corpora, options=any_settings)
def test_targets_are_the_inputs_shifted_by_one(lengths: list[int], options: dict) -> None:
    """In every row, across batch borders too: batch k + 1 continues batch k."""
    x, y = streams(LMBatches(numbered(lengths), **options))
    np.testing.assert_array_equal(x[:, 1:], y[:, :-1])
    np.testing.assert_array_equal(x[1:, 0], y[:-1, -1])  # and row b + 1 begins where row b ends


@settings(deadline=None)
@given(lengths=corpora, options=any_settings, data=st.data())
def test_a_resumed_epoch_gives_the_same_remaining_batches(
    lengths: list[int], options: dict, data: st.DataObject
) -> None:
    """A position, saved as JSON anywhere in an epoch and loaded in a new object, leaves the same batches."""
    store, epoch = numbered(lengths), data.draw(st.integers(0, 3))
    first = LMBatches(store, **options)
    first.set_epoch(epoch)
    stop = data.draw(st.integers(0, len(first)))
    iterator = iter(first)
    for _ in range(stop):
        next(iterator)
    state = json.loads(json.dumps(first.state_dict()))
    second = LMBatches(store, **options)
    second.load_state_dict(state)
    second.set_epoch(epoch)  # as a loop does before each epoch
    remaining = list(second)
    assert len(remaining) == len(first) - stop
    for mine, other in zip(remaining, iterator, strict=True):
        np.testing.assert_array_equal(mine.x, other.x)
        np.testing.assert_array_equal(mine.y, other.y)


def test_without_shuffling_the_text_is_read_in_order() -> None:
    """One stream of unshuffled documents is the text itself."""
    x, y = streams(LMBatches(numbered([3, 0, 4]), batch_size=1, bptt=2, shuffle=False))
    assert x.tolist() == [list(range(10, 16))]
    assert y.tolist() == [list(range(11, 17))]


def test_backwards_reverses_each_document_after_its_xxbos() -> None:
    """Documents keep their place and their xxbos; what follows is read from its end."""
    store = IdStore.from_arrays([np.array([2, 11, 12, 13]), np.array([2, 21]), np.array([2, 31, 32])])
    x, _ = streams(LMBatches(store, batch_size=1, shuffle=False, backwards=True))
    assert x.tolist() == [[2, 13, 12, 11, 2, 21, 2, 32]]


def test_documents_come_in_another_order_each_epoch() -> None:
    """Epochs differ, the same epoch repeats, and another seed gives another order."""
    store = numbered([5] * 20)
    batches, other = LMBatches(store, batch_size=2), LMBatches(store, batch_size=2, seed=1)
    zero = streams(batches)[0]
    np.testing.assert_array_equal(streams(batches)[0], zero)
    batches.set_epoch(1)
    assert streams(batches)[0].tolist() != zero.tolist()
    assert streams(other)[0].tolist() != zero.tolist()
    batches.set_epoch(0)
    np.testing.assert_array_equal(streams(batches)[0], zero)


def test_only_chosen_documents_are_read() -> None:
    """`documents` restricts the streams, e.g. to the training part of a store."""
    x, y = streams(LMBatches(numbered([3] * 5), batch_size=1, documents=np.array([1, 3])))
    assert set(np.concatenate([x[0], y[0]])) == {13, 14, 15, 19, 20, 21}


def test_window_lengths_follow_merity_et_al() -> None:
    """Around 70 steps, one in twenty around 35, none below 5: section 5 of Merity et al. 2017."""
    lengths = np.diff(LMBatches(numbered([2_000_000]), batch_size=1)._epoch_plan().cuts)
    assert lengths[:-1].min() >= 5
    assert 66 < lengths.mean() < 69  # 0.95 * 69.5 + 0.05 * 34.5
    assert 0.045 < (lengths < 50).mean() < 0.055
    assert 4.5 < lengths[lengths > 50].std() < 5.5


def test_fixed_windows_have_bptt_steps() -> None:
    """Without random bptt only the last window is shorter; `len` is the number of batches."""
    batches = LMBatches(numbered([101]), batch_size=2, bptt=20, random_bptt=False)
    assert [x.shape for x, _ in batches] == [(2, 20), (2, 20), (2, 10)]
    assert len(batches) == 3


def test_a_position_of_other_batches_is_refused() -> None:
    """What differs is named, with both values."""
    state = LMBatches(numbered([50]), batch_size=2).state_dict()
    with pytest.raises(UsageError, match="batch_size was 2, is 3"):
        LMBatches(numbered([50]), batch_size=3).load_state_dict(state)
    with pytest.raises(UsageError, match="tokens was 50, is 51"):
        LMBatches(numbered([51]), batch_size=2).load_state_dict(state)


def test_stopping_early_and_starting_over_begins_at_the_first_batch() -> None:
    """Only a loaded position is continued; a loop that was left is not."""
    batches = LMBatches(numbered([200]), batch_size=2, bptt=10)
    first = next(iter(batches)).x
    np.testing.assert_array_equal(next(iter(batches)).x, first)


def test_too_few_tokens_are_a_data_error() -> None:
    """The message says how many there are and how many are needed."""
    with pytest.raises(DataError, match="3 tokens are too few for 64 parallel streams: at least 65"):
        LMBatches(numbered([3]))
    assert len(LMBatches(numbered([65]))) == 1


@pytest.mark.parametrize("wrong", [{"batch_size": 0}, {"bptt": 0}])
def test_impossible_settings_are_refused(wrong: dict[str, int]) -> None:
    """Zero streams and zero steps are usage errors."""
    with pytest.raises(UsageError, match=">= 1"):
        LMBatches(numbered([50]), **wrong)


def test_the_long_text_is_never_built(tmp_path) -> None:  # type: ignore[no-untyped-def]
    """Reading batches of four million ids on disk takes less than a megabyte of memory."""
    document = np.full(1000, 7, np.int32)
    store = IdStore.write(tmp_path / "s", ([document] * 100 for _ in range(40)), vocab_size=10)
    tracemalloc.start()
    batches = LMBatches(store)
    for _ in zip(range(5), batches, strict=False):
        pass
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak_bytes < 1_000_000


def test_their_repr_says_how_much_they_read_and_how() -> None:
    """Numbers of documents and tokens, the settings, the epoch."""
    batches = LMBatches(numbered([20, 30]), batch_size=2, bptt=5)
    batches.set_epoch(3)
    shown = repr(batches)
    assert shown.startswith("<LMBatches: 2 documents, 50 tokens, batch_size=2, bptt=5, ")
    assert shown.endswith("epoch 3>")
