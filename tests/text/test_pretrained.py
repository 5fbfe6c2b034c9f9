"""The tokenizer of a transformer: its tokenizer.json as it is, special tokens known but never read from a text."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tokenizers import Tokenizer as Backend
from tokenizers import models

from ulmus.errors import ConfigError, DataError
from ulmus.tasks.ids import tokenized
from ulmus.text.pretrained import PretrainedTokenizer
from ulmus.text.words import Word


@pytest.fixture(scope="module")
def text(make_checkpoint: Callable[..., Path]) -> str:
    """The tokenizer.json of a tiny BERT."""
    return (make_checkpoint("BertModel") / "tokenizer.json").read_text()


@pytest.fixture
def tokenizer(text: str) -> PretrainedTokenizer:
    """Its tokenizer."""
    return PretrainedTokenizer(text)


def test_ids_are_those_of_the_text_alone(tokenizer: PretrainedTokenizer, text: str) -> None:
    """Without special tokens, which the layout has; nothing is truncated."""
    long = "The film was good . " * 50
    reference = Backend.from_str(text)
    reference.no_truncation()
    assert tokenizer.encode(long).tolist() == reference.encode(long, add_special_tokens=False).ids
    assert tokenizer.encode("").tolist() == []
    assert tokenizer.layout.prefix == (2,)
    assert tokenizer.layout.suffix == tokenizer.layout.separator == (3,)
    assert tokenizer.layout.second_type == 1


def test_a_special_token_in_a_text_is_ordinary_text(tokenizer: PretrainedTokenizer) -> None:
    """A text cannot end itself."""
    assert not {2, 3} & set(tokenizer.encode("good [SEP] bad [CLS]").tolist())


def test_fields_are_joined_by_the_separator(tokenizer: PretrainedTokenizer) -> None:
    """As the two texts of a pair; a marker that does not begin the text is text."""
    good, bad = tokenizer.encode("good").tolist(), tokenizer.encode("bad film").tolist()
    assert tokenizer.encode("xxfld 1 good xxfld 2 bad film").tolist() == [*good, 3, *bad]
    assert tokenizer.encode("xxfld 1 good xxfld 2 ").tolist() == [*good, 3]
    assert 3 not in tokenizer.encode("good xxfld 2 bad")


def test_a_batch_equals_its_texts_one_by_one(tokenizer: PretrainedTokenizer) -> None:
    """In order, also through `encode_all`."""
    texts = ["the film", "", "xxfld 1 good xxfld 2 bad", "London", "the film"]
    single = [tokenizer.encode(text).tolist() for text in texts]
    assert [ids.tolist() for ids in tokenizer.encode_batch(texts)] == single
    assert [ids.tolist() for batch in tokenizer.encode_all(iter(texts)) for ids in batch] == single


def test_it_survives_saving(tokenizer: PretrainedTokenizer) -> None:
    """The same ids and fingerprint from its own JSON."""
    again = PretrainedTokenizer.from_json(tokenizer.to_json())
    assert again.fingerprint == tokenizer.fingerprint
    assert len(again) == len(tokenizer) > 20
    assert again.decode(again.encode("the bad film")) == "the bad film"


def test_what_is_no_tokenizer_and_what_is_no_text(tokenizer: PretrainedTokenizer) -> None:
    """Clear errors of the project's own."""
    with pytest.raises(ConfigError, match=r"expected the contents of a tokenizer\.json"):
        PretrainedTokenizer("{}")
    with pytest.raises(DataError, match="expected a text"):
        tokenizer.encode_batch(["good", 3])  # type: ignore[list-item]


@pytest.mark.parametrize("broken", ["a \ud800 film", "\udfff", "xxfld 1 a xxfld 2 \ud83d"])
def test_half_a_surrogate_pair_is_an_unknown_character(tokenizer: PretrainedTokenizer, broken: str) -> None:
    """As for Ulmus' own tokenizers, alone, in fields and in sentences of words."""
    instead = broken.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    assert tokenizer.encode(broken).tolist() == tokenizer.encode(instead).tolist()
    found, expected = tokenizer.encode_words([[Word(one, True, 0, len(one))] for one in (broken, instead)])
    assert list(found.ids) == list(expected.ids)


def test_ids_with_gaps_are_counted_up_to_the_largest(text: str) -> None:
    """So that a model with too few embeddings is refused, and ids fit their type."""
    saved = json.loads(text)
    saved["model"]["vocab"]["film"] = 70_000
    tokenizer = PretrainedTokenizer(json.dumps(saved))
    assert len(tokenizer) == 70_001
    assert [ids.max() for ids in tokenized(["film"], tokenizer)] == [70_000]


def test_a_tokenizer_of_another_script_has_its_layout(text: str) -> None:
    """Without tokens for English words, and without one for unknown words."""
    saved = json.loads(text) | {"pre_tokenizer": None}
    ids = {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "[MASK]": 4, "电": 5, "影": 6}
    saved["model"] = {"type": "BPE", "vocab": ids, "merges": []}
    tokenizer = PretrainedTokenizer(json.dumps(saved))
    assert tokenizer.layout.prefix == (2,)
    assert tokenizer.layout.separator == tokenizer.layout.suffix == (3,)
    assert tokenizer.encode("film 电影").tolist() == [5, 6]


def test_a_tokenizer_without_tokens_is_refused() -> None:
    """An empty vocabulary, and words only of which no text consists."""
    with pytest.raises(ConfigError, match="no token in any text"):
        PretrainedTokenizer(Backend(models.BPE()).to_str())
    with pytest.raises(ConfigError, match="cannot tokenize"):
        PretrainedTokenizer(Backend(models.WordLevel({"film": 0}, unk_token="[UNK]")).to_str())
