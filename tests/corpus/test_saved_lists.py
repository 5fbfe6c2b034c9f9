"""Lists that were saved as text."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ulmus.corpus.saved_lists import looks_saved, saved_list
from ulmus.errors import DataError


@given(st.lists(st.text()))
def test_a_list_of_strings_comes_back_as_it_was(members: list[str]) -> None:
    """Saved as Python or as JSON shows it: quotation marks, escapes and any character in it."""
    for text in (repr(members), json.dumps(members), json.dumps(members, ensure_ascii=False)):
        assert saved_list(text) == tuple(members)


@pytest.mark.parametrize(
    ("text", "members"),
    [
        (str(np.array(["joy", "anger"])), ("joy", "anger")),
        (str(np.array([0, 12])), ("0", "12")),
        ("[0, 1]", ("0", "1")),
        ("('joy',)", ("joy",)),
        (" {'joy', 'anger'} ", ("joy", "anger")),
        ("['joy'\n 'anger']", ("joy", "anger")),
        ("set()", ()),
        ("[]", ()),
    ],
)
def test_tuples_sets_and_arrays_are_lists_too(text: str, members: tuple[str, ...]) -> None:
    """As Python and numpy show them; numbers are strings."""
    assert saved_list(text) == members


@pytest.mark.parametrize("text", ["", "joy", "joy, anger", "[PER],[LOC]", "[joy]", "(1)", "[,]", "{", "[x"])
def test_other_cells_are_no_lists(text: str) -> None:
    """Brackets alone make none."""
    assert saved_list(text) is None
    assert not looks_saved(text)


@pytest.mark.parametrize(
    "text", ["['joy', 'ang", "['joy', None]", "[['joy']]"[1:], "['a''b']", "['a',, 'b']"]
)
def test_a_list_that_cannot_be_read_is_an_error(text: str) -> None:
    """A cut-off list is not split at its commas."""
    with pytest.raises(DataError, match="looks like a saved list of labels but cannot be parsed"):
        saved_list(text)


def test_a_single_label_looks_saved_with_quotation_marks_or_several_members() -> None:
    """A number in brackets may be a name."""
    assert looks_saved("['joy']")
    assert looks_saved("[3, 5]")
    assert not any(map(looks_saved, ["[3]", "joy", "it's", 3, None]))
