"""A transformer adapted to texts: it learns, resumes, is saved, and starts a classifier. Tiny models, made here."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ulmus import TextClassifier, TransformerEncoder, bundle
from ulmus.errors import BundleError, DataError, UsageError
from ulmus.models.language_head import HeadedTransformer, open_with_head
from ulmus.tasks.adaptation.config import AdaptationConfig
from ulmus.tasks.adaptation.fitting import stages
from ulmus.tasks.classifier.config import transformer_config
from ulmus.tasks.folders import folder_tokenizer
from ulmus.train.schedules import Schedule

FAST = AdaptationConfig(
    schedule=Schedule("slanted_triangular", peak=1e-2), epochs=6, tokens_per_batch=128, share=0.3
)
HEADED, BARE, DECODER = "BertForMaskedLM", "BertModel", "GPT2LMHeadModel"
Load = Callable[..., TransformerEncoder]


@pytest.fixture(scope="module")
def folders(make_checkpoint: Callable[..., Path]) -> dict[str, Path]:
    """Tiny models, with and without a head."""
    return {kind: make_checkpoint(kind) for kind in (HEADED, BARE, DECODER)}


@pytest.fixture
def load(folders: dict[str, Path], quiet: dict[str, Any]) -> Load:
    """Opens one of the tiny models."""

    def new(kind: str = HEADED, **changes: Any) -> TransformerEncoder:
        return TransformerEncoder.load(folders[kind], **({"config": FAST} | quiet | changes))

    return new


def texts(n: int = 60) -> list[str]:
    """`n` texts in which each word determines the next."""
    rng = random.Random(0)
    words = "the film was good , john lives in paris .".split()
    starts = [rng.randrange(len(words)) for _ in range(n)]
    return [" ".join((words * 4)[start : start + rng.randrange(6, 40)]) for start in starts]


def weights(model: TransformerEncoder) -> dict[str, torch.Tensor]:
    """All weights by name."""
    return dict(model.fitted_.transformer.named_parameters())


@pytest.mark.parametrize("kind", [HEADED, BARE, DECODER])
def test_the_perplexity_falls(kind: str, load: Load) -> None:
    """Of a masked model with and without a head of its own, and of a decoder; the folder's model stays as it was."""
    model = load(kind)
    before = {name: t.clone() for name, t in weights(model).items()}
    first = model.fitted_
    model.fine_tune(texts())
    assert model.metrics_["perplexity"] < 0.7 * model.metrics_["perplexity_before"]
    assert all(torch.equal(t, before[name]) for name, t in first.transformer.named_parameters())
    assert model.perplexity(texts()) < 0.7 * load(kind).perplexity(texts())
    assert model.history_[0]["stage"] == ("new head" if kind == BARE else "all layers")


@pytest.mark.parametrize("kind", [HEADED, BARE, DECODER])
def test_the_head_sees_only_what_is_predicted(kind: str, folders: dict[str, Path]) -> None:
    """Its rows are those that the whole model computes for all tokens."""
    model, _ = open_with_head(folders[kind], folder_tokenizer(folders[kind]).layout)
    ids, lengths = torch.tensor([[5, 6, 7, 8, 9], [10, 11, 12, 0, 0]]), torch.tensor([5, 3])
    predicted = torch.tensor([[1, 0, 0, 1, 0], [0, 0, 1, 0, 0]]).bool()
    parts = model.encoder.windows(ids, lengths)
    with torch.no_grad():
        everything = model.model(input_ids=parts.ids, attention_mask=parts.mask).logits
        rows = model.logits(ids, lengths, predicted)
    first = len(model.config.layout.prefix)
    expected = torch.stack([everything[0, first], everything[0, first + 3], everything[1, first + 2]])
    torch.testing.assert_close(rows, expected, atol=1e-5, rtol=1e-4)


def test_a_new_head_compares_outputs_with_embeddings(folders: dict[str, Path]) -> None:
    """Its transformation changes nothing at first but the norm: the logits are products with the embeddings."""
    model, new = open_with_head(folders[BARE], folder_tokenizer(folders[BARE]).layout)
    assert new
    ids, lengths = torch.tensor([[5, 6, 7, 8, 9]]), torch.tensor([5])
    with torch.no_grad():
        logits = model.logits(ids, lengths, torch.ones_like(ids).bool())
        hidden = model.encoder.token_features(ids, lengths)[0]
        normed = torch.nn.functional.layer_norm(hidden, hidden.shape[-1:])
        expected = normed @ model.model.get_input_embeddings().weight.T
    assert float(torch.corrcoef(torch.stack([logits.ravel(), expected.ravel()]))[0, 1]) > 0.95


def test_a_new_head_is_said_and_trains_alone_first(load: Load, capfd: pytest.CaptureFixture[str]) -> None:
    """A message on stderr; the next run of the saved model needs no new head."""
    load(BARE, verbose=True).fine_tune(texts(20))
    assert "a new one, tied to the embeddings" in capfd.readouterr().err
    alone, rest = stages(AdaptationConfig(), 1_000, minutes=10, new_head=True)
    assert (alone.unfreeze, rest.unfreeze) == (1, None)
    assert (alone.minutes or 0) + (rest.minutes or 0) == pytest.approx(10)


@pytest.mark.parametrize("kind", [BARE, DECODER])
def test_a_stopped_run_resumes_to_the_same_weights(
    kind: str, load: Load, stop_at: Any, tmp_path: Path
) -> None:
    """Within an epoch of the last stage: the same masks, the same weights to the last bit."""
    steps = stop_at()
    expected = load(kind)
    expected.callbacks.append(steps)
    expected.fine_tune(texts())
    stopped = load(kind, work_dir=tmp_path)
    stopped.callbacks.append(stop_at(steps.steps - 3))
    with pytest.raises(KeyboardInterrupt):
        stopped.fine_tune(texts())
    rest = stop_at()
    resumed = load(kind, work_dir=tmp_path)
    resumed.callbacks.append(rest)
    resumed.fine_tune(texts())
    assert rest.steps == 3
    assert all(torch.equal(t, weights(expected)[name]) for name, t in weights(resumed).items())
    assert resumed.metrics_ == expected.metrics_


@pytest.mark.parametrize("kind", [HEADED, BARE, DECODER])
def test_a_file_holds_all_of_it(kind: str, load: Load, tmp_path: Path, quiet: dict[str, Any]) -> None:
    """Encoder, head, tokenizer, scores and card; training can go on from it."""
    model = load(kind, about={"corpus": "films"}).fine_tune(texts())
    model.save(tmp_path / "adapted.ulmus")
    loaded = TransformerEncoder.load(tmp_path / "adapted.ulmus", **quiet)
    assert all(torch.equal(t, weights(model)[name]) for name, t in weights(loaded).items())
    assert loaded.metrics_ == model.metrics_
    rows = [{key: value for key, value in row.items() if key != "seconds"} for row in model.history_]
    assert loaded.history_ == rows
    assert (loaded.card_["corpus"], loaded.fitted_.config) == ("films", FAST)
    assert loaded.card_["source"] == model.card_["source"]
    assert loaded.perplexity(texts()) == pytest.approx(model.perplexity(texts()))
    loaded.fine_tune(texts(20))
    assert loaded.card_["tuned_from"]["corpus"] == "films"
    assert {row["stage"] for row in loaded.history_} == {"all layers"}


def test_a_file_in_bf16_has_half_the_size(load: Load, tmp_path: Path) -> None:
    """And nearly the same perplexity."""
    model = load().fine_tune(texts(20))
    model.save(tmp_path / "half.ulmus", weights="bf16")
    half = TransformerEncoder.load(tmp_path / "half.ulmus", device="cpu", precision="float32")
    assert half.perplexity(texts()) == pytest.approx(model.perplexity(texts()), rel=0.05)


def test_a_classifier_starts_from_the_file(load: Load, tmp_path: Path, quiet: dict[str, Any]) -> None:
    """It has the adapted encoder, and its own file needs neither that file nor the folder."""
    model = load().fine_tune(texts())
    model.save(tmp_path / "adapted.ulmus")
    settings = dataclasses.replace(transformer_config(), most_epochs=1, batch_size=8)
    some = texts(24)
    labels = ["long" if len(text) > 100 else "short" for text in some]
    classifier = TextClassifier(encoder=tmp_path / "adapted.ulmus", config=settings, **quiet)
    classifier.fit(some, labels)
    assert classifier.report_["language_model"] == model.metrics_
    (tmp_path / "adapted.ulmus").unlink()
    classifier.save(tmp_path / "model.ulmus")
    loaded = TextClassifier.load(tmp_path / "model.ulmus", device="cpu")
    np.testing.assert_allclose(loaded.predict_proba(some), classifier.predict_proba(some), atol=1e-6)


def test_a_file_that_was_changed_is_refused(load: Load, tmp_path: Path) -> None:
    """Other sizes, no mask token, or weights of the head missing: one clear error."""
    load().fine_tune(texts(12)).save(tmp_path / "adapted.ulmus")
    opened = bundle.read(tmp_path / "adapted.ulmus")
    shape = opened.manifest["transformer"]
    larger = shape | {"architecture": shape["architecture"] | {"hidden_size": 10**6}}
    headless = {name: t for name, t in opened.tensors.items() if not name.startswith("head.")}
    for changes, tensors in (
        ({"transformer": larger}, opened.tensors),
        ({"mask": None}, opened.tensors),
        ({"mask": 10**6}, opened.tensors),
        ({"config": {"share": 7}}, opened.tensors),
        ({}, headless),
    ):
        bundle.write(
            tmp_path / "changed.ulmus",
            manifest=opened.manifest | changes,
            tokenizer_json=opened.tokenizer_json,
            tensors=tensors,
        )
        with pytest.raises(BundleError, match="inconsistent"):
            TransformerEncoder.load(tmp_path / "changed.ulmus")


def test_unusable_models_and_texts_are_clear_errors(
    load: Load, make_checkpoint: Callable[..., Path], language_model: Any, tmp_path: Path
) -> None:
    """An encoder-decoder, a file of another kind, a folder without a mask token, no texts, only empty ones."""
    with pytest.raises(BundleError, match="encoder-decoder"):
        TransformerEncoder.load(make_checkpoint("T5ForConditionalGeneration"))
    language_model.save(tmp_path / "lm.ulmus")
    with pytest.raises(BundleError, match="holds a language-model, expected a transformer"):
        TransformerEncoder.load(tmp_path / "lm.ulmus")
    with pytest.raises(BundleError, match="holds a language-model, expected a transformer"):
        TextClassifier(encoder=tmp_path / "lm.ulmus").fit(["a", "b"], ["x", "y"])
    nameless = make_checkpoint("BertModel")
    file = nameless / "tokenizer_config.json"
    file.write_text(file.read_text().replace('"mask_token"', '"no_mask_token"'))
    with pytest.raises(BundleError, match="no mask token"):
        TransformerEncoder.load(nameless)
    with pytest.raises(DataError, match="got none"):
        load().fine_tune([])
    with pytest.raises(DataError, match="only empty ones"):
        load().fine_tune(["", " "])
    with pytest.raises(UsageError, match="load"):
        TransformerEncoder().fine_tune(["a"])


def test_long_documents_are_read_to_their_end(load: Load) -> None:
    """All tokens of a document that is longer than a window are trained on."""
    model = load(DECODER, config=dataclasses.replace(FAST, epochs=1))
    room = model.encoder_.config.room
    model.fine_tune(["film " * (5 * room)])
    assert model.card_["tokens_predicted"] == 5 * (room - 1)
    assert model.metrics_["tokens"] == 5 * room


def test_a_headed_transformer_lists_every_weight_once(folders: dict[str, Path]) -> None:
    """Groups for the training loop: embeddings, layers, head."""
    model, new = open_with_head(folders[HEADED], folder_tokenizer(folders[HEADED]).layout)
    assert isinstance(model, HeadedTransformer)
    assert not new
    listed = [id(p) for group in model.layer_groups() for p in group]
    assert len(listed) == len(set(listed))
    assert set(listed) == {id(p) for p in model.parameters()}
