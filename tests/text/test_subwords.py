"""Subwords and characters: how words are split, what a model is trained on."""

from __future__ import annotations

from collections import Counter

import pytest

from ulmus.text.decode_subwords import join_subwords
from ulmus.text.rules import RulesConfig
from ulmus.text.subwords import SubwordExpander, train_model
from ulmus.text.vocab import SPECIALS

CHARS = SubwordExpander(RulesConfig(), None)


@pytest.mark.parametrize(
    ("chunk", "tokens"),
    [
        ("Ab", "xxmaj ▁ a b"),
        ("a,B", "▁ a , xxmaj b"),
        ("SOOOO!!!!", "xxup ▁ s xxrep 4 o xxrep 4 !"),
        ("!!!!!!!!!!!!", "▁ xxrep 1 2 !"),
        (" xxwrep 12 no", "xxwrep 1 2 ▁ n o"),
        ("xxmaj", "▁ x x m a j"),
        ("我ABC", "xxup ▁ 我 a b c"),
    ],
)
def test_a_chunk_becomes_markers_and_pieces(chunk: str, tokens: str) -> None:
    """The space goes with the first piece, markers stand before it, numbers are written digit by digit."""
    assert " ".join(CHARS(chunk)) == tokens


def test_a_model_never_sees_a_name_of_ours() -> None:
    """Runs that hold the name of a special token are parted, so that no model takes a piece for it."""
    assert CHARS.runs("axxmajb") == ["▁axx", "majb"]


@pytest.mark.parametrize("kind", ["unigram", "bpe"])
def test_the_pieces_begin_with_the_special_tokens(kind: str) -> None:
    """Both kinds of model give ids 0 to 8 to the special tokens, hold the digits, and keep to their size."""
    runs = Counter({"▁the": 50, "▁then": 20, "▁there": 20, "!": 9, "ж": 1})
    _, tokens = train_model(runs, kind, size=40, min_freq=2)
    assert tuple(tokens[:9]) == SPECIALS
    assert set("0123456789") <= set(tokens)
    assert "ж" not in tokens
    assert len(tokens) <= 40


@pytest.mark.parametrize(
    ("tokens", "text"),
    [
        ("xxbos xxmaj ▁a b , xxup ▁c d e ▁f", "Ab, CDE f"),
        ("xxup ▁s xxrep 4 o ' s", "SOOOO's"),
        ("▁a xxwrep 3 xxmaj ▁n o ▁b", "a No No No b"),
        ("xxmaj xxmaj xxrep xxwrep", ""),
        ("xxrep 4 xxmaj ▁a", "A"),
        ("▁a xxwrep ▁b", "a b"),
        ("▁a \n ▁b", "a\nb"),
    ],
)
def test_pieces_become_text_again(tokens: str, text: str) -> None:
    """Markers are undone; those in vain are left out."""
    assert join_subwords(tokens.split(" "), CHARS.split) == text
