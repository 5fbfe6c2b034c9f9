"""The sections of a report's page that show texts: mistakes, doubtful labels, near-duplicates, portraits."""

from __future__ import annotations

from ulmus.evaluation.explanation_page import coloured
from ulmus.evaluation.markup import safe, shortened
from ulmus.evaluation.report import Mistake, Report
from ulmus.evaluation.report_cells import EXCERPT, NAME, class_name, excerpt, paragraph, percent, small_print

__all__ = ["doubts", "mistakes", "portraits", "twins"]

READ = 2_500  # characters of an explained text that are shown


def mistakes(report: Report) -> str:
    """The wrong predictions that the model was surest of, with the words that they rest on."""
    parts = []
    for one in report.mistakes:
        sure = "" if report.numbers is not None else f" ({percent(one.confidence)})"
        parts.append(
            f'<div class="card"><b>Predicted {class_name(one.predicted)}{sure}, labelled {class_name(one.true)}</b> '
            f'<span class="note">text {one.row + 1:,}</span>{_words(one)}</div>'
        )
    if not parts:
        return ""
    said = (
        "The wrong predictions of which the model was surest."
        if report.numbers is None
        else "The largest errors."
    )
    if any(one.explanation for one in report.mistakes):
        said += (
            ' Words <span class="text"><span class="for" style="--a:.4">shaded blue</span></span> spoke for the '
            'prediction, <span class="text"><span class="against" style="--a:.4">orange</span></span> ones against it; '
            "the strongest are listed with their share."
        )
    return f"<p>{said} Some may be errors of the label.</p>{''.join(parts)}"


def _words(one: Mistake) -> str:
    """The text of a mistake, its words coloured by what they say for the prediction."""
    found = one.explanation
    if found is None:
        return f'<div class="text" dir="auto">{safe(shortened(one.text, EXCERPT))}</div>'
    strongest = ", ".join(
        f'<span dir="auto">{safe(shortened(token, NAME))}</span> {share:+.2f}'
        for token, share in found.strongest(top=5)
    )
    return f'{coloured(found, found.shown, most=READ)}<div class="note">{strongest}</div>'


def doubts(report: Report) -> str:
    """The labels that are probably wrong."""
    found = report.doubts
    if found is None:
        return ""
    if not found.documents:
        return paragraph(f"None of {found.of:,} labels looks wrong. {found.source}")
    said = (
        f"{found.documents:,} of {found.of:,} labels are doubtful"
        f"{f'; these are the {len(found.shown)} most suspicious' if found.documents > len(found.shown) else ''}. Read "
        f"them before you change any: predictions disagree with {percent(found.disagree)} of the labels, and many of "
        f"these labels are right. {found.source}"
    )
    items = (
        _item(
            f"{class_name(one.given)} ({percent(one.confidence)}), probably {class_name(one.suggested)}",
            one.text,
            row=one.row,
        )
        for one in found.shown
    )
    how = (
        "Confident learning (Northcutt et al. 2021): how many labels of each class are doubtful, and which have the "
        "lowest probability, in brackets."
    )
    return f"{paragraph(said)}{small_print(how)}{''.join(items)}"


def twins(report: Report) -> str:
    """Texts that are nearly the same as a training text."""
    found = report.twins
    if found is None:
        return ""
    if not found.documents:
        return paragraph(f"None of {found.of:,} texts is nearly the same as a training text.")
    said = (
        f"{found.documents:,} of {found.of:,} texts {'is' if found.documents == 1 else 'are'} nearly the same as a "
        "training text: their scores say nothing about new texts."
    )
    items = []
    for one in found.shown:
        same = one.known_label in (None, one.label)
        other = "" if same else f"; the training text is labelled {class_name(one.known_label)}"
        known = () if one.known == one.text else (one.known,)
        items.append(_item(f"{class_name(one.label)}{other}{'' if known else ', equal'}", one.text, *known))
    return f"{paragraph(said)}{''.join(items)}"


def _item(title: str, *texts: str, row: int | None = None) -> str:
    """A title of HTML and the beginnings of texts below it; `row` is the number of the text in the data."""
    number = "" if row is None else f' <span class="note">text {row + 1:,}</span>'
    return f'<div class="item"><b>{title}</b>{number}{"".join(map(excerpt, texts))}</div>'


def portraits(report: Report) -> str:
    """Typical and odd texts of each class."""
    parts = []
    for one in report.portraits:
        for title, texts in (("typical", one.typical), ("odd", one.odd)):
            items = "".join(f"<li>{excerpt(text)}</li>" for text in texts)
            parts.append(f"<h3>{class_name(one.label)}: {title}</h3><ul>{items}</ul>")
    if not parts:
        return ""
    said = (
        "Typical texts share most words with the others of their class, odd ones the fewest (by TF-IDF, without what "
        "is common to all classes). An odd text may have a wrong label, or be of a kind that the class lacks."
    )
    return paragraph(said) + "".join(parts)
