"""The language model from outside: trained, fine-tuned, evaluated, saved, stopped and resumed."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch

from ulmus import bundle
from ulmus.errors import BundleError, ConfigError, DataError, UsageError
from ulmus.tasks.language_model import file, fitting
from ulmus.tasks.language_model.config import lm_config
from ulmus.tasks.language_model.model import LanguageModel
from ulmus.tasks.language_model.network import build
from ulmus.text.familiar import spelling_bits
from ulmus.text.tokenizer import TokenizerConfig

Fit = Callable[..., LanguageModel]


def weights(model: LanguageModel) -> dict[str, torch.Tensor]:
    """All weights by name."""
    return model.network_.state_dict()


def same(one: LanguageModel, other: LanguageModel) -> bool:
    """Whether two models are equal to the last bit."""
    mine, theirs = weights(one), weights(other)
    return mine.keys() == theirs.keys() and all(torch.equal(t, theirs[name]) for name, t in mine.items())


# -- training and measuring ---------------------------------------------------------------------------------------


def test_fit_learns_and_reports(corpus: Any, make_lm: Fit) -> None:
    """fit returns the model; perplexity falls far below the vocabulary's size; history and metrics are there."""
    model = make_lm(epochs=4)
    assert model.fit(corpus.texts) is model
    assert model.perplexity(corpus.test_texts) < 0.8 * len(model.tokenizer_)
    assert model.metrics_["perplexity"] > 1
    assert model.metrics_["documents"] == 240
    assert [row["epoch"] for row in model.history_] == [1, 2, 3, 4]
    assert model.history_[-1]["loss"] < model.history_[0]["loss"]


def test_perplexity_is_exp_of_the_mean_loss_per_token(corpus: Any, language_model: LanguageModel) -> None:
    """One stream, token by token: every token but the first is predicted once."""
    texts = corpus.test_texts[:5]
    ids = np.concatenate(language_model.tokenizer_.encode_batch(texts)).astype(np.int64)
    network = language_model.network_
    with torch.no_grad():
        output = network.encoder(torch.from_numpy(ids[None, :-1])).output[0]
        log_probs = network.decoder.log_probs(output, network.encoder.embedding)
    nll = -log_probs[torch.arange(len(ids) - 1), torch.from_numpy(ids[1:])]
    scores = language_model.evaluate(texts)
    assert scores["perplexity"] == pytest.approx(math.exp(float(nll.mean())), rel=1e-4)
    bits = float(nll.sum()) / math.log(2) + spelling_bits(language_model.tokenizer_, texts)
    assert scores["bits_per_character"] == pytest.approx(bits / sum(map(len, texts)), rel=1e-4)


def test_fit_can_start_from_the_weights_of_another_model(
    corpus: Any, language_model: LanguageModel, make_lm: Fit
) -> None:
    """It starts better, has the vocabulary of the texts, names the other model in its card, and does not change it."""
    before = {name: t.clone() for name, t in weights(language_model).items()}
    new, started = make_lm(epochs=1), make_lm(epochs=1)
    started.start = language_model
    new.fit(corpus.unlabeled)
    started.fit(corpus.unlabeled)
    assert started.metrics_["perplexity"] < 0.9 * new.metrics_["perplexity"]
    assert started.tokenizer_.vocab.tokens == new.tokenizer_.vocab.tokens
    assert started.card_["started_from"] == language_model.card_
    assert all(torch.equal(t, before[name]) for name, t in weights(language_model).items())


def test_the_same_seed_trains_the_same_model_and_leaves_torch_alone(corpus: Any, make_lm: Fit) -> None:
    """Runs repeat to the last bit; the caller's random state is not touched."""
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    one = make_lm().fit(corpus.texts[:40])
    assert torch.equal(torch.rand(3), expected)
    assert same(one, make_lm().fit(corpus.texts[:40]))
    assert not same(one, make_lm(seed=1).fit(corpus.texts[:40]))


def test_given_validation_texts_are_measured_and_not_trained_on(corpus: Any, make_lm: Fit) -> None:
    """With `valid` all texts train, and the metrics are those on `valid`."""
    model = make_lm().fit(corpus.texts[:60], valid=corpus.test_texts)
    assert model.metrics_["perplexity"] == pytest.approx(model.perplexity(corpus.test_texts))
    assert (
        model.metrics_["held_back_tokens"]
        == sum(map(len, model.tokenizer_.encode_batch(corpus.test_texts))) - 1
    )


def test_columns_and_streams_are_texts_too(corpus: Any, make_lm: Fit) -> None:
    """pandas, numpy, Arrow and anything that can be iterated twice train the model that a list does."""

    class Stream:
        def __iter__(self) -> Any:
            return iter(texts)

    texts = corpus.texts[:30]
    expected = make_lm(epochs=1).fit(texts)
    for given in (pd.Series(texts), np.array(texts), pa.array(texts), tuple(texts), Stream()):
        assert same(make_lm(epochs=1).fit(given), expected), type(given)


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ((text for text in ["a", "b"]), "read several times, got a generator"),
        ("one text", "expected a list, got a single str"),
        ([1, 2], "expected str, got int at position 0"),
        (pd.DataFrame({"text": ["a"], "more": ["b"]}), "expected one column"),
    ],
)
def test_anything_but_a_list_of_texts_is_refused(texts: Any, message: str, make_lm: Fit) -> None:
    """With what was expected and what came; a str or an iterator is refused rather than misread."""
    with pytest.raises(UsageError, match=message):
        make_lm().fit(texts)


@pytest.mark.parametrize("texts", [[], [""], ["", " \n "]])
def test_no_texts_are_refused(texts: list[str], make_lm: Fit) -> None:
    """An empty corpus is an error."""
    with pytest.raises(DataError):
        make_lm().fit(texts)


@pytest.mark.parametrize("empty", ["", " \t\n"])
def test_empty_texts_do_no_harm(empty: str, corpus: Any, make_lm: Fit) -> None:
    """Whichever documents are held out, a corpus of half empty texts trains and has finite metrics."""
    for seed in range(4):
        texts = [text for full in corpus.texts[:6] for text in (full, empty)]
        model = make_lm(seed=seed, epochs=1).fit(texts)
        assert math.isfinite(model.perplexity(texts))


def test_few_documents_are_all_trained_on(make_lm: Fit) -> None:
    """With fewer than ten documents there is no held-out set, and nothing is measured."""
    model = make_lm(epochs=1).fit(["a few words to learn from"] * 9)
    assert "perplexity" not in model.metrics_
    assert model.metrics_["documents"] == 9


@pytest.mark.parametrize("kind", ["unigram", "bpe", "char"])
def test_any_tokenizer_type_trains_generates_and_fine_tunes(kind: str, corpus: Any, make_lm: Fit) -> None:
    """Subwords and characters: fine-tuning keeps the tokenizer, so there is nothing to remap."""
    model = make_lm(tokenizer=TokenizerConfig(kind=kind, max_size=120, min_freq=1), epochs=1).fit(
        corpus.texts[:40]
    )
    (text,) = model.generate("The old", words=12, seed=0)
    assert text.startswith("The old")
    before = model.tokenizer_
    model.fine_tune(corpus.unlabeled[:40])
    assert model.tokenizer_ is before
    assert model.remap_ is None


def test_backward_models_train_and_evaluate_but_do_not_generate(corpus: Any, make_lm: Fit) -> None:
    """A backward model is useful for classification but cannot continue a text."""
    model = make_lm(backwards=True, epochs=1).fit(corpus.texts[:40])
    assert not same(model, make_lm(epochs=1).fit(corpus.texts[:40]))
    assert model.perplexity(corpus.test_texts) > 1
    with pytest.raises(UsageError, match="backward language model"):
        model.generate("The")


def test_lr_find_changes_no_weight(corpus: Any, make_lm: Fit) -> None:
    """The range test suggests a rate and restores everything; before `fit` it initialises a model as `fit` would."""
    model = make_lm()
    result = model.lr_find(corpus.texts, steps=12)
    assert result.suggestion > 0
    assert all(map(torch.equal, weights(model).values(), build_of(model).state_dict().values()))


def build_of(model: LanguageModel) -> torch.nn.Module:
    """The network that `fit` would start with."""
    return build(model.config, len(model.tokenizer_), seed=model.seed)


# -- the recipe ----------------------------------------------------------------------------------------------------


def test_there_is_one_stage_from_scratch_and_two_for_fine_tuning(make_lm: Fit) -> None:
    """Head first, then all at discriminative rates (Howard & Ruder 2018, section 3.2), the head's the highest."""
    (fresh,) = make_lm().stages(1_000)
    assert (fresh.unfreeze, fresh.schedule.name, fresh.epochs) == (None, "one_cycle", 2)
    first, second = make_lm().stages(1_000, tuning=True)
    assert (first.unfreeze, first.epochs) == (1, 1)
    assert (second.unfreeze, second.factor, second.schedule.name) == (None, 5.0, "one_cycle")


def test_small_corpora_train_for_more_epochs() -> None:
    """Enough epochs for 20 million tokens, at most 30; for fine-tuning a quarter of that, at most 4."""
    config = lm_config("small")
    assert [config.epochs_for(n) for n in (1_000, 1_000_000, 30_000_000)] == [30, 20, 1]
    assert [config.epochs_for(n, tuning=True) for n in (1_000, 1_000_000, 30_000_000)] == [4, 4, 1]


def test_a_time_budget_does_not_add_epochs_without_limit() -> None:
    """With a time budget, the limit is the number of epochs of the smallest corpus."""
    model = LanguageModel(lm_config("small"), minutes=1_000, verbose=False)
    assert [stage.epochs for stage in model.stages(30_000_000)] == [30]
    assert [stage.epochs for stage in model.stages(1_000, tuning=True)] == [1, 4]


def test_minutes_are_distributed_over_the_stages(make_lm: Fit) -> None:
    """A time budget is a budget for the whole call."""
    model = make_lm()
    model.minutes = 10
    assert [stage.minutes for stage in model.stages(1_000)] == [10]
    assert sum(stage.minutes or 0 for stage in model.stages(1_000, tuning=True)) == pytest.approx(10)


def test_an_unknown_size_is_refused() -> None:
    """base is the published shape; an unknown size is an error with a suggestion."""
    base = lm_config("base")
    assert (base.embedding, base.hidden, base.layers, base.dropouts.mult) == (400, 1150, 3, 1.0)
    with pytest.raises(ConfigError, match="Did you mean 'small'"):
        lm_config("smal")


# -- tuning --------------------------------------------------------------------------------------------------------


def test_fine_tune_learns_other_texts_and_records_the_remapping(
    corpus: Any, make_lm: Fit, make_texts: Any
) -> None:
    """The vocabulary begins with that of the texts; kept, new and dropped add up; perplexity on the new texts falls."""
    model = make_lm(epochs=3).fit(corpus.texts)
    old = model.tokenizer_.vocab
    other = [text.replace("sea", "lake") + " Zebras graze quietly." for text in make_texts(80, seed=9)[0]]
    assert model.fine_tune(other[:60]) is model
    new = model.tokenizer_.vocab
    assert "zebras" in new
    assert "zebras" not in old
    mapping = model.remap_
    assert mapping is not None
    assert mapping.kept == len(set(old.tokens) & set(new.tokens))
    assert (mapping.kept + mapping.new, mapping.kept + mapping.dropped) == (len(new), len(old))
    assert [row["stage"] for row in model.history_] == ["new words", "all layers"]
    assert model.history_[-1]["loss"] < model.history_[0]["loss"]
    assert model.perplexity(other[60:]) < 0.8 * len(new)


def test_fine_tuning_on_few_texts_keeps_known_words(corpus: Any, make_lm: Fit) -> None:
    """If there is room, known words that occur in none of the texts are kept after the others and predict as before."""
    model = make_lm(epochs=3).fit(corpus.texts)
    known, before = set(model.tokenizer_.vocab.tokens), model.perplexity(corpus.test_texts)
    model.fine_tune(corpus.unlabeled[:2])
    assert known <= set(model.tokenizer_.vocab.tokens)
    assert model.perplexity(corpus.test_texts) < 1.5 * before


def test_fine_tuning_on_few_texts_has_a_lower_rate() -> None:
    """The peak of the rate goes with the fourth root of the tokens, up to a million; later stages follow it."""
    model = LanguageModel()
    peaks = [[stage.schedule.peak for stage in model.stages(n, tuning=True)] for n in (100, 10**6, 10**8)]
    assert peaks[1] == peaks[2] == [2 * model.config.tune_peak, model.config.tune_peak]
    assert peaks[0] == [pytest.approx(peak / 10) for peak in peaks[1]]


def test_the_rows_of_the_vocabulary_train_first(
    corpus: Any, make_lm: Fit, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the first stage of fine-tuning the LSTM layers do not change by a bit."""
    model = make_lm(epochs=1).fit(corpus.texts[:40])
    layers = {name: t.clone() for name, t in weights(model).items() if "layers" in name}
    (first, _) = model.stages(1_000, tuning=True)
    monkeypatch.setattr(fitting, "stages", lambda *_, **__: [first])
    model.fine_tune(corpus.unlabeled[:40])
    assert [row["stage"] for row in model.history_] == ["new words"]
    assert all(torch.equal(weights(model)[name], t) for name, t in layers.items())


def test_interrupted_fine_tuning_leaves_the_model_unchanged(corpus: Any, make_lm: Fit, stop_at: Any) -> None:
    """Tokenizer, network and metrics change together, at the end, or not at all."""
    model = make_lm(epochs=1).fit(corpus.texts[:40])
    before = ({name: t.clone() for name, t in weights(model).items()}, model.tokenizer_, dict(model.metrics_))
    model.callbacks.append(stop_at(2))
    with pytest.raises(KeyboardInterrupt):
        model.fine_tune(corpus.unlabeled)
    assert all(torch.equal(weights(model)[name], t) for name, t in before[0].items())
    assert (model.tokenizer_, model.metrics_) == before[1:]


# -- files ---------------------------------------------------------------------------------------------------------


def test_a_loaded_model_is_the_saved_one(corpus: Any, language_model: LanguageModel, tmp_path: Path) -> None:
    """Perplexity, samples, metrics, vocabulary; saving it again gives the same bytes."""
    language_model.save(tmp_path / "lm.ulmus")
    loaded = LanguageModel.load(tmp_path / "lm.ulmus", device="cpu", verbose=False)
    assert same(loaded, language_model)
    assert loaded.perplexity(corpus.test_texts) == language_model.perplexity(corpus.test_texts)
    assert loaded.generate("The", seed=3) == language_model.generate("The", seed=3)
    assert (loaded.metrics_, loaded.config) == (language_model.metrics_, language_model.config)
    loaded.save(tmp_path / "again.ulmus")
    assert (tmp_path / "again.ulmus").read_bytes() == (tmp_path / "lm.ulmus").read_bytes()


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    """The message says what the file holds and what was expected."""
    bundle.write(tmp_path / "x.ulmus", manifest={"kind": "classifier"}, tokenizer_json="{}", tensors={})
    with pytest.raises(BundleError, match="holds a classifier, expected a language-model"):
        LanguageModel.load(tmp_path / "x.ulmus")


@pytest.mark.parametrize(
    "break_it",
    [
        lambda parts: parts["manifest"].pop("config"),
        lambda parts: parts["manifest"]["config"].update(hidden=17),
        lambda parts: parts["manifest"]["config"].update(hidden="many"),
        lambda parts: parts["manifest"]["config"].update(colour="green"),
        lambda parts: parts["tensors"].pop("decoder.bias"),
        lambda parts: parts.update(tokenizer_json="{}"),
        lambda parts: parts["manifest"].pop("metrics"),
    ],
)
def test_inconsistent_parts_are_refused(break_it: Any, language_model: LanguageModel, tmp_path: Path) -> None:
    """A complete file with valid checksums but inconsistent parts is a BundleError, and nothing is half-loaded."""
    parts = file.parts(language_model.fitted_)
    break_it(parts)
    bundle.write(tmp_path / "x.ulmus", **parts)
    with pytest.raises(BundleError):
        LanguageModel.load(tmp_path / "x.ulmus")


@pytest.mark.parametrize(
    "use",
    [
        lambda lm: lm.perplexity(["a"]),
        lambda lm: lm.generate("a"),
        lambda lm: lm.save("x.ulmus"),
        lambda lm: lm.fine_tune(["a"]),
    ],
)
def test_a_model_that_is_not_fitted_says_so(use: Any, make_lm: Fit) -> None:
    """Before `fit` or `load`; the message says what to call."""
    with pytest.raises(UsageError, match=r"is not fitted: call fit"):
        use(make_lm())


# -- generating ----------------------------------------------------------------------------------------------------


def test_generated_texts_continue_the_prompt(language_model: LanguageModel) -> None:
    """Several samples, seeded; the prompt comes first, spelled as given; xxunk and markers do not appear."""
    texts = language_model.generate("The old", words=15, samples=3, seed=1)
    assert len(set(texts)) == 3
    assert all(text.startswith("The old") and "xx" not in text for text in texts)
    assert texts == language_model.generate("The old", words=15, samples=3, seed=1)
    assert texts != language_model.generate("The old", words=15, samples=3, seed=2)


def test_a_prompt_may_be_empty_or_unknown(language_model: LanguageModel) -> None:
    """Text is generated all the same, after the prompt as given."""
    assert all(language_model.generate(prompt, words=5, seed=0)[0] for prompt in ("", "\n"))
    for prompt in ("Quetzalcoatl", "The old Quetzalcoatl"):
        (text,) = language_model.generate(prompt, words=5, seed=0)
        assert text.startswith(prompt + " ")


@pytest.mark.parametrize("wrong", [{"words": 0}, {"samples": 0}, {"temperature": -1.0}, {"top_p": 2.0}])
def test_impossible_generation_is_refused(wrong: dict[str, Any], language_model: LanguageModel) -> None:
    """A UsageError with the bounds."""
    with pytest.raises(UsageError, match="expected"):
        language_model.generate("The", **wrong)


def test_repr_shows_shape_and_learned_state(language_model: LanguageModel, lm_settings: Any) -> None:
    """Fitted or not, the vocabulary, the perplexity."""
    assert (
        repr(LanguageModel(lm_settings)) == "<LanguageModel(lstm, 2 layers of 16, word tokens), not fitted>"
    )
    perplexity = language_model.metrics_["perplexity"]
    assert repr(language_model).endswith(
        f"fitted: vocabulary of {len(language_model.tokenizer_)}, perplexity {perplexity:.1f}>"
    )
