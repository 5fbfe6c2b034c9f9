"""Document batches: each document once, padding, like lengths together, targets, resuming."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ulmus.data.label_batches import LabelBatches
from ulmus.data.store import IdStore
from ulmus.errors import UsageError


def store_of(lengths: list[int]) -> IdStore:
    """Document i holds 1000 * i, 1000 * i + 1, ... after an xxbos."""
    return IdStore.from_arrays(
        [np.array([2, *range(1000 * i + 10, 1000 * i + 9 + n)])[:n] for i, n in enumerate(lengths)]
    )


corpora = st.lists(st.integers(0, 60), max_size=60)
any_settings = st.fixed_dictionaries(
    {
        "batch_size": st.integers(1, 9),
        "token_budget": st.none() | st.integers(1, 200),
        "shuffle": st.booleans(),
        "seed": st.integers(0, 3),
        "max_tokens": st.none() | st.integers(1, 50),
        "backwards": st.booleans(),
    }
)


@settings(deadline=None)
@given(lengths=corpora, options=any_settings, epoch=st.integers(0, 3))
def test_every_document_comes_exactly_once(lengths: list[int], options: dict, epoch: int) -> None:
    """Whatever the settings, an epoch holds each document once, and `len` tells the number of batches."""
    batches = LabelBatches(store_of(lengths), **options)
    batches.set_epoch(epoch)
    epoch_batches = list(batches)
    assert len(epoch_batches) == len(batches)
    assert sorted(i for batch in epoch_batches for i in batch.index) == list(range(len(lengths)))


@settings(deadline=None)
@given(lengths=corpora, options=any_settings)
def test_a_batch_holds_the_documents_padded_on_the_right(lengths: list[int], options: dict) -> None:
    """Row r is document index[r], then pad_id; `lengths` says where the padding begins. Shuffled: a multiple of 4."""
    options |= {"max_tokens": None, "backwards": False}
    store = store_of(lengths)
    for ids, n, _, index, _ in LabelBatches(store, pad_id=1, **options):
        assert len(ids) == len(index)
        assert max(1, n.max()) <= ids.shape[1] < max(1, n.max()) + 4
        assert options["shuffle"] or ids.shape[1] == max(1, n.max())
        for row, length, document in zip(ids, n, index, strict=True):
            assert row[:length].tolist() == store[document].tolist()
            assert (row[length:] == 1).all()


@settings(deadline=None)
@given(lengths=corpora.filter(bool), options=any_settings)
def test_the_limits_on_a_batch_hold(lengths: list[int], options: dict) -> None:
    """At most batch_size documents and token_budget ids; a document longer than the budget comes alone."""
    options["shuffle"] = False
    for ids, *_ in LabelBatches(store_of(lengths), **options):
        assert len(ids) <= options["batch_size"]
        assert options["token_budget"] is None or len(ids) == 1 or ids.size <= options["token_budget"]


@settings(deadline=None)
@given(lengths=corpora, options=any_settings, data=st.data())
def test_a_resumed_epoch_gives_the_same_remaining_batches(
    lengths: list[int], options: dict, data: st.DataObject
) -> None:
    """A position, saved as JSON anywhere in an epoch and loaded in a new object, leaves the same batches."""
    store, epoch = store_of(lengths), data.draw(st.integers(0, 3))
    first = LabelBatches(store, np.arange(len(lengths)), **options)
    first.set_epoch(epoch)
    stop = data.draw(st.integers(0, len(first)))
    iterator = iter(first)
    for _ in range(stop):
        next(iterator)
    second = LabelBatches(store, np.arange(len(lengths)), **options)
    second.load_state_dict(json.loads(json.dumps(first.state_dict())))
    second.set_epoch(epoch)
    for mine, other in zip(second, iterator, strict=True):
        assert [np.asarray(a).tolist() for a in mine] == [np.asarray(a).tolist() for a in other]


@settings(deadline=None)
@given(lengths=st.lists(st.integers(1, 60), min_size=2, max_size=80), batch_size=st.integers(2, 9))
def test_no_document_is_left_alone_in_training(lengths: list[int], batch_size: int) -> None:
    """Batch norm needs two rows: shuffled batches have them, with and without a token budget."""
    for budget in (None, 30):
        batches = LabelBatches(store_of(lengths), shuffle=True, batch_size=batch_size, token_budget=budget)
        sizes = [len(batch.index) for batch in batches]
        assert min(sizes) >= 2
        assert max(sizes) <= batch_size + 1


def test_sorted_batches_begin_with_the_longest() -> None:
    """Not shuffled, lengths only fall: the most memory is asked for at once."""
    lengths = np.random.default_rng(0).integers(1, 90, 200)
    read = np.concatenate([batch.lengths for batch in LabelBatches(store_of(list(lengths)))])
    assert read.tolist() == sorted(lengths, reverse=True)


def test_sortish_batches_waste_little_and_begin_with_the_longest() -> None:
    """Shuffled, batches come in no order of length but the first, and padding stays a small part."""
    lengths = np.random.default_rng(0).integers(1, 300, 2000)
    batches = list(LabelBatches(store_of(list(lengths)), shuffle=True))
    longest = [batch.lengths.max() for batch in batches]
    assert longest[0] == lengths.max()
    assert np.corrcoef(longest, np.arange(len(longest)))[0, 1] ** 2 < 0.1
    padding = sum(batch.ids.size for batch in batches) / lengths.sum() - 1
    assert padding < 0.05


def test_shuffling_follows_seed_and_epoch() -> None:
    """Epochs and seeds differ; the same two numbers repeat."""
    store = store_of([7] * 100)

    def order(seed: int, epoch: int) -> list[int]:
        batches = LabelBatches(store, shuffle=True, seed=seed)
        batches.set_epoch(epoch)
        return [int(i) for batch in batches for i in batch.index]

    assert order(0, 0) == order(0, 0)
    assert len({tuple(order(seed, epoch)) for seed in (0, 1) for epoch in (0, 1)}) == 4


def test_targets_travel_with_their_documents() -> None:
    """Classes come as (B,) int64, soft and multi-label targets as (B, C) float32."""
    store = store_of([3, 9, 5])
    for batch in LabelBatches(store, [0, 1, 2], batch_size=2):
        assert batch.targets.dtype == np.int64
        assert batch.targets.tolist() == batch.index.tolist()
    soft = np.eye(3)
    for batch in LabelBatches(store, soft, batch_size=2, documents=np.array([2, 0])):
        assert batch.targets.dtype == np.float32
        assert batch.targets.tolist() == soft[batch.index].tolist()


def test_a_long_document_keeps_its_head_and_tail() -> None:
    """Of max_tokens a quarter is the beginning, the rest the end; index and order follow the cut length."""
    (batch,) = LabelBatches(IdStore.from_arrays([np.arange(100), np.arange(5)]), max_tokens=8)
    assert batch.ids.tolist() == [[0, 1, 94, 95, 96, 97, 98, 99], [0, 1, 2, 3, 4, 1, 1, 1]]
    assert batch.lengths.tolist() == [8, 5]


def test_backwards_reverses_each_document_after_its_xxbos() -> None:
    """As the backwards language model reads it."""
    (batch,) = LabelBatches(IdStore.from_arrays([np.array([2, 5, 6, 7]), np.array([2, 8])]), backwards=True)
    assert batch.ids.tolist() == [[2, 7, 6, 5], [2, 8, 1, 1]]


def test_empty_documents_are_rows_of_padding() -> None:
    """A document without ids stays in its batch, with length 0."""
    (batch,) = LabelBatches(store_of([0, 0]))
    assert batch.ids.tolist() == [[1], [1]]
    assert batch.lengths.tolist() == [0, 0]


@pytest.mark.parametrize(
    ("targets", "words"),
    [
        ([0, 1], r"shape \(2,\)"),
        ([0.5, 1.0, 0.0], "1-D float64"),
        (np.zeros((3, 1, 1)), r"\(3, 1, 1\)"),
        (["a", "b", "c"], "1-D"),
    ],
)
def test_targets_that_do_not_fit_are_refused(targets: object, words: str) -> None:
    """The message says what was expected and what came."""
    with pytest.raises(UsageError, match=words):
        LabelBatches(store_of([1, 2, 3]), targets)


@pytest.mark.parametrize("wrong", [{"batch_size": 0}, {"token_budget": 0}, {"max_tokens": -1}])
def test_impossible_settings_are_refused(wrong: dict[str, int]) -> None:
    """Empty batches are usage errors that name the option."""
    with pytest.raises(UsageError, match=next(iter(wrong))):
        LabelBatches(store_of([1, 2]), **wrong)


def test_their_repr_says_how_much_they_read_and_how() -> None:
    """Settings that are not given stay away."""
    shown = repr(LabelBatches(store_of([3, 4]), batch_size=2))
    assert shown.startswith("<LabelBatches: 2 documents, 7 tokens, batch_size=2, shuffle=False, ")
    assert "token_budget" not in shown


def test_training_batches_have_few_shapes() -> None:
    """However many lengths there are, so that a training allocates the same blocks again and again."""
    lengths = np.random.default_rng(0).integers(1, 300, 4_000)
    batches = LabelBatches(store_of(lengths.tolist()), shuffle=True, batch_size=16, token_budget=2_000)
    shapes = set()
    for epoch in range(3):
        batches.set_epoch(epoch)
        shapes |= {batch.ids.shape for batch in batches}
    assert len(shapes) < 110
