"""Runs an ASGI application with uvicorn on one address until Ctrl-C or SIGTERM, and lets what runs end first.

uvicorn's own logs of requests, which quote them, are off; `local.py` writes others. A client that is slow with the head
of its request is cut off, so that it holds no connection. Needs the extra `serve`. Knows no application.
"""

from __future__ import annotations

import errno
import logging
import socket
import sys
from collections.abc import Callable
from typing import Any

from ulmus.errors import MissingExtra, UlmusError, UsageError
from ulmus.serve.local import App

__all__ = ["LOOPBACK", "listen", "log_to_stderr", "run"]

LOOPBACK = "127.0.0.1"
LARGEST_PORT = 65_535
WAITING = 2048  # connections that the system holds until they are accepted
HEAD_SECONDS = 10  # for the head of a request to arrive
HEAD_BYTES = 16_384
IDLE_SECONDS = 15  # until a connection without a request is closed
STOP_SECONDS = 15  # for running requests to end


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens; port 0: any free one. Raises UsageError: not an address, or the port is taken."""
    if not 0 <= port <= LARGEST_PORT:
        raise UsageError(f"port: expected 0 to {LARGEST_PORT:,}, got {port:,}.")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=WAITING)
    except OSError as error:
        taken = error.errno == errno.EADDRINUSE
        advice = "Another program uses it: choose another --port, or 0 for any free one." if taken else ""
        raise UsageError(f"cannot listen on {host} port {port}: {error}. {advice}".rstrip()) from error


def run(app: App, listener: socket.socket, ready: Callable[[str], None]) -> None:
    """Answer until the process is told to stop; `ready` gets the URL once requests are accepted.

    Ends as the signal does: KeyboardInterrupt for Ctrl-C. Raises MissingExtra, and UlmusError: it could not start.
    """
    try:
        import uvicorn
    except ImportError as error:
        raise MissingExtra.of("serve", "uvicorn", "A server") from error
    host, port = listener.getsockname()[:2]
    url = f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            if self.started:
                ready(url)

    config = uvicorn.Config(
        app,
        http=_protocol(),
        ws="none",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        backlog=WAITING,
        timeout_keep_alive=IDLE_SECONDS,
        timeout_graceful_shutdown=STOP_SECONDS,
        h11_max_incomplete_event_size=HEAD_BYTES,
    )
    logging.getLogger("uvicorn").setLevel(logging.CRITICAL)  # its messages may quote a request
    server = Server(config)
    server.run([listener])
    if not server.started:
        raise UlmusError("the server could not start.")


def log_to_stderr() -> None:
    """Write the log of requests to stderr, with the time."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    log = logging.getLogger("ulmus.serve")
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.propagate = False


def _protocol() -> Any:
    """uvicorn's HTTP protocol, which closes a connection whose request's head does not arrive in time."""
    from uvicorn.protocols.http.h11_impl import H11Protocol

    class Protocol(H11Protocol):
        _timer: Any = None

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self._watch()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            self._watch()

        def _waits(self) -> bool:
            return self.cycle is None or self.cycle.response_complete

        def _watch(self) -> None:
            """Start the clock where a head is awaited, stop it where it has arrived."""
            if not self._waits() and self._timer is not None:
                self._timer.cancel()
                self._timer = None
            elif self._waits() and self._timer is None:
                self._timer = self.loop.call_later(HEAD_SECONDS, self._too_slow)

        def _too_slow(self) -> None:
            self._timer = None
            if self._waits() and not self.transport.is_closing():
                self.transport.close()

    return Protocol
