"""The tokenizer of a transformer: its tokenizer.json as it is, special tokens known but never read from a text."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tokenizers import Tokenizer as Backend

from ulmus.errors import ConfigError, DataError
from ulmus.text.pretrained import PretrainedTokenizer


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
