"""Classifiers and regressors made without training, with random weights: what they predict does not matter here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ulmus import TextClassifier, TextRegressor, Tokenizer, TokenizerConfig
from ulmus.evaluation.combination import Combination
from ulmus.evaluation.objectives import SINGLE_LABEL, Objective, objective_of
from ulmus.fields import join_pair
from ulmus.linear.learner import CountLearner
from ulmus.models.awd_lstm import AWDLSTM
from ulmus.models.encoder import EncoderConfig
from ulmus.models.heads import make_head
from ulmus.models.pairs import document_width
from ulmus.tasks.classifier.base import TextEstimator
from ulmus.tasks.classifier.config import ClassifierConfig
from ulmus.tasks.classifier.fitted import PARTS, FittedClassifier, Member
from ulmus.tasks.classifier.network import ClassifierNetwork
from ulmus.tasks.language_model.config import LMConfig
from ulmus.tasks.pretrained import folder_tokenizer
from ulmus.tasks.word_counts import WordCounts

WORDS = "film book play song sea town wood tram gull reef moss owl of the a in and GOOD sooooo".split()
TEXTS = [" ".join(np.random.default_rng(i).choice(WORDS, 3 + i % 12)) for i in range(120)]
PAIRED = list(zip(TEXTS, TEXTS[::-1], strict=True))
Make = Callable[..., TextEstimator]


def network(encoder: Any, tokenizer: Any, *, outputs: int, head: int = 6, **how: Any) -> Member:
    """A network with random weights, also of its head's statistics."""
    width = document_width(encoder.config, pairs=how.get("pairs", False))
    top: Any = make_head(width, outputs, hidden=head, drops=(0.0, 0.0))
    with torch.no_grad():
        for name, value in (*top.named_buffers(), *top.named_parameters()):
            if value.is_floating_point():
                value.uniform_(0.5, 1.5) if "var" in name or "scale" in name else value.normal_(std=0.3)
    lm = LMConfig(backwards=how.pop("backwards", False))
    made = ClassifierNetwork(encoder, top, **how).eval()
    return Member(made, tokenizer, lm if isinstance(encoder, AWDLSTM) else None)


def parts(texts: list[str], folder: Path | None, nth: int, shape: dict[str, Any]) -> tuple[Any, Any]:
    """An encoder and its tokenizer: the transformer in a folder, or a recurrent one of this shape."""
    if folder is not None:
        from ulmus.models.transformer import open_transformer

        pretrained = folder_tokenizer(folder)
        return open_transformer(folder, pretrained.layout), pretrained
    tokenizer = Tokenizer.train(texts, TokenizerConfig(min_freq=1 + nth // 2))
    encoder = AWDLSTM(EncoderConfig(len(tokenizer), **({"embedding": 12, "hidden": 20, "layers": 2} | shape)))
    for parameter in encoder.parameters():
        torch.nn.init.normal_(parameter, std=0.4)
    return encoder, tokenizer


@pytest.fixture(scope="session")
def make() -> Make:
    """Makes a model: make(kind of combination, target=..., pairs=..., folder=..., backwards=..., cell=...)."""

    def new(
        kind: str = "mixed",
        *,
        objective: Objective = SINGLE_LABEL,
        target: Any = None,
        pairs: bool = False,
        networks: int = 1,
        folder: Path | None = None,
        **shape: Any,
    ) -> TextEstimator:
        target = np.arange(120) % 3 if target is None else target
        classes = target.shape[1] if target.ndim == 2 else int(target.max()) + 1
        texts = [join_pair(*pair) for pair in PAIRED] if pairs else TEXTS
        objective = objective if objective.numeric else objective_of(target)
        how = {"objective": objective, "pairs": pairs, "outputs": classes}
        how |= {name: shape.pop(name) for name in ("backwards", "head") if name in shape}
        members = []
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            for nth in range(networks):
                encoder, tokenizer = parts(texts, folder, nth, shape)
                members.append(network(encoder, tokenizer, **how))
        learner = CountLearner(texts, pairs=pairs)
        counts = learner.fit(target, learner.choose(target, classes=classes), classes=classes)
        weights = {"mixed": (0.5, 0.7, 0.6), "counts": (0.0, 0.0, 0.8), "network": (1.0, 0.9, 0.0)}
        fitted = FittedClassifier(
            classes=tuple(f"class {k}" for k in range(classes)),
            network=members[0].network,
            tokenizer=members[0].tokenizer,
            counts=WordCounts.of(counts, tuple(range(classes))),
            combination=Combination(*weights.get(kind, weights["mixed"]), objective),
            thresholds=dict.fromkeys(PARTS, 0.4),
            config=ClassifierConfig(),
            lm_config=members[0].lm_config,
            others=tuple(members[1:]),
            mixed=kind != "alone",
        )
        estimator = TextRegressor if objective.numeric else TextClassifier
        return estimator.of(fitted, device="cpu", precision="float32")

    return new


@pytest.fixture(scope="session")
def model(make: Make) -> TextEstimator:
    """A classifier of three classes that predicts with its network alone."""
    return make("alone")


@pytest.fixture(scope="session")
def exported(model: TextEstimator, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its exported file. Shared: do not change it."""
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    path = tmp_path_factory.mktemp("exported") / "model.ulmus"
    model.export(path)
    return path
