"""Words and their ids, for the tokenizers of transformers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tokenizers import Tokenizer as Backend
from tokenizers import decoders, models, pre_tokenizers, processors, trainers

from ulmus.text.pretrained import PretrainedTokenizer
from ulmus.text.words import Word, words_of_text


@pytest.fixture(scope="module")
def tokenizer(make_checkpoint: Callable[..., Path]) -> PretrainedTokenizer:
    """The tokenizer of a tiny BERT."""
    return PretrainedTokenizer((make_checkpoint("BertModel") / "tokenizer.json").read_text())


WORDS = ["Paris is good.", "londons, what?", "京 é", " bad  film \u200b!"]


@pytest.mark.parametrize("written", WORDS)
def test_words_have_the_ids_of_the_text(tokenizer: PretrainedTokenizer, written: str) -> None:
    """A text tokenized with its words has the ids of the text, and every word has some of them, in order."""
    words = words_of_text(written)
    (aligned,) = tokenizer.encode_words([words])
    assert list(aligned.ids) == tokenizer.encode(" ".join(written.split())).tolist()
    assert len(aligned.first) == len(aligned.last) == len(words)
    assert all(
        0 <= one <= other < len(aligned.ids) for one, other in zip(aligned.first, aligned.last, strict=True)
    )
    assert list(aligned.first) == sorted(aligned.first)
    plain = [i for i, word in enumerate(words) if word.text.isascii()]
    for i in plain:
        own = [aligned.ids[k] for k in range(aligned.first[i], aligned.last[i] + 1)]
        assert own == tokenizer.encode(words[i].text).tolist()


@pytest.mark.parametrize("space", [True, False])
def test_words_of_byte_level_tokenizers(space: bool) -> None:
    """Tokens that carry the space before them belong to the word after it."""
    backend = Backend(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=space)
    backend.post_processor = processors.ByteLevel(trim_offsets=False)
    backend.decoder = decoders.ByteLevel()
    texts = ["Élan in Paris , 京 was good"] * 3
    backend.train_from_iterator(
        texts, trainers.BpeTrainer(show_progress=False, initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    )
    tokenizer = PretrainedTokenizer(backend.to_str())
    words = words_of_text("Élan in Paris, 京!")
    (aligned,) = tokenizer.encode_words([words])
    spelled = [
        tokenizer.decode([aligned.ids[k] for k in range(first, last + 1)]).strip()
        for first, last in zip(aligned.first, aligned.last, strict=True)
    ]
    assert spelled == [word.text for word in words]


def test_words_of_which_nothing_is_left_have_a_place(tokenizer: PretrainedTokenizer) -> None:
    """A word that the normalizer removes stands at the id before it; a sentence of such words has one of padding."""
    removed = [Word("\u0301", True, 0, 1), Word("good", True, 2, 6), Word("\u0301", True, 7, 8)]
    (aligned,) = tokenizer.encode_words([removed])
    assert (list(aligned.first), list(aligned.last)) == ([0, 0, 0], [0, 0, 0])
    (alone,) = tokenizer.encode_words([removed[:1]])
    assert list(alone.ids) == [tokenizer.layout.pad]
    assert list(tokenizer.encode_words([[]])[0].ids) == []
