"""`ulmus drift`: a model and new texts -> how these differ from the texts of the training.

Of a classifier or regressor by the summary in its file; of a language model by how well it predicts them. Labels are
not needed. Knows no layer.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ulmus.cli import guard, inputs, remembered, show
from ulmus.cli.options import (
    CommonOptions,
    Device,
    InferencePrecision,
    ReaderOptions,
    TextBCols,
    TextCols,
    command,
)
from ulmus.errors import DataError

if TYPE_CHECKING:
    from ulmus.evaluation.drift import Drift, Shift

_CLASSES = 20  # in the table


@dataclass(frozen=True, kw_only=True)
class DriftOptions(ReaderOptions, CommonOptions):
    """The options of `ulmus drift`."""

    model: Annotated[
        Path,
        typer.Argument(
            metavar="MODEL.ulmus", help="Classifier, regressor or language model.", show_default=False
        ),
    ]
    data: Annotated[
        Path, typer.Argument(metavar="NEW", help="File or folder of new texts.", show_default=False)
    ]
    text: TextCols = field(default_factory=list)
    text_b: TextBCols = field(default_factory=list)
    device: Device = "auto"
    precision: InferencePrecision = "auto"


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    command(app, DriftOptions, example="ulmus drift reviews.ulmus new.csv")(drift)


def drift(options: DriftOptions) -> None:
    """Show how new texts differ from those that a model was trained on.

    Unknown words, the rarity of the others, length, confidence and the share of each class, with 95% confidence
    intervals. A language model shows the bits per character that it needs for them.
    """
    guard.check_order(options.model, options.data)
    columns = inputs.Columns(options.text, text_b=options.text_b)
    from ulmus import bundle

    if bundle.read_manifest(options.model).get("kind") == "language-model":
        _of_language(options, columns)
        return
    source = remembered.source(options.model, options.data, options, columns)
    inputs.probe([source])
    from ulmus.tasks.classifier.regressor import load_estimator

    model = load_estimator(options.model, device=options.device, precision=options.precision)
    found = model.drift(inputs.documents(source, list(inputs.Texts([source]))))
    if options.json:
        show.as_json(found.to_dict())
    else:
        _print(found)


def _of_language(options: DriftOptions, columns: inputs.Columns) -> None:
    """Compare how well a language model predicts new texts and held-out ones of its training."""
    source = inputs.source(options.data, options, columns)
    inputs.probe([source])
    from ulmus.tasks.language_model.model import LanguageModel

    model = LanguageModel.load(options.model, device=options.device, verbose=False)
    before, now = model.metrics_.get("bits_per_character"), model.evaluate(inputs.Texts([source]))
    if not isinstance(before, float):
        raise DataError(
            f"{options.model} does not say how well it predicts texts of its training: it had no held-out ones."
        )
    bits = now["bits_per_character"]
    if options.json:
        show.as_json(
            {"before": before, "now": bits, "difference": bits - before, "perplexity": now["perplexity"]}
        )
        return
    show.table(["bits per character", "training, held out", "new"], [["", f"{before:.3f}", f"{bits:.3f}"]])
    show.say(
        f"The language model needs {abs(bits / before - 1):.0%} {'more' if bits > before else 'fewer'} bits for these "
        f"texts than for held-out texts of its training."
    )


def _print(found: Drift) -> None:
    """Print the measures, the classes and the verdict."""
    head = ["", "training", "new", "difference", "95% confidence interval", "clear"]
    show.table(head, [_row(one) for one in found.shifts])
    rows = [
        [
            str(one.label),
            show.percent(one.before),
            show.percent(one.now),
            *_gap(one.gap.difference, one.gap.low, one.gap.high, by=100, digits=1),
            "yes" if one.clear else "no",
        ]
        for one in found.classes[:_CLASSES]
    ]
    if rows:
        show.table(["share of class", *head[1:]], rows)
        show.say(found.compared)
    if len(found.classes) > _CLASSES:
        show.say(f"Showing the {_CLASSES} largest of {len(found.classes):,} differences; --json has all.")
    show.say(found.verdict)


def _row(one: Shift) -> list[str]:
    share = one.name in ("unknown words", "confidence")
    by, digits, unit = (100, 1, " %") if share else (1, 1, "")
    cells = [f"{by * value:.{digits}f}{unit}" for value in (one.before.mean, one.now.mean)]
    gap = _gap(one.gap.difference, one.gap.low, one.gap.high, by=by, digits=digits)
    return [one.name, *cells, *gap, "yes" if one.clear else "no"]


def _gap(difference: float, low: float, high: float, *, by: float, digits: int) -> list[Any]:
    return [f"{by * difference:+.{digits}f}", f"{by * low:+.{digits}f} to {by * high:+.{digits}f}"]
