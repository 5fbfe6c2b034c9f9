"""The server keeps its own OpenAPI document: schemathesis makes requests from it, good and bad, checks answers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

from ulmus.evaluation.explanation import Explanation
from ulmus.evaluation.objectives import SINGLE_LABEL
from ulmus.serve.predictor import Predictor

schemathesis = pytest.importorskip("schemathesis", reason="this test needs schemathesis")
pytest.importorskip("fastapi", reason="the server needs fastapi: pip install 'ulmus[serve]'")
pytest.importorskip(
    "prometheus_client", reason="the server needs prometheus-client: pip install 'ulmus[serve]'"
)

CLASSES = ("a", "b")


def explained(texts: list[Any]) -> list[Explanation]:
    """Each text is one word that says nothing."""
    half, none = np.full(2, 0.5), np.zeros((1, 2))
    return [
        Explanation(
            *(str(text), ((0, len(text)),), "word", none, np.zeros(2), CLASSES, half, "a"),
            parts={"counts": none},
            method={"counts": "exact"},
        )
        for text in texts
    ]


class Lines:
    """Tables whose texts are the lines of a file, whatever its bytes are."""

    def texts(self, path: Any, column: str | None, most: int) -> list[Any]:
        """One text at least."""
        return path.read_bytes().decode("latin-1").splitlines() or [""]

    def writer(self, classes: list[str], *, numeric: bool) -> Any:
        """Labels alone."""
        return lambda rows: "".join(f"{label}\n" for label, _ in rows)


def served(*, pairs: bool) -> Any:
    """The schema of a server whose model always says the same."""
    from ulmus.serve.app import application
    from ulmus.serve.limits import Limits

    model = Predictor(
        *(CLASSES, SINGLE_LABEL, pairs),
        outputs=lambda texts: np.full((len(texts), 2), 0.5),
        labels_of=lambda outputs: ["a"] * len(outputs),
        explain=lambda texts: explained([" ".join(t) if isinstance(t, tuple) else t for t in texts]),
    )
    # texts beyond a limit are made, too: small limits keep them below that of a body, which no schema can tell
    app = application(model, Limits(characters=1_000, texts=20), hosts=("testserver",), tables=Lines())
    return schemathesis.openapi.from_asgi("/openapi.json", app)


single, paired = served(pairs=False), served(pairs=True)
few = settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


@single.parametrize()
@few
def test_the_document_is_kept(case: Any) -> None:
    """What it allows is accepted, what it forbids is refused, and every answer is as it says."""
    case.call_and_validate()


@paired.include(path=["/predict", "/explain"]).parametrize()
@few
def test_the_document_is_kept_for_pairs(case: Any) -> None:
    """The same where a text is a list of two."""
    case.call_and_validate()
