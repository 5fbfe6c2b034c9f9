"""The same seed, texts and threads give the same file, byte for byte, where no clock decides."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ulmus import TextRegressor, bundle
from ulmus.tasks.language_model.model import LanguageModel

CLOCK = {"seconds", "minutes", "date"}


def keys(value: Any) -> set[str]:
    """All keys in nested JSON."""
    if isinstance(value, dict):
        return set(value).union(*map(keys, value.values()))
    return set().union(*map(keys, value)) if isinstance(value, list) else set()


def trained(make: Any, corpus: Any, path: Path, **how: Any) -> bytes:
    """The bytes of the file of a classifier."""
    make(**how).fit(corpus.texts, corpus.labels, corpus.unlabeled).save(path)
    return path.read_bytes()


@pytest.mark.parametrize("given", ["none", "new", "tuned"])
def test_two_trainings_give_the_same_file(
    make: Any, corpus: Any, language_model: LanguageModel, tmp_path: Path, given: str
) -> None:
    """Two trainings of a classifier give the same bytes, with or without a work folder and a language model."""
    start = language_model if given == "tuned" else given
    first = trained(make, corpus, tmp_path / "a.ulmus", language_model=start)
    again = trained(make, corpus, tmp_path / "b.ulmus", language_model=start, work_dir=tmp_path / "work")
    assert first == again


def test_another_process_gives_the_same_file(tmp_path: Path) -> None:
    """The order of sets and hashes, which differs between processes, decides nothing."""
    code = """
import random, sys
from ulmus import TextClassifier, TokenizerConfig
from ulmus.tasks.classifier.config import ClassifierConfig
from ulmus.tasks.language_model.config import LMConfig
rng = random.Random(0)
words = [[f"{kind}{n}" for n in range(40)] for kind in ("a", "b", "c")]
texts = [" ".join(rng.choices(words[i % 3] + words[2], k=12)) for i in range(60)]
lm = LMConfig(tokenizer=TokenizerConfig(min_freq=1), embedding=8, hidden=8, layers=1, epochs=1, batch_size=4, bptt=12)
config = ClassifierConfig(language_model=lm, all_epochs=1)
how = {"device": "cpu", "language_model": "new", "verbose": False, "config": config}
more = [f'{text} {word}' for text in texts for word in 'xyz']
TextClassifier(**how).fit(texts, [str(i % 3) for i in range(60)], more).save(sys.argv[1])
"""
    files = [tmp_path / f"{seed}.ulmus" for seed in (1, 2)]
    for seed, file in enumerate(files):
        env = os.environ | {"PYTHONHASHSEED": str(seed), "OMP_NUM_THREADS": "1"}
        subprocess.run([sys.executable, "-c", code, file], check=True, env=env)
    assert files[0].read_bytes() == files[1].read_bytes()


def test_language_models_and_regressors_are_reproducible_too(
    make_lm: Callable[..., LanguageModel], settings: Any, corpus: Any, quiet: dict[str, Any], tmp_path: Path
) -> None:
    """Two trainings of each give the same bytes."""
    for name in ("a", "b"):
        make_lm().fit(corpus.texts).save(tmp_path / f"lm-{name}.ulmus")
        regressor = TextRegressor(config=settings, language_model="none", **quiet)
        regressor.fit(corpus.texts[:60], [len(t) for t in corpus.texts[:60]])
        regressor.save(tmp_path / f"reg-{name}.ulmus")
    for kind in ("lm", "reg"):
        assert (tmp_path / f"{kind}-a.ulmus").read_bytes() == (tmp_path / f"{kind}-b.ulmus").read_bytes()


@pytest.mark.parametrize("minutes", [None, 1.0])
def test_a_file_has_no_readings_of_the_clock_without_a_time_budget(
    make: Any, corpus: Any, tmp_path: Path, minutes: float | None
) -> None:
    """Minutes, seconds and the date are in the file only if a time budget could decide; in memory they always are."""
    model = make(minutes=minutes).fit(corpus.texts[:60], corpus.labels[:60])
    assert model.report_["minutes"] >= 0
    model.save(tmp_path / "m.ulmus")
    manifest = bundle.read_manifest(tmp_path / "m.ulmus")
    there = keys([manifest[part] for part in ("card", "metrics", "history")]) & CLOCK
    assert (
        there == set() if minutes is None else there >= {"date", "minutes"}
    )  # (seconds are those of epochs)
    assert manifest["card"].get("budget") == minutes


def test_the_file_says_how_it_was_made(make: Any, corpus: Any, tmp_path: Path) -> None:
    """Command, versions, seed, and digests of the texts with their labels, which depend on their order."""
    digests = []
    for step in (1, -1):
        model = make(seed=3).fit(corpus.texts[::step], corpus.labels[::step], corpus.unlabeled)
        model.save(tmp_path / "m.ulmus")
        card = bundle.read_manifest(tmp_path / "m.ulmus")["card"]
        assert (card["command"], card["seed"]) == ("Python", 3)
        assert set(card["versions"]) == {"ulmus", "torch", "numpy", "python"}
        assert set(card["data"]) == {"labelled", "unlabeled", "measured"}
        assert all(len(digest) == 64 for digest in card["data"].values())
        assert str(Path.home()) not in json.dumps(card)
        digests.append(card["data"])
    assert digests[0]["labelled"] != digests[1]["labelled"]
    assert digests[0]["unlabeled"] == digests[1]["unlabeled"]
