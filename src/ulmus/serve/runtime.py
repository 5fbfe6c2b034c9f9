"""An exported model file -> predictions, where neither torch nor scikit-learn is installed.

    model = load("reviews-onnx.ulmus")
    model.predict(texts); model.predict_proba(texts)

`ulmus export` writes such a file: a bundle whose networks are ONNX graphs, with their weights, the arrays of the word
counts, the tokenizers, and texts with the outputs expected for them, which are computed again before the file is used.
Loading runs no code of the file. Needs onnxruntime (if the model has a network), tokenizers and numpy.
Costs: a quarter of a second to start; see docs/results.md. Axes: N documents, C classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ulmus import bundle
from ulmus.errors import BundleError, ConfigError, DataError, MissingExtra, UsageError, VocabMismatch
from ulmus.evaluation.combination import Combination
from ulmus.evaluation.explanation import Explanation
from ulmus.evaluation.objectives import Objective, restored
from ulmus.fields import join_pair
from ulmus.linear.scorer import CountScorer
from ulmus.serve.explaining import WHOLE, explained
from ulmus.serve.networks import Network, RecurrentEncoder, Sessions, TransformerEncoder
from ulmus.text.pretrained import PretrainedTokenizer
from ulmus.text.tokenizer import Tokenizer

__all__ = ["COUNTS", "KINDS", "VERSION", "Runtime", "assemble", "load", "member_names"]

KINDS = {False: "exported-classifier", True: "exported-regressor"}  # by whether the objective is numeric
VERSION = 1  # of what an exported file holds
COUNTS = "counts/"
BATCH = 256  # documents at a time
AnyTokenizer = Tokenizer | PretrainedTokenizer
Outputs = NDArray[np.float64]
PARTS = (
    AttributeError,
    KeyError,
    TypeError,
    ValueError,
    IndexError,
    BundleError,
    ConfigError,
    DataError,
    VocabMismatch,
)


def member_names(nth: int) -> tuple[str, str, str]:
    """The names of the encoder's graph, the head's graph and the tokenizer of network `nth`, from 1."""
    tokenizer = bundle.TOKENIZER if nth == 1 else f"tokenizer-{nth}.json"
    return f"encoder-{nth}", f"head-{nth}", tokenizer


@dataclass(frozen=True)
class Runtime:
    """An exported classifier or regressor, ready to predict. Safe to use from several threads."""

    classes: tuple[Any, ...]  # class names (C,); of a regressor one name
    objective: Objective
    pairs: bool
    threshold: float  # the lowest probability at which a label is assigned (multi-label)
    networks: tuple[tuple[Network, AnyTokenizer], ...]
    counts: CountScorer | None
    combination: Combination | None  # None: the network alone

    def predict_proba(self, texts: Sequence[Any]) -> Outputs:
        """Probabilities (N, C) of texts, or of pairs (a, b), in the order of `classes`.

        Rows sum to 1, or are independent if multi-label. Raises UsageError: unusable texts, or a regressor.
        """
        if self.objective.numeric:
            raise UsageError("a regressor predicts numbers, not probabilities. Call predict(texts).")
        return self.outputs(texts)

    def predict(self, texts: Sequence[Any]) -> list[Any]:
        """The class of each text, or a tuple of its classes (multi-label), or a number (regression).

        Raises UsageError: unusable texts.
        """
        return self.labels_of(self.outputs(texts))

    def labels_of(self, outputs: Outputs) -> list[Any]:
        """The decision for each row of outputs (N, C): as `predict`."""
        return self.objective.named(self.objective.decide(outputs, self.threshold), self.classes)

    def explain(self, texts: Sequence[Any], *, unit: str = "auto") -> list[Explanation]:
        """Which words of each of N texts (or pairs) the prediction rests on: as `TextClassifier.explain`.

        Raises UsageError: unusable texts, or another unit.
        """
        return explained(_Asked(self), _checked(texts, self.pairs), unit)

    def outputs(self, texts: Sequence[Any]) -> Outputs:
        """Outputs (N, C): probabilities, or numbers in standard deviations (regression). Raises UsageError."""
        return self.of_joined(_checked(texts, self.pairs))

    def of_joined(self, texts: list[str]) -> Outputs:
        """Outputs (N, C) of texts that are str, or pairs as `fields.join_pair` joins them."""
        return self.of_parts(texts, (WHOLE,))[WHOLE]

    def of_parts(self, texts: list[str], parts: Sequence[str]) -> dict[str, Outputs]:
        """Outputs (N, C) of "lm", the network, "counts" and "all", both together; texts as for `of_joined`."""
        found = [dict.fromkeys(parts, np.zeros((0, len(self.classes))))]
        found += [self._of_parts(texts[i : i + BATCH], parts) for i in range(0, len(texts), BATCH)]
        return {name: np.concatenate([some[name] for some in found]) for name in parts}

    def _of_parts(self, texts: list[str], parts: Sequence[str]) -> dict[str, Outputs]:
        whole, found = WHOLE in parts, dict[str, Outputs]()
        if self.networks and (whole or "lm" in parts):
            found["lm"] = self._averaged(texts)
        if self.counts is not None and (whole or "counts" in parts):
            found["counts"] = self.counts.proba_of(texts)
        if whole:
            if not found:
                raise BundleError("the file has neither a network nor word counts.")
            # the part that is missing has the exponent 0
            first, last = next(iter(found.values())), list(found.values())[-1]
            found[WHOLE] = first if self.combination is None else self.combination.combine(first, last)
        return {name: found[name] for name in parts}

    def _averaged(self, texts: list[str]) -> Outputs:
        """The mean (N, C) of the networks' outputs; texts are tokenized once by each tokenizer."""
        ids: dict[int, list[NDArray[np.int64]]] = {}
        each = []
        for network, tokenizer in self.networks:
            if id(tokenizer) not in ids:
                ids[id(tokenizer)] = [one.astype(np.int64) for one in tokenizer.encode_batch(texts)]
            each.append(self.objective.probabilities(network.scores(ids[id(tokenizer)])))
        return np.asarray(np.mean(each, axis=0))


@dataclass(frozen=True)
class _Asked:
    """A model as explanations ask it: see `explaining.Explainable`."""

    model: Runtime

    @property
    def classes(self) -> tuple[Any, ...]:
        return self.model.classes

    @property
    def objective(self) -> Objective:
        return self.model.objective

    @property
    def pairs(self) -> bool:
        return self.model.pairs

    @property
    def combination(self) -> Combination:
        return self.model.combination or Combination(1.0, 1.0, 0.0, self.model.objective)

    def outputs_of(self, texts: list[str], parts: Sequence[str]) -> dict[str, Outputs]:
        return self.model.of_parts(texts, parts)

    def labels_of(self, outputs: Outputs) -> list[Any]:
        return self.model.labels_of(outputs)

    def shares(self, text: str, starts: NDArray[np.int64]) -> Outputs:
        counts = self.model.counts
        if counts is None:
            raise BundleError("the file has no word counts.")
        return counts.shares(text, starts)


def load(path: str | Path, *, threads: int = 1) -> Runtime:
    """The model in a file that `ulmus export` wrote, after it has reproduced the outputs stored with it.

    threads: cores for one prediction; 0 for all of them.
    Raises BundleError: a damaged file, one of another kind, or wrong outputs; MissingExtra: no onnxruntime.
    """
    if type(threads) is not int or threads < 0:
        raise ConfigError(f"threads: expected a number of cores, or 0 for all, got {threads!r}.")
    opened = bundle.read(path)
    manifest = opened.manifest
    if manifest.get("kind") not in KINDS.values():
        raise BundleError(
            f"{path} holds a {manifest.get('kind')}, expected an exported model. Run: ulmus export {path} -o FILE"
        )
    if manifest.get("export_version") != VERSION:
        raise BundleError(
            f"{path} was exported in version {manifest.get('export_version')} of the format, expected {VERSION}. "
            "Export the model again, or run: pip install --upgrade ulmus-runtime"
        )
    try:
        model = assemble(opened, threads=threads)
        test = manifest["self_test"]
        expected, tolerance = np.array(test["outputs"], np.float64), float(test["tolerance"])
        found = model.outputs([tuple(text) if model.pairs else text for text in test["texts"]])
    except MissingExtra:
        raise
    except PARTS as error:
        raise BundleError(f"{path}: its parts are inconsistent ({error}); export the model again.") from error
    except Exception as error:  # a graph that is none of ours: ONNX Runtime has many kinds of errors
        raise BundleError(
            f"{path}: its graphs cannot be run ({str(error)[:300]}); export the model again."
        ) from error
    off = np.abs(found - expected).max() if found.shape == expected.shape and found.size else np.inf
    if not off <= tolerance:
        raise BundleError(
            f"{path} does not give the outputs stored with it: they differ by {off:.2g}, expected at most "
            f"{tolerance:g}. The file was changed, or this machine computes otherwise; export the model again."
        )
    return model


def assemble(opened: bundle.Bundle, *, threads: int = 1) -> Runtime:
    """The model of a file, each part checked against the others. Raises what `PARTS` lists."""
    manifest = opened.manifest
    classes = tuple(manifest["labels"])
    if not classes or not all(isinstance(name, str | int | float) for name in classes):
        raise ValueError("class names that are neither str nor numbers")
    objective = restored(manifest)
    if manifest["kind"] != KINDS[objective.numeric]:
        raise ValueError("parts that disagree on regression")
    counts, combination = None, None
    if manifest["counts"] is not None:
        arrays = {k[len(COUNTS) :]: v for k, v in opened.tensors.items() if k.startswith(COUNTS)}
        counts = CountScorer.from_arrays(
            arrays, manifest["counts"], classes=len(classes), objective=objective
        )
    if manifest["combination"] is not None:
        combination = Combination.restore(manifest["combination"], objective)
    sessions = Sessions(opened.extra, opened.tensors, threads)
    tokenizers: dict[str, AnyTokenizer] = {}
    networks = []
    for nth, entry in enumerate(manifest["networks"], 1):
        encoder, head, _ = member_names(nth)
        recurrent = entry["encoder"] == "recurrent"
        kind: Any = RecurrentEncoder if recurrent else TransformerEncoder
        name = str(entry["tokenizer"])
        if name not in tokenizers:
            text = opened.tokenizer_json if name == bundle.TOKENIZER else opened.extra[name].decode()
            tokenizers[name] = (Tokenizer if recurrent else PretrainedTokenizer).from_json(text)
        apart = recurrent and manifest["pairs"] is True
        network = Network(
            kind(sessions.open(encoder), entry), sessions.open(head), entry["backwards"] is True, apart
        )
        networks.append((network, tokenizers[name]))
    threshold = float(manifest["threshold"])
    return Runtime(
        classes, objective, manifest["pairs"] is True, threshold, tuple(networks), counts, combination
    )


def _checked(texts: Any, pairs: bool) -> list[str]:
    """Texts, or pairs of them joined, as the tokenizer takes them. Raises UsageError: anything else."""
    if isinstance(texts, str) or not isinstance(texts, Sequence | np.ndarray):
        raise UsageError(f"texts: expected a list of texts, got {type(texts).__name__}.")
    if not pairs:
        for text in texts:
            if not isinstance(text, str):
                raise UsageError(f"texts: expected str, got {type(text).__name__}: {str(text)[:60]}")
        return list(texts)
    for pair in texts:
        if isinstance(pair, str) or len(pair) != 2 or not all(isinstance(text, str) for text in pair):
            raise UsageError(f"texts: this model takes pairs of texts (a, b), got {str(pair)[:60]}")
    return [join_pair(*pair) for pair in texts]
