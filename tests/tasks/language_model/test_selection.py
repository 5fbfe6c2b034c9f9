"""Which installed language model a classifier starts from."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ulmus import bundle
from ulmus.tasks.classifier.model import TextClassifier
from ulmus.tasks.language_model.model import LanguageModel
from ulmus.tasks.language_model.selection import matching_model
from ulmus.text.tokenizer import TokenizerConfig

OTHER = "ein kleines Haus steht am Wald und niemand weiß seit wann es dort steht".split()


def foreign(n: int) -> list[str]:
    """Texts that contain no word of the tests' corpus."""
    return [" ".join(OTHER[(i + k) % len(OTHER)] for k in range(12)) for i in range(n)]


@pytest.fixture
def shelf(
    tmp_path: Path, corpus: Any, lm_settings: Any, quiet: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Path]:
    """Installs a tiny language model: shelf(name, texts, **changes to its settings)."""
    monkeypatch.setattr("ulmus.installed.OWN", tmp_path)

    def install(name: str, texts: list[str], **changes: Any) -> Path:
        model = LanguageModel(dataclasses.replace(lm_settings, **changes), **quiet)
        model.about = {"language": name[:2]}
        model.fit(texts).save(tmp_path / f"{name}.ulmus")
        return tmp_path / f"{name}.ulmus"

    return install


def chosen(texts: list[str], **asked: Any) -> tuple[str | None, list[str]]:
    """The name, and the lines reported."""
    lines: list[str] = []
    return matching_model(texts, **{"kind": None, "size": None} | asked, say=lines.append), lines


def test_the_model_of_the_language_is_chosen_and_reported(shelf: Any, corpus: Any) -> None:
    """Texts of either language get its model; texts of a third one get none."""
    shelf("en-tiny", corpus.unlabeled)
    shelf("de-tiny", foreign(40))
    shelf("de-tiny-bwd", foreign(40), backwards=True)
    name, lines = chosen(corpus.texts)
    assert name == "en-tiny"
    assert "Starting from the language model en-tiny" in lines[0]
    assert "language en" in lines[0]
    assert chosen(foreign(5))[0] == "de-tiny"
    assert chosen(["ฤดูใบไม้ผลิน้ำในแม่น้ำ"] * 5) == (None, [])


def test_a_requested_tokenizer_type_or_size_excludes_all_others(
    shelf: Any, corpus: Any, lm_settings: Any
) -> None:
    """Without a request, word models come before subword models."""
    subwords = dataclasses.replace(lm_settings.tokenizer, kind="unigram")
    shelf("en-a-sub", corpus.unlabeled, tokenizer=subwords)
    shelf("en-b", corpus.unlabeled)
    assert chosen(corpus.texts)[0] == "en-b"
    assert chosen(corpus.texts, kind="unigram")[0] == "en-a-sub"
    assert chosen(corpus.texts, kind="char")[0] is None
    assert chosen(corpus.texts, size="base")[0] is None


def test_subwords_are_not_taken_for_a_language_whose_words_do_not_fit(
    shelf: Any, corpus: Any, lm_settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Subwords fit a related language nearly as well as their own: if the word model does not fit, none is chosen."""
    distances = {"word": 2.1, "unigram": 1.6}
    monkeypatch.setattr(
        "ulmus.tasks.language_model.selection.bits_per_byte", lambda made, texts: distances[made.config.kind]
    )
    monkeypatch.setattr("ulmus.tasks.language_model.card.bits_per_byte", lambda made, texts: 1.0)
    subwords = dataclasses.replace(lm_settings.tokenizer, kind="unigram")
    shelf("en-sub", corpus.unlabeled, tokenizer=subwords)
    assert chosen(corpus.texts)[0] == "en-sub"
    shelf("en-words", corpus.unlabeled)
    assert chosen(corpus.texts)[0] is None
    assert chosen(corpus.texts, kind="unigram")[0] is None


def test_a_script_of_its_own_is_another_language(shelf: Any, corpus: Any) -> None:
    """Whatever its bits per byte, Japanese is not taken for Chinese: kana are too frequent in it."""
    chinese = ["春天河水很高，城里的人都出来看旧磨坊。外面下雨的时候猫在沙发上睡觉。"] * 20
    shelf("zh-tiny", chinese, tokenizer=TokenizerConfig(kind="char", min_freq=1, max_size=300))
    assert chosen(chinese[:3])[0] == "zh-tiny"
    assert chosen(["春の川の水は高くて、人は旧い水車を見に出て来た。"] * 3)[0] is None


def test_a_damaged_installed_model_is_reported_and_skipped(shelf: Any, corpus: Any) -> None:
    """It does not stop a training that does not need it."""
    path = shelf("en-tiny", corpus.unlabeled)
    path.write_bytes(path.read_bytes()[:-100])
    name, lines = chosen(corpus.texts)
    assert name is None
    assert "en-tiny cannot be used" in lines[0]


def test_a_classifier_starts_from_the_installed_model_of_its_language(
    shelf: Any, corpus: Any, settings: Any, quiet: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """Its vocabulary is that of the installed model."""
    path = shelf("en-tiny", corpus.unlabeled)
    alone = dataclasses.replace(settings, language_model=None, tune="none")
    made = TextClassifier(config=alone, **quiet | {"verbose": True}).fit(corpus.texts, corpus.labels)
    assert "language model en-tiny" in capsys.readouterr().err
    assert made.tokenizer_.vocab.fingerprint == bundle.read_manifest(path)["vocabulary"]["fingerprint"]
