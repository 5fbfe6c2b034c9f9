"""Who likes which film? A collaborative filter: two learnt vectors, their product, and a bias each.

    python examples/ratings.py

Matrix factorisation with biases: Koren, Bell & Volinsky 2009. The ratings are made here from vectors of width 3 and
noise of 0.5 stars, so 0.5 is the error that no model can beat. The learning-rate finder's curve is saved as
ratings-lr.png.
"""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ulmus.data.array_batches import ArrayBatches
from ulmus.train.loop import LoopConfig, Stage, Trainer, evaluate
from ulmus.train.lr_find import lr_find
from ulmus.train.schedules import Schedule
from ulmus.train.supervised import Supervised

CONFIG = LoopConfig(device="cpu")


class Filter(nn.Module):
    """Users (B,) and films (B,) -> ratings (B,)."""

    def __init__(self, users: int, films: int, *, mean: float, width: int = 5) -> None:
        super().__init__()
        self.tables = nn.ModuleList(nn.Embedding(n, width + 1) for n in (users, films))  # last column: the bias
        self.mean = mean
        for table in self.tables:  # small, so that every prediction starts near the mean rating
            nn.init.normal_(table.weight, std=0.1)

    def forward(self, users: Tensor, films: Tensor) -> Tensor:
        """Mean rating + both biases + product of both vectors."""
        p, q = (table(ids) for table, ids in zip(self.tables, (users, films), strict=True))
        return self.mean + p[:, -1] + q[:, -1] + (p[:, :-1] * q[:, :-1]).sum(1)


def made(users: int, films: int, share: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Users (N,), films (N,), ratings (N,) in stars, for a `share` of all pairs in random order."""
    rng = np.random.default_rng(0)
    p, q = rng.normal(0, 0.7, (users, 3)), rng.normal(0, 0.7, (films, 3))
    stars = 3 + rng.normal(0, 0.4, (users, 1)) + rng.normal(0, 0.4, films) + p @ q.T
    pairs = rng.permutation(users * films)[: round(share * users * films)]
    return pairs // films, pairs % films, (stars.flat[pairs] + rng.normal(0, 0.5, len(pairs))).astype(np.float32)


def main(folder: Path = Path(), *, users: int = 300, films: int = 200, epochs: int = 20) -> dict[str, float]:
    """Train, and print root mean squared errors in stars; the plot goes to the folder."""
    ratings = made(users, films, share=0.2)
    train, test = ([a[part] for a in ratings] for part in (slice(len(ratings[0]) // 10, None), slice(len(ratings[0]) // 10)))
    torch.manual_seed(0)
    mean = float(train[2].mean())
    model, batches = Supervised(Filter(users, films, mean=mean), F.mse_loss), ArrayBatches(*train)
    found = lr_find(model, batches, span=(1e-4, 1.0), config=CONFIG)
    found.plot(folder / "ratings-lr.png")
    # weight decay keeps the vectors of users with few ratings short
    stage = Stage("filter", epochs=epochs, schedule=Schedule("one_cycle", found.suggestion), weight_decay=0.3)
    Trainer(model, [stage], train=batches, config=CONFIG).run()
    scores = {"mean rating": float(np.sqrt(np.square(test[2] - mean).mean()))}
    scores["filter"] = evaluate(model, ArrayBatches(*test), device="cpu")["loss"] ** 0.5
    print(*(f"{name:20} {score:.3f}" for name, score in scores.items()), sep="\n")
    return scores


if __name__ == "__main__":
    main()
