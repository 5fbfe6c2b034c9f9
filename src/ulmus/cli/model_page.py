"""The manifest of a model file -> a page for people: model type, training data, scores.

A manifest may come from anywhere: entries that are missing or of an unexpected type are left out. Nothing is drawn
wider than the terminal. Cost: the import of rich. Knows no model class.
"""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ulmus.cli.scoring import PART_NAMES
from ulmus.cli.show import SCORES, flat, percent, score, value
from ulmus.cli.summary import class_counts
from ulmus.terminal import printable

__all__ = ["draw", "everything", "page"]

_PIPE_WIDTH = 100  # columns, if there is no terminal
_DIGITS = 16  # of a digest; --all shows all 64
_ONLY_FOR_PROGRAMS = {"history", "sha256"}

Rows = list[tuple[str, str]]


def page(path: Path, manifest: Mapping[str, Any]) -> Rows:
    """Names and values of the most important facts."""
    kind = str(manifest.get("kind", "of unknown type"))
    size = f"{path}, {path.stat().st_size / 1e6:.1f} MB"
    pages = {"classifier": _classifier, "regressor": _classifier, "tagger": _tagger, "transformer": _adapted}
    about = pages.get(kind.removeprefix("exported-"), _language_model)(manifest)
    multi = ", multi-label" if manifest.get("multi_label") else ", one label per text"
    what = f"classifier{multi}" if kind == "classifier" else kind.replace("-", " ")
    what += ", of pairs of texts" if manifest.get("pairs") is True else ""
    return [("model", what), ("file", size), *((name, text) for name, text in about if text)]


def everything(manifest: Mapping[str, Any]) -> Rows:
    """Every setting and score, with dotted names."""
    shown = {key: item for key, item in manifest.items() if key not in _ONLY_FOR_PROGRAMS}
    return [(key, value(item)) for key, item in flat(shown)]


def draw(rows: Iterable[tuple[str, str]]) -> None:
    """Print names and values on stdout, wrapped to the width of the terminal."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    width = shutil.get_terminal_size((_PIPE_WIDTH, 24)).columns
    grid = Table.grid(padding=(0, 2), pad_edge=False)
    grid.add_column(overflow="fold", max_width=max(width // 2, 8))
    grid.add_column(overflow="fold")
    for name, text in rows:
        grid.add_row(Text(printable(name)), Text(printable(text, lines=True)))
    console = Console(file=sys.stdout, width=width, highlight=False)
    with console.capture() as drawn:
        console.print(grid)
    sys.stdout.write("".join(f"{line.rstrip()}\n" for line in drawn.get().splitlines()))


def _classifier(manifest: Mapping[str, Any]) -> Rows:
    report = _table(manifest.get("metrics"))
    trained, config = _table(report.get("trained_on")), _table(manifest.get("config"))
    texts = ""
    if trained:
        labelled, unlabelled = _number(trained.get("labelled")), _number(trained.get("unlabeled"))
        texts = f"on {labelled} labelled and {unlabelled} unlabelled texts"
    card = _table(manifest.get("card"))
    minutes = f"{_number(report.get('minutes'))} minutes" if "minutes" in report else ""
    measured = f" ({_number(report['n'])} held-out texts)" if "n" in report else ""
    scores = [
        (PART_NAMES[part], _scored(_table(report.get(part))) + measured)
        for part in PART_NAMES
        if _table(report.get(part))
    ]
    return [
        ("trained", _joined([card.get("date", trained.get("date")), texts, minutes])),
        ("columns", _columns(_table(manifest.get("columns")))),
        *_networks(_table(config.get("language_model")), manifest),
        *scores,
        ("verdict", str(report.get("verdict", ""))),
        *_made(card),
        ("numbers", _numbers(_table(manifest.get("numbers")))),
        ("classes", "" if "numbers" in manifest else _classes(manifest.get("labels"), trained)),
    ]


def _networks(first: Mapping[str, Any], manifest: Mapping[str, Any]) -> Rows:
    """The encoder, or those of all networks of an ensemble."""
    others = manifest.get("others")
    if not isinstance(others, list) or not others:
        return [("encoder", _encoder(first, manifest))]
    about = _table(_table(manifest.get("metrics")).get("ensemble"))
    named = about.get("networks")
    named = named if isinstance(named, list) else []
    rows = [("ensemble", _joined([about.get("choice"), f"{len(others) + 1} networks, averaged"]))]
    for nth, entry in enumerate([{"language_model": first}, *map(_table, others)], 1):
        one = _table(named[nth - 1]) if nth <= len(named) else {}
        shape = _encoder(_table(entry.get("language_model")), {**manifest, **entry})
        seed = f"seed {one['seed']}" if "seed" in one else ""
        rows.append((f"network {nth}", _joined([one.get("language_model"), shape, seed])))
    return rows


def _tagger(manifest: Mapping[str, Any]) -> Rows:
    report = _table(manifest.get("metrics"))
    trained, models = _table(report.get("trained_on")), manifest.get("language_models")
    shapes = models if isinstance(models, list) and models else [{}]  # (a transformer has no language model)
    amounts = (
        f"on {_number(trained.get('sentences'))} sentences with {_number(trained.get('entities'))} entities"
    )
    minutes = f"{_number(report.get('minutes'))} minutes" if "minutes" in report else ""
    scores = ""
    if isinstance(report.get("f1"), float) and "n" in report:
        scores = f"{percent(report['f1'])} ({_number(report['n'])} held-out sentences)"
    return [
        ("trained", _joined([amounts if trained else "", minutes])),
        *(("encoder", _encoder(_table(one), manifest)) for one in shapes[:2]),
        ("F1", scores),
        *_made(_table(manifest.get("card"))),
        ("types", _types(manifest.get("labels"), _table(report.get("types")))),
    ]


def _types(labels: Any, scores: Mapping[str, Any]) -> str:
    """The types of entities, each with its F1 if it was measured."""
    names = [str(name) for name in labels] if isinstance(labels, list) else []
    found = {name: _table(scores.get(name)).get("f1") for name in names}
    return ", ".join(
        f"{name} ({percent(f1)})" if isinstance(f1, float) else name for name, f1 in found.items()
    )


def _language_model(manifest: Mapping[str, Any]) -> Rows:
    card, metrics = _table(manifest.get("card")), _table(manifest.get("metrics"))
    tokens = f"{card['tokens_read']:,} tokens" if isinstance(card.get("tokens_read"), int) else ""
    minutes = f"{_number(card.get('minutes'))} minutes" if "minutes" in card else ""
    names = {"perplexity": "perplexity", "bits_per_character": "bits per character"}
    scores = [f"{_number(metrics[key])} {name}" for key, name in names.items() if key in metrics]
    samples, distilled = card.get("samples"), _table(card.get("distilled"))
    passages = f"{_number(distilled.get('passages_read'))} passages"
    learnt = _table(metrics.get("distilled"))
    similarity = f"mean cosine {_number(learnt['similarity'])}" if "similarity" in learnt else ""
    return [
        ("language", str(card.get("language", ""))),
        ("corpus", str(card.get("corpus", ""))),
        ("licence", str(card.get("licence", ""))),
        ("trained", _joined([card.get("date"), tokens, minutes, card.get("machine")])),
        ("distilled from", _joined([distilled.get("teacher"), passages, similarity]) if distilled else ""),
        ("encoder", _encoder(_table(manifest.get("config")), manifest)),
        ("scores", _joined(scores)),
        *_made(card),
        ("sample", str(samples[0]) if isinstance(samples, list) and samples else ""),
    ]


def _adapted(manifest: Mapping[str, Any]) -> Rows:
    """A transformer that was adapted to texts."""
    card, metrics = _table(manifest.get("card")), _table(manifest.get("metrics"))
    texts = f"{_number(metrics.get('documents'))} texts, {_number(metrics.get('tokens'))} tokens"
    minutes = f"{_number(card.get('minutes'))} minutes" if "minutes" in card else ""
    what = "tokens" if manifest.get("mask") is None else "masked tokens"
    names = {"perplexity": "now", "perplexity_before": "before"}
    scores = [f"{_number(metrics[key])} {name}" for key, name in names.items() if key in metrics]
    return [
        ("made from", str(card.get("source") or "")),
        *((name, str(card.get(name, ""))) for name in ("language", "corpus", "licence")),
        ("trained", _joined([card.get("date"), texts, minutes, card.get("machine")])),
        ("encoder", _encoder({}, manifest)),
        (f"perplexity of {what}", _joined(scores)),
        *_made(card),
    ]


def _made(card: Mapping[str, Any]) -> Rows:
    """How a model was made, so that it can be made again: command, versions, seed, digests of its texts and labels."""
    given, versions, data = card.get("command", ""), _table(card.get("versions")), _table(card.get("data"))
    digests = [f"{name} {str(digest)[:_DIGITS]}" for name, digest in data.items()]
    return [
        ("command", shlex.join(map(str, given)) if isinstance(given, list) else str(given)),
        ("seed", str(card.get("seed", ""))),
        ("versions", _joined([f"{name} {version}" for name, version in versions.items()])),
        ("SHA-256 of", _joined(digests)),
    ]


def _encoder(config: Mapping[str, Any], manifest: Mapping[str, Any]) -> str:
    """The shape of the encoder, and its vocabulary."""
    if transformer := _table(manifest.get("transformer")):
        kind = _table(transformer.get("architecture")).get("model_type", "")
        vocabulary = _table(manifest.get("vocabulary"))
        return _joined([
            f"transformer ({kind}), {_number(transformer.get('width'))} features a token",
            f"{_number(vocabulary.get('size'))} tokens",
            f"windows of {_number(transformer.get('window'))}",
        ])  # fmt: skip
    if not config:
        return ""
    vocabulary = _table(manifest.get("vocabulary"))
    kind = _table(config.get("tokenizer")).get("kind", "")
    cell = str(config.get("cell", "lstm")).upper()
    backwards = "backwards" if config.get("backwards") else ""
    shape = f"{cell}, {config.get('layers')} layers of {config.get('hidden')}"
    return _joined([shape, f"{_number(vocabulary.get('size'))} {kind} tokens", backwards])


def _columns(columns: Mapping[str, Any]) -> str:
    keys = {"text": "text", "text_b": "text b", "label": "label"}
    named = [f"{name}: {value(columns[key])}" for key, name in keys.items() if columns.get(key)]
    delimiter = columns.get("label_delimiter")
    return "; ".join([*named, *([f"labels split at {delimiter!r}"] if delimiter else [])])


def _numbers(numbers: Mapping[str, Any]) -> str:
    """The range, mean and standard deviation of the training numbers."""
    names = {"low": "from", "high": "to", "mean": "mean", "standard_deviation": "standard deviation"}
    return _joined([f"{name} {_number(numbers[key])}" for key, name in names.items() if key in numbers])


def _classes(labels: Any, trained: Mapping[str, Any]) -> str:
    """The number of classes, then one line per class with its texts; just the names if counts are unknown."""
    names = [str(name) for name in labels] if isinstance(labels, list) else []
    counts = trained.get("label_counts")
    fits = isinstance(counts, list) and len(counts) == len(names) and all(type(n) is int for n in counts)
    if not isinstance(counts, list) or not fits or not isinstance(trained.get("labelled"), int):
        return f"{len(names):,}: {value(names)}" if names else ""
    lines = class_counts(zip(names, counts, strict=True), trained["labelled"])
    return "\n".join([f"{len(names):,}, with number and share of texts", *lines])


def _scored(part: Mapping[str, Any]) -> str:
    known = {name: score(key, part[key]) for key, name in SCORES.items() if isinstance(part.get(key), float)}
    return _joined([f"{name} {shown}" for name, shown in known.items()])


def _table(item: Any) -> Mapping[str, Any]:
    return item if isinstance(item, Mapping) else {}


def _number(item: Any) -> str:
    return f"{item:,}" if isinstance(item, int) else f"{item:,.4g}" if isinstance(item, float) else "?"


def _joined(parts: Sequence[Any]) -> str:
    return ", ".join(str(part) for part in parts if part)
