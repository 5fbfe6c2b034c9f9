"""What is said about labelled texts, or refused, before anything is trained."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from ulmus.corpus.checks import doubts
from ulmus.corpus.labels import Labels
from ulmus.errors import DataError

TEXTS = [f"this is the text with the number {i}" for i in range(400)]


def said(labels: Any, texts: list[str] = TEXTS) -> str:
    """What is said about as many of the texts as there are labels."""
    return " ".join(doubts(texts[: len(labels)], Labels.of(labels)))


def test_ordinary_data_raise_no_doubt() -> None:
    """Single labels, several labels, numbers, few texts."""
    assert said(["good", "bad"] * 100) == ""
    assert said([["a", "b"], ["b"], []] * 20) == ""
    assert said([1, 2, 3] * 20) == ""
    assert said(["a", "b"]) == ""
    assert said([f"topic {i % 60}" for i in range(240)]) == ""


def test_an_id_column_as_label_is_refused() -> None:
    """Most texts have a class of their own; numbers and several labels too."""
    for ids in (
        [f"id-{i}" for i in range(400)],
        list(range(400)),
        [[f"tag {i}"] for i in range(400)],
        [i if i % 3 else 0 for i in range(400)],
    ):
        with pytest.raises(DataError, match=r"classes have only one text.*Is this the right label column"):
            said(ids)


def test_a_few_classes_with_one_text_each_are_only_doubtful() -> None:
    """One text for each of some dozens of intents is little, but somebody may want it."""
    assert "30 of 30 classes have only one text" in said([f"intent {i}" for i in range(30)])
    assert said([f"intent {i}" for i in range(8)]) == ""


def test_text_and_label_swapped_is_refused() -> None:
    """The labels are longer than the texts, and there are more of them."""
    with pytest.raises(DataError, match="Are the text and label columns swapped"):
        said(TEXTS[:60], ["good", "bad"] * 30)
    long = ["a rather long name of a class", "and another one of them"] * 20
    assert "longer than the texts" in said(long, [f"word {i}" for i in range(40)])


def test_classes_that_differ_in_case_or_white_space_only_are_said() -> None:
    """Two spellings of ham; full-width letters and composed accents too. If nothing else is there, it is refused."""
    for one, other in [
        ("Ham", "ham"),
        ("not  spam", "not spam"),
        ("cafe\u0301", "caf\u00e9"),
        ("ｈａｍ", "ham"),
    ]:
        assert "differ only in case, white space" in said([one, other, "spam"] * 10)
    assert "'Ham', 'ham'" in said(["ham", "Ham", "spam"] * 10)
    with pytest.raises(DataError, match="only one class"):
        said(["ham", "Ham"] * 10)


def test_labels_that_are_saved_lists_are_refused_or_said() -> None:
    """Most of them: the message says how to give several labels; a few: that they count as classes."""
    with pytest.raises(DataError, match="--label-delimiter"):
        said(["['joy', 'anger']", "['joy']"] * 10)
    assert "2 of 20 labels look like lists" in said(["joy", "anger"] * 9 + ["['joy', 'anger']"] * 2)


def test_a_column_of_zeros_is_said_and_a_table_of_zeros_refused() -> None:
    """Of a class without a text nothing is learnt."""
    table = pd.DataFrame({"toxic": [0, 1] * 10, "threat": [0] * 20})
    assert "No text has the label 'threat'" in said(table)
    with pytest.raises(DataError, match="no text has a label"):
        said(table * 0)
