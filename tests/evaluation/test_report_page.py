"""The page of a report: what it shows, of hostile texts too, and what it does without."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ulmus.errors import UsageError
from ulmus.evaluation.calibration import reliability
from ulmus.evaluation.explanation import Explanation
from ulmus.evaluation.metrics import Interval
from ulmus.evaluation.per_class import evaluation_report
from ulmus.evaluation.report import Confusion, Doubt, Doubts, Mistake, Pictured, Report, Twin, Twins
from ulmus.evaluation.report_page import MARK, fragment, page
from ulmus.evaluation.slices import Slice

HOSTILE = '<script>alert("x")</script> \u202egnp.exe\u0007 $\\frac{1}{2}$'


def made(name: str = "bad", text: str = "a dull film", *, classes: int = 3) -> Report:
    """A report with every section, whose first class has this name and whose texts are this one."""
    rng = np.random.default_rng(0)
    target = np.arange(60) % classes
    proba = rng.dirichlet(np.ones(classes), 60)
    names = [name, *(f"class {k}" for k in range(1, classes))]
    scores = evaluation_report(
        target, {"combined": proba, "counts": proba}, {"combined": 0.5, "counts": 0.5}, names
    )
    explanation = Explanation(
        text, ((0, len(text)),), "word", np.ones((1, 2)), np.zeros(2), (name, "other"), np.array([0.9, 0.1]), name,
        {"counts": np.ones((1, 2))}, {"counts": "exact"},
    )  # fmt: skip
    return Report(
        title=f"model on {text}",
        facts=(("trained on", "60 labelled texts"), ("command", text)),
        scores=scores,
        interval=(0.2, 0.4),
        gain=Interval(0.01, -0.02, 0.03),
        reliability=reliability(target, proba, bins=10),
        slices={"group": [Slice(text, 60, 0.3, 0.2, 0.4)]},
        confusions=[Confusion(name, "other", 3, (text,))],
        mistakes=[Mistake(0, text, name, "other", 0.9, explanation), Mistake(1, text, name, "other", 0.9)],
        doubts=Doubts(60, 1, 0.3, "Out of fold.", (Doubt(4, text, name, "other", 0.1),)),
        twins=Twins(1, 60, (Twin(text, name, text + "!", "other"),)),
        portraits=[Pictured(name, (text,), (text,))],
        history=[{"stage": "labels", "epoch": 1, "steps": 5, "train_loss": 0.7, "lr": 1e-3, "loss": 0.6}],
        notes=("few texts",),
    )


def test_a_page_has_every_section_and_a_way_to_it() -> None:
    """The headline with its interval, the baseline, and a link to each section."""
    html = page(made())
    assert MARK in html
    for said in (
        "95 % confidence interval",
        "Word counts alone have",
        "most frequent class",
        "Beware: few texts",
    ):
        assert said in html
    targets = re.findall(r'<a href="#([a-z]+)">', html)
    assert len(targets) == 11
    assert all(html.count(f'<section id="{name}"') == 1 for name in targets)


def test_nothing_is_loaded_and_nothing_runs() -> None:
    """No script, no address but the names of XML's vocabularies, a policy that forbids both."""
    html = page(made())
    assert not re.search(r"<script|@import|src=|<link|<iframe", html)
    assert {*re.findall(r"https?://[\w.]+", html)} <= {"http://www.w3.org"}
    assert "Content-Security-Policy" in html
    assert "prefers-color-scheme:dark" in html


def test_hostile_texts_and_names_are_shown_not_obeyed() -> None:
    """Markup is escaped, a changed writing direction and control characters are shown."""
    html = page(made(HOSTILE, HOSTILE))
    assert "<script" not in html
    assert "&lt;script&gt;" in html
    assert "\u202e" not in html
    assert "\u0007" not in html
    assert "\\u202e" in html


def test_a_very_long_word_is_cut() -> None:
    """One of a megabyte makes no page of a megabyte."""
    assert len(page(replace(made(text="x" * 1_000_000), title="t", mistakes=(), facts=()))) < 300_000


def test_identifiers_are_unique_and_pictures_well_formed() -> None:
    """Several pictures stand in one page; each is XML by itself, and says what it shows."""
    html = page(made())
    names = re.findall(r'\bid="([^"]+)"', html)
    assert len(names) == len(set(names))
    pictures = re.findall(r"<svg.*?</svg>", html, re.DOTALL)
    assert len(pictures) == 4
    for picture in pictures:
        assert ET.fromstring(picture).get("aria-label")
        assert "currentColor" in picture
        assert "#565758" not in picture
    for name in re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', html):
        assert max(name) in names


def test_the_same_report_is_the_same_page() -> None:
    """No date, no random identifier."""
    assert page(made()) == page(made())


def test_tables_of_many_classes_are_cut_and_say_so() -> None:
    """A thousand classes: the most frequent forty, and no matrix."""
    html = page(made(classes=1000))
    assert "the 40 most frequent of 1,000 classes" in html
    assert "A matrix of 1,000 classes would not be readable" in html
    assert "and 932 more" in html
    assert len(html) < 300_000


def test_a_report_without_scores_has_no_empty_sections() -> None:
    """What was not measured is not shown."""
    html = page(Report("Training", (), {}, measured="Too few labels."))
    assert "Too few labels." in html
    assert "<section" not in html


def test_numbers_are_shown_as_points() -> None:
    """A regressor's report has its correlation and its largest errors."""
    true, predicted = np.array([1.0, 2.0, 3.0]), np.array([1.1, 2.2, 2.0])
    scores = {"pearson": 0.9, "mae": 0.4, "n": 3, "parts": {"lm": {"pearson": 0.9, "mae": 0.4}}}
    html = page(Report("t", (), scores, numbers=(true, predicted), mistakes=[Mistake(2, "x", "3", "2", 1.0)]))
    assert "0.900" in html
    assert 'id="numbers"' in html
    assert "Predicted 2, labelled 3" in html


def test_a_notebook_shows_the_report() -> None:
    """The same, without the frame of a page; the pictures are figures of matplotlib."""
    report = made()
    assert report._repr_html_() == fragment(report)
    assert "<html" not in fragment(report)
    figures = report.figures()
    assert {*figures} == {"calibration", "confidence", "curves", "rates"}
    assert figures["rates"].axes[0].lines[0].get_marker() == "o"  # one point is no line


def test_a_report_is_saved_as_html(tmp_path: Path) -> None:
    """Another suffix is a usage error; lone surrogates can be written."""
    made(text="\ud800").save(tmp_path / "a.html")
    assert MARK in (tmp_path / "a.html").read_text(encoding="utf-8")
    with pytest.raises(UsageError, match=r"\.html"):
        made().save(tmp_path / "a.pdf")
