"""The server on a real socket: slow clients hold up nobody, a stop lets requests end, the log holds no text."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from ulmus.errors import UsageError
from ulmus.serve.listening import listen

pytest.importorskip("uvicorn", reason="the server needs uvicorn: pip install 'ulmus[serve]'")
pytest.importorskip("fastapi", reason="the server needs fastapi: pip install 'ulmus[serve]'")
pytest.importorskip(
    "prometheus_client", reason="the server needs prometheus-client: pip install 'ulmus[serve]'"
)
pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])

SECRET = "a text that nobody may read elsewhere"
SERVER = """
import time
import numpy as np
from ulmus.evaluation.objectives import SINGLE_LABEL
from ulmus.serve import listening
from ulmus.serve.app import application
from ulmus.serve.limits import Limits
from ulmus.serve.predictor import Predictor

def outputs(texts):
    time.sleep(1.0 if "slow" in texts else 0.0)
    return np.full((len(texts), 2), 0.5)

listening.HEAD_SECONDS = 0.5
listening.log_to_stderr()
model = Predictor(("a", "b"), SINGLE_LABEL, False, outputs, lambda found: ["a"] * len(found), lambda texts: [])
app = application(model, Limits(body_seconds=1.0))
listening.run(app, listening.listen("127.0.0.1", 0), lambda url: print(url, flush=True))
"""


class Running(NamedTuple):
    """A server in a process of its own."""

    process: subprocess.Popen[str]
    port: int

    def send(self, data: bytes) -> socket.socket:
        """A new connection on which this was sent."""
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=30)
        connection.sendall(data)
        return connection

    def predict(self, text: str) -> bytes:
        """The answer to a request for a prediction."""
        with self.send(request(text)) as connection:
            return everything(connection)


def request(text: str) -> bytes:
    """A whole request."""
    body = json.dumps({"texts": [text]})
    head = f"Host: localhost\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: {len(body)}"
    return f"POST /predict?q=query-{SECRET.replace(' ', '+')} HTTP/1.1\r\n{head}\r\n\r\n{body}".encode()


def everything(connection: socket.socket) -> bytes:
    """All that comes until the server closes the connection."""
    return b"".join(iter(lambda: connection.recv(65_536), b""))


@pytest.fixture
def server() -> Iterator[Running]:
    """A server that answers at once, but takes a second for the text `slow`."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    process = subprocess.Popen([sys.executable, "-c", SERVER], **pipes)
    assert process.stdout is not None
    url = process.stdout.readline()
    yield Running(process, int(url.strip(" /\n").rpartition(":")[2]))
    process.kill()
    process.communicate()


def test_clients_that_are_slow_hold_up_nobody(server: Running) -> None:
    """Bodies and heads that trickle in are cut off, each with its own deadline; others are answered meanwhile."""
    slow_bodies = [server.send(request("a")[:-5]) for _ in range(20)]
    slow_heads = [server.send(b"POST /predict HTTP/1.1\r\nHost: loc") for _ in range(20)]
    for _ in range(10):
        assert server.predict("hello").startswith(b"HTTP/1.1 200")
    for connection in slow_heads:
        with contextlib.suppress(ConnectionResetError):
            assert everything(connection) == b""
    for connection in slow_bodies:
        assert everything(connection).startswith(b"HTTP/1.1 408")
    for connection in (*slow_heads, *slow_bodies):
        connection.close()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, -signal.SIGTERM), (signal.SIGINT, 1)])
def test_a_stop_lets_requests_end(server: Running, number: int, code: int) -> None:
    """What is at work is answered, new connections are refused; the process ends as the signal says."""
    answers: list[bytes] = []
    asking = threading.Thread(target=lambda: answers.append(server.predict("slow")))
    asking.start()
    time.sleep(0.4)
    server.process.send_signal(number)
    asking.join()
    assert answers[0].startswith(b"HTTP/1.1 200")
    ended = server.process.wait()
    assert ended == code or (number == signal.SIGINT and ended == -signal.SIGINT)
    with pytest.raises(ConnectionRefusedError):
        server.predict("late")


def test_the_log_has_no_text_and_no_query(server: Running) -> None:
    """Method, known path, status, milliseconds."""
    server.predict(SECRET)
    server.send(b"no HTTP at all: " + SECRET.encode() + b"\r\n\r\n").close()
    server.process.terminate()
    log = "".join(server.process.communicate())
    assert "POST /predict 200" in log
    assert SECRET not in log
    assert "query" not in log


def test_the_small_package_serves_too(exported: Path) -> None:
    """`ulmus-runtime serve FILE`: predictions and explanations; files of texts are said to need more."""
    script = f"import sys; sys.argv = ['ulmus-runtime', 'serve', {str(exported)!r}, '--port', '0'];"
    script += "from ulmus.serve.command import main; main()"
    process = subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    running = Running(process, int(process.stderr.readline().strip(" /\n").rpartition(":")[2]))
    assert b'"predictions"' in running.predict("a film")
    head = (
        b"POST /predict/file?name=a.csv HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 1"
    )
    with running.send(head + b"\r\n\r\na") as connection:
        assert everything(connection).startswith(b"HTTP/1.1 501")
    process.send_signal(signal.SIGINT)
    process.communicate()
    assert process.returncode == 130


def test_a_port_that_is_taken_is_a_usage_error() -> None:
    """The message says what to do; so does that for a wrong address."""
    with listen("127.0.0.1", 0) as first, pytest.raises(UsageError, match="choose another --port"):
        listen("127.0.0.1", first.getsockname()[1])
    with pytest.raises(UsageError, match="expected 0 to 65,535"):
        listen("127.0.0.1", 70_000)
    with pytest.raises(UsageError, match="cannot listen"):
        listen("1.2.3.4.5", 0)
