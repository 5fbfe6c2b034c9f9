"""`ulmus export`: a classifier or regressor -> a file that predicts without torch.

int8 is measured on labelled texts and refused if it loses too much. Knows no graph.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ulmus.cli import guard, inputs, outputs, remembered, scoring, show
from ulmus.cli.options import (
    Classifier,
    CommonOptions,
    Force,
    LabelCols,
    LabelDelimiter,
    ReaderOptions,
    TextBCols,
    TextCols,
    command,
)
from ulmus.errors import UsageError

if TYPE_CHECKING:
    from ulmus.tasks.classifier.model import TextClassifier
    from ulmus.tasks.classifier.regressor import TextRegressor


@dataclass(frozen=True, kw_only=True)
class ExportOptions(ReaderOptions, CommonOptions):
    """The options of `ulmus export`."""

    model: Classifier
    output: Annotated[
        Path,
        typer.Option("-o", "--output", metavar="OUT.ulmus", help="The file to write.", show_default=False),
    ]
    onnx: Annotated[
        bool, typer.Option("--onnx", help="Networks as ONNX graphs: the default, and the only format.")
    ] = True
    int8: Annotated[
        bool, typer.Option("--int8", help="8-bit weights: smaller and faster. Needs --check.")
    ] = False
    check: Annotated[
        Path | None,
        typer.Option(
            "--check",
            metavar="DATA",
            help="With --int8: labelled texts (2,000 at most are used) on which it may lose 0.3 points.",
        ),
    ] = None
    text: TextCols = field(default_factory=list)
    text_b: TextBCols = field(default_factory=list)
    label: LabelCols = field(default_factory=list)
    label_delimiter: LabelDelimiter = None
    force: Force = False


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    command(app, ExportOptions, example="ulmus export reviews.ulmus --int8 --check test.csv -o small.ulmus")(
        export
    )


def export(options: ExportOptions) -> None:
    """Write a classifier or regressor as a file that predicts without torch.

    The package ulmus-runtime loads it: onnxruntime, tokenizers and numpy. Needs the extra `onnx`.
    """
    if options.int8 is not (options.check is not None):
        raise UsageError(
            "--int8 and --check belong together: int8 is measured on labelled texts. Give both, or neither."
        )
    from ulmus.bundle import read_manifest

    kind = str(read_manifest(options.model).get("kind"))
    outputs.claim(options.output, options, guard.model(f"exported-{kind}"))
    columns = inputs.Columns(options.text, options.label, options.label_delimiter, options.text_b)
    source = None
    if options.check is not None:
        source = remembered.source(options.model, options.check, options, columns, labelled=True)
    from ulmus.tasks.classifier.regressor import load_estimator

    model = load_estimator(options.model, device="cpu", precision="float32")
    check = None if source is None else _labelled(model, source, options)
    done = model.export(options.output, int8=options.int8, check=check)
    if options.json:
        show.as_json({"out": str(options.output), **done})
        return
    if "checked" in done:
        found = done["checked"]
        show.say(
            f"int8 loses {found['lost']:.2f} points on {found['texts']:,} texts: {found['float32']:.2f} in float32, "
            f"{found['int8']:.2f} in int8."
        )
    show.say(
        f"{options.output}: {done['size_mb']:.1f} MB; outputs differ by {done['largest_difference']:.1g} at most."
    )


def _labelled(
    model: TextClassifier | TextRegressor, source: Any, options: ExportOptions
) -> tuple[list[Any], list[Any]]:
    """The texts of --check whose labels are classes of the model, and the labels."""
    from ulmus.tasks.classifier.model import TextClassifier

    given = inputs.labelled(source)
    texts, labels = inputs.documents(source, given.texts), list[Any](given.labels)
    if not isinstance(model, TextClassifier):
        return texts, labels
    names = (str(options.model), str(source.path))
    labels, unknown = scoring.as_classes(model, labels, names, options.label_delimiter)
    kept = [i for i, label in enumerate(labels) if not unknown.keys() & set(_parts(label))]
    return [texts[i] for i in kept], [labels[i] for i in kept]


def _parts(label: Any) -> tuple[Any, ...]:
    return label if isinstance(label, tuple) else (label,)
