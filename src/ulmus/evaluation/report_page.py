"""A report -> HTML: a fragment for notebooks, or a page of its own that can be sent to anybody.

Sections are in `report_sections.py` and `report_texts.py`, escaping and the shared style in `markup.py`. No script,
nothing from elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator

from ulmus.evaluation import report_sections as sections
from ulmus.evaluation import report_texts as texts
from ulmus.evaluation.markup import STYLE, document, generator, safe
from ulmus.evaluation.report import Report

__all__ = ["MARK", "fragment", "page"]

MARK = generator("ulmus report")
_STYLE = """
.report{max-width:none}
.report h1{font-size:1.5em;line-height:1.3;margin:0 0 .4em;overflow-wrap:anywhere}
.report h2{font-size:1.15em;line-height:1.3;margin:2.2em 0 .3em;padding-top:.8em;
 border-top:1px solid rgb(var(--line)/.35)}
.report h3{font-size:1em;margin:1.2em 0 .2em;overflow-wrap:anywhere}
.report p{margin:.4em 0;max-width:46em}
.report a{color:inherit}
.report nav{font-size:13px;margin:1em 0;line-height:2}
.report nav a{margin-right:1.1em;white-space:nowrap}
.report .headline{display:flex;flex-wrap:wrap;gap:.2em 1.4em;align-items:baseline;margin:.8em 0}
.report .headline b{font-size:2.6em;line-height:1.1;font-variant-numeric:tabular-nums}
.report .warning{border-left:3px solid rgb(var(--against));padding:.1em 0 .1em .8em}
.report .wide{overflow-x:auto}
.report table{font-size:14px;margin:.6em 0}
.report td,.report th{padding:3px 14px 3px 0;max-width:24em;overflow-wrap:break-word}
.report .excerpt{display:block;min-width:14em;overflow-wrap:anywhere}
.report thead th{border-bottom:1px solid rgb(var(--line)/.5);font-size:13px;opacity:.85;vertical-align:bottom}
.report td:last-child{max-width:44em}
.report .facts th,.report .facts td:first-child{white-space:nowrap;opacity:.75;vertical-align:top}
.report .facts td{max-width:40em;overflow-wrap:anywhere}
.report .track{display:inline-block;position:relative;width:11em;height:.9em;
 border-bottom:1px solid rgb(var(--line)/.5)}
.report .track i{position:absolute;top:.25em;height:.4em;border-radius:2px;background:rgb(var(--for)/.35)}
.report .track b{position:absolute;top:.1em;width:3px;height:.7em;margin-left:-1px;background:rgb(var(--for))}
.report .matrix td{padding:4px 8px;text-align:right;font-variant-numeric:tabular-nums;min-width:2.4em}
.report .matrix td.hit{font-weight:600;outline:1px solid rgb(var(--line)/.5);outline-offset:-1px}
.report .matrix thead th{max-width:7em;min-width:4em;text-align:right;padding:3px 8px;
 overflow-wrap:anywhere}
.report .figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(19em,100%),1fr));gap:1em 2em}
.report figure{margin:.6em 0}
.report figcaption{font-size:13px;opacity:.85}
.report svg.figure{width:100%;height:auto;max-width:30em}
.report svg.figure text{font-family:system-ui,sans-serif!important}
.report .card{border:1px solid rgb(var(--line)/.35);border-radius:6px;padding:.5em 1em;margin:.8em 0}
.report .card .text{margin:.4em 0}
.report .item{border-top:1px solid rgb(var(--line)/.25);padding:.4em 0;font-size:14px;line-height:1.5}
.report ol,.report ul{padding-left:1.4em}
.report li{margin:.3em 0;overflow-wrap:anywhere}
""".strip()


def page(report: Report) -> str:
    """A whole HTML page."""
    return document(report.title, f"<main>{_body(report)}</main>", mark=MARK, style=_STYLE)


def fragment(report: Report) -> str:
    """The report with its style, to stand in another page."""
    return f"<style>{STYLE}\n{_STYLE}</style>{_body(report)}"


def _body(report: Report) -> str:
    made = [(name, title, body) for name, title, body in _sections(report) if body]
    links = " ".join(f'<a href="#{name}">{title}</a>' for name, title, _ in made)
    parts = [f"<header><h1>{safe(report.title)}</h1>{sections.headline(report)}</header>"]
    parts.append(f'<nav aria-label="Sections">{links}</nav>')
    parts += [
        f'<section id="{name}" aria-labelledby="{name}-title"><h2 id="{name}-title">{title}</h2>{body}</section>'
        for name, title, body in made
    ]
    return f'<div class="ulmus report">{"".join(parts)}</div>\n'


def _sections(report: Report) -> Iterator[tuple[str, str, str]]:
    """Identifier, title and body of each section; the body is empty where there is nothing to say."""
    yield "model", "The model", sections.model(report)
    yield "scores", "Scores", sections.scores(report)
    yield "classes", "Classes", sections.classes(report)
    yield "confusion", "Confusion", sections.confusion(report)
    yield "numbers", "Predicted and true numbers", sections.numbers(report)
    yield "calibration", "Calibration", sections.calibration(report)
    yield "slices", "Where it is right", sections.slices(report)
    yield "mistakes", "Worst mistakes", texts.mistakes(report)
    yield "labels", "Likely label errors", texts.doubts(report)
    yield "duplicates", "Near-duplicates", texts.twins(report)
    yield "portraits", "Typical and odd texts", texts.portraits(report)
    yield "training", "Training", sections.training(report)
