"""A table with numbers and categories: each category gets a learnt vector, and one loop trains all of it.

    python examples/tabular.py

Embeddings of categories: Guo & Berkhahn 2016, "Entity Embeddings of Categorical Variables". The table is made here, so
the truth is known: income depends on a trade's slope over age, which a logistic regression on one-hot columns cannot
express. The learning-rate finder's curve is saved as tabular-lr.png.
"""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.linear_model import LogisticRegression
from torch import Tensor, nn

from ulmus.data.array_batches import ArrayBatches
from ulmus.train.loop import LoopConfig, Stage, Trainer, evaluate
from ulmus.train.lr_find import lr_find
from ulmus.train.schedules import Schedule
from ulmus.train.supervised import Supervised

CONFIG = LoopConfig(device="cpu")
TRADES, TOWNS, WIDTH = 12, 30, 6


class Table(nn.Module):
    """Categories (B, 2) and standardised numbers (B, 2) -> logits (B, 2)."""

    def __init__(self) -> None:
        super().__init__()
        self.embeddings = nn.ModuleList(nn.Embedding(n, WIDTH) for n in (TRADES, TOWNS))
        self.layers = nn.Sequential(nn.Linear(2 * WIDTH + 2, 32), nn.ReLU(), nn.Linear(32, 2))

    def forward(self, categories: Tensor, numbers: Tensor) -> Tensor:
        """Look up each category's vector and put the numbers beside them."""
        vectors = [table(column) for table, column in zip(self.embeddings, categories.T, strict=True)]
        return self.layers(torch.cat([*vectors, numbers], dim=1))


def made(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Categories (N, 2): trade, town; numbers (N, 2): age, hours; 1 for a high income (N,)."""
    truth, rng = np.random.default_rng(0), np.random.default_rng(seed)
    slope, town = truth.normal(0, 1.5, TRADES), truth.normal(0, 0.7, TOWNS)
    categories = np.stack([rng.integers(0, TRADES, rows), rng.integers(0, TOWNS, rows)], axis=1)
    numbers = rng.normal(size=(rows, 2)).astype(np.float32)
    income = slope[categories[:, 0]] * numbers[:, 0] + town[categories[:, 1]] + 0.5 * numbers[:, 1]
    return categories, numbers, (income + rng.logistic(0, 0.3, rows) > 0).astype(np.int64)


def main(folder: Path = Path(), *, rows: int = 8_000, epochs: int = 10) -> dict[str, float]:
    """Train, and print test accuracies; the plot goes to the folder."""
    (categories, numbers, y), (*test, test_y) = made(rows, seed=1), made(2_000, seed=2)
    onehot = lambda c, n: np.hstack([np.eye(TRADES)[c[:, 0]], np.eye(TOWNS)[c[:, 1]], n])  # noqa: E731
    baseline = LogisticRegression().fit(onehot(categories, numbers), y)
    scores = {"always the same": float(max(test_y.mean(), 1 - test_y.mean()))}
    scores["logistic regression"] = float(baseline.score(onehot(*test), test_y))
    torch.manual_seed(0)
    model, batches = Supervised(Table(), F.cross_entropy), ArrayBatches(categories, numbers, y)
    found = lr_find(model, batches, span=(1e-5, 1.0), config=CONFIG)
    found.plot(folder / "tabular-lr.png")
    stage = Stage("table", epochs=epochs, schedule=Schedule("one_cycle", found.suggestion), factor=1.0)
    Trainer(model, [stage], train=batches, config=CONFIG).run()
    result = evaluate(model, ArrayBatches(*test, test_y), device="cpu", collect=True)
    scores["embeddings"] = float((result["outputs"].argmax(1) == result["targets"]).mean())
    print(*(f"{name:20} {score:.3f}" for name, score in scores.items()), sep="\n")
    return scores


if __name__ == "__main__":
    main()
