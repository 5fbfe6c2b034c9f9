"""What a work folder caches of texts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ulmus.errors import DataError
from ulmus.tasks.ids import RunTexts, tokenized
from ulmus.text.tokenizer import Tokenizer, TokenizerConfig

TEXTS = ["one text", "another, longer text", "", "ein Text: größer", "日本語"]


CONFIG = TokenizerConfig(min_freq=1, max_size=100)


def test_tokenizing_gives_one_document_per_text(tmp_path: Path) -> None:
    """In memory or in a folder, in order, empty texts included."""
    tokenizer = RunTexts(TEXTS).tokenizer(CONFIG)
    for folder in (None, tmp_path):
        store = RunTexts(TEXTS, folder).ids(tokenizer)
        assert [ids.tolist() for ids in store] == [tokenizer.encode(text).tolist() for text in TEXTS]
    with pytest.raises(DataError, match="expected texts, got none"):
        tokenized([], tokenizer)


def test_a_work_folder_caches_the_tokenizer_and_the_ids(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same texts and config reuse both; other texts or another config do not."""
    tokenizer = RunTexts(TEXTS, tmp_path).tokenizer(CONFIG)
    store = RunTexts(TEXTS, tmp_path).ids(tokenizer)
    calls: list[str] = []
    train, encode = Tokenizer.train, Tokenizer.encode_batch

    def counted_train(*given: Any) -> Tokenizer:
        calls.append("train")
        return train(*given)

    def counted_encode(self: Tokenizer, texts: Any) -> Any:
        calls.append("tokenize")
        return encode(self, texts)

    monkeypatch.setattr(Tokenizer, "train", counted_train)
    monkeypatch.setattr(Tokenizer, "encode_batch", counted_encode)
    again = RunTexts(TEXTS, tmp_path).tokenizer(CONFIG)
    assert again.fingerprint == tokenizer.fingerprint
    assert np.array_equal(RunTexts(TEXTS, tmp_path).ids(again).ids, store.ids)
    assert calls == []
    more = RunTexts([*TEXTS, "more"], tmp_path)
    more.ids(more.tokenizer(CONFIG))
    RunTexts(TEXTS, tmp_path).tokenizer(TokenizerConfig(kind="char", min_freq=1))
    assert calls == ["train", "tokenize", "train"]


def test_texts_are_read_as_a_stream(tmp_path: Path) -> None:
    """Memory stays small: a stream of more texts than a batch is tokenized from start to end."""

    class Stream:
        def __iter__(self) -> Iterator[str]:
            return (f"text number {i % 7}" for i in range(2_500))

    texts = RunTexts(Stream(), tmp_path)
    assert len(texts.ids(texts.tokenizer(CONFIG))) == 2_500


@pytest.mark.parametrize("kept", [True, False])
def test_texts_are_tokenized_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: bool) -> None:
    """Language model and classifier get the same store: texts are tokenized once."""
    texts, passes, real = RunTexts(TEXTS, tmp_path if kept else None), [], Tokenizer.encode_all
    tokenizer = texts.tokenizer(CONFIG)
    monkeypatch.setattr(Tokenizer, "encode_all", lambda self, given: passes.append(1) or real(self, given))
    assert texts.ids(tokenizer) is texts.ids(tokenizer)
    assert passes == [1]


def test_evaluation_texts_do_not_affect_the_vocabulary() -> None:
    """The vocabulary is built from the training texts; the ids are those of all texts."""
    texts = RunTexts(["one two", "two one", "three"], learn=2)
    tokenizer = texts.tokenizer(CONFIG)
    assert "three" not in tokenizer.vocab.tokens
    assert len(texts.ids(tokenizer)) == 3
    assert list(texts.to_learn) == ["one two", "two one"]


def test_a_damaged_tokenizer_in_a_work_folder_is_reported_and_retrained(tmp_path: Path) -> None:
    """A flipped byte could leave a valid but different tokenizer."""
    config = TokenizerConfig(min_freq=1)
    made = RunTexts(["one two three"], tmp_path).tokenizer(config)
    (path,) = tmp_path.glob("tokenizer-*")
    path.write_text(path.read_text().replace("three", "threw"))
    with pytest.warns(RuntimeWarning, match="damaged"):
        again = RunTexts(["one two three"], tmp_path).tokenizer(config)
    assert again.vocab == made.vocab
    assert RunTexts(["one two three"], tmp_path).tokenizer(config).vocab == made.vocab
