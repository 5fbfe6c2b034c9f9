"""Where chunks are split into words."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ulmus.text.splitter import Splitter

WORD, PIECE = Splitter("word"), Splitter("subword")
CHUNKS = st.text(st.characters(exclude_categories=["Cs", "Zs", "Zl", "Zp", "Cc"]), min_size=1, max_size=30)

CASES = {
    "don't": "do n't",
    "DON'T": "DO N'T",
    "can’t": "ca n’t",
    "it's": "it 's",
    "it’s": "it ’s",
    "I'd've": "I 'd 've",
    "n't": "n't",
    "'s": "'s",
    "cannot": "cannot",
    "o'clock": "o'clock",
    "O'Brien's": "O'Brien 's",
    "rock'n'roll": "rock'n'roll",
    "l'homme": "l' homme",
    "n'est": "n' est",
    "aujourd'hui": "aujourd'hui",
    "U.S.": "U.S.",
    "U.S.A.,": "U.S.A. ,",
    "(e.g.,": "( e.g. ,",
    "Mr.": "Mr.",
    "end.Start": "end . Start",
    "film.": "film .",
    "$1.00": "$ 1.00",
    "1,000,000.": "1,000,000 .",
    "1000000": "1000000",
    "10/10": "10 / 10",
    "8:30": "8:30",
    "1990s": "1990s",
    "3.5mm": "3.5 mm",
    "champ;": "champ ;",
    "C:\\new": "C:\\new",
    "well-made": "well - made",
    "snake_case": "snake _ case",
    "AT&T": "AT & T",
    "(http://a.b/c?d=e).": "( http://a.b/c?d=e ) .",
    "www.x.com!": "www.x.com !",
    "imdb.com/title/tt1.": "imdb.com/title/tt1 .",
    "a.b+c@d-e.co.uk.": "a.b+c@d-e.co.uk .",
    "@user:": "@user :",
    "#tag": "# tag",
    ":-)": ":-)",
    "great:)": "great :)",
    "(xD)": "( xD )",
    "<3": "<3",
    "<unk>": "<unk>",
    "@-@": "@-@",
    "…": "…",
    "...": "...",
    "wait....": "wait ....",
    "?!": "? !",
    "good!!!!": "good !!!!",
    "--": "--",
    '"Hi,"': '" Hi , "',
    "МОСКВА,": "МОСКВА ,",
    "«Élan»": "« Élan »",
    "e\u0301lan": "e\u0301lan",
    "xxmaj": "xx maj",
    "xxl": "xxl",
    "👨\u200d👩\u200d👧\u200d👦🇩🇪👍🏽": "👨\u200d👩\u200d👧\u200d👦 🇩🇪 👍🏽",
    "1\ufe0f\u20e3": "1\ufe0f\u20e3",
    "我爱你。": "我 爱 你 。",
    "ล้าน": "ล้ า น",
    "مرحبا،": "مرحبا ،",
    "שָׁלוֹם": "שָׁלוֹם",
    "می\u200cخواهم": "می\u200cخواهم",
    "हिन्दी": "हिन्दी",
    "soooo": "soooo",
}


@pytest.mark.parametrize(("chunk", "words"), CASES.items())
def test_a_chunk_is_cut_where_people_see_words(chunk: str, words: str) -> None:
    """Contractions, abbreviations, numbers, addresses, emoji and scripts of all kinds are split sensibly."""
    assert WORD(chunk) == words.split(" ")


@pytest.mark.parametrize(
    ("chunk", "words"),
    {
        "don't": "don 't",
        "NASA'S": "NASA ' S",
        "http://a": "http : / / a",
        "我爱你。你": "我爱你 。 你",
        "มากกกก": "มากกกก",
        "!!!!": "!!!!",
    }.items(),
)
def test_pieces_begin_from_runs_of_letters(chunk: str, words: str) -> None:
    """For subwords only runs of letters and single signs are parted; scripts without spaces stay in runs."""
    assert PIECE(chunk) == words.split(" ")


@given(CHUNKS)
def test_nothing_is_lost_in_cutting(chunk: str) -> None:
    """The words put together are the chunk, whatever its characters."""
    assert "".join(WORD(chunk)) == chunk
    assert "".join(PIECE(chunk)) == chunk


@pytest.mark.parametrize(
    "unit",
    [
        "a.",
        "aa.",
        "ab-",
        "ab.com",
        "x@",
        "a+b.",
        "www.",
        "http://!",
        ":-",
        "xx",
        "1.",
        "n't",
        "l'",
        "''",
        "<a",
        "C:\\.",
        "!",
        "a",
        "é\u0301",
        "我",
        "👨\u200d",
        "🇩",
    ],
)
def test_time_is_linear_in_the_length(unit: str) -> None:
    """Eight times the text takes about eight times as long, not sixty-four: no branch goes back over what it read."""

    def seconds(length: int) -> float:
        chunk = (unit * length)[:length]
        start = time.process_time()
        WORD(chunk)
        return time.process_time() - start

    short = long = float("inf")
    for _ in range(20):  # other work on the machine only ever adds time: the least of several is the cost
        short, long = min(short, seconds(4_000)), min(long, seconds(32_000))
        if long < 30 * max(short, 0.002):
            return
    pytest.fail(f"4,000 characters: {short:.4f} s; 32,000: {long:.4f} s")
