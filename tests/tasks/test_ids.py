"""What a work folder remembers of texts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ulmus.errors import DataError
from ulmus.tasks.ids import cut, trained_tokenizer
from ulmus.text.tokenizer import Tokenizer, TokenizerConfig

TEXTS = ["one text", "another, longer text", "", "ein Text: größer", "日本語"]


CONFIG = TokenizerConfig(min_freq=1, max_size=100)


def test_cutting_gives_a_document_for_each_text(tmp_path: Path) -> None:
    """In memory or in a folder, empty ones included, in their order."""
    tokenizer = trained_tokenizer(TEXTS, CONFIG)
    for folder in (None, tmp_path):
        store = cut(TEXTS, tokenizer, folder)
        assert [ids.tolist() for ids in store] == [tokenizer.encode(text).tolist() for text in TEXTS]
    with pytest.raises(DataError, match="expected texts, got none"):
        cut([], tokenizer)


def test_a_work_folder_spares_training_the_tokenizer_and_cutting_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same texts and config: both are found there. Other texts, or another config, are done anew."""
    tokenizer = trained_tokenizer(TEXTS, CONFIG, tmp_path)
    store = cut(TEXTS, tokenizer, tmp_path)
    calls: list[str] = []
    train, encode = Tokenizer.train, Tokenizer.encode_batch

    def counted_train(*given: Any) -> Tokenizer:
        calls.append("train")
        return train(*given)

    def counted_encode(self: Tokenizer, texts: Any) -> Any:
        calls.append("cut")
        return encode(self, texts)

    monkeypatch.setattr(Tokenizer, "train", counted_train)
    monkeypatch.setattr(Tokenizer, "encode_batch", counted_encode)
    again = trained_tokenizer(TEXTS, CONFIG, tmp_path)
    assert again.fingerprint == tokenizer.fingerprint
    assert np.array_equal(cut(TEXTS, again, tmp_path).ids, store.ids)
    assert calls == []
    other = trained_tokenizer([*TEXTS, "more"], CONFIG, tmp_path)
    cut([*TEXTS, "more"], other, tmp_path)
    trained_tokenizer(TEXTS, TokenizerConfig(kind="char", min_freq=1), tmp_path)
    assert calls == ["train", "cut", "train"]


def test_texts_are_read_as_a_stream(tmp_path: Path) -> None:
    """Nothing is held: a stream of more texts than a batch is cut from start to end."""

    class Stream:
        def __iter__(self) -> Iterator[str]:
            return (f"text number {i % 7}" for i in range(2_500))

    tokenizer = trained_tokenizer(Stream(), CONFIG, tmp_path)
    assert len(cut(Stream(), tokenizer, tmp_path)) == 2_500


def test_a_damaged_tokenizer_of_a_work_folder_is_said_and_made_anew(tmp_path: Path) -> None:
    """A flipped byte that leaves it a tokenizer would be another one."""
    config = TokenizerConfig(min_freq=1)
    made = trained_tokenizer(["one two three"], config, tmp_path)
    (path,) = tmp_path.glob("tokenizer-*")
    path.write_text(path.read_text().replace("three", "threw"))
    with pytest.warns(RuntimeWarning, match="damaged"):
        again = trained_tokenizer(["one two three"], config, tmp_path)
    assert again.vocab == made.vocab
    assert trained_tokenizer(["one two three"], config, tmp_path).vocab == made.vocab
