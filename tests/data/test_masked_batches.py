"""Masked batches: which tokens are masked, by what, and that it is the same again."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ulmus.data.masked_batches import MaskedBatches, Masking
from ulmus.data.store import IdStore

MASK, VOCABULARY, SPECIAL = 4, 1_000, (0, 1, 2, 3, 4)


def store(documents: list[np.ndarray]) -> IdStore:
    """Marked ids (T_i,) of documents: three tokens in ten continue a word."""
    return IdStore.from_arrays(documents)


def corpus(n: int, seed: int = 0, longest: int = 60) -> IdStore:
    """`n` random documents."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, longest, n)
    return store([2 * rng.integers(5, VOCABULARY, t) + (rng.random(t) < 0.3) for t in lengths])


def masking(**changes: object) -> Masking:
    """The defaults, with another share or without whole words."""
    return Masking(MASK, VOCABULARY, SPECIAL, **changes)  # type: ignore[arg-type]


def test_the_shares_are_those_of_the_paper() -> None:
    """15 % of the tokens are predicted; 80 % of these are masked, 10 % random, 10 % kept; with or without words."""
    for whole_words in (True, False):
        texts = corpus(4_000)
        original = {tuple(texts[i] >> 1): True for i in range(len(texts))}
        predicted = masked = kept = tokens = 0
        for batch in MaskedBatches(texts, masking(whole_words=whole_words)):
            shown = batch.ids[batch.predicted]
            predicted += len(batch.targets)
            masked += int((shown == MASK).sum())
            kept += int((shown == batch.targets).sum())
            tokens += int(batch.lengths.sum())
            restored = batch.ids.copy()
            restored[batch.predicted] = batch.targets
            assert all(
                tuple(row[:length]) in original for row, length in zip(restored, batch.lengths, strict=True)
            )
        assert abs(predicted / tokens - 0.15) < 0.01
        assert abs(masked / predicted - 0.8) < 0.02
        assert abs(kept / predicted - 0.1) < 0.02


@given(st.integers(0, 10_000), st.floats(0.05, 0.8))
def test_a_word_is_masked_as_a_whole(seed: int, share: float) -> None:
    """A token that continues a word is predicted if and only if the token before it is."""
    texts = corpus(8, seed, 20)
    for batch in MaskedBatches(texts, masking(share=share), seed=seed):
        restored = batch.ids.copy()
        restored[batch.predicted] = batch.targets
        for row, chosen, length in zip(restored, batch.predicted, batch.lengths, strict=True):
            marked = next(texts[i] for i in range(8) if np.array_equal(texts[i] >> 1, row[:length]))
            joined = np.flatnonzero(marked[1:] & 1) + 1
            assert (chosen[joined] == chosen[joined - 1]).all()
            assert not chosen[length:].any()


@given(st.integers(0, 10_000))
def test_special_tokens_are_never_masked_and_something_always_is(seed: int) -> None:
    """Separators and unknown tokens are not predicted; a batch with a single word predicts it."""
    rng = np.random.default_rng(seed)
    texts = store([2 * rng.integers(0, 7, t) for t in rng.integers(1, 30, 6)] + [np.array([2 * 9])])
    for batch in MaskedBatches(texts, masking(share=0.02), seed=seed):
        assert not np.isin(batch.targets, SPECIAL).any()
        assert len(batch.targets) >= 1
    (only,) = MaskedBatches(store([np.array([2, 6, 4])]), masking())
    assert len(only.targets) == 0


def test_masks_depend_on_seed_epoch_and_batch_alone() -> None:
    """The same again after resuming within an epoch; others in the next epoch and with another seed."""
    texts = corpus(200)

    def batches(seed: int = 3) -> MaskedBatches:
        return MaskedBatches(texts, masking(), token_budget=300, shuffle=True, seed=seed)

    whole = [batch.ids for batch in batches()]
    first = batches()
    position = next((first.state_dict() for k, _ in enumerate(first) if k == 4), {})
    rest = batches()
    rest.load_state_dict(position)
    resumed = [batch.ids for batch in rest]
    assert len(resumed) == len(whole) - 5
    assert all(np.array_equal(a, b) for a, b in zip(resumed, whole[5:], strict=True))
    again = batches()
    again.set_epoch(1)
    assert not all(np.array_equal(a.ids, b) for a, b in zip(again, whole, strict=False))
    assert not all(np.array_equal(a.ids, b) for a, b in zip(batches(4), whole, strict=False))


def test_without_masking_each_token_predicts_the_next() -> None:
    """Nothing is hidden; the last token of a part predicts nothing."""
    (batch,) = MaskedBatches(store([np.array([10, 12, 14, 16]), np.array([20, 22])]), None)
    assert batch.ids.tolist() == [[5, 6, 7, 8], [10, 11, 0, 0]]
    assert batch.targets.tolist() == [6, 7, 8, 11]
    assert batch.predicted.tolist() == [[True, True, True, False], [True, False, False, False]]


@given(st.lists(st.integers(0, 50), min_size=1, max_size=8), st.integers(1, 20))
def test_parts_cover_a_document(lengths: list[int], most: int) -> None:
    """In order, without overlap, none longer than asked for, nearly equal in length."""
    texts = IdStore.from_arrays([np.arange(n) for n in lengths])
    parts, document = texts.split(most)
    assert parts.tokens == texts.tokens
    assert len(parts) == len(document)
    assert (parts.lengths > 0).all()
    for i in range(len(texts)):
        own = [parts[k] for k in np.flatnonzero(document == i)]
        assert [int(n) for part in own for n in part] == texts[i].tolist()
        sizes = [len(part) for part in own]
        assert not sizes or (max(sizes) <= most and max(sizes) - min(sizes) <= 1)
