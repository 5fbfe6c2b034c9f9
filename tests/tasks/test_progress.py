"""How far a long pass over texts is."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from ulmus.tasks import progress as watch
from ulmus.tasks.ids import RunTexts
from ulmus.tasks.progress import Reading, during
from ulmus.text.tokenizer import TokenizerConfig

TEXTS = ["a film of a friend", "who saw it"] * 20


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every text is worth a look at the clock."""
    monkeypatch.setattr(watch, "LOOK", 1)


@pytest.mark.usefixtures("eager")
def test_the_first_pass_counts_and_the_next_knows_what_is_left() -> None:
    """The texts come as they are; a share and a time are told as soon as the size is known."""
    out = io.StringIO()
    texts = Reading(TEXTS, every_s=0, stream=out)
    assert list(texts.during("counting")) == TEXTS
    first = out.getvalue().splitlines()
    assert first[0].startswith("counting: ")
    assert "left" not in first[-1]
    assert list(texts.during("cutting")) == TEXTS
    second = out.getvalue().splitlines()[len(first) :]
    assert "cutting: 50% of" in "".join(second)
    assert second[-1].endswith("0:00 left")
    assert list(texts) == TEXTS
    assert len(out.getvalue().splitlines()) == len(first) + len(second)


def test_what_takes_no_time_is_not_told(capsys: pytest.CaptureFixture[str]) -> None:
    """Small texts are read in silence, and ordinary lists too."""
    assert list(during(Reading(TEXTS), "reading")) == list(during(TEXTS, "reading")) == TEXTS
    assert capsys.readouterr().err == ""


@pytest.mark.usefixtures("eager")
def test_a_terminal_shows_one_line_that_is_written_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """And nothing is left of it."""

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    out, seconds = Terminal(), iter(range(1000))
    with monkeypatch.context() as patch:
        patch.setattr(watch.time, "monotonic", lambda: float(next(seconds)))
        assert list(Reading(TEXTS, stream=out).during("reading")) == TEXTS
    assert "\n" not in out.getvalue()
    assert out.getvalue().startswith("\rreading: ")
    assert out.getvalue().endswith("\r\x1b[K")


@pytest.mark.usefixtures("eager")
def test_making_a_vocabulary_and_tokenizing_are_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each pass over the texts has a name."""
    monkeypatch.setattr(watch.Reading.__init__, "__kwdefaults__", {"every_s": 0, "stream": None})
    texts = RunTexts(TEXTS, tmp_path, verbose=True)
    texts.ids(texts.tokenizer(TokenizerConfig()))
    names = list(dict.fromkeys(line.split(":")[0] for line in capsys.readouterr().err.splitlines()))
    assert names == [
        "Checking for cached ids",
        "Building the vocabulary",
        "Tokenizing",
    ]
