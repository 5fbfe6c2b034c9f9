"""What stands before an application that answers HTTP on this machine: who may ask, how much, and what is logged.

A local server is open to every page in the user's browser, so `protected` refuses other names in the Host header (DNS
rebinding), writing requests from pages of other origins, and, where a token is set, requests without it. Bodies are
read here, up to a size and a time, before the application sees them. Errors are problem details (RFC 9457). The log has
the method, the known path, the status and the time: no text, no query, no message of an exception.
Plain ASGI: needs no package. Knows no model and no page.
"""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import json
import logging
import os
import traceback
from collections.abc import Awaitable, Callable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any
from urllib.parse import urlsplit

from ulmus.errors import UsageError

__all__ = ["NO_PAGE", "App", "Problem", "Protection", "log_place", "protected", "token_of"]

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Seen = Callable[[str, str, int, float], None]  # method, known path or "other", status, seconds

NO_PAGE = "default-src 'none'; frame-ancestors 'none'"  # the Content-Security-Policy of what is no page
SHORTEST_TOKEN = 16  # characters
BODIES = 8  # of the largest size, at a time
SAFE = ("GET", "HEAD", "OPTIONS")  # methods that change nothing
REASONS = {
    400: "Bad request",
    401: "A token is needed",
    403: "Not from this page",
    404: "Not found",
    405: "Method not allowed",
    408: "The request came too slowly",
    413: "Too large",
    415: "Unsupported media type",
    421: "Not this host",
    422: "Unusable content",
    500: "Internal error",
    501: "Not available here",
    503: "Busy",
}
_log = logging.getLogger("ulmus.serve")


@dataclass
class Problem(Exception):  # noqa: N818 - the field's own name, RFC 9457
    """An error as an answer: what was expected, what came, what to do. It is an ASGI application that sends itself."""

    status: int
    detail: str
    headers: Mapping[str, str] = field(default_factory=dict)

    def body(self) -> bytes:
        """The JSON of the answer. Lone surrogates, which UTF-8 does not have, are escaped."""
        shown = {
            "type": "about:blank",
            "title": REASONS.get(self.status, "Error"),
            "status": self.status,
            "detail": self.detail,
        }
        return json.dumps(shown).encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI's signature
        """Send the answer."""
        body = self.body()
        headers = {
            "content-type": "application/problem+json",
            "content-length": str(len(body)),
            **self.headers,
        }
        pairs = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": self.status, "headers": pairs})
        await send({"type": "http.response.body", "body": body})


@dataclass(frozen=True, kw_only=True)
class Protection:
    """Who may ask, how much and how slowly.

    hosts: names beside `localhost` and addresses by which the server may be called; "*" for any. token: what requests
    must bring, except for the `public` paths. paths: those that the log may name. policy: the Content-Security-Policy.
    """

    hosts: tuple[str, ...] = ()
    token: str | None = field(default=None, repr=False)
    public: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    policy: str = NO_PAGE
    size_bytes: int = 1 << 20  # of a request's body
    seconds: float = 10.0  # for a body to arrive


def protected(app: App, how: Protection, seen: Seen | None = None) -> App:
    """The application behind all checks; `seen` is told of every answer."""

    held = _Held(BODIES * how.size_bytes)

    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        started, answer = perf_counter(), _Answer(send, how.policy)
        try:
            try:
                _check(scope, how)
                with held.share() as share:
                    await app(scope, await _body(scope, receive, how, share), answer.send)
            except Problem as problem:
                await problem(scope, receive, answer.send)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is answered and its place logged
                log_place(error)
                if answer.status:  # too late to answer otherwise: the server breaks the connection off
                    raise ConnectionAbortedError from None
                await Problem(500, "An error in the server; its log says where.")(scope, receive, answer.send)
        finally:
            path = scope["path"] if scope["path"] in how.paths else "other"
            seconds = perf_counter() - started
            _log.info("%s %s %s %.0f ms", scope["method"], path, answer.status or "-", 1000 * seconds)
            if seen is not None:
                seen(scope["method"], path, answer.status, seconds)

    return guarded


def token_of(file: Path | None, variable: str = "ULMUS_TOKEN") -> str | None:
    """The token in a file or, without one, in an environment variable; None: there is none.

    Never on the command line, which every user of the machine can list. Raises UsageError: unreadable, or unusable.
    """
    try:
        token = os.environ.get(variable) if file is None else file.read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot read the token file {file}: {error}.") from error
    if token is None:
        return None
    where = f"the variable {variable}" if file is None else str(file)
    if len(token) < SHORTEST_TOKEN or not (token.isascii() and token.isprintable()) or " " in token:
        raise UsageError(
            f"the token in {where} is unusable: expected {SHORTEST_TOKEN} or more ASCII characters without spaces, "
            f"got {len(token)} characters. Make one: python -c 'import secrets; print(secrets.token_urlsafe())'"
        )
    return token


class _Answer:
    """Adds the headers that every answer has, and keeps its status (0: none was sent)."""

    def __init__(self, send: Send, policy: str) -> None:
        self.status = 0
        self._send = send
        self._headers = {
            b"content-security-policy": policy.encode(),
            b"x-content-type-options": b"nosniff",
            b"referrer-policy": b"no-referrer",
            b"cross-origin-resource-policy": b"same-origin",
            b"cross-origin-opener-policy": b"same-origin",
            b"x-frame-options": b"DENY",
            b"cache-control": b"no-store",
        }

    async def send(self, message: Message) -> None:
        """Pass a message of the application on."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            own = {name for name, _ in message.get("headers", ())}
            more = [pair for pair in self._headers.items() if pair[0] not in own]
            message = {**message, "headers": [*message.get("headers", ()), *more]}
        await self._send(message)


def _check(scope: Scope, how: Protection) -> None:
    """Raise Problem: called by another name, from another origin, or without the token."""
    headers = {bytes(name): bytes(value).decode("latin-1") for name, value in scope["headers"]}
    host = headers.get(b"host", "").lower()
    if not _named(host, how.hosts):
        raise Problem(
            421,
            "expected localhost or an address in the Host header, got another name. Call the server by its address, "
            "or start it with --allow-host NAME.",
        )
    if scope["method"] not in SAFE:
        origin = headers.get(b"origin")
        foreign = origin is not None and not _same(origin, host, how.hosts)
        if foreign or headers.get(b"sec-fetch-site", "none") not in ("none", "same-origin"):
            raise Problem(
                403,
                "expected a request from the page of this server or from a program, got one from another page.",
            )
    if how.token is not None and scope["path"] not in how.public:
        given = headers.get(b"authorization", "").encode("latin-1")
        if not hmac.compare_digest(given, f"Bearer {how.token}".encode()):
            raise Problem(
                401,
                "expected the header `Authorization: Bearer TOKEN` with this server's token, got none or another.",
                {"www-authenticate": "Bearer"},
            )


def _named(host: str, hosts: tuple[str, ...]) -> bool:
    """Whether a Host header may name this server: an address cannot be rebound, a name can."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    if "*" in hosts or name == "localhost" or name in hosts:
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _same(origin: str, host: str, hosts: tuple[str, ...]) -> bool:
    try:
        parts = urlsplit(origin.lower())
    except ValueError:
        return False
    return parts.netloc == host or (parts.hostname or "") in hosts


class _Held:
    """The bytes of all bodies in memory, `most` at a time."""

    def __init__(self, most: int) -> None:
        self._free = most

    @contextmanager
    def share(self) -> Iterator[Callable[[int], None]]:
        """A function that takes room for so many bytes, until the end. It raises Problem: there is no more."""
        taken = 0

        def take(size: int) -> None:
            nonlocal taken
            if size > self._free:
                raise Problem(503, "too many large requests at a time. Try again.", {"retry-after": "1"})
            self._free -= size
            taken += size

        try:
            yield take
        finally:
            self._free += taken


async def _body(scope: Scope, receive: Receive, how: Protection, take: Callable[[int], None]) -> Receive:
    """The body as one message. Raises Problem: too large, too slow, or no room."""
    length = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
    size, chunks = 0, []
    if length.isdigit() and int(length) > how.size_bytes:
        raise _too_large(how)
    try:
        async with asyncio.timeout(how.seconds):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    break
                chunks.append(message.get("body", b""))
                take(len(chunks[-1]))
                size += len(chunks[-1])
                if size > how.size_bytes:
                    raise _too_large(how)
                if not message.get("more_body", False):
                    break
    except TimeoutError:
        raise Problem(
            408,
            f"expected the whole body within {how.seconds:g} s. Send it at once.",
            {"connection": "close"},
        ) from None
    whole = [{"type": "http.request", "body": b"".join(chunks), "more_body": False}]

    async def replay() -> Message:
        return whole.pop() if whole else await receive()

    return replay


def _too_large(how: Protection) -> Problem:
    return Problem(
        413,
        f"expected a body of at most {how.size_bytes:,} bytes. Send less at a time.",
        {"connection": "close"},
    )


def log_place(error: Exception) -> None:
    """Log where an error was raised; not its message, which may quote a text."""
    frames = traceback.extract_tb(error.__traceback__)
    places = " < ".join(f"{Path(f.filename).name}:{f.lineno} {f.name}" for f in reversed(frames[-12:]))
    _log.error("%s at %s", type(error).__name__, places)
