"""The n-gram index: what it counts equals counting by hand; it comes back from its names."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ulmus.errors import BundleError, DataError
from ulmus.linear import ngrams
from ulmus.linear.features import spaces_missing
from ulmus.linear.ngrams import Ngrams, Unit

WORDS = st.lists(st.sampled_from(["a", "b", "cd", "don't", "Ä", "!"]), max_size=12).map(" ".join)
TEXTS = st.lists(WORDS, min_size=1, max_size=8)


def by_hand(text: str, unit: Unit, high: int) -> Counter[str]:
    """All n-grams of one text, spelled out."""
    symbols = Ngrams(unit, high=high).split(text)
    between = " " if unit == "word" else ""
    found: Counter[str] = Counter()
    for n in range(1, high + 1):
        for i in range(len(symbols) - n + 1):
            part = symbols[i : i + n]
            if unit == "subword" and " " in part[1:-1]:
                continue
            found[between.join(part)] += 1
    return found


@given(texts=TEXTS, unit=st.sampled_from(["word", "char", "subword"]), min_df=st.integers(1, 3))
def test_counts_equal_counting_by_hand(texts: list[str], unit: Unit, min_df: int) -> None:
    """For every unit, the n-grams kept and their counts are those of a plain loop over the symbols."""
    hands = [by_hand(text, unit, 3) for text in texts]
    df = Counter(name for hand in hands for name in hand)
    frequent = {name for name, n in df.items() if n >= min_df}
    if not frequent:
        with pytest.raises(DataError):
            Ngrams(unit, high=3).fit(texts, min_df=min_df, max_features=10_000)
        return
    index = Ngrams(unit, high=3).fit(texts, min_df=min_df, max_features=10_000)
    assert set(index.names) == frequent
    assert len(index) == len(frequent)
    wanted = np.array([[hand[name] for name in index.names] for hand in hands])
    np.testing.assert_array_equal(index.transform(texts).toarray(), wanted)


@given(texts=TEXTS, unit=st.sampled_from(["word", "char", "subword"]), most=st.integers(1, 12))
def test_the_index_comes_back_from_its_names(texts: list[str], unit: Unit, most: int) -> None:
    """Names alone are enough to store: the index made of them counts the same; at most `max_features` are kept."""
    try:
        index = Ngrams(unit, high=3).fit(texts, min_df=1, max_features=most)
    except DataError:
        return
    assert len(index) <= most
    again = Ngrams.from_names(unit, index.names)
    np.testing.assert_array_equal(again.transform(texts).toarray(), index.transform(texts).toarray())


def test_small_batches_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The size of a batch bounds memory, never the result."""
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(list("abcdefgh"), rng.integers(0, 30))) for _ in range(60)]
    whole = Ngrams("word", high=3).fit(texts, min_df=2, max_features=100)
    matrix = whole.transform(texts).toarray()
    monkeypatch.setattr(ngrams, "BATCH_SYMBOLS", 50)
    parts = Ngrams("word", high=3).fit(texts, min_df=2, max_features=100)
    assert parts.names == whole.names
    np.testing.assert_array_equal(parts.transform(texts).toarray(), matrix)


@pytest.mark.parametrize("unit", ["word", "char", "subword"])
@pytest.mark.parametrize("text", ["", "a", "ab", "a b", " ", "好"])
def test_a_text_shorter_than_the_longest_ngram_is_counted(unit: Unit, text: str) -> None:
    """Alone, so that nothing else fills the stream: what it holds of the index counts, the rest is nothing."""
    index = Ngrams(unit, high=5).fit(
        ["abcdef ab a 好的酒店很好", "ab a abcdef"], min_df=1, max_features=1_000
    )
    alone, among = index.transform([text]), index.transform([text, "abcdef abcdef abcdef"])
    assert (alone[0] != among[0]).nnz == 0


def test_names_that_are_no_index_are_refused() -> None:
    """A bigram whose words are missing, or names out of order, cannot come from a fit."""
    with pytest.raises(BundleError, match="missing"):
        Ngrams.from_names("word", ["a", "a b"])
    with pytest.raises(BundleError, match="order"):
        Ngrams.from_names("word", ["a", "b", "b a", "a b"])


@pytest.mark.parametrize(
    ("texts", "missing"),
    [
        (["The cat sat on the mat.", "It rained."], False),
        (["Die Donaudampfschifffahrt war gestern schön", "Heute leider nicht"], False),
        (["这家酒店的早餐很好吃", "房间太小了, 不推荐"], True),
        (["อาหารอร่อยมากครับ", "ไม่ชอบเลย แย่มาก"], True),
        (["", "  "], False),
        (["12345", "!!!"], False),
    ],
)
def test_writing_without_spaces_is_noticed(texts: list[str], missing: bool) -> None:
    """Chinese and Thai are seen to have no spaces between words; English and German have them."""
    assert spaces_missing(texts) is missing
