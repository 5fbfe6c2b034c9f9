"""The sections of a report's page: each takes the report and gives HTML, or nothing where there is nothing to show.

Every text of a user goes through `safe`. Tables of many classes are cut, and a sentence says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ulmus.evaluation.figures import as_svg
from ulmus.evaluation.markup import safe, shortened, table
from ulmus.evaluation.report import Report
from ulmus.evaluation.report_cells import NAME, bar, class_name, excerpt, paragraph, percent
from ulmus.evaluation.slices import Slice

ROWS, COLUMNS = 40, 15  # classes, at most, in a table and in a matrix
PARTS = {"combined": "network and word counts", "lm": "network", "counts": "word counts"}
NUMBERS = {"pearson": "Pearson", "spearman": "Spearman", "r2": "R2", "mae": "MAE", "rmse": "RMSE"}
CLASSES = {
    "accuracy": "accuracy",
    "macro_f1": "macro F1",
    "micro_f1": "micro F1",
    "log_loss": "log loss",
    "calibration_error": "calibration error",
}


def headline(report: Report) -> str:
    """The most important number with its interval, what it is compared with, and what to beware of."""
    scores, parts = report.scores, []
    if "accuracy" in scores and report.interval is not None:
        low, high = report.interval
        parts.append(
            f'<div class="headline"><b>{percent(scores["accuracy"])}</b><span>accuracy on {scores["n"]:,} texts, 95 % '
            f"confidence interval {percent(low)} to {percent(high)}</span></div>"
        )
    elif "pearson" in scores:
        parts.append(
            f'<div class="headline"><b>{scores["pearson"]:.3f}</b><span>correlation (Pearson) of predicted and true '
            f"numbers on {scores['n']:,} texts; mean absolute error {scores['mae']:.4g}</span></div>"
        )
    said = [*_compared(report), report.measured]
    parts += [f"<p>{safe(one)}</p>" for one in said if one]
    parts += [f'<p class="warning">Beware: {safe(one)}</p>' for one in report.notes]
    return "".join(parts)


def _compared(report: Report) -> Iterator[str]:
    """What the accuracy is worth: sentences on the word counts and on the most frequent class."""
    counts = report.scores.get("parts", {}).get("counts", {})
    if report.gain is not None and "accuracy" in counts:
        gain = report.gain
        yield (
            f"Word counts alone have {percent(counts['accuracy'])}: a difference of {100 * gain.difference:+.1f} "
            f"points (95 % confidence interval {100 * gain.low:+.1f} to {100 * gain.high:+.1f}"
            f"{', so it may be chance' if gain.low <= 0 <= gain.high else ''})."
        )
    if "class" in (most := report.scores.get("majority") or {}):
        yield (
            f"Always answering the most frequent class, {shortened(str(most['class']), NAME)}, has "
            f"{percent(most['accuracy'])}."
        )


def model(report: Report) -> str:
    """How the model was made."""
    rows = [[safe(name), safe(value)] for name, value in report.facts if value]
    return f'<div class="facts">{table(rows, numbers=())}</div>' if rows else ""


def scores(report: Report) -> str:
    """The scores of each part, and of always answering the most frequent class."""
    parts = {PARTS.get(name, name): row for name, row in report.scores.get("parts", {}).items()}
    if report.scores.get("majority"):
        parts["most frequent class"] = report.scores["majority"]
    columns = {
        key: name for key, name in {**CLASSES, **NUMBERS}.items() if any(key in row for row in parts.values())
    }
    rows = [[safe(name), *(_score(key, row.get(key)) for key in columns)] for name, row in parts.items()]
    return table(rows, ["", *columns.values()], numbers=range(1, len(columns) + 1), name="Scores")


def classes(report: Report) -> str:
    """Precision, recall and F1 of each class; of many classes the most frequent ones."""
    found: Mapping[Any, Mapping[str, float]] = report.scores.get("classes", {})
    most = sorted(found, key=lambda name: (found[name]["support"], found[name]["predicted"]), reverse=True)[
        :ROWS
    ]
    rows = [
        [
            class_name(name),
            *(f"{found[name][key]:,}" for key in ("support", "predicted")),
            *(percent(found[name][key]) for key in ("precision", "recall", "f1")),
            bar(found[name]["f1"]),
        ]
        for name in most
    ]
    head = ["class", "texts", "predicted", "precision", "recall", "F1", ""]
    said = []
    if len(found) > ROWS:
        said.append(f"These are the {ROWS} most frequent of {len(found):,} classes.")
    if missing := report.scores.get("unmeasured"):
        named = ", ".join(shortened(str(name), NAME) for name in missing[:8])
        more = f" and {len(missing) - 8:,} more" if len(missing) > 8 else ""
        said.append(f"No text has the label {named}{more}, so nothing is known about it.")
    return table(rows, head, numbers=range(1, 6), name="Classes") + paragraph(*said)


def confusion(report: Report) -> str:
    """The matrix of true and predicted classes, unless there are too many, and the most frequent errors."""
    found = report.scores.get("confusion")
    if not found or getattr(found["counts"], "ndim", 0) != 2:
        return ""
    names, counts, parts = [class_name(name) for name in found["classes"]], found["counts"], []
    if len(names) <= COLUMNS:
        rows = []
        for i, row in enumerate(counts):
            total = max(int(row.sum()), 1)
            cells = [_cell(int(n), int(n) / total, hit=i == j) for j, n in enumerate(row)]
            rows.append(f'<tr><th scope="row">{names[i]}</th>{"".join(cells)}</tr>')
        head = "".join(f'<th scope="col">{name}</th>' for name in names)
        parts.append(
            "<p>Rows are the true classes, columns the predicted ones; the shade is the share of the row.</p>"
            '<div class="wide matrix" role="region" tabindex="0" aria-label="Confusion matrix"><table><thead><tr>'
            f'<th scope="col">true \\ predicted</th>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'
        )
    else:
        parts.append(
            paragraph(
                f"A matrix of {len(names):,} classes would not be readable; these are its largest errors."
            )
        )
    for one in report.confusions:
        texts = "".join(f"<li>{excerpt(text)}</li>" for text in one.examples)
        title = f"{class_name(one.true)} taken for {class_name(one.predicted)}: {_texts(one.documents)}"
        parts.append(f"<h3>{title}</h3><ul>{texts}</ul>")
    return "".join(parts)


def numbers(report: Report) -> str:
    """Predicted numbers against true ones."""
    if report.numbers is None:
        return ""
    return _figures(report, {"numbers": "Each point is a text; on the dashed line the prediction is exact."})


def calibration(report: Report) -> str:
    """Whether probabilities can be believed, as pictures and as a table."""
    found = report.reliability
    if found is None or not found.counts.any():
        return ""
    tendency = found.overconfident
    how = "too high" if tendency > 0.01 else "too low" if tendency < -0.01 else "about right"
    said = (
        f"The probabilities of the predictions are {how} on the whole: their mean is {100 * abs(tendency):.1f} points "
        f"{'above' if tendency > 0 else 'below'} the share that is right. Bin by bin the two differ by "
        f"{100 * found.error:.1f} points (expected calibration error)."
    )
    shown = _figures(
        report,
        {
            "calibration": "On the dashed line, predictions are right as often as they claim; larger points stand for "
            "more predictions.",
            "confidence": "How many predictions have which confidence, and how many of these are wrong.",
        },
    )
    width = 1 / len(found.counts)
    rows = [
        [
            f"{percent(i * width, 0)} to {percent((i + 1) * width, 0)}",
            f"{n:,}",
            percent(sure),
            percent(right),
        ]
        for i, (n, sure, right) in enumerate(zip(*found, strict=True))
        if n
    ]
    head = ["confidence", "predictions", "mean confidence", "right"]
    return (
        f"{paragraph(said)}{shown}<details><summary>The numbers</summary>"
        f"{table(rows, head, numbers=(1, 2, 3), name='Calibration')}</details>"
    )


def slices(report: Report) -> str:
    """Accuracy by length, group or time."""
    parts = []
    for by, found in report.slices.items():
        rows = [
            [
                safe(shortened(one.name, NAME)),
                f"{one.documents:,}",
                percent(one.accuracy),
                _interval(one),
                _range(one),
            ]
            for one in found
        ]
        head = [f"{safe(by)}", "texts", "accuracy", "", "95 % interval"]
        parts.append(f"<h3>By {safe(by)}</h3>{table(rows, head, numbers=(1, 2), name=f'Accuracy by {by}')}")
    return "".join(parts)


def training(report: Report) -> str:
    """The curves of the training, and its stages as a table."""
    if not report.history:
        return ""
    shown = _figures(
        report,
        {
            "curves": "The loss of the training; each line is a stage.",
            "rates": "The learning rate of the top layers."
            if report.curve
            else "The learning rate of the top layers at the end of each epoch.",
        },
    )
    columns = {
        "stage": "stage",
        "epoch": "epoch",
        "steps": "steps",
        "train_loss": "loss",
        "loss": "held-out loss",
    }
    rows = [[_value(row.get(key)) for key in columns] for row in report.history[:ROWS]]
    cut = f"The first {ROWS} of {len(report.history):,} epochs." if len(report.history) > ROWS else ""
    inner = table(rows, list(columns.values()), numbers=range(1, 5), name="Epochs")
    return f"{shown}<details><summary>The numbers</summary>{inner}{paragraph(cut)}</details>"


def _figures(report: Report, captions: Mapping[str, str]) -> str:
    """Some of the report's pictures side by side, with captions of plain text."""
    found = report.figures()
    made = [
        f"<figure>{as_svg(found[name], name, caption)}<figcaption>{caption}</figcaption></figure>"
        for name, caption in captions.items()
        if name in found
    ]
    return f'<div class="figures">{"".join(made)}</div>'


def _cell(n: int, share: float, *, hit: bool) -> str:
    """A cell of the confusion matrix, shaded by its share of the row."""
    kind = "for" if hit else "against"
    style = f' style="background:rgb(var(--{kind})/{0.5 * share:.2f})"' if n else ""
    return f"<td{' class=hit' * hit}{style}>{n:,}</td>"


def _interval(one: Slice) -> str:
    low, high = 100 * one.low, 100 * one.high
    return (
        f'<span class="track" aria-hidden="true"><i style="left:{low:.1f}%;width:{high - low:.1f}%"></i>'
        f'<b style="left:{100 * one.accuracy:.1f}%"></b></span>'
    )


def _range(one: Slice) -> str:
    return f"{percent(one.low)} to {percent(one.high)}"


def _score(key: str, value: Any) -> str:
    if not isinstance(value, int | float):
        return "–"
    return (
        percent(value) if key in ("accuracy", "macro_f1", "micro_f1", "calibration_error") else f"{value:.3f}"
    )


def _value(item: Any) -> str:
    return "–" if item is None else f"{item:.4g}" if isinstance(item, float) else safe(item)


def _texts(n: int) -> str:
    return f"{n:,} text{'s' * (n != 1)}"
