"""`ulmus-runtime FILE`, the command of the small package: texts on standard input, one a line -> JSON objects.

A pair of texts is a JSON list of two on its line. Exit codes: 0 done, 1 failed, 2 usage error.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from ulmus.errors import UlmusError, UsageError
from ulmus.serve.runtime import Runtime, load

__all__ = ["main"]


def main() -> None:
    """Predict each line. Exits with the code of an error, after its message on stderr."""
    try:
        if len(sys.argv) != 2:
            raise UsageError(
                "usage: ulmus-runtime FILE < TEXTS   (one text, or one JSON list of two, a line)"
            )
        model = load(sys.argv[1])
        for line in sys.stdin:
            text = line.rstrip("\n")
            sys.stdout.write(
                json.dumps(_answer(model, _pair(text) if model.pairs else text), ensure_ascii=False)
            )
            sys.stdout.write("\n")
            sys.stdout.flush()
    except UlmusError as error:
        sys.stderr.write(f"Error: {error}\n")
        sys.exit(error.exit_code)


def _answer(model: Runtime, text: Any) -> dict[str, Any]:
    """The prediction for one text, and the probability of each class."""
    if model.objective.numeric:
        return {"prediction": model.predict([text])[0]}
    outputs = model.predict_proba([text])
    (label,) = model.objective.named(model.objective.decide(outputs, model.threshold), model.classes)
    return {
        "label": label,
        "probabilities": dict(zip(map(str, model.classes), outputs[0].tolist(), strict=True)),
    }


def _pair(line: str) -> tuple[Any, ...]:
    try:
        return tuple(json.loads(line))
    except (ValueError, TypeError) as error:
        raise UsageError(
            f"this model takes pairs of texts: expected a JSON list of two, got {line[:60]!r}"
        ) from error
