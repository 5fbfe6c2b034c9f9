"""Who likes which film? A collaborative filter: two learnt vectors, their product, and a bias each.

    python examples/ratings.py

Matrix factorisation with biases: Koren, Bell & Volinsky 2009. The ratings are made here from vectors of width 3 and
noise of 0.5 stars, so no model errs by less than that. The learning-rate finder's curve is saved as ratings-lr.png.
"""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ulmus.data.array_batches import ArrayBatches
from ulmus.train.loop import Stage, Trainer, evaluate
from ulmus.train.lr_find import lr_find
from ulmus.train.schedules import Schedule
from ulmus.train.supervised import Supervised


class Filter(nn.Module):
    """Users (B,) and films (B,) -> ratings (B,)."""

    def __init__(self, users: int, films: int, *, mean: float, width: int = 4) -> None:
        super().__init__()
        self.mean = mean
        self.tables = nn.ModuleList(
            nn.Embedding(n, width + 1) for n in (users, films)
        )  # the last column is the bias
        for table in self.tables:  # small, so that every prediction starts near the mean rating
            nn.init.normal_(table.weight, std=0.1)

    def forward(self, users: Tensor, films: Tensor) -> Tensor:
        """Mean rating, both biases, and the product of both vectors."""
        p, q = (table(ids) for table, ids in zip(self.tables, (users, films), strict=True))
        return self.mean + p[:, -1] + q[:, -1] + (p[:, :-1] * q[:, :-1]).sum(1)


def made(users: int, films: int) -> list[np.ndarray]:
    """Users (N,), films (N,) and ratings in stars (N,) of a quarter of all pairs, in random order."""
    rng = np.random.default_rng(0)
    p, q = rng.normal(0, 0.7, (users, 3)), rng.normal(0, 0.7, (films, 3))
    stars = 3 + rng.normal(0, 0.4, (users, 1)) + rng.normal(0, 0.4, films) + p @ q.T
    pairs = rng.permutation(users * films)[: users * films // 4]
    noise = rng.normal(0, 0.5, len(pairs))
    return [pairs // films, pairs % films, (stars.flat[pairs] + noise).astype(np.float32)]


def main(folder: Path = Path(), *, users: int = 400, films: int = 200, epochs: int = 20) -> dict[str, float]:
    """Train, and print root mean squared errors in stars; the plot goes to the folder."""
    ratings = made(users, films)
    n = len(ratings[0]) // 10
    train, test = [a[n:] for a in ratings], [a[:n] for a in ratings]
    mean = float(train[2].mean())
    scores = {"mean rating": float(np.sqrt(np.square(test[2] - mean).mean()))}
    torch.manual_seed(0)
    model, batches = (
        Supervised(Filter(users, films, mean=mean), F.mse_loss),
        ArrayBatches(*train, batch_size=256),
    )
    found = lr_find(model, batches, steps=200, span=(1e-4, 1.0))
    found.plot(folder / "ratings-lr.png")
    # weight decay keeps the vectors of users with few ratings short
    schedule = Schedule("one_cycle", found.suggestion)
    Trainer(model, [Stage("filter", epochs=epochs, schedule=schedule, weight_decay=0.3)], train=batches).run()
    scores["filter"] = evaluate(model, ArrayBatches(*test))["loss"] ** 0.5
    print(*(f"{name:20} {score:.3f}" for name, score in scores.items()), sep="\n")
    return scores


if __name__ == "__main__":
    main()
