"""TextTagger: what it learns, what it predicts, what it refuses."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
import torch
from sklearn.exceptions import NotFittedError

from ulmus.corpus.tagged import Tagged
from ulmus.errors import ConfigError, DataError, UsageError
from ulmus.evaluation.entities import as_tags, entities
from ulmus.tasks.language_model.config import LMConfig
from ulmus.tasks.language_model.model import LanguageModel
from ulmus.tasks.tagger.model import TextTagger

Make = Callable[..., TextTagger]


def test_entities_of_new_sentences_are_found(tagger: TextTagger, make_tagged: Any) -> None:
    """On sentences that it has not seen, nearly every entity is found."""
    result = tagger.evaluate(*make_tagged(60, seed=7))
    assert result["f1"] > 0.9
    assert set(result["types"]) == set(tagger.types_) == {"LOC", "PER"}
    assert result["n"] == 60
    assert 0 <= result["seen"] <= 1
    assert tagger.score(*make_tagged(60, seed=7)) == result["f1"]


def test_spans_are_exactly_where_they_say(tagger: TextTagger) -> None:
    """Spans of raw text are slices of it, in order, whatever stands around them."""
    texts = ["", "Then  Anna Bert\twent to New Lima.\n", "«Clara came to Oslo!» 😀 京", "   "]
    found = tagger.predict(texts)
    assert [len(spans) for spans in found][::3] == [0, 0]
    for text, spans in zip(texts, found, strict=True):
        assert all(text[span.start : span.end] == span.text for span in spans)
        assert all(0 < span.score <= 1 for span in spans)
        assert sorted(spans) == spans
    assert ("Anna Bert", "PER") in [(span.text, span.label) for span in found[1]]
    assert ("New Lima", "LOC") in [(span.text, span.label) for span in found[1]]


def test_a_text_gets_the_same_spans_alone_and_among_others(tagger: TextTagger, make_tagged: Any) -> None:
    """Order and batch change no span, and no score by more than 1e-5."""
    texts = [" ".join(tokens) for tokens in make_tagged(30, seed=3)[0]]
    together = tagger.predict(texts)
    for text, spans in zip(texts, together, strict=True):
        (alone,) = tagger.predict([text])
        assert [span[:4] for span in alone] == [span[:4] for span in spans]
        assert [span.score for span in alone] == pytest.approx([span.score for span in spans], abs=1e-5)


def test_scores_are_probabilities_of_whole_entities(tagger: TextTagger) -> None:
    """The score of an entity is the probability of all tag sequences that have exactly it, by enumeration."""
    (span, *_) = tagger.predict(["Anna came"])[0]
    model = tagger.fitted_
    from ulmus.data.tag_batches import TagBatches
    from ulmus.tasks.tagger.sentences import parts_of, word_store
    from ulmus.train.device import to_device

    batch = next(iter(TagBatches(word_store(parts_of(["Anna came"], longest=20), model.tokenizer, 500))))
    with torch.no_grad():
        scores = model.network.scores(to_device(batch, torch.device("cpu")))[0]
        between, first = model.network.crf.steps()
        K = scores.shape[1]
        every = {
            (i, j): float(first[i] + scores[0, i] + between[i, j] + scores[1, j] + model.network.crf.last[j])
            for i in range(K)
            for j in range(K)
        }
    chances = torch.tensor(list(every.values())).softmax(0).tolist()
    begin = 1 + 2 * model.types.index(span.label)
    assert span.text == "Anna"
    expected = sum(p for (i, j), p in zip(every, chances, strict=True) if i == begin and j != begin + 1)
    assert span.score == pytest.approx(expected, abs=1e-5)


def test_texts_with_spans_teach_the_same(make_tagger: Make, make_tagged: Any) -> None:
    """Raw texts with spans of characters are as good as tokens with tags."""
    sentences, tags = make_tagged(120, seed=1)
    texts, spans = [], []
    for tokens, row in zip(sentences, Tagged.of(sentences, tags).entities, strict=True):
        starts = [len(" ".join([*tokens[:i], ""])) for i in range(len(tokens))]
        texts.append(" ".join(tokens))
        spans.append([(starts[e.start], starts[e.end - 1] + len(tokens[e.end - 1]), e.label) for e in row])
    tagger = make_tagger().fit(texts, spans)
    assert tagger.score(*make_tagged(60, seed=7)) > 0.9
    keys = ("start", "end", "label")
    assert (
        tagger.score(texts[:20], [[dict(zip(keys, span, strict=True)) for span in row] for row in spans[:20]])
        > 0.9
    )


def test_tags_of_tokens_are_valid_bio(tagger: TextTagger) -> None:
    """Every token has a tag, an entity begins with B, and tokens of several words have one."""
    tokens = ["Anna", "Bert", "went", "to", "New", "Lima", "(New-Lima)", "."]
    first, second = tagger.predict_tags([tokens, []])
    assert second == []
    assert first[:6] == ["B-PER", "I-PER", "O", "O", "B-LOC", "I-LOC"]
    assert as_tags(entities(first), len(tokens)) == first


def test_two_language_models_read_in_two_directions(
    make_tagger: Make,
    make_tagged: Any,
    lm_settings: LMConfig,
    quiet: dict[str, Any],
    tmp_path: Any,
    monkeypatch: Any,
) -> None:
    """A forward model is joined by an installed backward one with the same tokenizer, and fine-tuning tunes both."""
    texts = [" ".join(tokens) for tokens in make_tagged(30, seed=2)[0]]
    forward = LanguageModel(lm_settings, **quiet).fit(texts)
    backward = LanguageModel(dataclasses.replace(lm_settings, backwards=True), **quiet).fit(texts)
    backward.save(tmp_path / "other-way.ulmus")
    (tmp_path / "damaged.ulmus").write_bytes(b"PK")
    monkeypatch.setattr("ulmus.installed.OWN", tmp_path)
    few = make_tagged(8, seed=1)
    assert make_tagger(language_model=forward).fit(*few).fitted_.network.readings == ("forwards", "backwards")
    config = dataclasses.replace(make_tagger().config, tune="always")
    tuned = make_tagger(language_model=forward, config=config).fit(*few)
    assert tuned.fitted_.network.readings == ("forwards", "backwards")
    assert make_tagger(language_model=backward).fit(*few).fitted_.network.readings == ("backwards",)


def test_few_sentences_are_all_learnt(make_tagger: Make, make_tagged: Any) -> None:
    """With fewer than 50 sentences none is held out, and there are no scores; `valid` gives some."""
    few = make_tagged(10)
    assert "f1" not in make_tagger().fit(*few).report_
    assert "f1" in make_tagger().fit(*few, valid=make_tagged(10, seed=9)).report_


def test_the_report_is_about_held_out_sentences(tagger: TextTagger) -> None:
    """A fit without `valid` holds sentences out for its report, and trains on all at the end."""
    assert tagger.report_["n"] < 120
    assert tagger.report_["trained_on"] == {"sentences": 120, "entities": 240}
    assert {"f1", "loss"} <= tagger.history_[0].keys()
    assert tagger.history_[-1]["stage"] == "held-out sentences"


@pytest.mark.parametrize(
    ("sentences", "tags", "error"),
    [
        ([["a"], ["b"]], [["O"], ["O"]], DataError),
        ([], [], DataError),
        ([["a"]], [["PER"]], DataError),
        ([["a", "b"]], [["B-X"]], UsageError),
        (["a b"], [[(0, 9, "X")]], DataError),
    ],
    ids=["nothing marked", "no sentences", "unknown tag", "fewer tags", "span outside"],
)
def test_unusable_sentences_are_errors(make_tagger: Make, sentences: Any, tags: Any, error: type) -> None:
    """Errors come before any training, and the tagger stays as it was."""
    tagger = make_tagger()
    with pytest.raises(error):
        tagger.fit(sentences, tags)
    with pytest.raises(NotFittedError, match="not fitted"):
        tagger.predict(["a"])


def test_held_out_types_must_be_known(make_tagger: Make, make_tagged: Any) -> None:
    """A type that only held-out sentences have cannot be learnt."""
    with pytest.raises(DataError, match="of type X, which no training sentence has"):
        make_tagger().fit(*make_tagged(10), valid=([["a"]], [["B-X"]]))


def test_settings_out_of_range_are_errors(make_tagger: Make, make_tagged: Any) -> None:
    """Parameters are checked before the work."""
    with pytest.raises(ConfigError, match="precision"):
        make_tagger(precision="int8").fit(*make_tagged(10))
    with pytest.raises(ConfigError, match="minutes"):
        make_tagger(minutes=-1).fit(*make_tagged(10))


def test_the_repr_shows_the_types(tagger: TextTagger, make_tagger: Make) -> None:
    """A fitted tagger shows its types."""
    assert "2 types: LOC, PER" in repr(tagger)
    assert "not fitted" in repr(make_tagger())
