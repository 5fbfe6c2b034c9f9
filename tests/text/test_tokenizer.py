"""The tokenizer as its users see it: tokens, ids, round trips, the saved file."""

from __future__ import annotations

import json
import multiprocessing
import pickle
import subprocess
import sys

import numpy as np
import pytest
import tokenizers
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ulmus.errors import ConfigError, DataError, VocabMismatch
from ulmus.text.rules import RulesConfig, repair
from ulmus.text.tokenizer import KINDS, Tokenizer, TokenizerConfig

PLAIN = RulesConfig(html=False)
CORPUS = [
    "It's the BEST film of 1990, said Mr. Brown: \"I don't know...\" (really, 10/10, well-made) no no no!!!!",
    "Élan, МОСКВА! SOOOO good; soooo l'homme $ 1.00 U.S. C:\\new … 我爱你。 ไปจองมา مرحبا 😀 O'BRIEN'S iPhone NASA'S",
    "2 3 4 5 6 7 8 9",
] * 3
TRICKY = """don't it's U.S. ... !!!! soooo SOOOO NO no no no … $1.00 10/10 well-made - -- ' " ( ) xxmaj xxrep xxup xx
maj Élan МОСКВА STRAßE İ ŉ ǅ ΟΔΟΣ iPhone 我爱你。 มากกกก 👨\u200d👩\u200d👧 e\u0301 \u2581 <unk> http://a.b/c. a@b.cd
: ; 1 1 1"""
FRAGMENTS = [
    *TRICKY.split(),
    "\0",
    "\ud800",
    "\u200b",
    "\u3000",
    "\n",
]
TEXTS = st.one_of(
    st.text(max_size=40),
    st.lists(st.one_of(st.sampled_from(FRAGMENTS), st.text(max_size=3)), max_size=12).flatmap(
        lambda parts: st.sampled_from([" ", ""]).map(lambda space: space.join(parts))
    ),
)
# Each example trains a tokenizer of its own, so that every token of the text is in its vocabulary.
SLOWLY = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])


def knowing(text: str, kind: str = "word", rules: RulesConfig = PLAIN) -> Tokenizer:
    """A tokenizer whose vocabulary holds every token of the text."""
    numbers = " ".join(str(i) for i in range(2, 60))
    return Tokenizer.train([text, numbers], TokenizerConfig(kind=kind, min_freq=1, rules=rules))


@pytest.fixture(scope="module", params=KINDS)
def tokenizer(request: pytest.FixtureRequest) -> Tokenizer:
    """One tokenizer of every kind, trained on the same few lines."""
    return Tokenizer.train(CORPUS, TokenizerConfig(kind=request.param, min_freq=1, max_size=400))


def test_words_are_cut_and_marked() -> None:
    """Contractions are cut, case and repeats marked, in the order marker before word."""
    tokens = Tokenizer.train(CORPUS).tokens("It's SOOOO good!!!! No, I DON'T... no no no Élan 1000000 champ;")
    expected = "xxbos xxmaj it 's xxrep 4 o xxup so good xxrep 4 ! xxmaj no , xxmaj i xxup do xxup n't ... "
    assert " ".join(tokens) == expected + "xxwrep 3 no xxmaj élan 1000000 champ ;"


def test_each_rule_can_be_switched_off() -> None:
    """With every rule off the tokens are the words as they stand, and a line end is a token."""
    off = RulesConfig(*[False] * 7)
    text = "Soooo &amp;\nno no no!!!!"
    tokens = knowing(text, rules=off).tokens(text)
    assert tokens == ["Soooo", "&", "amp", ";", "\n", "no", "no", "no", "!!!!"]


def test_a_text_may_end_with_a_mark() -> None:
    """The eos rule closes each text, bos opens it; an empty text has just these."""
    tokenizer = knowing("a", rules=RulesConfig(eos=True))
    assert tokenizer.encode("a").tolist() == [2, tokenizer.vocab.id_of("a"), 3]
    assert tokenizer.encode(" \n ").tolist() == [2, 3]


def test_a_marker_in_the_text_is_not_a_marker(tokenizer: Tokenizer) -> None:
    """A user who writes `xxmaj` writes a word: no special token comes of it but the first `xxbos`."""
    ids = tokenizer.encode("xxmaj xxrep 5 a xxunk xxup xxbos fooxxpad xxwrep 3 b")
    assert [i for i in ids.tolist() if 1 <= i <= 8] == [2]


def test_fields_are_marked_by_xxfld(tokenizer: Tokenizer) -> None:
    """The field marker that the corpus readers write has its own id."""
    assert (tokenizer.encode("xxfld 1 film xxfld 2 best") == 4).sum() == 2


def test_a_batch_is_its_texts(tokenizer: Tokenizer) -> None:
    """Encoding together or alone gives the same ids, int32; so do the tokens, looked up."""
    texts = [*CORPUS, "", "  ", "unknown Ünknown", *["no no no no"] * 300]
    batch = tokenizer.encode_batch(texts)
    assert len(batch) == len(texts)
    for text, ids in zip(texts, batch, strict=True):
        assert ids.dtype == np.int32
        assert ids.tolist() == tokenizer.encode(text).tolist()
        assert ids.tolist() == [tokenizer.vocab.id_of(token) for token in tokenizer.tokens(text)]
    assert tokenizer.encode_batch([]) == []


def test_forgetting_changes_nothing(tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The table of remembered chunks may be emptied at any time."""
    before = [ids.tolist() for ids in tokenizer.encode_batch(CORPUS)]
    monkeypatch.setattr("ulmus.text.expand.LIMIT", 0)
    monkeypatch.setattr("ulmus.text.tokenizer._SLICE", 1)
    assert [ids.tolist() for ids in tokenizer.encode_batch(CORPUS)] == before


@SLOWLY
@example("0'Sก isn't中")
@given(TEXTS)
def test_words_round_trip(text: str) -> None:
    """Any text comes back from its word ids but for white space, and what comes back has the same ids."""
    tokenizer = knowing(text)
    ids = tokenizer.encode(text)
    back = tokenizer.decode(ids)
    assert "".join(back.split()) == "".join(repair(text).split()).replace("xxfld", "")
    assert tokenizer.encode(back).tolist() == ids.tolist()


@SLOWLY
@given(TEXTS)
def test_characters_round_trip(text: str) -> None:
    """Any text comes back from its character ids with every run of white space as one space."""
    tokenizer = knowing(text, "char")
    ids = tokenizer.encode(text)
    assert tokenizer.decode(ids) == " ".join(repair(text).replace("\u2581", "_").split())


@pytest.mark.parametrize("kind", ["unigram", "bpe"])
@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_subwords_round_trip(kind: str, data: st.DataObject) -> None:
    """Any text of known characters comes back from its subword ids exactly, one space for a run of white space."""
    tokenizer = SUBWORDS.setdefault(
        kind, Tokenizer.train(CORPUS, TokenizerConfig(kind=kind, min_freq=1, max_size=300))
    )
    letters = sorted(set("".join(CORPUS)) | {" "})
    words = sorted({word for text in CORPUS for word in text.split()})
    parts = data.draw(st.lists(st.one_of(st.text(letters, max_size=6), st.sampled_from(words)), max_size=10))
    text = data.draw(st.sampled_from([" ", ""])).join(parts)
    ids = tokenizer.encode(text)
    if 0 not in ids:  # a capital whose small letter was never seen is unknown
        assert tokenizer.decode(ids) == " ".join(text.split())


SUBWORDS: dict[str, Tokenizer] = {}


def test_typography_is_restored() -> None:
    """Ordinary prose comes back from word ids exactly as it was typed."""
    text = (
        "It's the BEST film of 1990, said Mr. Brown: \"I don't know...\" (really, 10/10, well-made)! SOOOO good - "
        "Élan, МОСКВА! l'homme $1.00 in the U.S. C:\\new… no no no 我爱你。"
    )
    tokenizer = knowing(text)
    assert tokenizer.decode(tokenizer.encode(text)) == text


def test_unknown_words_can_be_shown() -> None:
    """`unknown` stands for each token outside the vocabulary, nothing unless it is given."""
    tokenizer = knowing("a b")
    ids = tokenizer.encode("a zebra b")
    assert tokenizer.decode(ids) == "a b"
    assert tokenizer.decode(ids, unknown="?") == "a? b"


@settings(deadline=None)
@given(st.lists(st.integers(0, 40), max_size=30))
def test_any_ids_decode(ids: list[int]) -> None:
    """A language model may write markers in any order; decoding never fails."""
    for kind in ("word", "char"):
        if kind not in SUBWORDS:
            SUBWORDS[kind] = knowing("".join(chr(i) + " " for i in range(33, 90)), kind)
        assert isinstance(SUBWORDS[kind].decode(ids), str)


def test_ids_of_another_vocabulary_are_refused(tokenizer: Tokenizer) -> None:
    """An id the vocabulary does not have is an error, not another word."""
    for ids in ([len(tokenizer)], [-1]):
        with pytest.raises(VocabMismatch, match="expected ids from 0"):
            tokenizer.decode(ids)


def test_the_saved_file_gives_the_tokenizer_back(tokenizer: Tokenizer) -> None:
    """From its JSON, and from a pickle, comes a tokenizer with the same ids, configuration and fingerprint."""
    for again in (Tokenizer.from_json(tokenizer.to_json()), pickle.loads(pickle.dumps(tokenizer))):
        assert again.config == tokenizer.config
        assert again.fingerprint == tokenizer.fingerprint
        assert again.to_json() == tokenizer.to_json()
        for text in CORPUS:
            assert again.encode(text).tolist() == tokenizer.encode(text).tolist()


def test_the_saved_file_is_a_standard_one(tokenizer: Tokenizer) -> None:
    """The `tokenizers` library loads the file and gives lower-cased text without repeats the same ids."""
    standard = tokenizers.Tokenizer.from_str(tokenizer.to_json())
    assert standard.get_vocab_size() == len(tokenizer)
    text = "it's the best film, really (10/10)"
    assert standard.encode(text).ids == tokenizer.encode(text).tolist()[1:]


@pytest.mark.parametrize(
    "text", ["", "{}", "[1]", "null", '{"pre_tokenizer": {"ulmus": 3}}', "\0", "not json"]
)
def test_what_is_no_tokenizer_file_is_refused(text: str) -> None:
    """Anything but our own file is a clear error."""
    with pytest.raises(DataError, match=r"tokenizer\.json written by Ulmus"):
        Tokenizer.from_json(text)


def test_a_changed_tokenizer_file_is_refused(tokenizer: Tokenizer) -> None:
    """A newer format, an unknown field and an impossible kind are told apart."""
    tree = json.loads(tokenizer.to_json())
    settings_in_file = tree["pre_tokenizer"]["ulmus"]
    for change, words in (
        ({"format": 99}, "format"),
        ({"colour": 1}, "colour"),
        ({"kind": "syllable"}, "syllable"),
        ({"rules": {"htm": True}}, "htm"),
        ({"rules": 5}, "5"),
    ):
        tree["pre_tokenizer"]["ulmus"] = {**settings_in_file, **change}
        with pytest.raises(DataError, match=words):
            Tokenizer.from_json(json.dumps(tree))


def test_fingerprints_tell_rules_apart() -> None:
    """The same tokens under other rules are another tokenizer."""
    one, two = knowing("a b"), knowing("a b", rules=RulesConfig())
    assert one.vocab.fingerprint == two.vocab.fingerprint
    assert one.fingerprint != two.fingerprint


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"kind": "syllable"}, "word, unigram, bpe, char"),
        ({"min_freq": 0}, "at least 1"),
        ({"max_size": 3}, "at least 20"),
    ],
)
def test_an_impossible_configuration_is_refused(options: dict[str, object], words: str) -> None:
    """A config that cannot be is an error when it is made."""
    with pytest.raises(ConfigError, match=words):
        TokenizerConfig(**options)  # type: ignore[arg-type]


def test_what_is_no_text_is_refused(tokenizer: Tokenizer) -> None:
    """A missing value among the texts is named, not tokenized."""
    with pytest.raises(DataError, match="got float"):
        tokenizer.encode_batch(["a", float("nan")])  # type: ignore[list-item]


@pytest.mark.parametrize("kind", KINDS)
def test_training_on_nothing_is_refused(kind: str) -> None:
    """No texts, or only white space, is a clear error."""
    for texts in ([], ["", " \n"]):
        with pytest.raises(DataError, match="expected texts to train a tokenizer on"):
            Tokenizer.train(texts, TokenizerConfig(kind=kind))


@pytest.mark.parametrize("kind", KINDS)
def test_training_on_very_little_works(kind: str) -> None:
    """A single short text is enough to make a tokenizer of any kind."""
    tokenizer = Tokenizer.train(["a"], TokenizerConfig(kind=kind, min_freq=1))
    assert tokenizer.decode(tokenizer.encode("a")) == "a"


@pytest.mark.parametrize(
    "text", ["x" * 1_000_000, "soooo good!!!! " * 60_000, "!" * 1_000_000, "<" * 300_000, "&" * 300_000]
)
def test_a_megabyte_on_one_line_is_one_document(text: str) -> None:
    """Long lines, long words and long repeats are encoded in time linear in their length."""
    tokenizer = knowing("so good 4")
    assert len(tokenizer.encode(text)) >= 2


def _encode_elsewhere(job: tuple[Tokenizer, str]) -> list[int]:
    tokenizer, text = job
    ids: list[int] = tokenizer.encode(text).tolist()
    return ids


def test_a_fork_after_training_is_silent() -> None:
    """Neither training nor a fork after it prints anything."""
    code = (
        "import os\n"
        "from ulmus.text.tokenizer import Tokenizer, TokenizerConfig\n"
        "t = Tokenizer.train(['a b c ab abc'] * 9, TokenizerConfig(kind='unigram', min_freq=1))\n"
        "pid = os.fork()\n"
        "ids = t.encode('a b')\n"
        "os._exit(0) if pid == 0 else os.waitpid(pid, 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")


@pytest.mark.slow
def test_spawned_processes_encode_alike(tokenizer: Tokenizer) -> None:
    """A tokenizer sent to a fresh process gives the same ids there."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.map(_encode_elsewhere, [(tokenizer, CORPUS[0])]) == [tokenizer.encode(CORPUS[0]).tolist()]


def test_the_text_part_knows_no_tensors() -> None:
    """Importing the whole of `ulmus.text` does not load torch."""
    code = "import ulmus.text.tokenizer, ulmus.corpus.source, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
