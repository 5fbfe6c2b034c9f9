"""Threes and sevens: one loop trains a linear model and a small network, beside scikit-learn's logistic regression.

    python examples/digits.py

The digits are scikit-learn's bundled 8 x 8 images (Alpaydin & Kaynak 1998). The learning-rate finder's curve is saved
as digits-lr.png: a good peak lies where the loss falls, well before it rises again (Smith 2017, section 3.3).
"""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from torch import nn

from ulmus.data.array_batches import ArrayBatches
from ulmus.train.loop import Stage, Trainer, evaluate
from ulmus.train.lr_find import lr_find
from ulmus.train.schedules import Schedule
from ulmus.train.supervised import Supervised


def main(folder: Path = Path(), *, epochs: int = 30) -> dict[str, float]:
    """Train both models and print test accuracies; the plot goes to the folder."""
    images, digits = load_digits(return_X_y=True)
    chosen = np.isin(digits, (3, 7))
    x = (images[chosen] / 16).astype(np.float32)  # (N, 64), pixels from 0 to 1
    y = (digits[chosen] == 7).astype(np.int64)  # (N,) 1 for a seven
    x, test_x, y, test_y = train_test_split(x, y, test_size=0.3, random_state=0, stratify=y)
    scores = {"always the same": float(max(test_y.mean(), 1 - test_y.mean()))}
    scores["logistic regression"] = float(LogisticRegression().fit(x, y).score(test_x, test_y))
    torch.manual_seed(0)
    models = {
        "linear": nn.Linear(64, 2),
        "network": nn.Sequential(nn.Linear(64, 30), nn.ReLU(), nn.Linear(30, 2)),
    }
    for name, module in models.items():
        model, batches = Supervised(module, F.cross_entropy), ArrayBatches(x, y, batch_size=16)
        found = lr_find(model, batches, span=(1e-5, 1.0))
        found.plot(folder / "digits-lr.png")
        # factor 1: all layers start from random weights, so the lower ones need no lower rate
        stage = Stage(name, epochs=epochs, schedule=Schedule("one_cycle", found.suggestion), factor=1.0)
        Trainer(model, [stage], train=batches).run()
        result = evaluate(model, ArrayBatches(test_x, test_y), collect=True)
        scores[name] = float((result["outputs"].argmax(1) == result["targets"]).mean())
    print(*(f"{name:20} {score:.3f}" for name, score in scores.items()), sep="\n")
    return scores


if __name__ == "__main__":
    main()
