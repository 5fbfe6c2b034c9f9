"""Results as tables and as JSON."""

from __future__ import annotations

import io
import json
import math
import sys

import numpy as np
import pytest

from ulmus.cli import show


def test_json_is_one_line_of_ascii_with_plain_numbers() -> None:
    """numpy values become numbers, NaN null, tuples lists, other things their text."""
    value = {"a": np.float32(0.5), "b": np.arange(2), "c": math.nan, "d": ("é",), 1: None, "e": math.inf}
    text = show.dumps(value)
    assert text.isascii()
    assert "\n" not in text
    assert json.loads(text) == {"a": 0.5, "b": [0, 1], "c": None, "d": ["é"], "1": None, "e": None}


def test_a_table_in_a_pipe_is_ascii_and_not_cut(capsys: pytest.CaptureFixture[str]) -> None:
    """No box-drawing characters, no colours, no ellipsis at 80 characters."""
    show.table(["part", "accuracy"], [["x" * 120, "[bold]87.3 %"]])
    out = capsys.readouterr().out
    assert out.isascii()
    assert "x" * 120 in out
    assert "[bold]87.3 %" in out
    assert "\x1b" not in out


def test_what_stdout_cannot_encode_is_escaped(monkeypatch: pytest.MonkeyPatch) -> None:
    """LANG=C and lone surrogates do not end a command."""
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding="ascii"))
    assert show.printable("naïve \ud800") == "na\\xefve \\ud800"


@pytest.mark.parametrize(
    ("duration", "text"), [(4.25, "4.2 s"), (200.0, "3 min 20 s"), (3720.0, "1 h 02 min"), (59.99, "60.0 s")]
)
def test_durations_read_as_people_write_them(duration: float, text: str) -> None:
    """Seconds, minutes, hours."""
    assert show.seconds(duration) == text


def test_shares_read_as_percent() -> None:
    """One digit; a dash for what is not known."""
    assert [show.percent(value) for value in (0.8731, math.nan, None)] == ["87.3 %", "-", "-"]


def test_nested_results_become_rows_with_dotted_names() -> None:
    """Lists are shown by their first names."""
    rows = show.flat({"a": {"b": 1, "c": {}}, "d": list(range(20))})
    assert rows == [("a.b", 1), ("a.c", {}), ("d", list(range(20)))]
    assert show.value(rows[2][1]) == "0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 and 8 more"
    assert [show.value(item) for item in (0.123456, [], "x")] == ["0.1235", "-", "x"]
