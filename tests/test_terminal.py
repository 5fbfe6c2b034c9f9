"""What may be sent to a terminal, and in which encoding."""

from __future__ import annotations

import io
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ulmus.terminal import printable, use_utf8

UNSAFE = [chr(k) for k in (*range(0x20), *range(0x7F, 0xA0), *range(0x2028, 0x202F), *range(0x2066, 0x206A))]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"),
        ("\x9b31mred\x07", "\\x9b31mred\\x07"),
        ("done\rfail", "done\\rfail"),
        ("spam\u202emaps", "spam\\u202emaps"),
        ("\udcff.csv", "\\udcff.csv"),
        ("two\nlines\tand a tab", "two\\nlines\\tand a tab"),
    ],
)
def test_control_characters_are_shown(text: str, shown: str) -> None:
    """As a string literal would write them."""
    assert printable(text) == shown


def test_newlines_and_tabs_may_stay() -> None:
    """In what is several lines on purpose; nothing else does."""
    assert printable("two\nlines\t\x1b", lines=True) == "two\nlines\t\\x1b"


@given(st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"], exclude_characters=UNSAFE)))
def test_text_of_every_script_stays_as_it_is(text: str) -> None:
    """Joiners and direction marks, which scripts need, included."""
    assert printable(text) == text
    assert printable("क्‍ष \u200f") == "क्‍ष \u200f"


@given(st.text())
def test_what_is_printable_can_be_encoded_and_holds_no_control_character(text: str) -> None:
    """Whatever the text."""
    shown = printable(text)
    assert not set(shown) & set(UNSAFE)
    shown.encode("utf-8")


def test_streams_become_utf8_with_plain_newlines(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pipe of Windows, cp1252 with two characters a newline, gets the bytes that any other system gets."""
    pipes = [io.TextIOWrapper(io.BytesIO(), encoding="cp1252", newline="\r\n") for _ in range(2)]
    monkeypatch.setattr(sys, "stdout", pipes[0])
    monkeypatch.setattr(sys, "stderr", pipes[1])
    use_utf8()
    for pipe in pipes:
        pipe.write("今日\ud800\n")
        pipe.flush()
        assert pipe.buffer.getvalue() == "今日\\ud800\n".encode()  # type: ignore[attr-defined]


def test_a_stream_that_cannot_change_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program may have put anything in the place of stdout."""
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    use_utf8()
