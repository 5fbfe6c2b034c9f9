"""A table with numbers and categories: each category gets a learnt vector (Guo & Berkhahn 2016).

    python examples/tabular.py

The table is made here: whether income is high depends on a slope over age that differs between trades, which a logistic
regression on one-hot columns cannot express. The learning-rate finder's curve is saved as tabular-lr.png.
"""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.linear_model import LogisticRegression
from torch import Tensor, nn

from ulmus.data.array_batches import ArrayBatches
from ulmus.train.loop import Stage, Trainer, evaluate
from ulmus.train.lr_find import lr_find
from ulmus.train.schedules import Schedule
from ulmus.train.supervised import Supervised

TRADES, TOWNS = 12, 30


class Table(nn.Module):
    """Trade and town (B, 2), standardised age and hours (B, 2) -> logits (B, 2)."""

    def __init__(self) -> None:
        super().__init__()
        self.trade, self.town = nn.Embedding(TRADES, 6), nn.Embedding(TOWNS, 6)
        self.layers = nn.Sequential(nn.Linear(6 + 6 + 2, 32), nn.ReLU(), nn.Linear(32, 2))

    def forward(self, who: Tensor, numbers: Tensor) -> Tensor:
        """The vectors of trade and town, with the numbers beside them, through two layers."""
        return self.layers(torch.cat([self.trade(who[:, 0]), self.town(who[:, 1]), numbers], dim=1))


def made(rows: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Trade and town (N, 2), age and hours (N, 2), 1 for a high income (N,)."""
    rng = np.random.default_rng(0)
    slope, town = rng.normal(0, 1.5, TRADES), rng.normal(0, 0.7, TOWNS)
    who = np.stack([rng.integers(0, TRADES, rows), rng.integers(0, TOWNS, rows)], axis=1)
    numbers = rng.normal(size=(rows, 2)).astype(np.float32)
    income = slope[who[:, 0]] * numbers[:, 0] + town[who[:, 1]] + 0.5 * numbers[:, 1]
    return who, numbers, (income + rng.logistic(0, 0.3, rows) > 0).astype(np.int64)


def main(folder: Path = Path(), *, rows: int = 10_000, epochs: int = 10) -> dict[str, float]:
    """Train, and print test accuracies; the plot goes to the folder."""
    table, n = made(rows), rows // 5
    (who, numbers, y), test = (a[n:] for a in table), [a[:n] for a in table]
    onehot = np.hstack([np.eye(TRADES)[table[0][:, 0]], np.eye(TOWNS)[table[0][:, 1]], table[1]])
    logistic = LogisticRegression().fit(onehot[n:], y)
    scores = {"always the same": max(test[2].mean(), 1 - test[2].mean())}
    scores["logistic regression"] = logistic.score(onehot[:n], test[2])
    torch.manual_seed(0)
    model, batches = Supervised(Table(), F.cross_entropy), ArrayBatches(who, numbers, y)
    found = lr_find(model, batches, span=(1e-5, 1.0))
    found.plot(folder / "tabular-lr.png")
    # factor 1: all layers start from random weights, so the lower ones need no lower rate
    stage = Stage("table", epochs=epochs, schedule=Schedule("one_cycle", found.suggestion), factor=1.0)
    Trainer(model, [stage], train=batches).run()
    result = evaluate(model, ArrayBatches(*test), collect=True)
    scores["embeddings"] = (result["outputs"].argmax(1) == result["targets"]).mean()
    print(*(f"{name:20} {score:.3f}" for name, score in scores.items()), sep="\n")
    return scores


if __name__ == "__main__":
    main()
