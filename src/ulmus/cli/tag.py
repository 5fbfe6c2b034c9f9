"""`ulmus tag train`, `tag predict`, `tag evaluate`: entities of texts, from tagged sentences.

Tagged sentences are CoNLL columns or jsonl with spans; texts to tag are whatever `ulmus predict` reads. Cost: labelled
sentences are held in memory; texts to tag are read and written in batches. Knows no layer.
"""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import typer

from ulmus.cli import guard, inputs, outputs, show
from ulmus.cli.options import (
    CommonOptions,
    Device,
    EncoderFolder,
    Force,
    ReaderOptions,
    RunOptions,
    TextCols,
    command,
)
from ulmus.cli.settings import merged, tables
from ulmus.cli.span_writers import span_writer
from ulmus.errors import UsageError

if TYPE_CHECKING:
    from ulmus.corpus.tagged import Tagged
    from ulmus.tasks.tagger.config import TaggerConfig

_BATCH, _BATCH_OF_STDIN = 1024, 64  # texts read at a time

Tagger = Annotated[Path, typer.Argument(metavar="MODEL.ulmus", help="Tagger to use.", show_default=False)]
Precision = Annotated[
    Literal["auto", "float32", "bf16"],
    typer.Option(
        "--precision", help="Number format of matrix products; auto: bf16 if the processor supports it."
    ),
]


@dataclass(frozen=True, kw_only=True)
class TaggedOptions:
    """How tagged sentences are read."""

    GROUP: ClassVar[str] = "Reading files"

    format: Annotated[
        Literal["auto", "conll", "jsonl"],
        typer.Option(
            help="conll: a token and its tag per line (BIO, IOB1, BIOES or BILOU), blank lines between sentences; "
            "jsonl: text and spans; auto: by name."
        ),
    ] = "auto"
    encoding: Annotated[
        str, typer.Option(metavar="NAME", help="Text encoding, e.g. latin-1; auto: UTF-8.")
    ] = "auto"


@dataclass(frozen=True, kw_only=True)
class TagTrainOptions(RunOptions, TaggedOptions, CommonOptions):
    """The options of `ulmus tag train`."""

    data: Annotated[Path, typer.Argument(metavar="FILE", help="Tagged sentences.", show_default=False)]
    valid: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Tagged held-out set; by default part of FILE is held out."),
    ] = None
    language_model: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FILE|new|none",
            rich_help_panel="Model",
            help="Language model to start from (see ulmus models); new: train one on the texts; none: do without.",
            show_default="the installed one for the language of the texts, or new",
        ),
    ] = None
    encoder: EncoderFolder = None


@dataclass(frozen=True, kw_only=True)
class TagPredictOptions(ReaderOptions, CommonOptions):
    """The options of `ulmus tag predict`."""

    model: Tagger
    data: Annotated[
        Path,
        typer.Argument(
            metavar="FILE|-",
            help="Texts; - (the default) reads standard input, one text per line.",
            show_default=False,
        ),
    ] = inputs.STDIN
    text: TextCols = field(default_factory=list)
    output: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", metavar="OUT.csv|.jsonl", help="Output file; by default standard output."
        ),
    ] = None
    device: Device = "auto"
    precision: Precision = "auto"
    force: Force = False


@dataclass(frozen=True, kw_only=True)
class TagEvaluateOptions(TaggedOptions, CommonOptions):
    """The options of `ulmus tag evaluate`."""

    model: Tagger
    data: Annotated[Path, typer.Argument(metavar="FILE", help="Tagged sentences.", show_default=False)]
    device: Device = "auto"
    precision: Precision = "auto"


def register(app: typer.Typer) -> None:
    """Add the commands to the app."""
    tag = typer.Typer(
        help="Find entities in texts: train a tagger, use it, score it.",
        no_args_is_help=True,
        rich_markup_mode=None,
    )
    command(
        tag,
        TagTrainOptions,
        name="train",
        example="ulmus tag train train.conll --valid dev.conll --out ner.ulmus",
    )(tag_train)
    command(
        tag,
        TagPredictOptions,
        name="predict",
        example="ulmus tag predict ner.ulmus letters.txt -o entities.csv",
    )(tag_predict)
    command(tag, TagEvaluateOptions, name="evaluate", example="ulmus tag evaluate ner.ulmus test.conll")(
        tag_evaluate
    )
    app.add_typer(tag, name="tag")


def tag_train(options: TagTrainOptions) -> None:
    """Train a tagger on sentences with tags, or texts with spans.

    CoNLL columns: the first is the token, the last its tag. jsonl: objects with "text" and "spans", a list of
    {"start", "end", "label"} in characters.
    """
    started = perf_counter()
    outputs.claim_model(options, "tagger")
    guard.check_held_out(options.valid, [options.data])
    given = _check_language_model(options)
    settings = _config(options)
    data = _tagged(options.data, options)
    valid = None if options.valid is None else _tagged(options.valid, options)
    from ulmus.tasks.tagger.model import TextTagger

    files = [path for path in (options.data, options.valid, options.encoder, *given) if path is not None]
    with outputs.work_folder(options, files) as folder:
        tagger = TextTagger(
            language_model=options.language_model,
            encoder=options.encoder,
            minutes=options.minutes,
            seed=options.seed,
            device=options.device,
            precision=options.precision,
            config=settings,
            work_dir=folder,
            verbose=not options.quiet,
        )
        tagger.callbacks += outputs.callbacks(options)
        tagger.fit_tagged(data, valid)
        tagger.save(options.out)
    report = {"out": str(options.out), **tagger.report_, "seconds": perf_counter() - started}
    if options.json:
        show.as_json(report)
        return
    if "f1" in report:
        _print_scores(report, f"scores on {report['n']:,} held-out sentences")
    else:
        show.say("Too few sentences for a held-out set; no scores. Give --valid to measure.")
    show.say(f"Saved {options.out} ({show.seconds(report['seconds'])})")
    model = shlex.quote(str(options.out))
    show.say(f"Next: ulmus tag predict {model} FILE -o entities.csv, or ulmus tag evaluate {model} FILE")


def tag_predict(options: TagPredictOptions) -> None:
    """Find the entities of texts.

    Output columns: row (number of the text, from 0), start and end (characters, end exclusive), label, text, score
    (the probability of the entity). One line per entity in csv, one per text in jsonl.
    """
    started = perf_counter()
    guard.check_order(options.model, options.data)
    if options.documents == "auto":  # one text per line, as for standard input
        options = replace(options, documents="line")
    if options.output is not None:
        outputs.claim(options.output, options, guard.ENTITIES)
    batches = _batches(options)
    from ulmus.tasks.tagger.model import TextTagger

    tagger = TextTagger.load(options.model, device=options.device, precision=options.precision)
    counts: Counter[str] = Counter()
    with span_writer(options.output, json=options.json) as writer:
        for texts in batches:
            found = tagger.predict(texts)
            writer.write(found)
            counts.update(span.label for spans in found for span in spans)
        summary = {
            "n": writer.rows,
            "labels": dict(counts.most_common()),
            "seconds": perf_counter() - started,
        }
        writer.finish(summary)
    if options.output is not None and options.json:
        show.as_json({"out": str(options.output), **summary})
    elif options.output is not None:
        show.note(f"{counts.total():,} entities of {writer.rows:,} texts in {options.output}.")


def tag_evaluate(options: TagEvaluateOptions) -> None:
    """Score a tagger on tagged sentences: precision, recall and F1 of its entities.

    An entity counts if its type and both of its ends are right.
    """
    started = perf_counter()
    guard.check_order(options.model, options.data)
    tagged = _tagged(options.data, options)
    from ulmus.tasks.tagger.model import TextTagger

    tagger = TextTagger.load(options.model, device=options.device, precision=options.precision)
    result = tagger.evaluate_tagged(tagged)
    result["seconds"] = perf_counter() - started
    if unknown := sorted({*tagged.types} - {*tagger.types_}):
        show.note(
            f"Warning: not a type of the model: {inputs.listed(unknown)}. These entities count as not found."
        )
    if result["seen"]:
        show.note(
            f"Warning: about {show.percent(result['seen'])} of these sentences were trained on. "
            "The scores say little about other texts."
        )
    if options.json:
        show.as_json(result)
        return
    _print_scores(result, str(options.model))
    show.say(
        f"F1 {show.percent(result['f1'])} on {result['n']:,} sentences ({show.seconds(result['seconds'])})."
    )


def _tagged(path: Path, options: TaggedOptions) -> Tagged:
    from ulmus.corpus.tagged import read_tagged

    return read_tagged(path, format=options.format, encoding=options.encoding)


def _check_language_model(options: TagTrainOptions) -> list[Path]:
    """The path of `--language-model` or `--encoder`, if one is given. Raises UsageError if it is no language model.

    Raises BundleError for an unusable folder of `--encoder`, and UsageError if both are given.
    """
    if options.encoder is not None:
        from ulmus.tasks.pretrained import check_encoder

        check_encoder(options.encoder)
        if options.language_model is not None:
            raise UsageError("--encoder has its own weights. Remove --language-model.")
        return [options.encoder]
    if options.language_model in (None, "new", "none"):
        return []
    from ulmus import bundle
    from ulmus.installed import find

    path = find(str(options.language_model))
    kind = bundle.read_manifest(path).get("kind")
    if kind != "language-model":
        raise UsageError(
            f"--language-model {path} holds a {kind}, expected a language-model. Give a file made by `ulmus pretrain`."
        )
    return [path]


def _config(options: TagTrainOptions) -> TaggerConfig:
    """The defaults, overridden by the tables [tagger] and [lm] of the config file."""
    from ulmus.tasks.language_model.config import lm_config
    from ulmus.tasks.tagger.config import TaggerConfig, transformer_config

    given = tables(options.config, ["tagger", "lm"])
    config = TaggerConfig() if options.encoder is None else transformer_config()
    config = merged(config, given["tagger"], f"{options.config}: [tagger]")
    if not given["lm"]:
        return config
    if options.language_model not in (None, "new", "none") or options.encoder is not None:
        raise UsageError(
            f"{options.config}: [lm] configures a new language model; remove --language-model, --encoder or [lm]."
        )
    return replace(config, language_model=merged(lm_config(), given["lm"], f"{options.config}: [lm]"))


def _batches(options: TagPredictOptions) -> Iterator[list[str]]:
    """The texts in batches; that the file can be read is checked at once. Raises UsageError."""
    if options.data == inputs.STDIN:
        if options.text:
            raise UsageError("--text needs a file with columns; the standard input has none. Remove --text.")
        return inputs.batches(None, _BATCH_OF_STDIN, options)
    source = inputs.source(options.data, options, inputs.Columns(options.text))
    inputs.probe([source])
    return inputs.batches(source, _BATCH, options)


def _print_scores(result: dict[str, Any], title: str) -> None:
    rows = [
        [name, *(show.percent(row[key]) for key in ("precision", "recall", "f1")), f"{row['support']:,}"]
        for name, row in [*result["types"].items(), ("all", result)]
    ]
    show.table([title, "precision", "recall", "F1", "entities"], rows)
