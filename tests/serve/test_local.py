"""The checks before a local server: who may ask, how much, how slowly; and that its log holds no text."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from ulmus.errors import UsageError
from ulmus.serve.local import Problem, Protection, protected, token_of
from ulmus.serve.local_page import document

HOST = (b"host", b"127.0.0.1:8000")
TOKEN = "a-token-of-some-length"


async def echo(scope: Any, receive: Callable[[], Awaitable[Any]], send: Any) -> None:
    """Answers with the body that it received; fails where the body says so."""
    body = (await receive())["body"]
    if body == b"fail":
        raise ValueError("the text: a secret")
    if body == b"problem":
        raise Problem(422, "a detail")
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": body})


def ask(
    *headers: tuple[bytes, bytes],
    method: str = "POST",
    path: str = "/",
    body: list[bytes] | None = None,
    delay: float = 0.0,
    **how: Any,
) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of the answer to one request; the body's parts come `delay` seconds apart."""
    parts, sent = [b"hello"] if body is None else list(body), list[Any]()

    async def receive() -> Any:
        await asyncio.sleep(delay)
        part = parts.pop(0)
        return {"type": "http.request", "body": part, "more_body": bool(parts)}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": method, "path": path, "headers": list(headers or (HOST,))}
    asyncio.run(protected(echo, Protection(**how))(scope, receive, send))
    names = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], names, b"".join(message.get("body", b"") for message in sent[1:])


def status(*headers: tuple[bytes, bytes], **how: Any) -> int:
    """Only the status."""
    return ask(*headers, **how)[0]


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:8000", "127.0.0.1", "[::1]:8000", "192.168.1.7:80", "reviews.internal"]
)
def test_addresses_and_given_names_are_hosts(host: str) -> None:
    """An address cannot be rebound to another one; names are those that were given."""
    assert status((b"host", host.encode()), hosts=("reviews.internal",)) == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "", "[", "localhost.evil.example"]
)
def test_other_names_are_refused(host: str) -> None:
    """A page whose name was rebound to this machine gets nothing (DNS rebinding)."""
    code, _, body = ask((b"host", host.encode()), method="GET")
    assert code == json.loads(body)["status"] == 421
    assert "--allow-host" in json.loads(body)["detail"]


@pytest.mark.parametrize(
    "foreign",
    [
        (b"origin", b"https://evil.example"),
        (b"origin", b"null"),
        (b"origin", b"http://127.0.0.1:9000"),
        (b"origin", b"http://["),
        (b"sec-fetch-site", b"cross-site"),
        (b"sec-fetch-site", b"same-site"),
    ],
)
def test_writing_from_another_page_is_refused(foreign: tuple[bytes, bytes]) -> None:
    """Another port is another page; reading needs no such check, since no page may read the answer."""
    assert status(HOST, foreign) == 403
    assert status(HOST, foreign, method="GET") == 200


def test_the_own_page_and_programs_may_write() -> None:
    """The own origin, that of a name that was given, and no origin at all."""
    assert status(HOST, (b"origin", b"http://127.0.0.1:8000"), (b"sec-fetch-site", b"same-origin")) == 200
    named = [(b"host", b"reviews.internal"), (b"origin", b"https://reviews.internal")]
    assert status(*named, hosts=("reviews.internal",)) == 200
    assert status(HOST) == 200


def test_a_token_is_asked_for_except_on_public_paths() -> None:
    """Without it, or with another one, the answer is 401 and says which header is expected."""
    how: Any = {"token": TOKEN, "public": ("/health",)}
    code, headers, body = ask(HOST, **how)
    assert (code, headers["www-authenticate"]) == (401, "Bearer")
    assert b"Authorization: Bearer" in body
    assert TOKEN.encode() not in body
    assert status(HOST, (b"authorization", b"Bearer wrong-token-of-length"), **how) == 401
    assert status(HOST, (b"authorization", "Bearer café".encode("latin-1")), **how) == 401
    assert status(HOST, (b"authorization", f"Bearer {TOKEN}".encode()), **how) == 200
    assert status(HOST, path="/health", **how) == 200


def test_a_body_is_read_up_to_a_size_and_a_time() -> None:
    """More is 413, by what the header announces or by what comes; a trickle is 408."""
    assert ask(body=[b"a" * 60, b"b" * 40], size_bytes=100)[2] == b"a" * 60 + b"b" * 40
    assert status(body=[b"a" * 60, b"b" * 41], size_bytes=100) == 413
    assert status(HOST, (b"content-length", b"101"), size_bytes=100) == 413
    code, headers, _ = ask(body=[b"a"] * 100, delay=0.02, seconds=0.1)
    assert (code, headers["connection"]) == (408, "close")


def test_all_bodies_together_have_a_size_too() -> None:
    """Large ones beyond it get 503 and Retry-After, and room is free again afterwards."""
    statuses: list[int] = []
    begun = asyncio.Event()

    async def waiting(scope: Any, receive: Any, send: Any) -> None:
        await begun.wait()
        await echo(scope, receive, send)

    async def one(app: Any) -> None:
        async def receive() -> Any:
            return {"type": "http.request", "body": b"a" * 100, "more_body": False}

        async def send(message: Any) -> None:
            statuses.extend([message["status"]] if "status" in message else [])

        await app({"type": "http", "method": "POST", "path": "/", "headers": [HOST]}, receive, send)

    async def many() -> None:
        app = protected(waiting, Protection(size_bytes=100))
        for _ in range(2):
            begun.clear()
            tasks = [asyncio.create_task(one(app)) for _ in range(10)]
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            begun.set()
            await asyncio.gather(*tasks)

    asyncio.run(many())
    assert sorted(statuses) == [200] * 16 + [503] * 4


def test_errors_are_problems_and_the_log_quotes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """A bug is a 500 whose place is logged, without its message; unknown paths are not logged either."""
    caplog.set_level(logging.INFO, "ulmus.serve")
    code, headers, body = ask(body=[b"fail"], path="/a-secret", paths=("/predict",))
    assert (code, headers["content-type"]) == (500, "application/problem+json")
    assert json.loads(body)["title"] == "Internal error"
    assert ask(body=[b"problem"])[0] == 422
    assert "ValueError at test_local.py" in caplog.text
    assert "POST other 500" in caplog.text
    assert "secret" not in caplog.text + body.decode()


def test_every_answer_is_closed_to_other_pages() -> None:
    """Errors too: no framing, no guessing of types, no storing, no reading from elsewhere."""
    for headers in (ask()[1], ask((b"host", b"evil.example"))[1]):
        assert headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert headers["cache-control"] == "no-store"


def test_a_token_comes_from_a_file_or_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file wins; what is short or has spaces is refused, without being quoted."""
    monkeypatch.delenv("ULMUS_TOKEN", raising=False)
    assert token_of(None) is None
    monkeypatch.setenv("ULMUS_TOKEN", "another-token-of-length")
    assert token_of(None) == "another-token-of-length"
    file = tmp_path / "token"
    file.write_text(TOKEN + "\n", encoding="utf-8")
    assert token_of(file) == TOKEN
    file.write_text("short", encoding="utf-8")
    with pytest.raises(UsageError, match="16 or more") as error:
        token_of(file)
    assert "short" not in str(error.value)
    with pytest.raises(UsageError, match="cannot read"):
        token_of(tmp_path / "none")


def test_a_page_allows_its_own_style_and_script_alone() -> None:
    """By their hashes: what was injected would not run."""
    page = document(title="<script>", body="<p>hello</p>", script="let a = 1")
    assert b"<title>&lt;script&gt;</title>" in page.html
    assert page.policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in page.policy
    assert document(title="", body="", script="let a = 2").policy != page.policy
