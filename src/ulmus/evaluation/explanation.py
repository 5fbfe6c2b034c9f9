"""What each part of a text says for each class: the value that an explanation is, in numbers and characters.

Knows no model: `serve/explaining.py` makes it, `explanation_page.py` draws it.
Axes: U tokens (words, or segments of a long text), C classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ulmus.config import json_value
from ulmus.errors import UsageError

__all__ = ["Explanation"]

Floats = NDArray[np.float64]
DIGITS = 6  # of numbers in `to_dict`


@dataclass(frozen=True, eq=False)
class Explanation:
    """The share of each token of a text in the prediction.

    Shares are of the *evidence* for a class: of two classes, the log odds; of more, the log of the probability of the
    class less the mean of those of the others; of several labels a text, the log odds of each label; of numbers, the
    number itself. `base` (C,) and the `scores` (U, C) of all tokens add up to the evidence of the prediction. `parts`
    (U, C) are the network's and the word counts' shares, each times its weight in the mix; they add up to the scores.
    """

    text: str  # of a pair: the first text, a line break, the second text
    spans: tuple[tuple[int, int], ...]  # (start, end) of each token in characters, in order; end is exclusive
    unit: str  # what a token is: "word" or "segment"
    scores: Floats  # (U, C)
    base: Floats  # (C,)
    classes: tuple[Any, ...]  # of numbers, one: "number"
    probabilities: Floats  # (C,); of numbers, the number itself, (1,)
    prediction: Any  # a class, a tuple of classes (multi-label), or a number
    parts: Mapping[str, Floats]  # "lm", "counts": (U, C) of those that the prediction rests on
    method: Mapping[str, str]  # how the shares of each part were found
    running: Floats | None = None  # (U, C) probabilities of the text up to the end of each segment
    second: int | None = None  # of a pair: where the second text begins
    numeric: bool = False  # whether the prediction is a number (regression)

    @property
    def tokens(self) -> tuple[str, ...]:
        """The text of each token."""
        return tuple(self.text[start:end] for start, end in self.spans)

    @property
    def shown(self) -> int:
        """The class that the prediction is about: the most probable one."""
        return int(np.argmax(self.probabilities))

    def strongest(self, label: Any = None, *, top: int = 10) -> list[tuple[str, float]]:
        """The `top` tokens by the size of their share in the evidence for a class (None: the most probable one).

        Raises UsageError: not a class of the prediction.
        """
        if label is not None and label not in self.classes:
            raise UsageError(f"{label!r} is not a class of this model ({', '.join(map(str, self.classes))}).")
        k = self.shown if label is None else self.classes.index(label)
        order = np.argsort(-np.abs(self.scores[:, k]), kind="stable")[:top]
        return [(self.tokens[i], float(self.scores[i, k])) for i in order]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON: each token with its characters, and its scores and parts by class."""
        names = [str(name) for name in self.classes]

        def by_class(row: Floats) -> dict[str, float]:
            return {name: round(float(value), DIGITS) for name, value in zip(names, row, strict=True)}

        tokens: list[dict[str, Any]] = []
        for i, (start, end) in enumerate(self.spans):
            tokens.append({"start": start, "end": end, "text": self.text[start:end]})
            tokens[-1]["scores"] = by_class(self.scores[i])
            tokens[-1]["parts"] = {name: by_class(part[i]) for name, part in self.parts.items()}
            if self.running is not None:
                tokens[-1]["running"] = by_class(self.running[i])
        outcome = {} if self.numeric else {"probabilities": by_class(self.probabilities)}
        return {
            "text": self.text,
            "prediction" if self.numeric else "label": json_value(self.prediction),
            **outcome,
            "base": by_class(self.base),
            "unit": self.unit,
            "method": dict(self.method),
            **({} if self.second is None else {"second": self.second}),
            "tokens": tokens,
        }

    def _repr_html_(self) -> str:
        """The explanation in a notebook."""
        from ulmus.evaluation.explanation_page import fragment

        return fragment(self)

    def __repr__(self) -> str:
        found = ", ".join(f"{token!r} {share:+.2f}" for token, share in self.strongest(top=3))
        return f"<Explanation of {self.prediction!r}: {len(self.spans):,} {self.unit}s; {found}>"
