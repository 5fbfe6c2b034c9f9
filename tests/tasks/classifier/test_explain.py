"""Explanations: shares that add up, of any text, by any kind of classifier or regressor."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ulmus import TextClassifier, TextRegressor
from ulmus.errors import UsageError
from ulmus.evaluation.combination import FLOOR, Combination
from ulmus.evaluation.explanation import Explanation
from ulmus.serve.explaining import SEGMENTS, WORDS
from ulmus.tasks.classifier.config import ClassifierConfig, transformer_config
from ulmus.tasks.classifier.fitted import FittedClassifier, Member
from ulmus.tasks.language_model.model import LanguageModel

ODD = [
    *(
        "",
        " \n\t",
        "owl",
        "😀👍🏽 owl 👨‍👩‍👧",
        "e\u0301 owl n\u0303",
        "กำลังดู owl",
        "我们在海边。船！",
        "שלום owl עולם",
    ),
    *(
        "<script>alert(1)</script> & owl",
        "a\0b\x1b[31m \u202eowl\u202c",
        "\ud800 owl",
        "OWL OWL OWL OWL",
        "¡¡¡",
    ),
]
Make = Callable[..., TextClassifier]


def weighed(model: TextClassifier, lm: float, counts: float) -> TextClassifier:
    """The classifier with other exponents of its two parts."""
    mix = Combination(lm / (lm + counts), lm, counts, model.fitted_.objective)
    return TextClassifier.of(dataclasses.replace(model.fitted_, combination=mix), precision="float32")


@pytest.fixture(scope="module")
def mixed(classifier: TextClassifier) -> TextClassifier:
    """The shared classifier, both of whose parts predict."""
    return weighed(classifier, 0.7, 0.6)


def evidence(model: Any, proba: np.ndarray) -> np.ndarray:
    """The log of each probability (N, C) less the mean of the others' logs, by hand; log odds of several labels."""
    logs = np.log(np.clip(proba, FLOOR, 1 - FLOOR))
    if model.fitted_.objective.multi_label:
        return np.asarray(logs - np.log1p(-np.clip(proba, FLOOR, 1 - FLOOR)))
    others = (logs.sum(axis=1, keepdims=True) - logs) / (logs.shape[1] - 1)
    return np.asarray(logs - others)


def check(model: Any, texts: list[Any], found: list[Explanation]) -> None:
    """What holds of all explanations: of what was predicted, shares that add up, tokens that are of the text."""
    outputs = model.outputs(texts)
    assert len(found) == len(texts)
    for one, row, label in zip(found, outputs, model.labels_of(outputs), strict=True):
        assert one.prediction == label
        assert one.scores.shape == (len(one.spans), len(one.classes))
        assert np.isfinite(one.scores).all()
        np.testing.assert_allclose(sum(one.parts.values()), one.scores, atol=1e-9)
        if one.numeric:
            total = np.array([label])
        else:
            np.testing.assert_array_equal(one.probabilities, row)
            total = evidence(model, row[None])[0]
        np.testing.assert_allclose(one.scores.sum(axis=0) + one.base, total, atol=1e-6)
        assert one.tokens == tuple(one.text[start:end] for start, end in one.spans)
        assert all(token and not token[0].isspace() and not token[-1].isspace() for token in one.tokens)
        edges = [edge for span in one.spans for edge in span]
        assert edges == sorted(edges)
        assert json.loads(json.dumps(one.to_dict()))["tokens"] == one.to_dict()["tokens"]
        assert "<script" not in one._repr_html_()


def test_any_text_can_be_explained(mixed: TextClassifier, corpus: Any) -> None:
    """Whatever the script, with markup, control characters, lone surrogates, or nothing in it."""
    texts = [*ODD, *corpus.test_texts[:3]]
    found = mixed.explain(texts)
    check(mixed, texts, found)
    assert [one.text for one in found] == texts
    assert [len(one.spans) for one in found[:3]] == [0, 0, 1]
    assert found[5].tokens[:3] == ("ก", "ำ", "ลั")


def test_a_word_that_decides_has_the_largest_share(classifier: TextClassifier) -> None:
    """For its class, against the others."""
    (one,) = weighed(classifier, 0.1, 1).explain(["We saw the old owl and then some moss."])
    assert {word for word, share in one.strongest("wood", top=2) if share > 0} == {"owl", "moss"}
    assert [share > 0 for _, share in one.strongest("sea", top=2)] == [False, False]


def test_the_same_question_has_the_same_answer(mixed: TextClassifier, corpus: Any) -> None:
    """Alone and among others; nothing is random."""
    first, again = mixed.explain(corpus.test_texts[:2]), mixed.explain(corpus.test_texts[1:2])
    assert first[1].to_dict()["label"] == again[0].to_dict()["label"]
    np.testing.assert_allclose(first[1].scores, again[0].scores, atol=1e-5)
    assert mixed.explain(corpus.test_texts[:1])[0].to_dict() == first[0].to_dict()


def test_the_word_counts_shares_are_exact(classifier: TextClassifier, corpus: Any) -> None:
    """Those of the n-grams, spread over their words: nothing is left over but the bias, whatever the weight."""
    counts, model = classifier.counts_, weighed(classifier, 0, 1)
    bias = evidence(model, model.fitted_.objective.probabilities(counts.model_.bias[None].astype(float)))[0]
    for one in model.explain(corpus.test_texts[:5]):
        assert one.method == {"counts": "exact"}
        np.testing.assert_allclose(one.base, bias, atol=1e-5)
        by_ngram = counts.explain(one.text, top=10_000)
        mean = {name: sum(share for _, share in rows) for name, rows in by_ngram.items()}
        for k, name in enumerate(one.classes):
            others = [mean[other] for other in one.classes if other != name]
            assert one.scores[:, k].sum() == pytest.approx(mean[name] - np.mean(others), abs=1e-4)
    (double,) = weighed(classifier, 0, 2).explain(corpus.test_texts[4:5])
    np.testing.assert_allclose(double.scores, 2 * one.scores, atol=1e-9)


def test_both_parts_are_weighed_as_in_the_prediction(mixed: TextClassifier, corpus: Any) -> None:
    """The network's shares add up to what the text changes in it; a network alone has all of the score."""
    text = corpus.test_texts[0]
    (one,) = mixed.explain([text])
    empty, whole = evidence(mixed, mixed.outputs(["", text], part="lm"))
    np.testing.assert_allclose(one.parts["lm"].sum(axis=0), 0.7 * (whole - empty), atol=1e-5)
    alone = TextClassifier.of(dataclasses.replace(mixed.fitted_, mixed=False), precision="float32")
    (network,) = alone.explain([text])
    np.testing.assert_allclose(0.7 * network.scores, one.parts["lm"], atol=1e-5)
    np.testing.assert_allclose(network.base, empty, atol=1e-5)


def test_several_networks_in_either_direction(mixed: TextClassifier, language_model: LanguageModel) -> None:
    """An ensemble is explained as one, whose probabilities are averaged."""
    fitted = mixed.fitted_
    backwards = dataclasses.replace(language_model.fitted_.config, backwards=True)
    other = Member(fitted.network, fitted.tokenizer, backwards)
    several = TextClassifier.of(dataclasses.replace(fitted, others=(other,)), precision="float32")
    texts = [*ODD, "We saw the old owl and then some moss."]
    found = several.explain(texts)
    check(several, texts, found)
    assert not np.allclose(found[-1].scores, mixed.explain(texts[-1:])[0].scores)


def test_a_long_text_is_explained_by_segments(classifier: TextClassifier) -> None:
    """A bounded number of them, with the prediction up to each; the last is that of the whole."""
    sea, wood = "The old wave and the tide. ", "Some moss, and then an owl! "
    long = sea * 50 + wood * 70
    mixed = weighed(classifier, 0.1, 1)
    (one,) = mixed.explain([long])
    check(mixed, [long], [one])
    assert one.unit == "segment"
    assert 10 < len(one.spans) <= SEGMENTS
    assert one.running is not None
    np.testing.assert_allclose(one.running[-1], one.probabilities, atol=1e-4)
    k = one.classes.index("sea")
    assert one.running[5, k] > one.running[-1, k]
    assert one.scores[0, k] > 0 > one.scores[-1, k]


def test_the_cost_is_a_bounded_number_of_predictions(
    classifier: TextClassifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long the text is: the characters asked about are those of twice as many texts as segments."""
    asked: list[str] = []
    predicted = FittedClassifier.probabilities

    def counting(self: FittedClassifier, texts: list[str], *more: Any) -> Any:
        asked.extend(texts)
        return predicted(self, texts, *more)

    monkeypatch.setattr(FittedClassifier, "probabilities", counting)
    long = "We saw an owl, a wave and the old moss. " * 150
    (one,) = weighed(classifier, 0.5, 0.5).explain([long])
    assert one.unit == "segment"
    assert len(asked) <= 4 * SEGMENTS + 2
    assert sum(map(len, asked)) <= (2 * SEGMENTS + 2) * len(long)


def test_the_unit_can_be_chosen(mixed: TextClassifier) -> None:
    """Words of a long text, sentences of a short one."""
    assert len(mixed.explain(["word " * (WORDS + 1)], unit="word")[0].spans) == WORDS + 1
    (one,) = mixed.explain(["An owl. A wave!"], unit="segment")
    assert one.tokens == ("An owl.", "A wave!")
    with pytest.raises(UsageError, match="expected one of auto, word, segment"):
        mixed.explain(["An owl."], unit="sentence")


def test_what_is_refused(mixed: TextClassifier) -> None:
    """A single string, pairs, a model that is not fitted."""
    with pytest.raises(UsageError, match="Put it in a list"):
        mixed.explain("a text")
    with pytest.raises(UsageError, match="takes single texts"):
        mixed.explain([("a", "b")])
    with pytest.raises(UsageError, match="not fitted"):
        TextClassifier().explain(["a"])
    assert mixed.explain([]) == []


def test_several_labels_a_text(make: Make, corpus: Any, settings: ClassifierConfig) -> None:
    """Each label has log odds of its own."""
    labels = [[label] * (i % 5 > 0) for i, label in enumerate(corpus.labels[:40])]
    model = make(config=dataclasses.replace(settings, tune="none")).fit(corpus.texts[:40], labels)
    texts = [*ODD[:4], *corpus.test_texts[:3]]
    check(model, texts, model.explain(texts))


def test_numbers(settings: ClassifierConfig, quiet: dict[str, Any], corpus: Any) -> None:
    """The shares are in the user's units, and add up to the number, even where it is clipped to the known range."""
    values = [1_000.0 + 200 * text.lower().count("o") for text in corpus.texts[:40]]
    model = TextRegressor(
        language_model="none", config=dataclasses.replace(settings, tune="none"), **quiet
    ).fit(corpus.texts[:40], values)
    texts = [*ODD[:4], *corpus.test_texts[:2], "An owl. " * 100]
    found = model.explain(texts)
    check(model, texts, found)
    assert found[-1].running is not None
    assert found[-1].running[-1, 0] == pytest.approx(found[-1].prediction, abs=1)
    assert "prediction" in found[0].to_dict()


def test_pairs_of_texts(settings: ClassifierConfig, quiet: dict[str, Any], corpus: Any) -> None:
    """Words of both texts have shares; the word counts of pairs are asked, like the network."""
    pairs = [(a, b) for a, b in zip(corpus.texts[:40], corpus.texts[40:80], strict=True)]
    labels = [a[:1] < b[:1] for a, b in pairs]
    model = TextClassifier(language_model="none", config=dataclasses.replace(settings, tune="none"), **quiet)
    model = weighed(model.fit(pairs, labels), 0.5, 0.5)
    given = [*pairs[:2], ("", ""), ("owl", ""), ("", "xxfld <script>"), ("An owl. " * 60, "A wave. " * 60)]
    found = model.explain(given)
    check(model, given, found)
    first = found[0]
    assert first.second is not None
    assert (first.text[: first.second - 1], first.text[first.second :]) == given[0]
    assert any(start >= first.second for start, _ in first.spans)
    assert set(first.method.values()) == {"mean of four marginal contributions"}
    assert found[-1].unit == "segment"


def test_a_transformer(make_checkpoint: Callable[..., Path], quiet: dict[str, Any]) -> None:
    """Its own tokenizer changes nothing about the words that get shares."""
    texts = ["the film was great .", "the film was dull .", "a good film", "a bad film"] * 5
    config = dataclasses.replace(transformer_config(), most_epochs=1, batch_size=8)
    model = TextClassifier(encoder=make_checkpoint("BertModel"), config=config, **quiet)
    model = weighed(model.fit(texts, ["good", "bad"] * 10), 0.5, 0.5)
    given = [*texts[:2], *ODD, "great film. " * 200]
    found = model.explain(given)
    check(model, given, found)
    assert found[0].tokens == ("the", "film", "was", "great", ".")
