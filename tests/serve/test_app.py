"""The server: what it answers, what it refuses and how it says so, by a model that is a few lines of arithmetic."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ulmus.errors import DataError, MissingExtra
from ulmus.evaluation.explanation import Explanation
from ulmus.evaluation.objectives import MULTI_LABEL, SINGLE_LABEL, Objective
from ulmus.serve.limits import Limits
from ulmus.serve.predictor import Predictor

httpx = pytest.importorskip("httpx", reason="the tests of the server need httpx")
pytest.importorskip("fastapi", reason="the server needs fastapi: pip install 'ulmus[serve]'")
pytest.importorskip(
    "prometheus_client", reason="the server needs prometheus-client: pip install 'ulmus[serve]'"
)

Request = tuple[str, str, dict[str, Any]]
SECRET = "a text that nobody may read elsewhere"
TOKEN = "a-token-of-some-length"


def shares(texts: list[Any]) -> np.ndarray:
    """The probability of "long" is the number of characters, of a hundred; a text "fail" is an error."""
    if "fail" in texts:
        raise ValueError(SECRET)
    sizes = np.array([[min(sum(map(len, t)) if isinstance(t, tuple) else len(t), 99) / 100] for t in texts])
    return np.concatenate([1 - sizes, sizes], axis=1)


def explained(texts: list[Any]) -> list[Explanation]:
    """Each text is one word."""
    scores = np.array([[-0.5, 0.5]])
    return [
        Explanation(
            text=text,
            spans=((0, len(text)),),
            unit="word",
            scores=scores,
            base=np.zeros(2),
            classes=("short", "long"),
            probabilities=row,
            prediction="short",
            parts={"counts": scores},
            method={"counts": "exact"},
        )
        for text, row in zip(texts, shares(texts), strict=True)
    ]


def model(
    outputs: Callable[[list[Any]], np.ndarray] = shares,
    *,
    pairs: bool = False,
    objective: Objective = SINGLE_LABEL,
) -> Predictor:
    """The model."""
    classes = ("short", "long")
    labels = lambda found: objective.named(objective.decide(found, 0.5), classes)  # noqa: E731
    return Predictor(classes, objective, pairs, outputs, labels, explained)


class Lines:
    """Tables whose texts are the lines of the file."""

    def texts(self, path: Path, column: str | None, most: int) -> list[Any]:
        """The lines. Raises DataError: more than `most`."""
        lines = path.read_text(encoding="utf-8").splitlines()
        if len(lines) > most:
            raise DataError(f"{path}: too many")
        return lines

    def writer(self, classes: list[str], *, numeric: bool) -> Callable[[Sequence[Any]], str]:
        """Labels alone."""
        return lambda rows: "".join(f"{label}\n" for label, _ in rows)


def asked(*requests: Request, made: Predictor | None = None, limits: Limits | None = None, **how: Any) -> Any:
    """The answers to requests that are made at the same time."""
    from ulmus.serve.app import application

    app = application(made or model(), limits, **how)

    async def all_of_them() -> list[Any]:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            return await asyncio.gather(
                *(client.request(method, path, **given) for method, path, given in requests)
            )

    return asyncio.run(all_of_them())


def predicted(*texts: Any, **how: Any) -> Any:
    """The answer to one request for predictions."""
    (answer,) = asked(("POST", "/predict", {"json": {"texts": list(texts)}}), **how)
    return answer


def refused(answer: Any, status: int) -> str:
    """What a problem says, after checking that it is one."""
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem.keys() == {"type", "title", "status", "detail"}
    assert problem["status"] == status
    return str(problem["detail"])


def test_one_text_or_many_get_a_prediction_each() -> None:
    """In their order, with the probability of each class."""
    assert predicted("hello").json() == {
        "predictions": [{"label": "short", "probabilities": {"short": 0.95, "long": 0.05}}]
    }
    found = predicted(*(["a" * 80, ""] * 500)).json()["predictions"]
    assert [row["label"] for row in found] == ["long", "short"] * 500


def test_pairs_and_several_labels() -> None:
    """A pair is a list of two; the labels of a text are a list."""
    assert predicted(["ab", "cd"], made=model(pairs=True)).json()["predictions"][0]["label"] == "short"
    assert "pairs" in refused(predicted("ab", made=model(pairs=True)), 422)
    assert predicted("ab", made=model(objective=MULTI_LABEL)).json()["predictions"][0]["label"] == ["short"]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({}, "the one key `texts`"),
        ([], "got a list"),
        ({"texts": ["a"], "more": 1}, "got an object with 2 other keys"),
        ({"texts": "a"}, "expected a list of 1 to 3 texts, got a string"),
        ({"texts": []}, "got 0 of them"),
        ({"texts": ["a"] * 4}, "got 4 of them"),
        ({"texts": ["a", None]}, "text 1: expected a string, got null"),
        ({"texts": ["a" * 21]}, "expected at most 20 characters, got 21"),
        ({"texts": ["ab\ud800"]}, "half a surrogate pair at character 2"),
    ],
)
def test_unusable_content_is_a_problem_that_says_what_came(body: Any, says: str) -> None:
    """What was expected, what came; the text itself is not repeated."""
    sent = {"content": json.dumps(body), "headers": {"content-type": "application/json"}}
    (answer,) = asked(("POST", "/predict", sent), limits=Limits(characters=20, texts=3))
    assert says in refused(answer, 422)


def test_what_is_no_json_is_a_problem() -> None:
    """400 for what cannot be parsed, 415 for another media type, 413 for too much, 404 and 405 as usual."""
    kind = {"headers": {"content-type": "application/json"}}
    answers = asked(
        ("POST", "/predict", kind | {"content": b"{"}),
        ("POST", "/predict", kind | {"content": b"[" * 100_000}),
        ("POST", "/predict", kind | {"content": b'{"texts": ["\xff"]}'}),
        ("POST", "/predict", {"content": b"texts=a"}),
        ("POST", "/predict", kind | {"content": b" " * 200_001}),
        ("GET", "/nothing", {}),
        ("GET", "/predict", {}),
        limits=Limits(size_bytes=200_000),
    )
    for answer, status in zip(answers, (400, 400, 400, 415, 413, 404, 405), strict=True):
        refused(answer, status)
    assert answers[-1].headers["allow"] == "POST"


def test_requests_that_come_together_are_predicted_together() -> None:
    """While one batch is at work the next gathers; one bad text is the error of its own request alone."""
    sizes: list[int] = []
    gathered = threading.Event()

    def outputs(texts: list[Any]) -> np.ndarray:
        sizes.append(len(texts))
        gathered.wait(0.2)  # the others come meanwhile
        return shares(texts)

    texts = ["first", *(f"text {i}" for i in range(20)), "fail"]
    requests: list[Request] = [("POST", "/predict", {"json": {"texts": [text]}}) for text in texts]
    *answers, failed = asked(*requests, made=model(outputs))
    assert [answer.status_code for answer in answers] == [200] * 21
    assert SECRET not in refused(failed, 500)
    assert max(sizes) > 10
    assert sizes.count(1) > 0  # tried alone after the batch had failed


def test_too_many_requests_are_told_to_come_again() -> None:
    """503 with Retry-After, at once; those inside are answered."""
    release = threading.Event()

    def outputs(texts: list[Any]) -> np.ndarray:
        release.wait(0.3)
        return shares(texts)

    requests: list[Request] = [("POST", "/predict", {"json": {"texts": ["a"]}})] * 10
    answers = asked(*requests, made=model(outputs), limits=Limits(requests=4))
    codes = [answer.status_code for answer in answers]
    assert (codes.count(200), codes.count(503)) == (4, 6)
    busy = next(answer for answer in answers if answer.status_code == 503)
    assert "at most 4 requests" in refused(busy, 503)
    assert int(busy.headers["retry-after"]) > 0


def test_an_answer_that_takes_too_long_is_given_up() -> None:
    """503 with Retry-After and what to do."""

    def outputs(texts: list[Any]) -> np.ndarray:
        threading.Event().wait(0.5)
        return shares(texts)

    late = predicted("a", made=model(outputs), limits=Limits(seconds=0.1))
    assert "Send fewer" in refused(late, 503)
    assert late.headers["retry-after"]


def test_the_words_that_decided() -> None:
    """/explain gives the explanation as JSON; a text beyond its own limit is refused."""
    ask: Request = ("POST", "/explain", {"json": {"text": "hello"}})
    found = asked(ask)[0].json()
    assert (found["label"], found["tokens"][0]["scores"]) == ("short", {"short": -0.5, "long": 0.5})
    assert "at most 4 characters" in refused(asked(ask, limits=Limits(explained=4))[0], 422)


def test_a_file_of_texts_gets_a_file_of_predictions() -> None:
    """As a stream of csv; its errors come before the first line and name the file, not where it was kept."""
    path = "/predict/file?name=new.csv"
    lines = "\n".join(["a", "b" * 90] * 100).encode()
    how: Any = {"tables": Lines(), "limits": Limits(rows=200, characters=90)}
    (answer,) = asked(("POST", path, {"content": lines}), **how)
    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.text.split() == ["short", "long"] * 100
    assert "predictions.csv" in answer.headers["content-disposition"]
    assert refused(asked(("POST", path, {"content": b"a\n" * 201}), **how)[0], 422) == "the file: too many"
    assert "row 0" in refused(asked(("POST", path, {"content": b"a" * 91}), **how)[0], 422)
    assert ".csv" in refused(asked(("POST", "/predict/file?name=a.exe", {"content": b"a"}), **how)[0], 422)
    refused(asked(("POST", path, {"content": b"a"}))[0], 501)


def test_the_page_is_one_document_with_a_strict_policy() -> None:
    """It names no other place, and its policy is its own."""
    (page,) = asked(("GET", "/", {}))
    assert page.headers["content-type"].startswith("text/html")
    assert page.headers["content-security-policy"].startswith("default-src 'none'; style-src 'sha256-")
    assert "http:" not in page.text
    assert "https:" not in page.text


def test_with_a_token_only_the_page_and_the_health_are_public() -> None:
    """All else needs it; the OpenAPI document says so."""
    paths = ("/", "/health", "/model", "/metrics", "/openapi.json")
    open_to_all = asked(*(("GET", path, {}) for path in paths), token=TOKEN)
    assert [answer.status_code for answer in open_to_all] == [200, 200, 401, 401, 401]
    bearer = {"headers": {"authorization": f"Bearer {TOKEN}"}}
    *_, document = asked(*(("GET", path, bearer) for path in paths), token=TOKEN)
    assert document.json()["paths"]["/predict"]["post"]["security"] == [{"bearer": []}]
    assert "bearer" in document.json()["components"]["securitySchemes"]


@pytest.mark.parametrize("package", ["fastapi", "prometheus_client"])
def test_a_missing_package_is_an_error_that_says_what_to_install(
    package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The extra is named."""
    from ulmus.serve.app import application

    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtra, match=r"pip install 'ulmus\[serve\]'"):
        application(model())


def test_counts_for_prometheus() -> None:
    """Requests by path and status, texts, batches; unknown paths are one."""
    from ulmus.serve.app import application

    app = application(model())

    async def ask() -> str:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            await client.post("/predict", json={"texts": ["a", "b"]})
            await client.get("/a-path-of-its-own")
            return str((await client.get("/metrics")).text)

    text = asyncio.run(ask())
    assert 'ulmus_requests_total{method="POST",path="/predict",status="200"} 1.0' in text
    assert 'ulmus_requests_total{method="GET",path="other",status="404"} 1.0' in text
    assert 'ulmus_texts_total{lane="predict"} 2.0' in text
    assert "process_resident_memory_bytes" in text


def test_texts_are_never_logged(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> None:
    """Not a good one, not one that fails, not one in a path or a query."""
    caplog.set_level(logging.DEBUG)
    asked(
        ("POST", "/predict", {"json": {"texts": [SECRET]}}),
        ("POST", "/predict", {"json": {"texts": ["fail"]}}),
        ("POST", "/predict", {"json": {SECRET: 1}}),
        ("POST", f"/{SECRET}", {}),
        ("POST", "/explain", {"json": {"text": SECRET}}),
        ("POST", f"/predict/file?name={SECRET}", {"content": SECRET.encode()}),
        tables=Lines(),
    )
    ours = "\n".join(record.getMessage() for record in caplog.records if record.name.startswith("ulmus"))
    assert "POST /predict 200" in ours
    assert "ValueError at" in ours
    assert SECRET not in ours + "".join(capfd.readouterr())
