"""Documents are cut into passages of whole sentences; nothing but white space is lost."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ulmus.text.passages import Passages

TEXTS = st.lists(st.text(st.sampled_from("ab .!?\n。」é界"), max_size=200), max_size=5)


@given(TEXTS, st.integers(8, 60), st.integers(0, 3))
def test_no_text_is_lost_and_no_passage_is_too_long(texts: list[str], longest: int, seed: int) -> None:
    """All characters but white space come in their order, in passages of at most the given number of bytes."""
    cut = list(Passages(texts, shortest=4, longest=longest, seed=seed))
    assert "".join("".join(cut).split()) == "".join("".join(texts).split())
    # a space joins two sentences
    assert all(0 < len(passage.encode()) <= longest + 1 for passage in cut)
    assert all(passage == passage.strip() for passage in cut)


def test_passages_end_where_sentences_end() -> None:
    """In English and Chinese; abbreviations inside a word and closing quotes are not torn off."""
    english = 'He said "Stop!" It is 3.5 km. Then she left? Yes.'
    assert list(Passages([english], shortest=1, longest=24)) == [
        'He said "Stop!"',
        "It is 3.5 km.",
        "Then she left?",
        "Yes.",
    ]
    assert list(Passages(["我们去。「好。」你呢？"], shortest=1, longest=15)) == [
        "我们去。",
        "「好。」",
        "你呢？",
    ]


def test_passages_are_short_and_long_and_the_same_in_every_pass() -> None:
    """Lengths are spread over the whole range."""
    passages = Passages(["This is one sentence. " * 2_000], shortest=20, longest=1_000, seed=1)
    lengths = [len(passage) for passage in passages]
    assert min(lengths) < 60
    assert max(lengths) > 500
    assert list(passages) == list(passages)
    assert list(passages) != list(Passages(passages.texts, shortest=20, longest=1_000, seed=2))
