"""A fitted classifier or regressor -> a file that predicts without torch; `serve/runtime.py` reads it.

Only what the decision needs is exported: without a network if the combination gives it no weight, and likewise without
word counts. The file is made in memory, run, compared with the model, and only then written. int8 is measured on
labelled texts, and refused if it loses more than `MOST_LOST` points. Axes: N documents, C classes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ulmus import __version__, bundle
from ulmus.corpus.numbers import Targets
from ulmus.errors import ConfigError, DataError, UlmusError
from ulmus.evaluation.objectives import Objective, Regression
from ulmus.fields import join_pair
from ulmus.models.graphs import encoder_graph, head_graph
from ulmus.serve.runtime import COUNTS, KINDS, VERSION, Runtime, assemble, member_names
from ulmus.tasks.circumstances import as_saved
from ulmus.tasks.classifier.fitted import FittedClassifier, Member

__all__ = ["Labelled", "export"]

MOST_LOST = 0.3  # points of accuracy (F1 if multi-label, R2 of numbers) that int8 may lose
MOST_CHECKED, FEWEST_CHECKED = 2_000, 100  # texts
TOLERANCE, INT8_TOLERANCE = 1e-4, 0.05  # the latter between machines: their int8 products differ
PLAIN_TEXTS = (
    "",
    "A plain sentence with 3 numbers, 2.5 of them UPPER CASE!!!",
    "Été à Москва, 東京で。 العربية हिन्दी ไทย 한국어",
)
MOST_NETWORKS = 20  # their graphs are members of the file, which has 64 at most
OWN_TOKENS = 60  # of the vocabulary, in two of the texts of the self-test


class Labelled(NamedTuple):
    """Texts (N) as the model takes them, and their targets."""

    texts: list[str]
    target: Targets


def export(
    model: FittedClassifier, path: str | Path, *, int8: bool = False, check: Labelled | None = None
) -> dict[str, Any]:
    """Write the file; what was measured: size_mb, largest_difference of outputs from the model's in float32.

    With int8 also `checked`: texts, float32 and int8, the scores in points, and lost, their difference.
    Raises DataError: int8 loses too much, or too few texts; UlmusError: the file computes otherwise than the model;
    ConfigError: an architecture that cannot be exported, or too many networks; MissingExtra; StorageError.
    """
    made = _made(model, int8=int8)
    found: dict[str, Any] = {}
    runtime = assemble(made, threads=0)
    if check is not None:
        plain = assemble(_made(model, int8=False), threads=0) if int8 else runtime
        found["checked"] = _checked(plain, runtime, check, model.objective)
    texts = _samples(model)
    outputs = runtime.outputs(texts)
    joined = [join_pair(*text) if isinstance(text, tuple) else text for text in texts]
    part = model.parts[0]
    own = model.probabilities(joined, (part,), model.inference("cpu", "float32"))[part]
    found["largest_difference"] = float(np.abs(outputs - own).max())
    if not int8 and not found["largest_difference"] <= TOLERANCE:
        raise UlmusError(
            f"the exported model computes otherwise than the model itself: outputs differ by "
            f"{found['largest_difference']:.2g}, expected at most {TOLERANCE:g}. It was not written."
        )
    tolerance = INT8_TOLERANCE if int8 else TOLERANCE
    test = {"texts": [list(t) if isinstance(t, tuple) else t for t in texts], "outputs": outputs.tolist()}
    bundle.write(
        path,
        manifest=made.manifest | {"self_test": test | {"tolerance": tolerance}} | {"export": found},
        tokenizer_json=made.tokenizer_json,
        tensors=made.tensors,
        extra=made.extra,
    )
    return found | {"size_mb": Path(path).stat().st_size / 1e6}


def _made(model: FittedClassifier, *, int8: bool) -> bundle.Bundle:
    """The content of the file, without its self-test."""
    mixed, weights = model.mixed, model.combination
    needs_network = not mixed or weights.exponent_lm != 0
    if needs_network and len(model.members) > MOST_NETWORKS:
        raise ConfigError(
            f"an ensemble of at most {MOST_NETWORKS} networks can be exported, got {len(model.members)}."
        )
    needs_counts = mixed and (weights.exponent_counts != 0 or not needs_network)
    manifest: dict[str, Any] = {
        "kind": KINDS[model.objective.numeric],
        "export_version": VERSION,
        "ulmus": __version__,
        "int8": int8,
        "labels": list(model.classes),
        **model.objective.stored(),
        "pairs": model.pairs,
        "combination": weights.stored() if mixed else None,
        "threshold": model.thresholds[model.parts[0]],
        "counts": None,
        "networks": [],
        "columns": model.columns,
        **as_saved(model.card, model.report, []),
    }
    tensors: dict[str, Any] = {}
    extra: dict[str, bytes] = {}
    if needs_counts:
        arrays, manifest["counts"] = model.counts.model_.scorer().to_arrays()
        tensors |= {COUNTS + name: array for name, array in arrays.items()}
    if needs_network:
        names: dict[str, str] = {}
        for nth, member in enumerate(model.members, 1):
            entry, arrays, graphs = _network(member, nth, int8=int8)
            own = names.setdefault(member.tokenizer.fingerprint, member_names(nth)[2])
            if own != bundle.TOKENIZER:
                extra[own] = member.tokenizer.to_json().encode()
            manifest["networks"].append(entry | {"tokenizer": own})
            tensors, extra = tensors | arrays, extra | graphs
    return bundle.Bundle(manifest, model.tokenizer.to_json(), tensors, extra)


def _network(
    member: Member, nth: int, *, int8: bool
) -> tuple[dict[str, Any], dict[str, Any], dict[str, bytes]]:
    """The entry, the arrays and the graphs of a network."""
    network = member.network.eval().to("cpu")
    graph, about = encoder_graph(network.encoder, int8=int8)
    parts = dict(zip(member_names(nth)[:2], (graph, head_graph(network.head)), strict=True))
    arrays = {f"{name}/{key}": array for name, part in parts.items() for key, array in part.weights.items()}
    graphs = {f"{name}.onnx": part.model for name, part in parts.items()}
    return about | {"backwards": member.backwards}, arrays, graphs


def _samples(model: FittedClassifier) -> list[Any]:
    """Texts of the self-test: plain ones, and words of the model's own vocabularies; pairs of them for pairs."""
    texts = list(PLAIN_TEXTS)
    for tokenizer in {one.tokenizer.fingerprint: one.tokenizer for one in model.members}.values():
        ids = np.linspace(len(tokenizer) // 50, len(tokenizer) - 1, OWN_TOKENS).astype(int)
        texts += [tokenizer.decode(some) for some in (ids[::2], ids[1::2])]
    if not model.pairs:
        return texts
    return list(zip(texts, [*texts[1:], texts[0]], strict=True))


def _checked(plain: Runtime, int8: Runtime, check: Labelled, objective: Objective) -> dict[str, Any]:
    """The scores of both on (some of) the labelled texts. Raises DataError: int8 loses too much, or too few texts."""
    given = len(check.texts)
    if given < FEWEST_CHECKED:
        raise DataError(
            f"int8 is checked on {FEWEST_CHECKED} to {MOST_CHECKED:,} labelled texts, got {given:,}. Give more."
        )
    chosen = np.unique(np.linspace(0, given - 1, min(given, MOST_CHECKED)).astype(int))
    target = check.target.target[chosen]
    scores = [_points(one, [check.texts[i] for i in chosen], target, objective) for one in (plain, int8)]
    lost = scores[0] - scores[1]
    if lost > MOST_LOST + 1e-9:
        raise DataError(
            f"int8 loses {lost:.2f} points on {len(chosen):,} of these texts ({scores[0]:.2f} in float32, "
            f"{scores[1]:.2f} in int8); at most {MOST_LOST} are allowed. Export without int8."
        )
    return {"texts": len(chosen), "float32": scores[0], "int8": scores[1], "lost": lost}


def _points(model: Runtime, texts: list[str], target: np.ndarray, objective: Objective) -> float:
    """Accuracy in percent; F1 if multi-label, R2 of numbers."""
    decided = np.asarray(objective.decide(model.of_joined(texts), model.threshold))
    right = float(objective.right(target, decided).mean())
    if isinstance(objective, Regression):  # minus the mean squared error
        return 100 * (1 + right / max(float(objective.in_units(target).var()), 1e-12))
    return 100 * right
