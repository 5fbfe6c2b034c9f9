"""The server as an ASGI application: a model's predictions over HTTP.

    POST /predict        {"texts": ["...", ...]}    -> a prediction for each
    POST /predict/file   a csv, tsv, jsonl or text file -> a csv file of predictions, as it is made
    POST /explain        {"text": "..."}            -> which words decided
    GET  /               a page for people          GET /model   what it predicts, and the limits
    GET  /health, /metrics, /openapi.json

FastAPI keeps the routes and the OpenAPI document; `contract.py` reads what comes, `lane.py` batches it, `local.py`
stands before all of it. Errors are problem details (RFC 9457). Needs the extra `serve`.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol, cast

from ulmus.errors import DataError, MissingExtra, UsageError
from ulmus.serve import contract
from ulmus.serve.lane import Full, Lane, parts
from ulmus.serve.limits import Limits
from ulmus.serve.local import App, Problem, Protection, log_place, protected
from ulmus.serve.metering import Meter
from ulmus.serve.page import PAGE
from ulmus.serve.predictor import Predictor

__all__ = ["Tables", "application"]

PATHS = ("/", "/predict", "/predict/file", "/explain", "/model", "/health", "/metrics", "/openapi.json")
PUBLIC = ("/", "/health")  # need no token: the page holds nothing, and asks for it
FILES = (".csv", ".tsv", ".jsonl", ".txt")
AGAIN = {"retry-after": "1"}
VERSION = "1"  # of the interface


class Tables(Protocol):
    """Reads uploaded files and writes predictions."""

    def texts(self, path: Path, column: str | None, most: int) -> list[Any]:
        """The texts (or pairs) of a file, of `column` if given. Raises UsageError, DataError: also more than `most`."""

    def writer(
        self, classes: list[str], *, numeric: bool
    ) -> Callable[[Sequence[tuple[Any, list[float]]]], str]:
        """A function that turns rows into lines of csv; with the first ones comes the head."""


@dataclass(frozen=True)
class _Server:
    """What the routes share."""

    model: Predictor
    limits: Limits
    meter: Meter
    tables: Tables | None
    predicting: Lane
    explaining: Lane

    async def predict(self, request: Any) -> dict[str, Any]:
        """`POST /predict`."""
        texts = await self._given(request, "texts")
        with _place(self.predicting):
            async with _in_time(self.limits, "Send fewer or shorter texts at a time."):
                found = [await self.predicting.run(some) for some in parts(texts, contract.size_of)]
        return {"predictions": [self.model.answer(*row) for some in found for row in some]}

    async def explain(self, request: Any) -> dict[str, Any]:
        """`POST /explain`."""
        (text,) = await self._given(request, "text")
        with _place(self.explaining):
            async with _in_time(self.limits, "Send a shorter text."):
                (found,) = await self.explaining.run([text])
        return dict(found.to_dict())

    async def file(self, request: Any) -> AsyncIterator[str]:
        """`POST /predict/file`: the lines of the answer; what is wrong with the file is raised before the first one."""
        if self.tables is None:
            raise Problem(
                501,
                "files are read where all of Ulmus is installed; here send the texts to /predict as JSON.",
            )
        name, column = (request.query_params.get(key) for key in ("name", "text"))
        suffix = Path(name or "").suffix.lower()
        if suffix not in FILES:
            raise Problem(
                422, f"`name`: expected the name of a file that ends with {', '.join(FILES)}, got another."
            )
        body = await request.body()
        if not body:
            raise Problem(422, "expected the content of a file as the body, got nothing.")
        lines = self._lines(self.tables, body, suffix, column)
        return _resumed(await anext(lines), lines)

    async def _lines(
        self, tables: Tables, body: bytes, suffix: str, column: str | None
    ) -> AsyncGenerator[str, None]:
        with _place(self.predicting):
            texts = await asyncio.to_thread(_read, tables, body, suffix, column=column, limits=self.limits)
            write = tables.writer(self.model.names, numeric=self.model.objective.numeric)
            for some in parts(texts, contract.size_of):
                async with _in_time(self.limits, "Send the file again, or in parts."):
                    rows = await self.predicting.run(some)
                yield write(rows)

    async def _given(self, request: Any, key: str) -> list[Any]:
        media = request.headers.get("content-type", "")
        return contract.given(await request.body(), media, self.limits, pairs=self.model.pairs, key=key)

    def about(self) -> dict[str, Any]:
        """`GET /model`."""
        model = self.model
        return {
            "task": model.task,
            "classes": model.names,
            "pairs": model.pairs,
            "files": list(FILES) if self.tables is not None else [],
            "limits": asdict(self.limits),
        }

    def health(self) -> dict[str, Any]:
        """`GET /health`."""
        return {"status": "ok"}


def application(
    model: Predictor,
    limits: Limits | None = None,
    *,
    token: str | None = None,
    hosts: tuple[str, ...] = (),
    tables: Tables | None = None,
) -> App:
    """The server of a model, protected as `local.Protection` says. Raises MissingExtra."""
    limits, meter = limits or Limits(), Meter()
    lane = partial(Lane, size=contract.size_of)
    lanes = {
        "predict": lane(model.rows, places=limits.requests, seen=partial(meter.batch, "predict")),
        "explain": lane(
            model.explain, places=limits.explanations, most=1, seen=partial(meter.batch, "explain")
        ),
    }
    meter.watch(lanes)
    server = _Server(model, limits, meter, tables, lanes["predict"], lanes["explain"])
    protection = Protection(
        hosts=hosts,
        token=token,
        public=PUBLIC,
        paths=PATHS,
        size_bytes=limits.size_bytes,
        seconds=limits.body_seconds,
    )
    return protected(_routed(server, token=token is not None), protection, meter.answered)


def _routed(server: _Server, *, token: bool) -> App:
    """The routes, without what stands before them."""
    try:
        import fastapi
        from fastapi.openapi.utils import get_openapi
        from starlette.exceptions import HTTPException
    except ImportError as error:
        raise MissingExtra.of("serve", "fastapi", "A server") from error
    api: Any = fastapi.FastAPI(docs_url=None, redoc_url=None)
    answers: Any = fastapi.responses

    async def page() -> Any:
        return fastapi.Response(
            PAGE.html, headers={"content-security-policy": PAGE.policy}, media_type="text/html"
        )

    async def metrics() -> Any:
        return fastapi.Response(server.meter.text(), media_type="text/plain; version=0.0.4")

    def refused(_: Any, error: Any) -> Any:
        known = "See /openapi.json for what there is."
        return _response(fastapi, Problem(error.status_code, f"{error.detail}. {known}", error.headers or {}))

    async def lines(request: Any) -> Any:
        name = {"content-disposition": 'attachment; filename="predictions.csv"'}
        return answers.StreamingResponse(await server.file(request), media_type="text/csv", headers=name)

    def document() -> dict[str, Any]:
        made = get_openapi(title="Ulmus", version=VERSION, routes=api.routes)
        return contract.completed(made, token=token)

    add = partial(_add, api, fastapi, token)
    add("/predict", server.predict, contract.predict_operation(server.limits, server.model))
    add("/predict/file", lines, contract.file_operation(FILES))
    add("/explain", server.explain, contract.explain_operation(server.limits, server.model))
    api.add_api_route("/", page, include_in_schema=False)
    api.add_api_route("/health", server.health, responses=contract.problems(token=False))
    api.add_api_route("/model", server.about, **contract.secured(token))
    api.add_api_route(
        "/metrics", metrics, response_class=answers.PlainTextResponse, **contract.secured(token)
    )
    api.add_exception_handler(HTTPException, refused)
    api.openapi = document
    return cast(App, api)


def _add(api: Any, fastapi: Any, token: bool, path: str, call: Any, operation: contract.Operation) -> None:
    """Add an operation that takes a body and whose errors are problems."""

    async def endpoint(request: Any) -> Any:
        try:
            found = await call(request)
        except Problem as problem:
            return _response(fastapi, problem)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is answered and its place logged
            log_place(error)
            return _response(fastapi, Problem(500, "An error in the server; its log says where."))
        return fastapi.responses.JSONResponse(found) if isinstance(found, dict) else found

    endpoint.__annotations__ = {"request": fastapi.Request}  # (no module-level import to name it by)
    api.add_api_route(
        path,
        endpoint,
        methods=["POST"],
        name=path[1:].replace("/", "_"),
        summary=operation.summary,
        response_class=fastapi.Response,
        responses=contract.responses(operation, token=token),
        openapi_extra=operation.extra | contract.security(token),
    )


def _response(fastapi: Any, problem: Problem) -> Any:
    return fastapi.Response(problem.body(), problem.status, dict(problem.headers), contract.PROBLEM)


@contextmanager
def _place(lane: Lane) -> Iterator[None]:
    """A place in a lane. Raises Problem 503."""
    try:
        with lane.place():
            yield
    except Full:
        raise Problem(
            503, f"expected at most {lane.places:,} requests of this kind at a time. Try again.", AGAIN
        ) from None


@asynccontextmanager
async def _in_time(limits: Limits, advice: str) -> AsyncIterator[None]:
    """Raise Problem 503 after the time for a request."""
    try:
        async with asyncio.timeout(limits.seconds):
            yield
    except TimeoutError:
        raise Problem(503, f"no answer within {limits.seconds:g} s. {advice}", AGAIN) from None


async def _resumed(first: str, rest: AsyncIterator[str]) -> AsyncIterator[str]:
    yield first
    async for line in rest:
        yield line


def _read(tables: Tables, body: bytes, suffix: str, *, column: str | None, limits: Limits) -> list[Any]:
    """The texts of an uploaded file. Raises Problem 422."""
    with tempfile.TemporaryDirectory(prefix="ulmus-") as folder:
        path = Path(folder) / f"upload{suffix}"
        path.write_bytes(body)
        try:
            texts = tables.texts(path, column, limits.rows)
        except (UsageError, DataError) as error:
            raise Problem(422, str(error).replace(str(path), "the file")) from None
    for i, text in enumerate(texts):
        for one in (text,) if isinstance(text, str) else text:
            contract.checked(one, f"row {i:,}", limits.characters)
    return texts
