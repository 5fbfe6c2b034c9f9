"""The tasks that read texts, with random models: shapes, ranges, long texts, and the same numbers as transformers."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from ulmus import pipelines
from ulmus.errors import BundleError, DataError, UsageError

Make = Callable[..., Path]

TEXTS = ["The film was good, john lives in Paris.", "", "where is london ? a great dull film"]
LONG = "john lives in paris . the film was bad , a dull film in london . " * 4
TAGS = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]
NLI = ["contradiction", "neutral", "entailment"]


def names(labels: list[str]) -> dict[str, Any]:
    """The entries of a config for these classes."""
    return {"id2label": dict(enumerate(labels)), "label2id": {name: i for i, name in enumerate(labels)}}


def reference(task: str, folder: Path, auto: str, **how: Any) -> Any:
    """The pipeline of transformers."""
    import transformers

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = getattr(transformers, auto).from_pretrained(folder, local_files_only=True)
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
        return transformers.pipeline(task, model=model, tokenizer=tokenizer, device="cpu", **how)


@pytest.fixture(scope="module")
def masked(make_checkpoint: Make) -> Path:
    return make_checkpoint("BertForMaskedLM")


@pytest.fixture(scope="module")
def classifier(make_checkpoint: Make) -> Path:
    return make_checkpoint("BertForSequenceClassification", **names(["bad", "fair", "good"]))


@pytest.fixture(scope="module")
def inference(make_checkpoint: Make) -> Path:
    return make_checkpoint("BertForSequenceClassification", **names(NLI))


@pytest.fixture(scope="module")
def tagger(make_checkpoint: Make) -> Path:
    return make_checkpoint("BertForTokenClassification", **names(TAGS))


@pytest.fixture(scope="module")
def reader(make_checkpoint: Make) -> Path:
    return make_checkpoint("BertForQuestionAnswering")


# -- feature-extraction ------------------------------------------------------------------------------------------------


def test_features_are_the_mean_over_all_tokens(masked: Path) -> None:
    """A short text has the mean of the last layer, as computed by transformers."""
    found = pipelines.feature_extraction(TEXTS, masked)
    for text, result in zip(TEXTS, found, strict=True):
        tokens = torch.tensor(reference("feature-extraction", masked, "AutoModel")(text))[0]  # (T, D)
        assert result["features"] == pytest.approx(tokens.mean(dim=0).tolist(), abs=1e-5)


def test_all_of_a_long_text_counts(masked: Path) -> None:
    """A change of the last word of a text longer than the model takes changes its features."""
    one, other = pipelines.feature_extraction([LONG + "good", LONG + "bad"], masked)
    assert len(one["features"]) == len(other["features"]) == 16
    assert one["features"] != pytest.approx(other["features"], abs=1e-5)


@pytest.mark.parametrize("kind", ["T5ForConditionalGeneration", "GPT2LMHeadModel"])
def test_other_architectures_give_features(make_checkpoint: Make, kind: str) -> None:
    """The encoder of an encoder-decoder, or a decoder, gives features, for an empty text too."""
    rows = pipelines.feature_extraction(["a film", LONG], make_checkpoint(kind))
    assert [len(row["features"]) for row in rows] == [16, 16]


# -- sentiment-analysis ------------------------------------------------------------------------------------------------


def test_sentiment_agrees_with_transformers(classifier: Path) -> None:
    """Labels and probabilities are those of the pipeline of transformers, sorted, and sum to 1."""
    expected = reference("text-classification", classifier, "AutoModelForSequenceClassification", top_k=None)
    for result, rows in zip(pipelines.sentiment_analysis(TEXTS, classifier), expected(TEXTS), strict=True):
        assert result["scores"] == pytest.approx({row["label"]: row["score"] for row in rows}, abs=1e-5)
        assert list(result["scores"]) == [row["label"] for row in rows]
        assert (result["label"], result["score"]) == next(iter(result["scores"].items()))
        assert sum(result["scores"].values()) == pytest.approx(1)


def test_independent_labels_are_not_normalised(make_checkpoint: Make) -> None:
    """A multi-label model gives each label a probability of its own."""
    folder = make_checkpoint("BertForSequenceClassification", problem_type="multi_label_classification")
    kind = "AutoModelForSequenceClassification"
    rows = reference("text-classification", folder, kind, top_k=None)([TEXTS[0]])[0]
    found = pipelines.sentiment_analysis(TEXTS[:1], folder)[0]["scores"]
    assert found == pytest.approx({row["label"]: row["score"] for row in rows}, abs=1e-5)


def test_batches_and_order_change_nothing(classifier: Path) -> None:
    """A text gets the same scores alone and among longer ones, and a long one is read whole."""
    texts = [*TEXTS, LONG, LONG + "bad", "good"] * 4
    together = pipelines.sentiment_analysis(texts, classifier)
    for text, result in zip(texts, together, strict=True):
        alone = pipelines.sentiment_analysis([text], classifier)[0]
        assert result["scores"] == pytest.approx(alone["scores"], abs=1e-5)
    assert together[3]["scores"] != pytest.approx(together[4]["scores"], abs=1e-5)


# -- zero-shot-classification ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("multi_label", [False, True])
def test_zero_shot_agrees_with_transformers(inference: Path, multi_label: bool) -> None:
    """Scores of candidate labels are those of the pipeline of transformers."""
    kind, labels = "AutoModelForSequenceClassification", ["film", "london", "john"]
    expected = reference("zero-shot-classification", inference, kind)
    found = pipelines.zero_shot_classification(
        [TEXTS[0], TEXTS[2]], inference, labels=labels, template="the {} .", multi_label=multi_label
    )
    for text, result in zip([TEXTS[0], TEXTS[2]], found, strict=True):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            rows = expected(text, labels, hypothesis_template="the {} .", multi_label=multi_label)
        assert result["scores"] == pytest.approx(
            dict(zip(rows["labels"], rows["scores"], strict=True)), abs=1e-5
        )
        assert list(result["scores"]) == rows["labels"]


def test_zero_shot_needs_a_model_of_entailment(classifier: Path) -> None:
    """A classifier of anything else is refused with its classes."""
    with pytest.raises(BundleError, match=r"classes bad, fair, good; .* entailment"):
        pipelines.zero_shot_classification(TEXTS, classifier, labels=["film"])


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"labels": []}, "one or more names"),
        ({"labels": "film"}, "one or more names"),
        ({"labels": ["film"], "template": "a film"}, "for the label"),
    ],
)
def test_zero_shot_checks_labels_and_template(inference: Path, how: dict[str, Any], message: str) -> None:
    """No labels, one string, or a template without a place are usage errors."""
    with pytest.raises(UsageError, match=message):
        pipelines.zero_shot_classification(TEXTS, inference, **how)


def test_a_label_longer_than_the_model_takes_is_an_error(inference: Path) -> None:
    """Where no room is left for the text, the error says so."""
    with pytest.raises(DataError, match="leaves no room for the text: the model takes 24"):
        pipelines.zero_shot_classification(TEXTS, inference, labels=["film", "dull " * 30])


# -- fill-mask ---------------------------------------------------------------------------------------------------------


def test_masks_are_filled_as_by_transformers(masked: Path) -> None:
    """Tokens and probabilities are those of the pipeline of transformers; the text keeps the user's writing."""
    text = "The  Film was [MASK], John."
    expected = reference("fill-mask", masked, "AutoModelForMaskedLM", top_k=3)(text)
    (guesses,) = pipelines.fill_mask([text], masked, top_k=3)[0]["masks"]
    assert [row["token"] for row in guesses] == [row["token_str"] for row in expected]
    assert [row["score"] for row in guesses] == pytest.approx([row["score"] for row in expected], abs=1e-5)
    assert [row["text"] for row in guesses] == [f"The  Film was {row['token']}, John." for row in guesses]


def test_each_mask_has_its_guesses(masked: Path) -> None:
    """Of several masks one is replaced at a time; all of the vocabulary may be asked for."""
    first, second = pipelines.fill_mask(["[MASK] was [MASK]"], masked, top_k=100)[0]["masks"]
    assert len(first) == len(second) == 32
    assert sum(row["score"] for row in first) == pytest.approx(1)
    assert first[0]["text"] == f"{first[0]['token']} was [MASK]"
    assert second[0]["text"] == f"[MASK] was {second[0]['token']}"


def test_a_text_without_a_mask_is_an_error(masked: Path) -> None:
    """The error shows how a mask is written."""
    with pytest.raises(DataError, match=r"text 1 has no \[MASK\]"):
        pipelines.fill_mask(["a [MASK]", "a film"], masked)
    with pytest.raises(DataError, match=r"text 0 is longer than the 24 tokens"):
        pipelines.fill_mask([LONG + "[MASK]"], masked)
    with pytest.raises(UsageError, match="top_k: expected 1 or more"):
        pipelines.fill_mask(["a [MASK]"], masked, top_k=0)


# -- ner ---------------------------------------------------------------------------------------------------------------


def test_entities_agree_with_transformers(tagger: Path) -> None:
    """Entities of short texts are those that transformers finds by the first token of each word."""
    expected = reference(
        "token-classification", tagger, "AutoModelForTokenClassification", aggregation_strategy="first"
    )
    for text in ["John lives in London.", "the films was lonly in lons Paris , john", "Paris"]:
        rows = [
            {
                "label": row["entity_group"],
                "start": row["start"],
                "end": row["end"],
                "score": float(row["score"]),
            }
            for row in expected(text)
        ]
        found = pipelines.ner([text], tagger)[0]["entities"]
        assert found
        assert [row.pop("text") for row in found] == [text[row["start"] : row["end"]] for row in rows]
        assert [row.pop("score") for row in found] == pytest.approx(
            [row.pop("score") for row in rows], abs=1e-5
        )
        assert found == rows


def test_entities_lie_in_the_text(tagger: Path) -> None:
    """Spans are in order, do not overlap, are within the whole of a long text, and scores are probabilities."""
    texts = [LONG, "", "  ", "Zoë 漢字 🙂 in PARIS\n\njohn"]
    for text, result in zip(texts, pipelines.ner(texts, tagger), strict=True):
        end = 0
        for entity in result["entities"]:
            assert end <= entity["start"] < entity["end"] <= len(text)
            assert entity["text"] == text[entity["start"] : entity["end"]]
            assert entity["text"].strip() == entity["text"]
            assert 0 < entity["score"] <= 1
            assert entity["label"] in ("PER", "LOC")
            end = entity["end"]
    found = pipelines.ner([LONG], tagger)[0]["entities"]
    assert found[-1]["end"] > 200


# -- question-answering ------------------------------------------------------------------------------------------------


def test_answers_are_spans_with_scores(reader: Path) -> None:
    """An answer is a piece of its text, also of a text longer than the model takes; an empty text has none."""
    texts = [TEXTS[0], LONG, ""]
    found = pipelines.question_answering(texts, reader, question="where is john ?")
    for text, row in zip(texts, found, strict=True):
        assert row["answer"] == text[row["start"] : row["end"]]
        assert 0 <= row["score"] <= 1
        assert 0 <= row["no_answer"] <= 1
    assert found[0]["answer"]
    assert found[2]["answer"] == ""
    assert found[2]["score"] == 0


def test_the_best_span_is_found(reader: Path) -> None:
    """No other pair of tokens has a higher product of probabilities, among those in order and not too long."""
    import transformers

    question, text = "where is john ?", TEXTS[0]
    tokenizer = transformers.AutoTokenizer.from_pretrained(reader, local_files_only=True)
    model = transformers.AutoModelForQuestionAnswering.from_pretrained(reader, local_files_only=True)
    batch = tokenizer(question, text, return_tensors="pt", return_offsets_mapping=True)
    offsets = batch.pop("offset_mapping")[0].tolist()
    with torch.no_grad():
        outputs = model(**batch)
    allowed = [0, *(i for i, own in enumerate(batch.sequence_ids()) if own == 1)]
    start, end = (
        logits[0, allowed].softmax(0).tolist() for logits in (outputs.start_logits, outputs.end_logits)
    )
    for longest in (1, 3, 30):
        best, i, j = max(
            (start[i] * end[j], i, j)
            for i in range(1, len(allowed))
            for j in range(i, min(i + longest, len(allowed)))
        )
        row = pipelines.question_answering([text], reader, question=question, longest=longest)[0]
        assert row["score"] == pytest.approx(best, abs=1e-6)
        assert (row["start"], row["end"]) == (offsets[allowed[i]][0], offsets[allowed[j]][1])
        assert row["no_answer"] == pytest.approx(start[0] * end[0], abs=1e-6)


def test_every_part_of_a_long_text_is_searched(reader: Path) -> None:
    """The best answer of a long text is at least as good as that of any window of it."""
    row = pipelines.question_answering([LONG], reader, question="what ?")[0]
    words = LONG.split()
    found = pipelines.question_answering([LONG], reader, question="what ?", longest=1)[0]
    assert row["score"] >= found["score"]
    assert found["answer"] in words


def test_questions_may_differ(reader: Path) -> None:
    """A question for each text gives what each question gives alone; another number of them is an error."""
    questions = ["what ?", "where is london ?"]
    both = pipelines.question_answering(TEXTS[::2], reader, question=questions)
    for text, question, row in zip(TEXTS[::2], questions, both, strict=True):
        alone = pipelines.question_answering([text], reader, question=question)[0]
        assert alone["answer"] == row["answer"]
        assert alone["score"] == pytest.approx(row["score"], abs=1e-6)
    with pytest.raises(UsageError, match="a question for each text, got 2 for 3"):
        pipelines.question_answering(TEXTS, reader, question=questions)
    with pytest.raises(DataError, match="leaves no room"):
        pipelines.question_answering(TEXTS, reader, question="what " * 30)
    with pytest.raises(UsageError, match="longest"):
        pipelines.question_answering(TEXTS, reader, question="what ?", longest=0)


# -- all ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("task", ["feature_extraction", "fill_mask", "ner", "sentiment_analysis"])
def test_no_texts_have_no_results(
    task: str, masked: Path, tagger: Path, classifier: Path, request: pytest.FixtureRequest
) -> None:
    """An empty list gives an empty list; a single string is refused."""
    folder = {"ner": tagger, "sentiment_analysis": classifier}.get(task, masked)
    assert getattr(pipelines, task)([], folder) == []
    with pytest.raises(UsageError):
        getattr(pipelines, task)("a film", folder)


def test_all_of_it_is_json(masked: Path, tagger: Path, classifier: Path, reader: Path) -> None:
    """Results are plain dicts of str, int and float, which json takes as they are."""
    import json

    json.dumps(
        [
            pipelines.feature_extraction(TEXTS, masked),
            pipelines.fill_mask(["[MASK]"], masked),
            pipelines.ner(TEXTS, tagger),
            pipelines.sentiment_analysis(TEXTS, classifier),
            pipelines.question_answering(TEXTS, reader, question="what ?"),
        ],
        allow_nan=False,
    )
