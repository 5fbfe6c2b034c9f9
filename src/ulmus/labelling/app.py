"""The labelling page's application: a page for people, and the few JSON answers that its script asks for.

    GET  /            the page, the same for everybody; it holds no text
    GET  /next?who=   the text that this person labels next, with progress and what the models say
    GET  /state?who=  the same without taking a text
    GET  /guess?id=   what the current model says of a text
    POST /label /skip /undo /retrain   {"who", "id", "label"}; answers as /next does

The checks before it are those of `serve/local.py`. An answer is on the disk before it is confirmed. Needs the extra
`serve`; knows no file format.
"""

from __future__ import annotations

import dataclasses
import json
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, cast

from fastapi import BackgroundTasks, FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, Response

from ulmus.errors import StorageError, UlmusError, UsageError
from ulmus.labelling.desk import Desk, Offer, Taken
from ulmus.labelling.guesses import Guess
from ulmus.labelling.page import page
from ulmus.labelling.quick import Accuracy
from ulmus.labelling.trainer import News, Trainer
from ulmus.serve.local import App, Problem, Protection, protected
from ulmus.terminal import printable

__all__ = ["Room", "application"]

SHOWN = 50_000  # characters of a text that the page gets
SHORT = 80  # of the last text, beside undo
SAVED_EVERY = 10  # answers until the table is written again
SMALL = 20_000  # bytes of a request, at most
LISTED = 5  # probabilities beside the guess
PATHS = ("/", "/next", "/state", "/guess", "/label", "/skip", "/undo", "/retrain")


@dataclasses.dataclass(frozen=True)
class Room:
    """What the page works with: the desk, the trainer, how to save the table, and what to show about them."""

    desk: Desk
    trainer: Trainer
    save: Callable[[], None]  # the table
    title: str  # name of the data
    command: str  # that trains a classifier on the result
    model: str | None = None  # name of a classifier from a file
    _writing: threading.Lock = dataclasses.field(default_factory=threading.Lock)

    def write(self) -> None:
        """Save the table, one at a time, so that an older one never replaces a newer one. Raises StorageError."""
        with self._writing:
            self.save()


def application(room: Room, token: str, *, hosts: tuple[str, ...] = ()) -> App:
    """The whole application behind its checks. Requests for texts need the token, the page itself does not.

    hosts: names by which the page may be called, beside localhost and addresses.
    """
    own, made = FastAPI(docs_url=None, redoc_url=None, openapi_url=None), page(room.title)
    own.add_exception_handler(Problem, _as_answer)

    @own.get("/")
    async def home() -> Response:
        return Response(made.html, media_type="text/html; charset=utf-8")

    @own.get("/next")
    async def following(who: str = "") -> JSONResponse:
        return await _answer(lambda: _view(room, who))

    @own.get("/state")
    async def state(who: str = "") -> JSONResponse:
        return await _answer(lambda: _state(room, who))

    @own.get("/guess")
    async def guess(id: str = "") -> JSONResponse:  # noqa: A002 - the name in the query
        return await _answer(lambda: _guessed(room, id))

    @own.post("/label")
    async def label(request: Request, later: BackgroundTasks) -> JSONResponse:
        given = await _fields(request, "who", "id", "label")
        later.add_task(_after_answer, room)
        return await _answer(lambda: _done(room, given, room.desk.answer, "who", "id", "label"), later)

    @own.post("/skip")
    async def skip(request: Request) -> JSONResponse:
        given = await _fields(request, "who", "id")
        return await _answer(lambda: _done(room, given, room.desk.skip, "who", "id"))

    @own.post("/undo")
    async def undo(request: Request) -> JSONResponse:
        given = await _fields(request, "who")
        return await _answer(lambda: _done(room, given, room.desk.undo, "who"))

    @own.post("/retrain")
    async def retrain(request: Request) -> JSONResponse:
        given = await _fields(request, "who")
        room.trainer.now()
        return await _answer(lambda: _state(room, given["who"]))

    how = Protection(
        hosts=hosts, token=token, public=("/",), paths=PATHS, policy=made.policy, size_bytes=SMALL
    )
    return protected(own, how)


class _Json(JSONResponse):
    """JSON in ASCII: a lone surrogate in a label, which UTF-8 does not have, is escaped."""

    def render(self, content: Any) -> bytes:
        """The body."""
        return json.dumps(content).encode()


async def _as_answer(_request: Request, problem: Exception) -> Response:
    return cast(Response, problem)  # a Problem is an application that sends itself


async def _answer(make: Callable[[], Any], later: BackgroundTasks | None = None) -> JSONResponse:
    """The result as JSON, made in a thread. Raises Problem for what the user or the disk has done."""
    try:
        return _Json(await run_in_threadpool(make), background=later)
    except Taken as error:
        raise Problem(409, str(error)) from error
    except UsageError as error:
        raise Problem(422, str(error)) from error
    except StorageError as error:
        raise Problem(507, f"The answer was not saved. {error}") from error
    except UlmusError as error:
        raise Problem(500, str(error)) from error


async def _fields(request: Request, *names: str) -> dict[str, str]:
    """The strings of these names in a JSON body. Raises Problem: others."""
    try:
        given = await request.json()
    except ValueError:
        given = None
    if not isinstance(given, dict) or not all(isinstance(given.get(name), str) for name in names):
        raise Problem(422, f"expected a JSON object with {', '.join(names)}, all of them strings.")
    return {name: given[name] for name in names}


def _done(room: Room, given: Mapping[str, str], act: Callable[..., object], *names: str) -> dict[str, Any]:
    act(*(given[name] for name in names))
    return _view(room, given["who"])


def _after_answer(room: Room) -> None:
    """Learn if there are enough new answers; write the table every now and then, one writer at a time."""
    room.trainer.notice()
    labelled = room.desk.progress()["labelled"]
    if isinstance(labelled, int) and labelled % SAVED_EVERY == 0:
        with suppress(StorageError):  # the journal has the answer; the table comes later
            room.write()


def _view(room: Room, who: str) -> dict[str, Any]:
    offer = room.desk.next(who)
    return _state(room, who) | {"text": None if offer is None else _text(room.desk, offer)}


def _text(desk: Desk, offer: Offer) -> dict[str, Any]:
    text = desk.sheet.texts[offer.number]
    return {
        "id": desk.sheet.keys[offer.number],
        "text": printable(text[:SHOWN], lines=True),
        "more": max(len(text) - SHOWN, 0),
        "skipped": offer.skipped,
        "drawn": offer.drawn,
    }


def _state(room: Room, who: str) -> dict[str, Any]:
    desk, news = room.desk, room.trainer.news()
    desk.keep(who)
    last = desk.last(who)
    shown = None
    if last is not None:
        text = desk.sheet.texts[desk.number(last.text)]
        shown = {"label": last.label, "do": last.do, "text": _short(text)}
    return {
        "classes": desk.classes(),
        "progress": desk.progress(),
        "last": shown,
        "busy": news.busy,
        "learnt": news.labels,
        "model": _sentences(room, news),
        "command": room.command,
    }


def _guessed(room: Room, key: str) -> dict[str, Any]:
    number = room.desk.number(key)
    guess = room.trainer.guess(number)
    return {"guess": None if guess is None else _shown(guess)}


def _shown(guess: Guess) -> dict[str, Any]:
    return {
        "label": guess.label,
        "others": [[name, round(p, 3)] for name, p in guess.others[:LISTED]],
        "parts": [[printable(text, lines=True), share] for text, share in guess.parts],
    }


def _short(text: str) -> str:
    one_line = printable(" ".join(text[: 4 * SHORT].split()))
    return one_line if len(one_line) <= SHORT else one_line[:SHORT] + " …"


def _sentences(room: Room, news: News) -> list[str]:
    """What is known of the models, in words."""
    if news.problem:
        return [news.problem]
    if not news.ready:
        return ["The words of all texts are being counted; until then texts come at random."]
    said = []
    if news.of_model is not None:
        said.append(f"{room.model}: {_accuracy(news.of_model)}")
    if news.accuracy is not None:
        name = "Word counts" if room.model else "Quick model"
        said.append(f"{name} ({news.labels:,} labels): {_accuracy(news.accuracy)}")
    if news.more is not None:
        said.append(f"About {news.more:,} more labels for one more point.")
    return said or ["Accuracy is measured from 20 labels on."]


def _accuracy(found: Accuracy) -> str:
    percent = (
        f"{100 * found.share:.0f} % right (95 % interval {100 * found.low:.0f} to {100 * found.high:.0f} %)"
    )
    if found.at_random:
        return f"{percent} on {found.texts:,} texts drawn at random."
    return f"{percent} on the labelled texts, most of them hard ones."
