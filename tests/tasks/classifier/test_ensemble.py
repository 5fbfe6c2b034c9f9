"""Several networks instead of one: trained in turn within one budget, averaged, mixed with the counts, one file."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ulmus import TextClassifier, TextRegressor, bundle
from ulmus.errors import BundleError, ConfigError
from ulmus.evaluation.combination import fit_weight
from ulmus.tasks.budget import Budget
from ulmus.tasks.classifier.measuring import Evidence, averaged
from ulmus.tasks.classifier.tuning import Tuned
from ulmus.tasks.language_model.model import LanguageModel
from ulmus.text.tokenizer import TokenizerConfig

Fit = Callable[..., TextClassifier]
Shelf = Callable[..., Path]


@pytest.fixture
def shelf(
    tmp_path: Path, corpus: Any, lm_settings: Any, quiet: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> Shelf:
    """Installs tiny language models, and nothing else: shelf(name, **changes to its settings)."""
    folder = tmp_path / "shelf"
    folder.mkdir()
    monkeypatch.setattr("ulmus.installed.OWN", folder)
    monkeypatch.setattr("ulmus.installed.entry_points", lambda **_: [])

    def install(name: str, **changes: Any) -> Path:
        model = LanguageModel(dataclasses.replace(lm_settings, epochs=1, **changes), **quiet)
        model.about = {"language": name[:2]}
        model.fit(corpus.unlabeled).save(folder / f"{name}.ulmus")
        return folder / f"{name}.ulmus"

    return install


@pytest.fixture
def few(corpus: Any) -> tuple[list[str], list[str]]:
    """30 labelled texts: none is held out."""
    return corpus.texts[:30], corpus.labels[:30]


@pytest.fixture
def measured(corpus: Any) -> dict[str, Any]:
    """Labelled texts, and others to measure on."""
    return {
        "texts": corpus.texts[:30],
        "labels": corpus.labels[:30],
        "valid": (corpus.test_texts, corpus.test_labels),
    }


@pytest.fixture
def always_tuned(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fine-tuning is chosen, whatever it is worth."""
    monkeypatch.setattr(Tuned, "helps", True)


def members(model: TextClassifier, texts: list[str]) -> list[np.ndarray]:
    """The probabilities (N, C) of each network alone."""
    fitted = model.fitted_
    alone = [
        dataclasses.replace(
            fitted, network=one.network, tokenizer=one.tokenizer, lm_config=one.lm_config, others=()
        )
        for one in fitted.members
    ]
    return [TextClassifier.of(one, precision="float32").predict_proba(texts, part="lm") for one in alone]


@pytest.mark.usefixtures("always_tuned")
def test_seeds_are_averaged_and_the_mix_rests_on_their_average(
    make: Fit, measured: dict[str, Any], corpus: Any
) -> None:
    """The first network is not the whole: the part `lm` is the mean of three, which the weight was fitted to."""
    model = make(ensemble="seeds:3").fit(**measured)
    each = members(model, corpus.test_texts)
    assert len(each) == 3
    assert not np.allclose(each[0], each[1], atol=1e-3)
    lm = model.predict_proba(corpus.test_texts, part="lm")
    np.testing.assert_allclose(lm, np.mean(each, axis=0), atol=1e-6)
    counts = model.predict_proba(corpus.test_texts, part="counts")
    _, place = np.unique(corpus.test_labels, return_inverse=True)
    expected = fit_weight(lm, counts, place)
    if model.combination_.weight not in (0.0, 1.0):
        assert model.combination_.weight == pytest.approx(expected.weight, abs=1e-3)
    assert model.report_["lm"]["accuracy"] == pytest.approx(
        (lm.argmax(1) == place).mean()
    )  # of the average, not of one of them
    networks = model.report_["ensemble"]["networks"]
    assert [one["seed"] for one in networks] == [0, 1, 2]
    assert all(0 <= one["lm"]["accuracy"] <= 1 for one in networks)
    assert {row["network"] for row in model.history_} == {1, 2, 3}


@pytest.mark.usefixtures("always_tuned")
def test_without_a_held_out_set_the_evidence_is_out_of_fold(
    make: Fit, few: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mix is that of the networks' averaged out-of-fold predictions."""
    from ulmus.tasks.classifier import fitting

    seen: list[Any] = []

    def spy(each: Any) -> Any:
        seen.extend(each)
        return averaged(each)

    monkeypatch.setattr(fitting, "averaged", spy)
    model = make(ensemble="seeds:2", teach="none").fit(*few)
    assert [len(one.documents) for one in seen] == [30, 30]
    together = averaged(seen)
    assert together is not None
    np.testing.assert_allclose(together.p_lm, (seen[0].p_lm + seen[1].p_lm) / 2)
    assert model.combination_ == together.mix()


def test_evidence_is_averaged_over_the_documents_that_all_have() -> None:
    """In the order of their numbers, with the word counts beside the first network; none without that of each."""
    p = np.array([[0.9, 0.1], [0.4, 0.6], [0.2, 0.8]])
    one = Evidence(np.array([1, 3, 5]), p, p, np.array([0, 1, 1]))
    other = Evidence(np.array([3, 4, 5]), p[::-1], 1 - p, np.array([1, 0, 1]), prior=0.25)
    both = averaged([one, other])
    assert both is not None
    assert both.documents.tolist() == [3, 5]
    np.testing.assert_allclose(both.p_lm, [[0.3, 0.7], [0.55, 0.45]])
    np.testing.assert_allclose(both.p_counts, p[1:])
    assert (both.target.tolist(), both.prior) == ([1, 1], 0.25)
    assert averaged([one, None]) is None


def test_two_directions_are_found_and_a_file_holds_all_of_it(
    make: Fit, settings: Any, shelf: Shelf, few: Any, corpus: Any, tmp_path: Path
) -> None:
    """The installed backward model of the language joins the forward one, though its vocabulary is another."""
    shelf("en-tiny")
    shelf("en-tiny-bwd", backwards=True, tokenizer=TokenizerConfig(min_freq=1, max_size=40))
    shelf("de-tiny-bwd", backwards=True)
    config = dataclasses.replace(settings, tune="none")
    model = make(config=config, ensemble="directions", language_model="en-tiny").fit(*few)
    assert [one.backwards for one in model.fitted_.members] == [False, True]
    names = [one["language_model"] for one in model.report_["ensemble"]["networks"]]
    assert names == ["en-tiny", "en-tiny-bwd"]
    each = members(model, corpus.test_texts)
    lm = model.predict_proba(corpus.test_texts, part="lm")
    np.testing.assert_allclose(lm, np.mean(each, axis=0), atol=1e-6)
    model.save(tmp_path / "model.ulmus")
    for path in (tmp_path / "shelf").iterdir():
        path.unlink()
    loaded = TextClassifier.load(tmp_path / "model.ulmus", device="cpu", precision="float32")
    for part in ("combined", "lm", "counts"):
        mine, theirs = (one.predict_proba(corpus.test_texts, part=part) for one in (model, loaded))
        assert np.array_equal(mine, theirs)
    loaded.save(tmp_path / "again.ulmus")
    assert (tmp_path / "again.ulmus").read_bytes() == (tmp_path / "model.ulmus").read_bytes()


def test_two_kinds_of_tokens_of_your_own(
    make: Fit, settings: Any, shelf: Shelf, few: Any, corpus: Any, tmp_path: Path
) -> None:
    """A list of two files; each network gets the ids of its tokenizer."""
    files = [shelf("own"), shelf("own-sub", tokenizer=TokenizerConfig(kind="unigram", max_size=120))]
    config = dataclasses.replace(settings, tune="none")
    model = make(config=config, ensemble="tokenizers", language_model=files).fit(*few)
    kinds = [one.tokenizer.config.kind for one in model.fitted_.members]
    assert kinds == ["word", "unigram"]
    model.save(tmp_path / "model.ulmus")
    loaded = TextClassifier.load(tmp_path / "model.ulmus", device="cpu", precision="float32")
    texts = [*corpus.test_texts, ""]
    assert np.array_equal(loaded.predict_proba(texts), model.predict_proba(texts))


@pytest.mark.parametrize(
    ("ensemble", "trait"),
    [("directions", lambda c: c.backwards), ("tokenizers", lambda c: c.tokenizer.kind == "unigram")],
)
@pytest.mark.parametrize("start", ["new", "none"])
def test_a_pair_of_new_language_models(
    ensemble: str, trait: Callable[[Any], bool], start: str, make: Fit, few: Any
) -> None:
    """Where no file is asked for, both are made: trained on the texts, or random."""
    model = make(ensemble=ensemble, language_model=start).fit(*few)
    assert [trait(one.lm_config) for one in model.fitted_.members] == [False, True]


def test_the_missing_second_model_is_named_before_any_training(
    make: Fit, settings: Any, shelf: Shelf, few: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With what is installed; your own model needs a second one, and a third choice is told."""
    own = shelf("zh-tiny")
    shelf("en-tiny-bwd", backwards=True)
    monkeypatch.setattr("ulmus.tasks.classifier.fitting.count", lambda *_: pytest.fail("counted"))
    for ensemble, language_model, message in (
        (
            "directions",
            "zh-tiny",
            r"like zh-tiny but for the other direction\. Installed: en-tiny-bwd, zh-tiny",
        ),
        ("tokenizers", "zh-tiny", "like zh-tiny but for another kind of tokens"),
        ("directions", own, "a second language model beside your own"),
        ("directions", [own, own], "differ in direction"),
        ("tokenizers", [own, "en-tiny-bwd"], "differ in the kind of tokens"),
        ("directions", [own, "none"], "of two, each is"),
        ("seeds:2", [own, "en-tiny-bwd"], "got 2 for seeds"),
        ("none", [own, "en-tiny-bwd"], "got 2 for none"),
        ("directions", [own] * 3, "got 3"),
    ):
        with pytest.raises(ConfigError, match=message):
            make(ensemble=ensemble, language_model=language_model).fit(*few)
    looking = dataclasses.replace(settings, language_model=None)
    with pytest.raises(ConfigError, match="choose seeds:3"):
        make(ensemble="directions", language_model=None, config=looking, tokenizer="word").fit(*few)


@pytest.mark.parametrize("wrong", ["both", "seeds", "seeds:1", "seeds:21", "seeds:x", 3, None])
def test_an_unknown_ensemble_is_refused(wrong: Any, make: Fit, few: Any) -> None:
    """The message lists the choices."""
    with pytest.raises(ConfigError, match="ensemble: expected auto, none, directions, tokenizers or seeds:N"):
        make(ensemble=wrong).fit(*few)


def test_seeds_that_would_all_be_the_same_are_one(
    make: Fit, few: Any, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """A regression on frozen features does not depend on the seed."""
    monkeypatch.setattr(Tuned, "helps", False)
    model = make(ensemble="seeds:3", verbose=True).fit(*few)
    assert len(model.fitted_.members) == 1
    assert "other seeds would give the same network" in capfd.readouterr().err


@pytest.mark.usefixtures("always_tuned")
def test_auto_is_three_seeds_where_labels_are_few_and_time_is_left(
    make: Fit, few: Any, corpus: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its first network is that of no ensemble; without fine-tuning, time, or with 200 labels it is the only one."""
    one, three = make().fit(*few), make(ensemble="auto").fit(*few)
    assert len(three.fitted_.members) == 3
    alone = one.predict_proba(corpus.test_texts, part="lm")
    assert np.array_equal(members(three, corpus.test_texts)[0], alone)
    assert len(make(ensemble="auto").fit(corpus.texts[:210], corpus.labels[:210]).fitted_.members) == 1
    monkeypatch.setattr(Budget, "left", lambda _: 1e-9)
    assert len(make(ensemble="auto", minutes=5).fit(*few).fitted_.members) == 1
    monkeypatch.undo()
    monkeypatch.setattr(Tuned, "helps", False)
    assert len(make(ensemble="auto").fit(*few).fitted_.members) == 1


@pytest.mark.parametrize("part", [0.2, 0.6, 0.95])
@pytest.mark.usefixtures("always_tuned")
def test_a_stopped_ensemble_resumes_at_the_network_it_was_in(
    part: float,
    make: Fit,
    few: Any,
    corpus: Any,
    stop_at: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Networks that are done are not trained again, nor cross-validated; the result is that of a run never stopped."""
    from ulmus.tasks.classifier import transfer

    tried: list[int] = []
    original = transfer.cross_validated

    def cross_validated(training: Any, *given: Any, **named: Any) -> Any:
        tried.append(training.settings.seed)
        return original(training, *given, **named)

    monkeypatch.setattr(transfer, "cross_validated", cross_validated)

    def fitted(step: int | None, folder: Path | None) -> tuple[TextClassifier, int]:
        model, counter = make(ensemble="seeds:3", work_dir=folder), stop_at(step)
        model.callbacks = [counter]
        return model.fit(*few), counter.steps

    expected, steps = fitted(None, None)
    stop, inside = int(part * steps), int(part * 3)
    with pytest.raises(KeyboardInterrupt):
        fitted(stop, tmp_path)
    tried.clear()
    resumed, rest = fitted(None, tmp_path)
    assert rest == steps - stop
    assert tried == list(range(inside, 3))
    assert np.array_equal(resumed.predict_proba(corpus.test_texts), expected.predict_proba(corpus.test_texts))
    assert resumed.history_[0]["stage"] == expected.history_[0]["stage"]
    assert resumed.combination_ == expected.combination_
    again, rest = fitted(None, tmp_path)
    assert rest == 0
    assert np.array_equal(again.predict_proba(corpus.test_texts), expected.predict_proba(corpus.test_texts))


@pytest.mark.usefixtures("always_tuned")
def test_progress_names_the_network(make: Fit, few: Any, capfd: pytest.CaptureFixture[str]) -> None:
    """When it begins, and before each of its stages."""
    make(ensemble="seeds:2", verbose=True).fit(*few)
    said = capfd.readouterr().err
    for nth in (1, 2):
        assert f"Network {nth} of 2." in said
        assert f"network {nth} of 2, pairs of labels epoch 1" in said


def test_parts_of_a_budget_share_what_the_clock_has_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """A network that was quick leaves its time to the others; what is planned does not depend on the clock."""
    now = [0.0]
    monkeypatch.setattr("ulmus.train.processes.time.perf_counter", lambda: now[0])
    whole = Budget(9)
    first = whole.part(0, 3)
    assert (first.minutes, first.left()) == (3, 3)
    now[0] = 60.0
    second = whole.part(1, 3)
    assert (second.minutes, second.left()) == (3, 4)
    assert whole.part(1, 3, whole=True).minutes == 9
    now[0] = 120.0
    assert second.left() == 3
    assert second.tokens(0.5, 1_000) == first.tokens(0.5, 1_000)
    assert Budget(None).part(0, 3).left() is None


def test_a_regressor_may_be_several_networks(
    settings: Any, quiet: dict[str, Any], corpus: Any, tmp_path: Path
) -> None:
    """Their numbers are averaged."""
    numbers = [float(len(text)) for text in corpus.texts[:60]]
    model = TextRegressor(config=settings, language_model="none", ensemble="directions", **quiet)
    model.fit(corpus.texts[:60], numbers).save(tmp_path / "numbers.ulmus")
    assert len(model.fitted_.members) == 2
    loaded = TextRegressor.load(tmp_path / "numbers.ulmus", device="cpu", precision="float32")
    np.testing.assert_array_equal(loaded.predict(corpus.test_texts), model.predict(corpus.test_texts))


def test_several_labels_a_text_are_averaged_label_by_label(make: Fit, corpus: Any) -> None:
    """And decided by thresholds that are those of the average."""
    labels = [
        (label, "long") if len(text) > 60 else (label,) for text, label in zip(*corpus[:2], strict=True)
    ]
    model = make(ensemble="directions").fit(corpus.texts[:210], labels[:210])
    each = members(model, corpus.test_texts)
    lm = model.predict_proba(corpus.test_texts, part="lm")
    np.testing.assert_allclose(lm, np.mean(each, axis=0), atol=1e-6)
    assert model.multi_label_
    assert 0 < model.thresholds_["lm"] < 1


CHANGES: dict[str, Callable[[dict[str, Any], dict[str, Any], dict[str, bytes]], Any]] = {
    "no list": lambda m, t, e: m.update(others={"language_model": None}),
    "no entry": lambda m, t, e: m.pop("others"),
    "an entry too many": lambda m, t, e: m["others"].append(m["others"][0]),
    "an entry of another type": lambda m, t, e: m.update(others=["more"]),
    "another shape": lambda m, t, e: m["others"][0]["language_model"].update(hidden=31),
    "no tokenizer": lambda m, t, e: e.clear(),
    "a tokenizer that is none": lambda m, t, e: e.update({"tokenizer-2.json": b"{}"}),
    "no UTF-8": lambda m, t, e: e.update({"tokenizer-2.json": b"\xff"}),
    "a weight is missing": lambda m, t, e: t.pop("network.2/encoder.embedding"),
}


@pytest.fixture(scope="module")
def two(settings: Any, corpus: Any, quiet: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of an ensemble of two tokenizers."""
    path = tmp_path_factory.mktemp("two") / "model.ulmus"
    model = TextClassifier(config=settings, language_model="none", ensemble="tokenizers", **quiet)
    model.fit(corpus.texts[:20], corpus.labels[:20]).save(path)
    return path


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_a_file_whose_networks_contradict_each_other_is_refused(
    change: Any, two: Path, tmp_path: Path
) -> None:
    """A BundleError that names the file, as for any other part."""
    opened = bundle.read(two)
    manifest = {k: v for k, v in opened.manifest.items() if k not in ("sha256", "format_version")}
    tensors, extra = dict(opened.tensors), dict(opened.extra)
    assert list(extra) == ["tokenizer-2.json"]
    change(manifest, tensors, extra)
    bundle.write(
        tmp_path / "x.ulmus",
        manifest=manifest,
        tokenizer_json=opened.tokenizer_json,
        tensors=tensors,
        extra=extra,
    )
    with pytest.raises(BundleError, match=r"x\.ulmus"):
        TextClassifier.load(tmp_path / "x.ulmus")
