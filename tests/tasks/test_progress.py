"""The progress of a long pass over texts."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from ulmus.tasks import progress as watch
from ulmus.tasks.ids import RunTexts
from ulmus.tasks.progress import ProgressTexts, with_progress
from ulmus.text.tokenizer import TokenizerConfig

TEXTS = ["a film of a friend", "who saw it"] * 20


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock is checked after every text."""
    monkeypatch.setattr(watch, "CHECK_EVERY", 1)


@pytest.mark.usefixtures("eager")
def test_the_first_pass_counts_and_the_next_shows_the_time_left() -> None:
    """The texts are unchanged; a percentage and the time left are shown once the total is known."""
    out = io.StringIO()
    texts = ProgressTexts(TEXTS, every_s=0, stream=out)
    assert list(texts.reporting("counting")) == TEXTS
    first = out.getvalue().splitlines()
    assert first[0].startswith("counting: ")
    assert "left" not in first[-1]
    assert list(texts.reporting("tokenizing")) == TEXTS
    second = out.getvalue().splitlines()[len(first) :]
    assert "tokenizing: 50% of" in "".join(second)
    assert second[-1].endswith("0:00 left")
    assert list(texts) == TEXTS
    assert len(out.getvalue().splitlines()) == len(first) + len(second)


def test_short_passes_report_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """A short pass reports nothing, and neither does an ordinary list."""
    assert (
        list(with_progress(ProgressTexts(TEXTS), "reading")) == list(with_progress(TEXTS, "reading")) == TEXTS
    )
    assert capsys.readouterr().err == ""


@pytest.mark.usefixtures("eager")
def test_a_terminal_shows_one_line_that_is_updated(monkeypatch: pytest.MonkeyPatch) -> None:
    """The line is erased at the end."""

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    out, seconds = Terminal(), iter(range(1000))
    with monkeypatch.context() as patch:
        patch.setattr(watch.time, "monotonic", lambda: float(next(seconds)))
        assert list(ProgressTexts(TEXTS, stream=out).reporting("reading")) == TEXTS
    assert "\n" not in out.getvalue()
    assert out.getvalue().startswith("\rreading: ")
    assert out.getvalue().endswith("\r\x1b[K")


@pytest.mark.usefixtures("eager")
def test_building_the_vocabulary_and_tokenizing_report_progress(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each pass over the texts has a name."""
    monkeypatch.setattr(watch.ProgressTexts.__init__, "__kwdefaults__", {"every_s": 0, "stream": None})
    texts = RunTexts(TEXTS, tmp_path, verbose=True)
    texts.ids(texts.tokenizer(TokenizerConfig()))
    names = list(dict.fromkeys(line.split(":")[0] for line in capsys.readouterr().err.splitlines()))
    assert names == [
        "Checking for cached ids",
        "Building the vocabulary",
        "Tokenizing",
    ]
