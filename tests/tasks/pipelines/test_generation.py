"""The tasks that write texts, with random models and with a language model of our own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from ulmus import pipelines
from ulmus.errors import DataError, DataWarning, UsageError
from ulmus.tasks.pipelines.checkpoint import Checkpoint, Model

Make = Callable[..., Path]
PREFIXES = {
    "summarization": {"prefix": "what is "},
    "translation_en_to_de": {"prefix": "john : "},
}


@pytest.fixture(scope="module")
def decoder(make_checkpoint: Make) -> Model:
    return pipelines.load("text-generation", make_checkpoint("GPT2LMHeadModel"))


@pytest.fixture(scope="module")
def t5(make_checkpoint: Make) -> Path:
    return make_checkpoint("T5ForConditionalGeneration", task_specific_params=PREFIXES)


def greedy(folder: Path, text: str, auto: str, words: int) -> str:
    """The most likely continuation or answer, one forward pass per token."""
    import transformers

    model = getattr(transformers, auto).from_pretrained(folder, local_files_only=True)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
    ids = tokenizer(text, return_tensors="pt")["input_ids"]
    seq2seq = model.config.is_encoder_decoder
    row = torch.tensor([[0]]) if seq2seq else ids
    with torch.no_grad():
        for _ in range(words):
            outputs = model(input_ids=ids, decoder_input_ids=row) if seq2seq else model(input_ids=row)
            scores = outputs.logits[:, -1]
            if not seq2seq:
                scores[:, tokenizer.unk_token_id] = -torch.inf
            row = torch.cat([row, scores.argmax(dim=1, keepdim=True)], dim=1)
            if int(row[0, -1]) == 3:
                break
    return str(tokenizer.decode(row[0], skip_special_tokens=True)).strip()


def test_without_temperature_the_likeliest_token_comes_next(decoder: Model) -> None:
    """A text keeps its own writing and is continued by the likeliest token each time."""
    assert isinstance(decoder, Checkpoint)
    rows = pipelines.text_generation(["The film", "John"], decoder, words=5, temperature=0)
    for text, row in zip(["The film", "John"], rows, strict=True):
        expected = greedy(decoder.folder, text, "AutoModelForCausalLM", 5)
        assert row["texts"] == [text + expected[len(text) :]]


def test_a_seed_gives_the_same_samples(decoder: Model) -> None:
    """Samples differ from each other and are the same for the same seed; other random numbers are left alone."""
    before = torch.random.get_rng_state()
    first, again, other = (
        pipelines.text_generation(["a film"], decoder, words=8, samples=3, seed=seed, temperature=1.5)[0][
            "texts"
        ]
        for seed in (1, 1, 2)
    )
    assert first == again != other
    assert len(first) == 3
    assert len(set(first)) > 1
    assert all(text.startswith("a film") for text in first)
    assert torch.equal(before, torch.random.get_rng_state())


def test_a_text_grows_up_to_the_limit_of_the_model(decoder: Model) -> None:
    """No more tokens are written than the model takes; a text without room is an error; an empty one begins."""
    assert isinstance(decoder, Checkpoint)
    (row,) = pipelines.text_generation(["a film " * 11], decoder, words=40, temperature=0)
    assert len(decoder.tokenizer(row["texts"][0])["input_ids"]) <= 24
    with pytest.raises(DataError, match="fills the 24 tokens"):
        pipelines.text_generation(["a film " * 12], decoder)
    assert pipelines.text_generation([""], decoder, words=3, seed=0)[0]["texts"][0]


def test_sampling_is_checked(decoder: Model) -> None:
    """Values out of range are usage errors, as for a language model of our own."""
    for how in ({"words": 0}, {"samples": 0}, {"temperature": -1}, {"top_p": 0.0}, {"top_k": -1}):
        with pytest.raises(UsageError, match="expected"):
            pipelines.text_generation(["a film"], decoder, **how)


def test_summaries_begin_with_the_prefix_of_the_config(t5: Path) -> None:
    """T5 is told what to do by words before the text, which its config holds."""
    (row,) = pipelines.summarization(["a dull film"], t5, words=6)
    expected = greedy(t5, "what is a dull film", "AutoModelForSeq2SeqLM", 6)
    assert row == {"summary": expected}
    assert expected


def test_translations_choose_their_languages(t5: Path) -> None:
    """The prefix of the pair of languages is used; a pair that the model lacks is an error with those it has."""
    (row,) = pipelines.translation(["a dull film"], t5, source="en", target="de", words=6)
    assert row == {"translation": greedy(t5, "john : a dull film", "AutoModelForSeq2SeqLM", 6)}
    (plain,) = pipelines.translation(["a dull film"], t5, words=6)
    assert plain == {"translation": greedy(t5, "a dull film", "AutoModelForSeq2SeqLM", 6)}
    with pytest.raises(UsageError, match="does not translate en to fr: it knows en_to_de"):
        pipelines.translation(["a film"], t5, source="en", target="fr")
    with pytest.raises(UsageError, match="both languages"):
        pipelines.translation(["a film"], t5, source="en")


def test_languages_of_a_model_of_many_are_checked(t5: Path) -> None:
    """A tokenizer with languages gets the source, and generation begins with the token of the target."""
    found = pipelines.load("translation", t5)
    assert isinstance(found, Checkpoint)
    found.tokenizer.src_lang = None
    seen = {}

    def generate(ids: torch.Tensor, **options: object) -> torch.Tensor:
        seen.update(options)
        return ids

    found.model.generate = generate
    pipelines.translation(["a film"], found, source="london", target="paris")
    assert found.tokenizer.src_lang == "london"
    assert seen["forced_bos_token_id"] == found.tokenizer.convert_tokens_to_ids("paris")
    with pytest.raises(UsageError, match="does not know the languages"):
        pipelines.translation(["a film"], found, source="london", target="rome")
    with pytest.raises(UsageError, match="several languages: give source and target"):
        pipelines.translation(["a film"], found)


def test_what_is_left_out_of_a_long_text_is_reported(t5: Path) -> None:
    """A text longer than the model takes is cut, with a warning that has both numbers."""
    long = "a dull film " * 20
    with pytest.warns(DataWarning, match=r"text 1 has 64 tokens, and the model takes 24"):
        rows = pipelines.summarization(["a film", long], t5, words=3)
    assert len(rows) == 2
    with pytest.raises(UsageError, match="words: expected 1 or more"):
        pipelines.summarization(["a film"], t5, words=0)
