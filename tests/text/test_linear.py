"""No text is worth more time than its length: work grows with it and no faster, whatever the signs."""

from __future__ import annotations

import random
import time
import unicodedata
from collections import defaultdict
from collections.abc import Callable

import pytest

from ulmus.text.rules import MOST_RUNS, fix_html, merge_repeats, squeeze
from ulmus.text.tokenizer import KINDS, Tokenizer, TokenizerConfig
from ulmus.text.vocab import MAJ, REP, UP, WREP

SHORT, LONG = 500, 4_000  # characters
MOST = 2.5  # times the share of time that the length explains; what grows as its square comes to 4 and more
# joiners, flags, digits of scripts without spaces, brackets, markup, spaces, beginnings of addresses
SIGNS = [
    *"🇩 \u200d \ufe0f 🏽 \u0300 ์ ๑ 〇 ១ ၁ ༡ 1 ( ) [ ] { } < > & - _ / \\ : = ; ' \" . ! @ a A ß İ X".split(" "),
    *"🇩🇪 🇦🇩🇪 👩\u200d 👩\u200d👩 1. 1, 1๑ a. a@ a@b. www. http:// a.com/ C:\\ n't 's l' ... !!".split(" "),
    *"xx xxrep xxmaj aaaa <b <br <br/> &a &# &amp; aaaabbbb @- <unk> か\u3099 각 ᄀ ᅡ ᆨ क\u094d".split(" "),
    *("e\u0301", "\u0903", "\u0600", " ", "\n", "\t", "\u3000", "no ", "no no ", "< b", "<b  ", "a\n\n", "\u0600🇩"),
]  # fmt: skip


def units() -> list[str]:
    """What is repeated: each of `SIGNS`, one sign of each Unicode category, and random ones of both together."""
    of_category: dict[str, list[str]] = defaultdict(list)
    for code in (*range(0x20, 0xD800), *range(0xE000, 0x20000)):
        of_category[unicodedata.category(chr(code))].append(chr(code))
    rng = random.Random(0)
    drawn = [rng.choice(of_category[name]) for name in sorted(of_category)]
    mixed = ["".join(rng.choices(SIGNS + drawn, k=rng.randint(2, 4))) for _ in range(40)]
    return [*SIGNS, *drawn, *mixed]


def seconds(work: Callable[[], object]) -> float:
    """Processor time of one call."""
    began = time.thread_time()
    work()
    return time.thread_time() - began


def growth(short: Callable[[], object], long: Callable[[], object], times: float) -> float:
    """How much longer the long work takes than the short, for each of the `times` that it is longer.

    A machine that does something else meanwhile is no growth: what looks like it is measured again.
    """
    found = float("inf")
    fastest = [float("inf"), float("inf")]
    for _ in range(6):
        fastest = [min(t, seconds(work)) for t, work in zip(fastest, (short, long), strict=True)]
        found = fastest[1] / max(fastest[0], 2e-4) / times
        if found < MOST:
            break
    return found


@pytest.fixture(scope="module", params=KINDS)
def tokenizer(request: pytest.FixtureRequest) -> Tokenizer:
    """A small tokenizer of each kind."""
    return Tokenizer.train(
        ["hello world, no cat sat on 12 mats"] * 5, TokenizerConfig(request.param, min_freq=1)
    )


def test_tokenizing_takes_time_in_proportion_to_length(tokenizer: Tokenizer) -> None:
    """A text of any sign or short run of signs, repeated, takes as long as it is long."""
    slow = []
    for unit in units():
        short, long = (unit * (size // len(unit)) for size in (SHORT, LONG))
        found = growth(lambda t=short: tokenizer.encode(t), lambda t=long: tokenizer.encode(t), LONG / SHORT)
        if found >= MOST:
            slow.append((unit, round(found, 1)))
    assert not slow


@pytest.mark.parametrize("unit", ["<b ", "<br  ", "&a", "&#1", "<", "<a href=", "<i b=<", "&amp;", "<b a ="])
def test_markup_is_undone_in_proportion_to_length(unit: str) -> None:
    """Tags and entities that are begun again and again."""
    short, long = unit * 2_000, unit * 16_000
    assert growth(lambda: fix_html(short), lambda: fix_html(long), 8) < MOST


def test_a_word_of_many_repeats_is_left_as_it_is() -> None:
    """Each repeat that is marked costs a pass over the word, so a word has a bounded number of them."""
    letters = [chr(c) for c in range(0x430, 0x430 + MOST_RUNS + 1)]
    assert len(squeeze("".join(c * 4 for c in letters[:MOST_RUNS]))[0]) == MOST_RUNS
    word = "".join(c * 4 for c in letters)
    assert squeeze(word) == ([], word)


def test_repeated_words_are_merged_in_proportion_to_length() -> None:
    """Groups of equal words, and words that are no repeat."""
    for few in (["no"] * 1_000, ["a", "a", "b"] * 400, ["no", "no", "no", "yes"] * 300):
        found = growth(lambda c=few: merge_repeats(c, list), lambda c=few * 8: merge_repeats(c, list), 8)
        assert found < MOST


@pytest.mark.parametrize("kind", ["word", "char"])
def test_decoding_takes_time_in_proportion_to_length(kind: str) -> None:
    """Whatever a model may write: markers in vain, repeats of repeats by the thousand, brackets, quotes."""
    words = "a b ( ) [ ] \" ' - / . , 4 9 999 no 🇩🇪 xx"
    tokenizer = Tokenizer.train([words] * 3, TokenizerConfig(kind, min_freq=1))
    name = tokenizer.vocab.id_of
    a, four = name("a"), name("4")
    signs = [[name(sign)] for sign in "()[]\"'-/.a"]
    for unit in (
        [REP, four, a],
        [UP],
        [UP, MAJ],
        [WREP],
        [WREP, four, a],
        [REP],
        [MAJ, a],
        [a, name("-")],
        *signs,
    ):
        found = growth(
            lambda u=unit: tokenizer.decode(u * 300), lambda u=unit: tokenizer.decode(u * 2_400), 8
        )
        assert found < MOST, unit
