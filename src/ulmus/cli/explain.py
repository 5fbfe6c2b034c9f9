"""`ulmus explain`: a model and texts -> which words speak for which class, coloured, as JSON or as a page.

Cost: tens of forward passes a text. Knows no layer.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from ulmus.cli import guard, inputs, outputs, remembered, show
from ulmus.cli.options import (
    Classifier,
    CommonOptions,
    Device,
    Force,
    InferencePrecision,
    ReaderOptions,
    TextBCols,
    TextCols,
    command,
)
from ulmus.errors import UsageError
from ulmus.terminal import printable

if TYPE_CHECKING:
    from ulmus.evaluation.explanation import Explanation
    from ulmus.tasks.classifier.base import TextEstimator

_BATCH = 64  # texts read at a time
_LISTED = 10  # of the strongest tokens
_SHORT = 60  # characters of a token in a table
_FOR, _AGAINST = (20, 110, 220), (230, 110, 0)  # red, green, blue of the strongest token
_PAPER = 24  # the brightness of a token that has no share; the text on it is white
_FAINT = 0.1  # of the strongest share: less has no colour
_PARTS = {"lm": "network", "counts": "word counts"}


@dataclass(frozen=True, kw_only=True)
class ExplainOptions(ReaderOptions, CommonOptions):
    """The options of `ulmus explain`."""

    model: Classifier
    texts: Annotated[
        list[str],
        typer.Argument(
            metavar="TEXT...",
            help="Texts to explain; of a model of pairs, two are a pair. - reads standard input, one per line.",
            show_default=False,
        ),
    ] = field(default_factory=list)
    data: Annotated[
        Path | None, typer.Option("--data", metavar="FILE", help="Explain the texts of this file instead.")
    ] = None
    text: TextCols = field(default_factory=list)
    text_b: TextBCols = field(default_factory=list)
    about: Annotated[
        str | None,
        typer.Option(
            "--class", metavar="CLASS", help="Show what speaks for this class, not for the most probable one."
        ),
    ] = None
    unit: Annotated[
        Literal["auto", "word", "segment"],
        typer.Option(
            help="What gets a share: each word, or each segment of whole sentences; auto: words of short texts."
        ),
    ] = "auto"
    output: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", metavar="OUT.html|.jsonl", help="A page to look at, or lines of JSON."
        ),
    ] = None
    device: Device = "auto"
    precision: InferencePrecision = "auto"
    force: Force = False


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    command(app, ExplainOptions, example='ulmus explain reviews.ulmus "A fine film, if a little long."')(
        explain
    )


def explain(options: ExplainOptions) -> None:
    """Show which words a prediction rests on.

    The share of each word in the log odds of a class (against the mean of the others), or in a number.
    """
    if options.data is not None:
        guard.check_order(options.model, options.data)
    if options.output is not None:
        outputs.claim(options.output, options, guard.EXPLANATIONS)
    batches = _documents(options)
    from ulmus.tasks.classifier.regressor import load_estimator

    model = load_estimator(options.model, device=options.device, precision=options.precision)
    _check_class(model, options.about)
    found = (
        one for texts in batches for one in model.explain(_pairs(model, texts, options), unit=options.unit)
    )
    if options.output is None and not options.json:
        for explanation in found:
            _draw(explanation, options.about)
        return
    explanations = list(found)
    if options.output is None:
        show.as_json({"explanations": [one.to_dict() for one in explanations], "n": len(explanations)})
        return
    with outputs.writing(options.output) as file:
        if options.output.suffix == ".html":
            from ulmus.evaluation.explanation_page import page

            file.write(page(explanations, title=f"Explanations by {options.model.name}"))
        else:
            file.writelines(f"{show.dumps(one.to_dict())}\n" for one in explanations)
    summary = {"out": str(options.output), "n": len(explanations)}
    if options.json:
        show.as_json(summary)
    else:
        show.note(f"{len(explanations):,} explanations in {options.output}.")


def _documents(options: ExplainOptions) -> Iterator[list[Any]]:
    """Batches of texts, after checking that they can be read. Raises UsageError: both a file and texts, or neither."""
    if bool(options.texts) == (options.data is not None):
        raise UsageError(
            "expected texts to explain, or a file of them: ulmus explain MODEL TEXT... or --data FILE."
        )
    lines = replace(options, documents="line") if options.documents == "auto" else options
    if options.data is not None:
        source = remembered.source(
            options.model, options.data, lines, inputs.Columns(options.text, text_b=options.text_b)
        )
        return (inputs.documents(source, texts) for texts in inputs.batches(source, _BATCH, lines))
    for name, given in (("--text", options.text), ("--text-b", options.text_b)):
        if given:
            raise UsageError(f"{name} needs a file with columns: --data FILE.")
    if options.texts == ["-"]:
        return inputs.batches(None, _BATCH, lines)
    return iter([list(options.texts)])


def _pairs(model: TextEstimator, texts: list[Any], options: ExplainOptions) -> list[Any]:
    """Texts as the model takes them: of a model of pairs, those of the command line two by two."""
    if not model.fitted_.pairs or options.data is not None or options.texts == ["-"]:
        return texts
    if len(texts) % 2:
        raise UsageError(
            f"this model takes pairs of texts: expected an even number of texts, got {len(texts)}."
        )
    return list(zip(texts[::2], texts[1::2], strict=True))


def _check_class(model: TextEstimator, about: str | None) -> None:
    names = [str(name) for name in model.fitted_.classes]
    if about is not None and about not in names:
        raise UsageError(f"--class: expected one of {inputs.listed(names)}, got {about!r}.")


def _draw(given: Explanation, about: str | None) -> None:
    """Print a text coloured by the shares of its tokens, and the strongest of them."""
    names = [str(name) for name in given.classes]
    k = given.shown if about is None else names.index(about)
    if given.numeric:
        show.say(f"{given.prediction:.4g}")
    else:
        shown = given.prediction if isinstance(given.prediction, tuple) else (given.prediction,)
        show.say(
            f"{', '.join(map(str, shown)) or 'no label'}; {names[k]} {show.percent(given.probabilities[k])}"
        )
    _colour(given, k)
    head = [f"for {names[k]}", "share", *(_PARTS[name] for name in given.parts)]
    if given.running is None:
        order = abs(given.scores[:, k]).argsort(kind="stable")[::-1][:_LISTED].tolist()
    else:
        order, head = list(range(len(given.spans))), [*head, "up to here"]
    rows = []
    for i in order:
        row = [
            _short(given.tokens[i]),
            *(f"{part[i, k]:+.2f}" for part in (given.scores, *given.parts.values())),
        ]
        if given.running is not None:
            value = float(given.running[i, k])
            row.append(f"{value:.4g}" if given.numeric else show.percent(value))
        rows.append(row)
    rows.append(["(without any)", f"{given.base[k]:+.2f}", *[""] * (len(head) - 2)])
    show.table(head, rows)


def _colour(given: Explanation, k: int) -> None:
    """Print the text; on a terminal that shows colours (and without NO_COLOR) coloured by the shares for class k."""
    from rich.color import Color
    from rich.console import Console
    from rich.style import Style
    from rich.text import Text

    largest = float(abs(given.scores[:, k]).max(initial=0.0)) or 1.0
    text, end = Text(), 0
    for (start, until), share in zip(given.spans, given.scores[:, k], strict=True):
        text.append(printable(given.text[end:start], lines=True))
        strength = abs(float(share)) / largest
        shade = (_PAPER + strength * (part - _PAPER) for part in (_FOR if share > 0 else _AGAINST))
        style = Style(color="white", bgcolor=Color.from_rgb(*shade)) if strength >= _FAINT else Style()
        text.append(printable(given.text[start:until], lines=True), style)
        end = until
    text.append(printable(given.text[end:], lines=True))
    Console(file=sys.stdout, highlight=False).print(text, soft_wrap=True)


def _short(text: str) -> str:
    return text if len(text) <= _SHORT else text[:_SHORT] + " ..."
