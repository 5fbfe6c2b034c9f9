"""A classifier in one file: a round trip loses nothing, and files of another kind are refused."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ulmus import bundle
from ulmus.errors import BundleError, ConfigError, StorageError
from ulmus.tasks.classifier.model import TextClassifier
from ulmus.tasks.language_model.model import LanguageModel

PARTS = ("combined", "lm", "counts")


@pytest.fixture(scope="session")
def saved(classifier: TextClassifier, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shared classifier's file."""
    path = tmp_path_factory.mktemp("saved") / "model.ulmus"
    classifier.save(path)
    return path


@pytest.mark.parametrize("part", PARTS)
def test_a_loaded_classifier_gives_identical_probabilities(
    part: str, classifier: TextClassifier, saved: Path, corpus: Any
) -> None:
    """Identical, not just close, in every part."""
    loaded = TextClassifier.load(saved, device="cpu", precision=classifier.precision)
    mine, theirs = (c.predict_proba(corpus.test_texts, part=part) for c in (classifier, loaded))
    assert np.array_equal(mine, theirs)


def test_everything_learnt_comes_back(classifier: TextClassifier, saved: Path, corpus: Any) -> None:
    """Classes, report, history, settings, tokenizer; and saving it again gives the same bytes."""
    loaded = TextClassifier.load(saved)
    assert loaded.class_names_ == classifier.class_names_
    assert loaded.multi_label_ is False
    assert loaded.tokenizer_.fingerprint == classifier.tokenizer_.fingerprint
    assert loaded.combination_ == classifier.combination_
    assert loaded.thresholds_ == classifier.thresholds_
    assert loaded.report_["verdict"] == classifier.report_["verdict"]
    assert len(loaded.history_) == len(classifier.history_)
    assert np.array_equal(loaded.predict(corpus.test_texts), classifier.predict(corpus.test_texts))
    again = saved.with_name("again.ulmus")
    loaded.save(again)
    assert again.read_bytes() == saved.read_bytes()


def test_word_counts_know_the_names_of_the_classes(classifier: TextClassifier, saved: Path) -> None:
    """Before saving and after loading, n-grams of a class are looked up by its name."""
    loaded = TextClassifier.load(saved)
    assert loaded.counts_.class_names_ == classifier.counts_.class_names_ == classifier.class_names_
    assert loaded.counts_.strongest("sea") == classifier.counts_.strongest("sea")
    assert set(loaded.counts_.explain("waves and a town")) == set(classifier.class_names_)


def test_files_with_class_numbers_as_strings_still_load(
    classifier: TextClassifier, saved: Path, tmp_path: Path, corpus: Any
) -> None:
    """As the first files have them; the predictions are the same."""
    opened = bundle.read(saved)
    assert opened.manifest["counts"]["classes"] == [0, 1, 2]
    old = opened.manifest | {
        "counts": opened.manifest["counts"] | {"classes": ["000000", "000001", "000002"]}
    }
    bundle.write(
        tmp_path / "old.ulmus", manifest=old, tokenizer_json=opened.tokenizer_json, tensors=opened.tensors
    )
    loaded = TextClassifier.load(tmp_path / "old.ulmus", precision=classifier.precision)
    mine, theirs = (c.predict_proba(corpus.test_texts, part="counts") for c in (classifier, loaded))
    assert np.array_equal(mine, theirs)


def test_a_loaded_classifier_that_is_fitted_again_looks_for_an_installed_model(saved: Path) -> None:
    """As a new one would: the shape of its language model is not a request to train one of that shape."""
    loaded = TextClassifier.load(saved)
    assert loaded.config is not None
    assert loaded.config.language_model is None
    assert loaded.config.longest == 100


def test_the_file_is_complete(saved: Path, classifier: TextClassifier) -> None:
    """Manifest with format, kind, labels, config, vocabulary and metrics; the standard tokenizer; no pickle."""
    opened = bundle.read(saved)
    assert opened.manifest["kind"] == "classifier"
    assert opened.manifest["labels"] == list(classifier.class_names_)
    assert opened.manifest["vocabulary"] == {
        "size": len(classifier.tokenizer_),
        "fingerprint": classifier.tokenizer_.vocab.fingerprint,
    }
    assert {"format_version", "config", "metrics", "history", "sha256"} <= opened.manifest.keys()
    assert opened.extra == {}


def test_a_language_model_is_not_a_classifier_nor_the_other_way_round(
    saved: Path, language_model: LanguageModel, tmp_path: Path
) -> None:
    """With what the file holds and what was expected."""
    language_model.save(tmp_path / "lm.ulmus")
    with pytest.raises(BundleError, match="holds a language-model, expected a classifier"):
        TextClassifier.load(tmp_path / "lm.ulmus")
    with pytest.raises(BundleError, match="holds a classifier, expected a language-model"):
        LanguageModel.load(saved)


def altered(saved: Path, path: Path, change: Any) -> Path:
    """The file with another manifest or other tensors, and sound checksums."""
    opened = bundle.read(saved)
    manifest = {k: v for k, v in opened.manifest.items() if k not in ("sha256", "format_version")}
    tensors, tokenizer = dict(opened.tensors), [opened.tokenizer_json]
    change(manifest, tensors, tokenizer)
    bundle.write(path, manifest=manifest, tokenizer_json=tokenizer[0], tensors=tensors)
    return path


CHANGES = {
    "no config": lambda m, t, k: m.pop("config"),
    "no labels": lambda m, t, k: m.pop("labels"),
    "labels are a number": lambda m, t, k: m.update(labels=3),
    "one label too many": lambda m, t, k: m["labels"].append("more"),
    "labels twice": lambda m, t, k: m.update(labels=[m["labels"][0]] * 3),
    "unknown setting": lambda m, t, k: m["config"].update(colour="green"),
    "another shape": lambda m, t, k: m["config"]["language_model"].update(hidden=31),
    "a shape that cannot be": lambda m, t, k: m["config"]["language_model"].update(hidden=-1),
    "no language model": lambda m, t, k: m["config"].pop("language_model"),
    "combination of something else": lambda m, t, k: m.update(combination={"weight": 0.5, "magic": 1}),
    "combination is a text": lambda m, t, k: m.update(combination="half"),
    "no counts": lambda m, t, k: m.pop("counts"),
    "counts of other classes": lambda m, t, k: m["counts"].update(classes=["a", "b", "c"]),
    "counts of unknown class numbers": lambda m, t, k: m["counts"].update(
        classes=["000000", "000001", "000009"]
    ),
    "report is a list": lambda m, t, k: m.update(metrics=[]),
    "a weight is missing": lambda m, t, k: t.pop("network.encoder.embedding"),
    "counts' weights are missing": lambda m, t, k: t.pop("counts.weights"),
    "another tokenizer": lambda m, t, k: k.__setitem__(0, "{}"),
    "another vocabulary": lambda m, t, k: m["vocabulary"].update(fingerprint="0123456789abcdef"),
    "a shape beyond all memory": lambda m, t, k: m["config"]["language_model"].update(
        embedding=10**7, hidden=10**8
    ),
    "combine is unknown": lambda m, t, k: m.update(combine="sometimes"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_inconsistent_parts_are_refused(change: Any, saved: Path, tmp_path: Path) -> None:
    """A file with sound checksums whose parts contradict each other: a BundleError that names the file."""
    path = altered(saved, tmp_path / "x.ulmus", change)
    with pytest.raises(BundleError, match=r"x\.ulmus"):
        TextClassifier.load(path)


def test_a_changed_byte_is_detected(saved: Path, tmp_path: Path) -> None:
    """For example in the middle of the weights."""
    data = bytearray(saved.read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / "x.ulmus").write_bytes(data)
    with pytest.raises(BundleError, match="the file was changed"):
        TextClassifier.load(tmp_path / "x.ulmus")


def test_a_failed_write_leaves_nothing_behind(classifier: TextClassifier, tmp_path: Path) -> None:
    """A StorageError, and the folder is as it was."""
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(StorageError):
        classifier.save(tmp_path / "file" / "model.ulmus")
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("classes", [(3, 5), (False, True), ("a, b", "ü\n")])
def test_labels_of_any_type_survive_the_file(
    classes: tuple[Any, Any], corpus: Any, settings: Any, quiet: dict[str, Any], tmp_path: Path
) -> None:
    """int stays int, bool stays bool, str stays str, whatever it contains."""
    labels = [classes[i % 2] for i in range(20)]
    model = TextClassifier(config=settings, language_model="none", **quiet).fit(corpus.texts[:20], labels)
    model.save(tmp_path / "m.ulmus")
    loaded = TextClassifier.load(tmp_path / "m.ulmus")
    assert loaded.class_names_ == classes
    assert [type(c) for c in loaded.class_names_] == [type(c) for c in classes]
    assert np.array_equal(loaded.predict(corpus.texts[:5]), model.predict(corpus.texts[:5]))


def test_int8_is_for_inference_only(make: Any, corpus: Any) -> None:
    """Training in it is refused with what to do instead."""
    with pytest.raises(ConfigError, match=r"load\(path, precision='int8'\)"):
        make(precision="int8").fit(corpus.texts, corpus.labels)


def test_an_unknown_precision_is_refused_when_loading(saved: Path) -> None:
    """Before anything is read."""
    with pytest.raises(ConfigError, match="expected one of auto, float32, bf16, int8, got 'int4'"):
        TextClassifier.load(saved, precision="int4")


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda c: pickle.loads(pickle.dumps(c))])
def test_a_copy_of_a_classifier_that_has_predicted_predicts_the_same(
    copied: Any, classifier: TextClassifier, corpus: Any
) -> None:
    """The packed weights are not copied but packed again."""
    expected = classifier.predict_proba(corpus.test_texts)
    assert np.array_equal(copied(classifier).predict_proba(corpus.test_texts), expected)
