"""`ulmus pipeline`: an everyday task over a transformer in a local folder: texts -> one line of JSON each.

Texts are arguments, the standard input, or a file; they are read in batches, and the model is opened once.
Cost: that of `ulmus.pipelines`. Knows no layer.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from ulmus.cli import inputs, show
from ulmus.cli.options import CommonOptions, Device, ReaderOptions, TextCols, command
from ulmus.config import LARGEST_SEED
from ulmus.errors import UsageError

_BATCH = 64  # texts at a time

# task -> options that belong to it alone; they are the keyword arguments of its function
TASKS: dict[str, tuple[str, ...]] = {
    "feature-extraction": (),
    "fill-mask": ("top_k",),
    "ner": (),
    "question-answering": ("question",),
    "sentiment-analysis": (),
    "summarization": ("words",),
    "text-generation": ("words", "temperature", "top_k", "top_p", "samples", "seed"),
    "translation": ("words", "source", "target"),
    "zero-shot-classification": ("labels", "template", "multi_label"),
}


@dataclass(frozen=True, kw_only=True)
class PipelineOptions(ReaderOptions, CommonOptions):
    """The options of `ulmus pipeline`."""

    task: Annotated[
        Literal[
            "feature-extraction",
            "fill-mask",
            "ner",
            "question-answering",
            "sentiment-analysis",
            "summarization",
            "text-generation",
            "translation",
            "zero-shot-classification",
        ],
        typer.Argument(metavar="TASK", help=f"One of {', '.join(TASKS)}.", show_default=False),
    ]
    texts: Annotated[
        list[str],
        typer.Argument(
            metavar="TEXT...",
            help="Texts; - (the default) reads standard input, one text per line.",
            show_default=False,
        ),
    ] = field(default_factory=list)
    model: Annotated[
        str,
        typer.Option(
            metavar="DIR",
            help="Folder of a transformer (config.json, model.safetensors, tokenizer). feature-extraction and "
            "text-generation also take Ulmus' own model files.",
        ),
    ]
    file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Read the texts from this file instead.")
    ] = None
    text: TextCols = field(default_factory=list)
    question: Annotated[
        str | None, typer.Option(metavar="TEXT", help="question-answering: what to look for in each text.")
    ] = None
    labels: Annotated[
        list[str],
        typer.Option("--class", metavar="NAME", help="zero-shot-classification: a class. Repeatable."),
    ] = field(default_factory=list)
    template: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT",
            help="zero-shot-classification: sentence with {} for the class.",
            show_default=False,
        ),
    ] = None
    multi_label: Annotated[
        bool | None,
        typer.Option("--multi-label", help="zero-shot-classification: several classes may be true."),
    ] = None
    source: Annotated[
        str | None, typer.Option(metavar="LANGUAGE", help="translation: from this language, e.g. en.")
    ] = None
    target: Annotated[
        str | None, typer.Option(metavar="LANGUAGE", help="translation: to this language, e.g. de.")
    ] = None
    words: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Number of tokens to generate, at most.")
    ] = None
    top_k: Annotated[
        int | None,
        typer.Option(
            min=0,
            metavar="K",
            help="fill-mask: number of guesses. text-generation: sample from the K likeliest.",
        ),
    ] = None
    temperature: Annotated[
        float | None,
        typer.Option(
            min=0.0, metavar="T", help="text-generation: sampling temperature; 0: the likeliest token."
        ),
    ] = None
    top_p: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            max=1.0,
            metavar="P",
            help="text-generation: sample from the likeliest tokens whose probabilities add up to P.",
        ),
    ] = None
    samples: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="text-generation: texts to generate for each TEXT.")
    ] = None
    seed: Annotated[
        int | None,
        typer.Option(min=0, max=LARGEST_SEED, metavar="N", help="text-generation: random seed."),
    ] = None
    device: Device = "auto"


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    command(
        app,
        PipelineOptions,
        example='ulmus pipeline ner --model models/bert-ner "John lives in Paris."\n'
        'ulmus pipeline question-answering --model models/bert-qa --question "Who is it?" --file letters.txt',
    )(pipeline)


def pipeline(options: PipelineOptions) -> None:
    """Run an everyday task over a transformer in a local folder.

    Prints one JSON object per text: row (number of the text, from 0) and the results of the task.
    """
    how = _keywords(options)
    batches = _batches(options)
    from ulmus import pipelines

    model = pipelines.load(options.task, options.model, device=options.device)
    run = getattr(pipelines, options.task.replace("-", "_"))
    results: list[dict[str, Any]] = []
    rows = 0
    for texts in batches:
        for result in run(texts, model, **how):
            row = {"row": rows, **result}
            rows += 1
            if options.json:
                results.append(row)
            else:
                typer.echo(show.dumps(row))
    if options.json:
        show.as_json({"task": options.task, "model": options.model, "n": rows, "results": results})


def _keywords(options: PipelineOptions) -> dict[str, Any]:
    """The keyword arguments that were given. Raises UsageError for an option of another task, or a missing one."""
    allowed = TASKS[options.task]
    flags = {"labels": "--class"}
    given = {}
    for name in dict.fromkeys(name for names in TASKS.values() for name in names):
        value, flag = getattr(options, name), flags.get(name, f"--{name.replace('_', '-')}")
        if value is None or value == []:
            continue
        if name not in allowed:
            others = ", ".join(task for task, names in TASKS.items() if name in names)
            raise UsageError(f"{flag} is an option of {others}, not of {options.task}. Remove it.")
        given[name] = value
    for name, needed in (("question", "what to look for"), ("labels", "the classes to choose from")):
        if name in allowed and name not in given:
            raise UsageError(f"{options.task} needs {flags.get(name, f'--{name}')}: {needed}.")
    return given


def _batches(options: PipelineOptions) -> Iterator[list[str]]:
    """The texts in lists, after checking that they can be read. Raises UsageError: no or several kinds of texts."""
    if (file := options.file) is not None:
        if options.texts:
            raise UsageError("give texts, or --file with texts, not both.")
        if options.documents == "auto":  # one result per line, as for standard input
            options = replace(options, documents="line")
        source = inputs.source(file, options, inputs.Columns(options.text))
        inputs.probe([source])
        return inputs.batches(source, _BATCH, options)
    if options.text:
        raise UsageError("--text names a column of --file, which is not given. Remove it.")
    if options.texts in ([], ["-"]):
        return inputs.batches(None, _BATCH, options)
    for text in options.texts:
        if len(text) < 256 and Path(text).is_file():
            raise UsageError(f"{text} is a file: read its texts with --file {text}.")
    texts = iter(options.texts)
    return iter(lambda: list(islice(texts, _BATCH)), [])
