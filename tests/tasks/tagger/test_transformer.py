"""A tagger on a transformer from a folder."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from ulmus import bundle
from ulmus.errors import BundleError, ConfigError
from ulmus.tasks.tagger.config import TaggerConfig
from ulmus.tasks.tagger.model import TextTagger

SENTENCES = [
    ["John", "lives", "in", "London", "."],
    ["what", "is", "in", "Paris", "?"],
    ["John", "was", "good"],
] * 20
TAGS = [["B-PER", "O", "O", "B-LOC", "O"], ["O", "O", "O", "B-LOC", "O"], ["B-PER", "O", "O"]] * 20
Make = Callable[..., Path]


@pytest.fixture(scope="module")
def small(tagger_settings: TaggerConfig) -> TaggerConfig:
    """Settings for a tiny transformer with random weights."""
    return dataclasses.replace(
        tagger_settings, language_model=None, head_peak=3e-2, all_epochs=2, all_peak=3e-3
    )


@pytest.fixture(scope="module")
def bert(make_checkpoint: Make, small: TaggerConfig, quiet: dict[str, Any]) -> TextTagger:
    """A tagger on a tiny BERT. Shared: do not train it."""
    return TextTagger(encoder=make_checkpoint("BertModel"), config=small, **quiet).fit(SENTENCES, TAGS)


def test_it_learns_and_predicts_raw_text(bert: TextTagger) -> None:
    """Entities of raw texts are found, also in one that is longer than a window, with exact positions."""
    assert bert.score(SENTENCES[:3], TAGS[:3]) > 0.9
    text = "what is in  London?\n" * 12
    (found,) = bert.predict([text])
    assert [(span.text, span.label) for span in found].count(("London", "LOC")) >= 10
    assert all(text[span.start : span.end] == span.text for span in found)
    assert bert.fitted_.network.readings == ("both ways",)


def test_its_file_needs_no_folder(bert: TextTagger, tmp_path: Path) -> None:
    """A loaded tagger is the same, and a file whose parts do not fit is refused."""
    path = tmp_path / "model.ulmus"
    bert.save(path)
    loaded = TextTagger.load(path, device="cpu", precision="float32")
    texts = ["John was in Paris.", "what?"]
    assert loaded.predict(texts) == bert.predict(texts)
    opened = bundle.read(path)
    for changes in ({"transformer": {}}, {"transformer": None}, {"language_models": [{}]}):
        bundle.write(
            path,
            manifest={**opened.manifest, **changes},
            tokenizer_json=opened.tokenizer_json,
            tensors=opened.tensors,
        )
        with pytest.raises(BundleError):
            TextTagger.load(path)


def test_a_decoder_is_read_at_the_end_of_a_word(
    make_checkpoint: Make, small: TaggerConfig, quiet: dict[str, Any]
) -> None:
    """A decoder has seen a whole word at its last token only."""
    config = dataclasses.replace(small, head_epochs=1, all_epochs=1)
    tagger = TextTagger(encoder=make_checkpoint("GPT2Model"), config=config, **quiet).fit(
        SENTENCES[:6], TAGS[:6]
    )
    assert tagger.fitted_.network.readings == ("forwards",)


def test_one_encoder_is_enough(make_checkpoint: Make, quiet: dict[str, Any], tmp_path: Path) -> None:
    """A folder and a language model contradict each other; what is no folder of a transformer is an error."""
    folder = make_checkpoint("BertModel")
    with pytest.raises(ConfigError, match="one of them"):
        TextTagger(encoder=folder, language_model="none", **quiet).fit(SENTENCES[:3], TAGS[:3])
    with pytest.raises(BundleError):
        TextTagger(encoder=tmp_path, **quiet).fit(SENTENCES[:3], TAGS[:3])


def test_rates_are_low_by_default(make_checkpoint: Make, quiet: dict[str, Any]) -> None:
    """Without a config a transformer moves little: its weights are pretrained."""
    folder = make_checkpoint("BertModel")
    tagger = TextTagger(encoder=folder, **quiet).fit(SENTENCES[:6], TAGS[:6])
    from ulmus.tasks.pretrained import open_checkpoint

    before = dict(open_checkpoint(folder).encoder.named_parameters())  # type: ignore[attr-defined]
    after = dict(tagger.fitted_.network.encoders[0].named_parameters())
    with torch.no_grad():
        moved = [float((after[name] - weight).abs().max()) for name, weight in before.items()]
    assert 0 < max(moved) < 0.05
