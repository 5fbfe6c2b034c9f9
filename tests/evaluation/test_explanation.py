"""An explanation as a value, as JSON and as HTML: whatever the text, nothing in it can act."""

from __future__ import annotations

import dataclasses
import json
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest

from ulmus.errors import UsageError
from ulmus.evaluation.explanation import Explanation
from ulmus.evaluation.explanation_page import MARK, fragment, page
from ulmus.text.words import words_of_text

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</style></title><b>bold",
    "a\x1b[31mred\x07 \u202egnorw\u2066 \ud800 \x00",
    "&lt;b&gt; &amp;amp; {{7*7}} ${x}",
    "l1\nl2\tl3\r\n",
    "",
]


class Tags(HTMLParser):
    """The tags, attributes and text of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.text: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        """Note them."""
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        """Note it."""
        self.text.append(data)


def made(text: str, classes: tuple[Any, ...] = ("good", "bad"), **changes: Any) -> Explanation:
    """An explanation with shares 0.1, -0.2, 0.3, ... of the words."""
    spans = tuple((word.start, word.end) for word in words_of_text(text))
    signs = np.where(np.arange(len(spans)) % 2, -0.1, 0.1) * np.arange(1, len(spans) + 1)
    scores = np.stack([signs * (1 - k) for k in range(len(classes))], axis=1)
    proba = np.array([0.75, *[0.25 / max(len(classes) - 1, 1)] * (len(classes) - 1)])
    given = Explanation(
        text=text,
        spans=spans,
        unit="word",
        scores=scores,
        base=np.zeros(len(classes)),
        classes=classes,
        probabilities=proba,
        prediction=classes[0],
        parts={"lm": scores / 2, "counts": scores / 2},
        method={"lm": "asked", "counts": "exact"},
    )
    return dataclasses.replace(given, **changes)


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_in_a_text_or_a_class_acts_in_a_page(text: str) -> None:
    """No tag, attribute or control character of the text becomes one of the page; what is shown is the text."""
    harmless = Tags(page([made("a plain text", ("one", "two", "three"))], title="plain"))
    given = made(text, (text or "one", "two", "three"))
    for html in (page([given, given], title=text), fragment(given)):
        seen = Tags(html)
        assert seen.tags <= harmless.tags
        assert seen.attributes <= harmless.attributes
        assert not {"script", "img", "b onerror"} & seen.tags
        assert not any(sign in html for sign in "\x1b\x07\x00\u202e\u2066\ud800")
        html.encode("utf-8")
    if text.isprintable():
        assert text in "".join(Tags(fragment(given)).text)


def test_a_page_needs_nothing_else() -> None:
    """No script, nothing to load, a style for light and dark; it says what made it."""
    html = page([made("a fine film")], title="Explanations")
    assert MARK in html
    assert "prefers-color-scheme" in html
    assert not any(word in html for word in ("://", "src=", "href", "@import", "url(", "<script"))


def test_colours_are_of_the_sign_and_size_of_a_share() -> None:
    """The strongest token is the most opaque; each number can be read too."""
    html = fragment(made("a fine film"))
    assert '<span class="for" style="--a:0.18" title="+0.100">a</span>' in html
    assert '<span class="against" style="--a:0.37" title="-0.200">fine</span>' in html
    assert '<span class="for" style="--a:0.55" title="+0.300">film</span>' in html
    assert "+0.30" in html


def test_many_classes_are_cut_down_to_the_most_probable_ones() -> None:
    """A page of a thousand classes has six texts."""
    html = fragment(made("a fine film", tuple(f"class {i}" for i in range(1_000))))
    assert html.count("<details") == 6
    assert "and 988 more" in html


def test_numbers_and_segments() -> None:
    """A number has no classes; a long text shows the prediction up to each segment."""
    number = made("a fine film", ("number",), prediction=3.5, probabilities=np.array([3.5]), numeric=True)
    assert "<b>3.5</b>" in fragment(number)
    assert number.to_dict()["prediction"] == 3.5
    running = np.array([[0.5, 0.5], [0.6, 0.4], [0.75, 0.25]])
    long = made("a fine film", unit="segment", running=running)
    assert "up to the segment" in fragment(long)
    assert [token["running"]["good"] for token in long.to_dict()["tokens"]] == [0.5, 0.6, 0.75]


def test_the_json_says_all_of_it() -> None:
    """Plain values only: characters, scores and parts of each token by class."""
    found = json.loads(json.dumps(made("a fine film", (True, False)).to_dict()))
    assert found["label"] is True
    assert (
        made("a", (1.5, 2.5)).to_dict()["label"] == made("a", (np.float64(1.5), 2)).to_dict()["label"] == 1.5
    )
    assert found["tokens"][1] == {
        "start": 2,
        "end": 6,
        "text": "fine",
        "scores": {"True": -0.2, "False": 0.0},
        "parts": {"lm": {"True": -0.1, "False": 0.0}, "counts": {"True": -0.1, "False": 0.0}},
    }


def test_the_strongest_tokens_and_the_repr() -> None:
    """By size; an unknown class is an error."""
    given = made("a fine film")
    assert given.strongest(top=2) == [("film", pytest.approx(0.3)), ("fine", pytest.approx(-0.2))]
    assert repr(given) == "<Explanation of 'good': 3 words; 'film' +0.30, 'fine' -0.20, 'a' +0.10>"
    with pytest.raises(UsageError, match="'other' is not a class"):
        given.strongest("other")
