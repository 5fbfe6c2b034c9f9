"""Which characters are sent to a terminal, and in which encoding."""

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
    """Control characters are escaped as in a string literal."""
    assert printable(text) == shown


def test_newlines_and_tabs_may_stay() -> None:
    """Newlines and tabs are kept on request, other control characters never."""
    assert printable("two\nlines\t\x1b", lines=True) == "two\nlines\t\\x1b"


@given(st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"], exclude_characters=UNSAFE)))
def test_text_of_every_script_stays_as_it_is(text: str) -> None:
    """Text of every script is unchanged, including joiners and direction marks."""
    assert printable(text) == text
    assert printable("क्‍ष \u200f") == "क्‍ष \u200f"


@given(st.text())
def test_what_is_printable_can_be_encoded_and_holds_no_control_character(text: str) -> None:
    """Any text becomes encodable and free of control characters."""
    shown = printable(text)
    assert not set(shown) & set(UNSAFE)
    shown.encode("utf-8")


def test_streams_become_utf8_with_plain_newlines(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Windows pipe (cp1252, \\r\\n) gets the same bytes as any other system."""
    pipes = [io.TextIOWrapper(io.BytesIO(), encoding="cp1252", newline="\r\n") for _ in range(2)]
    monkeypatch.setattr(sys, "stdout", pipes[0])
    monkeypatch.setattr(sys, "stderr", pipes[1])
    use_utf8()
    for pipe in pipes:
        pipe.write("今日\ud800\n")
        pipe.flush()
        assert pipe.buffer.getvalue() == "今日\\ud800\n".encode()  # type: ignore[attr-defined]


def test_a_stream_that_cannot_change_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stdout object that cannot be reconfigured is left unchanged."""
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    use_utf8()
