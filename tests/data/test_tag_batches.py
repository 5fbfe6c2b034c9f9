"""Batches of tagged sentences."""

from __future__ import annotations

import numpy as np
import pytest

from ulmus.data.tag_batches import TagBatches, WordStore


@pytest.fixture
def sentences() -> WordStore:
    """Twenty sentences of 1 to 5 words of two ids each, after one id that belongs to no word."""
    lengths = [1 + i % 5 for i in range(20)]
    ids = [np.arange(1 + 2 * n) + 10 for n in lengths]
    places = [np.array([[1 + 2 * k, 2 + 2 * k] for k in range(n)], np.int32) for n in lengths]
    words = sum(lengths)
    features = np.arange(3 * words, dtype=np.int32).reshape(words, 3)
    return WordStore(ids, places, features, np.arange(words))


def test_every_word_comes_once_with_its_own(sentences: WordStore) -> None:
    """Each epoch has every word once, beside its ids, features and tag."""
    batches = TagBatches(sentences, batch_size=4, shuffle=True)
    for epoch in range(2):
        batches.set_epoch(epoch)
        seen = []
        for batch in batches:
            assert batch.ids.shape[0] == len(batch.index)
            for row, number in enumerate(batch.index):
                n = batch.words[row]
                assert batch.tags is not None
                own = batch.tags[row, :n]
                assert own.tolist() == list(range(*sentences.offsets[number : number + 2]))
                assert np.array_equal(batch.features[row, :n, 0], 3 * own)
                assert np.array_equal(batch.ids[row, batch.first[row, :n]], 11 + 2 * np.arange(n))
                assert not batch.tags[row, n:].any()
                seen += own.tolist()
        assert sorted(seen) == list(range(len(sentences.features)))


def test_a_saved_position_is_resumed(sentences: WordStore) -> None:
    """Batches after a saved position are those that would have come."""
    batches = TagBatches(sentences, batch_size=4, shuffle=True)
    batches.set_epoch(3)
    every = list(batches)
    batches.set_epoch(2)
    batches.set_epoch(3)
    iterator = iter(batches)
    next(iterator)
    state = batches.state_dict()
    again = TagBatches(sentences, batch_size=4, shuffle=True)
    again.load_state_dict(state)
    rest = list(again)
    assert len(rest) == len(every) - 1
    assert all(np.array_equal(one.ids, other.ids) for one, other in zip(rest, every[1:], strict=True))


def test_the_key_depends_on_the_content(sentences: WordStore) -> None:
    """Other features are another store."""
    other = WordStore([np.arange(3)], [np.array([[1, 2]], np.int32)], np.zeros((1, 3), np.int32))
    assert other.store.key != sentences.store.key
    assert TagBatches(other).batch(0).tags is None
