"""The vocabulary: ids, fingerprint, remapping."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ulmus.errors import DataError
from ulmus.text.vocab import SPECIALS, UNK, Vocab, remap

WORDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=6).filter(
    lambda word: word not in SPECIALS
)


def test_special_tokens_have_the_first_nine_ids() -> None:
    """The nine special tokens stand at ids 0 to 8 in their documented order."""
    vocab = Vocab.from_counts({"a": 5})
    assert " ".join(vocab.to_list()) == "xxunk xxpad xxbos xxeos xxfld xxrep xxwrep xxup xxmaj a"
    assert [vocab.id_of(token) for token in SPECIALS] == list(range(9))


def test_tokens_are_sorted_by_frequency_then_alphabet() -> None:
    """The same counts give the same ids whatever their order: frequent first, equal ones alphabetically."""
    vocab = Vocab.from_counts({"b": 4, "rare": 2, "c": 9, "a": 4})
    assert vocab.to_list()[9:] == ["c", "a", "b"]
    assert vocab.id_of("rare") == UNK


def test_a_token_with_a_space_falls_back_on_the_one_without() -> None:
    """A vocabulary that does not tell the dash between spaces from the other gives both the same id."""
    assert Vocab((*SPECIALS, "-")).id_of(" -") == 9
    assert Vocab((*SPECIALS, "-", " -")).id_of(" -") == 10


def test_max_size_counts_the_special_tokens() -> None:
    """max_size is the number of rows an embedding gets, special tokens included."""
    vocab = Vocab.from_counts({str(i): 10 for i in range(100)}, max_size=30)
    assert len(vocab) == 30


def test_a_special_name_in_the_counts_is_not_a_second_token() -> None:
    """Counting a marker does not give it a second id."""
    assert len(Vocab.from_counts({"xxmaj": 100, "a": 3})) == 10


def test_fingerprint_tells_vocabularies_apart() -> None:
    """Another token, or the same tokens in another order, is another fingerprint; the same list is the same one."""
    one, two = Vocab((*SPECIALS, "a", "b")), Vocab((*SPECIALS, "b", "a"))
    assert one.fingerprint != two.fingerprint
    assert one.fingerprint == Vocab.from_list(one.to_list()).fingerprint
    assert len(one.fingerprint) == 16


@pytest.mark.parametrize(
    ("tokens", "words"),
    [
        ([], "got nothing"),
        (["a"], "got 'a'"),
        ([*SPECIALS, "a", "a"], "'a' twice"),
    ],
)
def test_what_is_no_vocabulary_is_refused(tokens: list[str], words: str) -> None:
    """A list without the special tokens, or with a token twice, is an error that says so."""
    with pytest.raises(DataError, match=words):
        Vocab(tokens)


@given(st.sets(WORDS, max_size=20), st.sets(WORDS, max_size=20))
def test_remap_finds_every_shared_token(old_words: set[str], new_words: set[str]) -> None:
    """Every new token points at the old row of the same token, or at -1; the report adds up."""
    old, new = Vocab((*SPECIALS, *sorted(old_words))), Vocab((*SPECIALS, *sorted(new_words)))
    found = remap(old, new)
    assert found.index.dtype == np.int64
    assert found.index.shape == (len(new),)
    for token, row in zip(new.tokens, found.index, strict=True):
        assert (old.tokens[row] == token) if row >= 0 else (token not in old)
    assert found.kept == len(SPECIALS) + len(old_words & new_words)
    assert (found.new, found.dropped) == (len(new_words - old_words), len(old_words - new_words))


def test_remap_to_itself_changes_nothing() -> None:
    """A vocabulary maps to itself row by row."""
    vocab = Vocab((*SPECIALS, "a", "b"))
    assert remap(vocab, vocab).index.tolist() == list(range(11))
    assert str(remap(vocab, vocab)) == "11 tokens kept, 0 new, 0 dropped"
