"""Our tokenizer.json in `transformers`."""

from __future__ import annotations

from pathlib import Path

import pytest

from ulmus.text.tokenizer import KINDS, Tokenizer, TokenizerConfig
from ulmus.text.vocab import SPECIALS

transformers = pytest.importorskip("transformers", reason="the extra transformers is not installed")

TEXTS = ["The harbour was old, and the gulls SAW us.", "we saw a wave by the reef.", "Isn't it a LAMP?"]


@pytest.mark.parametrize("kind", KINDS)
def test_transformers_numbers_the_tokens_as_we_do(kind: str, tmp_path: Path) -> None:
    """`PreTrainedTokenizerFast` loads the file: the same vocabulary and ids, without our markers for case and begin."""
    ours = Tokenizer.train(TEXTS * 20, TokenizerConfig(kind=kind, min_freq=1, max_size=120))
    (tmp_path / "tokenizer.json").write_text(ours.to_json(), encoding="utf-8")
    theirs = transformers.PreTrainedTokenizerFast(tokenizer_file=str(tmp_path / "tokenizer.json"))
    assert theirs.get_vocab() == {token: i for i, token in enumerate(ours.vocab.tokens)}
    markers = {i for i, token in enumerate(ours.vocab.tokens) if token in SPECIALS and token != "xxunk"}
    for text in (*TEXTS, "an unseen zebra"):
        plain = [int(i) for i in ours.encode(text) if int(i) not in markers]
        assert theirs(text)["input_ids"] == plain
