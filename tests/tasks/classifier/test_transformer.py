"""A classifier on a transformer in a local folder: trained, saved, loaded, resumed. Tiny models, made here."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ulmus import TextClassifier, TextRegressor
from ulmus.errors import BundleError, ConfigError
from ulmus.tasks.classifier import transfer, tuning
from ulmus.tasks.classifier.config import ClassifierConfig, transformer_config
from ulmus.tasks.classifier.tuning import Tuned
from ulmus.tasks.pretrained import open_checkpoint

GOOD = ["the film was great .", "a good film", "great , good", "paris was good"]
BAD = ["the film was dull .", "a bad film", "dull , bad", "london was bad"]
Make = Callable[..., TextClassifier]


@pytest.fixture(scope="module")
def folder(make_checkpoint: Callable[..., Path]) -> Path:
    """A tiny BERT."""
    return make_checkpoint("BertModel")


@pytest.fixture
def small() -> ClassifierConfig:
    """Few epochs, high rates: the tiny model is random."""
    return dataclasses.replace(transformer_config(), most_epochs=4, all_peak=3e-3, batch_size=8)


@pytest.fixture
def make(folder: Path, small: ClassifierConfig, quiet: dict[str, Any]) -> Make:
    """Makes a classifier on the tiny BERT that is not fitted."""

    def new(**changes: Any) -> TextClassifier:
        return TextClassifier(**({"encoder": folder, "config": small} | quiet | changes))

    return new


def texts(n: int) -> tuple[list[str], list[str]]:
    """`n` texts, good and bad ones in turn, and their labels."""
    pairs = [
        ((GOOD if i % 2 else BAD)[i // 2 % 4] + " in" * (i // 8 % 5), "pos" if i % 2 else "neg")
        for i in range(n)
    ]
    return [text for text, _ in pairs], [label for _, label in pairs]


@pytest.mark.parametrize(
    ("tuned", "lost", "helps"), [(0.8, -0.1, True), (0.8, 0.05, True), (0.8, 0.2, False), (0.7, -1.0, False)]
)
def test_a_better_score_counts_unless_the_loss_says_otherwise(tuned: float, lost: float, helps: bool) -> None:
    """An encoder that predicts nothing but the commonest class scores well by chance, and its loss is high."""
    assert Tuned(frozen=0.7, tuned=tuned, lost=lost).helps is helps
    assert Tuned(frozen=0.7, tuned=tuned, lost=lost, doubt=1.2).helps


def test_it_learns_and_a_file_holds_all_of_it(make: Make, tmp_path: Path) -> None:
    """The loaded classifier predicts the same without the folder; a text gets the same alone and in a batch."""
    classifier = make().fit(*texts(48))
    new, truth = texts(16)
    assert (classifier.predict(new) == truth).mean() > 0.8
    classifier.save(tmp_path / "model.ulmus")
    loaded = TextClassifier.load(tmp_path / "model.ulmus", device="cpu")
    long = [*new, "", "the film was " * 400, "great"]
    together = loaded.predict_proba(long, part="lm")
    np.testing.assert_allclose(classifier.predict_proba(long, part="lm"), together, atol=1e-6)
    alone = np.concatenate([loaded.predict_proba([text], part="lm") for text in long])
    np.testing.assert_allclose(alone, together, atol=1e-5)


@pytest.mark.parametrize("kind", ["RobertaModel", "GPT2Model"])
def test_any_architecture_trains_and_loads(
    kind: str, make: Make, make_checkpoint: Callable[..., Path], tmp_path: Path
) -> None:
    """Other positions, no special tokens, a decoder."""
    classifier = make(encoder=make_checkpoint(kind)).fit(*texts(24))
    classifier.save(tmp_path / "model.ulmus")
    loaded = TextClassifier.load(tmp_path / "model.ulmus", device="cpu")
    new = texts(8)[0]
    np.testing.assert_allclose(loaded.predict_proba(new), classifier.predict_proba(new), atol=1e-6)


def test_frozen_features_are_all_if_fine_tuning_does_not_help(
    make: Make, folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Then the encoder's weights are those of the folder, and the verdict is printed."""
    monkeypatch.setattr(Tuned, "helps", False)
    classifier = make(verbose=True).fit(*texts(24))
    assert "with frozen features" in capfd.readouterr().err
    fresh = open_checkpoint(folder).encoder
    for own, given in zip(classifier.network_.encoder.parameters(), fresh.parameters(), strict=True):
        np.testing.assert_array_equal(own.detach().numpy(), given.detach().numpy())


def test_with_a_held_out_set_it_decides(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """No cross-validation then; the report has the scores of all parts."""
    monkeypatch.setattr(tuning, "cross_validated", lambda *_: pytest.fail("cross-validated"))
    classifier = make().fit(*texts(240))
    assert set(classifier.report_) >= {"lm", "counts", "combined", "verdict"}


def test_word_counts_teach_where_they_are_better(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Texts without labels then train the network on soft labels."""
    monkeypatch.setattr(transfer, "score", lambda labels, proba: 1.0 if proba is not None else 0.0)
    monkeypatch.setattr(tuning, "score", lambda labels, proba: 0.0)
    few, labels = texts(24)
    more = [text + " ." for text in texts(120)[0]]
    classifier = make().fit(few, labels, unlabeled=more)
    assert {row["stage"] for row in classifier.history_} >= {"teaching", "teaching again"}


def test_multi_label(make: Make) -> None:
    """Any number of labels a text."""
    some, labels = texts(40)
    sets = [(label, "long") if len(text) > 20 else (label,) for text, label in zip(some, labels, strict=True)]
    classifier = make().fit(some, sets)
    assert classifier.multi_label_
    assert classifier.predict_proba(some).shape == (40, 3)


def test_a_stopped_fit_resumes_to_the_same_classifier(make: Make, stop_at: Any, tmp_path: Path) -> None:
    """Ctrl-C in the middle of fine-tuning, then the same call again."""
    data = texts(240)
    whole = make().fit(*data).predict_proba(data[0][:9])
    stopped = make(work_dir=tmp_path)
    stopped.callbacks.append(stop_at(20))
    with pytest.raises(KeyboardInterrupt):
        stopped.fit(*data)
    assert list(tmp_path.glob("*.checkpoint"))
    resumed = make(work_dir=tmp_path).fit(*data)
    np.testing.assert_allclose(resumed.predict_proba(data[0][:9]), whole, atol=1e-6)


def test_encoder_and_language_model_exclude_each_other(make: Make, tmp_path: Path) -> None:
    """Both are what the classifier starts from; and a folder must be one."""
    with pytest.raises(ConfigError, match="encoder and language_model: give one of them"):
        make(language_model="new").fit(*texts(8))
    with pytest.raises(BundleError, match="There is no folder"):
        make(encoder=tmp_path / "nothing").fit(*texts(8))


def test_a_file_with_a_config_that_was_changed_is_refused(make: Make, tmp_path: Path) -> None:
    """A clear error, before anything of the size that the config claims is allocated."""
    from ulmus import bundle

    make().fit(*texts(12)).save(tmp_path / "model.ulmus")
    opened = bundle.read(tmp_path / "model.ulmus")
    for changes in ({"hidden_size": 10**6}, {"model_type": "unknown"}, {"num_hidden_layers": 3}):
        manifest = dict(opened.manifest)
        shape = dict(manifest["transformer"])
        manifest["transformer"] = shape | {"architecture": shape["architecture"] | changes}
        bundle.write(
            tmp_path / "changed.ulmus",
            manifest=manifest,
            tokenizer_json=opened.tokenizer_json,
            tensors=opened.tensors,
        )
        with pytest.raises(BundleError, match="inconsistent"):
            TextClassifier.load(tmp_path / "changed.ulmus")


def test_pairs_are_encoded_together(make: Make, tmp_path: Path) -> None:
    """A pair of texts is one document with a separator; the loaded model predicts the same for pairs."""
    some = texts(24)[0]
    pairs = [(text, some[i - i % 2]) for i, text in enumerate(some)]
    classifier = make().fit(pairs, ["same" if a == b else "other" for a, b in pairs])
    assert classifier.network_.head.linear.in_features == classifier.network_.encoder.config.pooled()
    classifier.save(tmp_path / "pairs.ulmus")
    loaded = TextClassifier.load(tmp_path / "pairs.ulmus", device="cpu")
    np.testing.assert_allclose(loaded.predict_proba(pairs), classifier.predict_proba(pairs), atol=1e-6)
    turned = [(b, a) for a, b in pairs]
    assert not np.allclose(loaded.predict_proba(turned, part="lm"), loaded.predict_proba(pairs, part="lm"))


@pytest.mark.parametrize("n", [40, 240])
def test_numbers(
    n: int, folder: Path, small: ClassifierConfig, quiet: dict[str, Any], tmp_path: Path
) -> None:
    """A regressor on a transformer, with and without a held-out set: within the range of what it learnt from."""
    some, labels = texts(n)
    values = [1.0 if label == "pos" else -1.0 for label in labels]
    values = [value + 0.1 * (len(text) % 3) for value, text in zip(values, some, strict=True)]
    model = TextRegressor(encoder=folder, config=small, **quiet).fit(some, values)
    model.save(tmp_path / "numbers.ulmus")
    found = TextRegressor.load(tmp_path / "numbers.ulmus", device="cpu").predict(some)
    np.testing.assert_allclose(found, model.predict(some), atol=1e-5)
    assert min(values) <= found.min() <= found.max() <= max(values)
    assert np.corrcoef(found, values)[0, 1] > 0.8


def test_texts_longer_than_a_window_are_counted(make: Make, capfd: pytest.CaptureFixture[str]) -> None:
    """In the report, and in a line that says what training reads of them; short texts are not worth a word."""
    some, labels = texts(24)
    assert "windows" not in make().fit(some, labels).report_
    long = ["the film was good " * 30, *some[1:]]
    report = make(verbose=True).fit(long, labels).report_
    assert report["windows"]["texts"] == 1
    assert report["windows"]["windows"] > 5
    assert "1 of 24 texts are longer than a window" in capfd.readouterr().err


def test_seeds_make_an_ensemble(
    make: Make, folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Of one transformer; what needs a second language model is refused with what to choose instead."""
    monkeypatch.setattr(Tuned, "helps", True)
    classifier = make(ensemble="seeds:2").fit(*texts(24))
    assert len(classifier.fitted_.members) == 2
    classifier.save(tmp_path / "model.ulmus")
    loaded = TextClassifier.load(tmp_path / "model.ulmus", device="cpu")
    new = texts(8)[0]
    np.testing.assert_allclose(loaded.predict_proba(new), classifier.predict_proba(new), atol=1e-6)
    for ensemble in ("directions", "tokenizers"):
        with pytest.raises(ConfigError, match=r"needs language models\. With encoder choose seeds:3"):
            make(ensemble=ensemble).fit(*texts(8))
