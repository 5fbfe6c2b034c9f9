"""Texts to be evaluated on, compared with those that a model was trained on: copies, and texts of another kind.

Sees no label and changes no score. Axes: N texts, M training texts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ulmus.evaluation.near_duplicates import nearest
from ulmus.evaluation.splits import repeats
from ulmus.linear.told_apart import CLEARLY, told_apart

__all__ = ["against_training"]


def against_training(
    texts: Sequence[str], train: Sequence[str], *, pairs: bool
) -> tuple[dict[str, Any], list[str], np.ndarray]:
    """Entries of a report (`texts`: M, `equal` and `near_duplicates` of N, `apart`: an AUC), warning sentences, and
    the number (N,) of the training text that each text is nearly the same as, or -1.

    Near-duplicates include equal texts. Costs seconds for 50,000 texts.
    """
    known = nearest(texts, train)
    equal, near = int(repeats(texts, train).sum()), int((known >= 0).sum())
    apart = told_apart(train, texts, pairs=pairs)
    report = {
        "texts": len(train),
        "equal": equal,
        "near_duplicates": near,
        "apart": None if apart is None else apart._asdict(),
    }
    warnings = []
    if near:
        of_them = f", {equal:,} of them equal to one" if equal else ""
        warnings.append(
            f"{near:,} of {len(texts):,} texts {'is' if near == 1 else 'are'} nearly the same as a training text"
            f"{of_them}: the scores are too good for new texts."
        )
    if apart is not None and apart.low > CLEARLY:
        warnings.append(
            f"these texts are of another kind than the training texts: word counts tell them apart with an AUC of "
            f"{apart.auc:.2f} (95% confidence interval {apart.low:.2f} to {apart.high:.2f}; 0.5 if they were alike)."
        )
    return report, warnings, known
