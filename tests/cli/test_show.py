"""Results as tables and as JSON."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from ulmus.cli import show


def test_json_is_one_line_of_ascii_with_plain_numbers() -> None:
    """numpy values become numbers, NaN null, tuples lists, other objects strings."""
    value = {"a": np.float32(0.5), "b": np.arange(2), "c": math.nan, "d": ("é",), 1: None, "e": math.inf}
    text = show.dumps(value)
    assert text.isascii()
    assert "\n" not in text
    assert json.loads(text) == {"a": 0.5, "b": [0, 1], "c": None, "d": ["é"], "1": None, "e": None}


def test_a_table_in_a_pipe_is_ascii_and_not_truncated(capsys: pytest.CaptureFixture[str]) -> None:
    """No box-drawing characters, no colours, no ellipsis at 80 characters."""
    show.table(["part", "accuracy"], [["x" * 120, "[bold]87.3 %"]])
    out = capsys.readouterr().out
    assert out.isascii()
    assert "x" * 120 in out
    assert "[bold]87.3 %" in out
    assert "\x1b" not in out


def test_messages_contain_no_control_characters(capsys: pytest.CaptureFixture[str]) -> None:
    """Control characters and lone surrogates are escaped in lines, notes, cells and headings."""
    show.say("a \x1b[31mlabel\nand a line")
    show.note("a \x07bell \ud800")
    show.table(["head\x9b\n", "x"], [["\u202ecell", "two\nlines"]])
    out, err = capsys.readouterr()
    assert out.startswith("a \\x1b[31mlabel\nand a line\n")
    assert err == "a \\x07bell \\ud800\n"
    assert all(shown in out for shown in ("head\\x9b\\n", "\\u202ecell", "two\\nlines"))


def test_a_heading_is_not_markup(capsys: pytest.CaptureFixture[str]) -> None:
    """A title such as [bold].ulmus is not interpreted as markup."""
    show.table(["[bold]", ""], [["a", "b"]])
    assert "[bold]" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("duration", "text"), [(4.25, "4.2 s"), (200.0, "3 min 20 s"), (3720.0, "1 h 02 min"), (59.99, "60.0 s")]
)
def test_durations_are_readable(duration: float, text: str) -> None:
    """Durations are shown in seconds, minutes or hours."""
    assert show.seconds(duration) == text


def test_fractions_are_shown_as_percentages() -> None:
    """Percentages have one decimal; unknown values are a dash."""
    assert [show.percent(value) for value in (0.8731, math.nan, None)] == ["87.3 %", "-", "-"]


def test_nested_results_become_rows_with_dotted_names() -> None:
    """Nested results get dotted names; lists are shortened to their first items."""
    rows = show.flat({"a": {"b": 1, "c": {}}, "d": list(range(20))})
    assert rows == [("a.b", 1), ("a.c", {}), ("d", list(range(20)))]
    assert show.value(rows[2][1]) == "0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 and 8 more"
    assert [show.value(item) for item in (0.123456, [], "x")] == ["0.1235", "-", "x"]
