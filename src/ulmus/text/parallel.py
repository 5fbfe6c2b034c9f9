"""Texts -> counts or ids in several processes, in order, with little in flight.

How: texts of fewer than `ALONE` characters in total are processed here; beyond that helpers are started, one per
core: plain child processes that run `ulmus.text.worker` and talk over pipes (JSON out, counts or raw ids back). Nothing
is forked or pickled, so that it works the same on every system, in notebooks and in scripts without a main guard.
Costs: a quarter of a second to start; memory for two batches a helper. Knows no rules and no vocabulary.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from itertools import chain
from queue import SimpleQueue
from typing import IO, Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from ulmus.errors import DataError, UlmusError

__all__ = ["batches", "counted", "encoded", "receive", "send"]

ALONE = 4_000_000  # characters that one process does before helpers are worth their start
BATCH = 1024  # texts a batch, at most
CHARACTERS = 1_000_000  # after which a batch is closed
MOST = 16  # helpers
_START = "import sys; sys.path[:] = sys.argv[1:]; from ulmus.text.worker import serve; serve()"

Ids = list[NDArray[Any]]  # int32, or uint16 from helpers


class Counts(Protocol):
    """An object that counts tokens: `tokenizer.Counting`."""

    def add(self, texts: Iterable[str]) -> None:
        """Add these texts to the counts."""

    def total(self) -> Counter[str]:
        """The counts so far."""


def batches(texts: Iterable[str]) -> Iterator[list[str]]:
    """Texts in lists of up to `BATCH` texts or about `CHARACTERS` characters."""
    batch: list[str] = []
    characters = 0
    for text in texts:
        batch.append(text)
        characters += _characters([text])
        if len(batch) == BATCH or characters > CHARACTERS:
            yield batch
            batch, characters = [], 0
    if batch:
        yield batch


def encoded(
    texts: Iterable[str], encode: Callable[[list[str]], Ids], tokenizer: Callable[[], str]
) -> Iterator[Ids]:
    """The ids of each batch, in order. `encode` runs in this process; helpers build their tokenizer from its JSON."""
    few, todo = _split(batches(texts))
    if todo is None:
        yield from map(encode, few)
        return
    with Helpers({"tokenizer": tokenizer()}) as helpers:
        yield from map(_ids, helpers.map(chain(few, todo)))


def counted(texts: Iterable[str], counting: Counts, config: Callable[[], dict[str, Any]]) -> Counter[str]:
    """The sum of the counts of all texts. `counting` counts in this process; `config` is passed to helpers."""
    few, todo = _split(batches(texts))
    if todo is None:
        for batch in few:
            counting.add(batch)
        return counting.total()
    total: Counter[str] = Counter()
    with Helpers({"config": config()}) as helpers:
        for _ in helpers.map(chain(few, todo)):
            pass
        for reply in helpers.finish():
            total.update(json.loads(reply.decode("utf-8", "surrogatepass")))
    return total


def _split(todo: Iterator[list[str]]) -> tuple[Iterable[list[str]], Iterator[list[str]] | None]:
    """The first batches, and the rest; None for the rest if helpers are not worth starting."""
    if _cores() == 1:
        return todo, None
    few: list[list[str]] = []
    characters = 0
    for batch in todo:
        few.append(batch)
        characters += _characters(batch)
        if characters >= ALONE:
            return few, todo
    return few, None


def _characters(batch: list[str]) -> int:
    # (other types are rejected by the tokenizer)
    return sum(len(text) for text in batch if isinstance(text, str))


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _ids(reply: bytes) -> Ids:
    """What `worker` packs: the number of texts, the bytes of an id, the length of each text, and all ids."""
    n, itemsize = np.frombuffer(reply, np.int64, 2).tolist()
    lengths = np.frombuffer(reply, np.int64, n, offset=16)
    ids = np.frombuffer(reply, np.uint16 if itemsize == 2 else np.int32, offset=16 + 8 * n)
    return np.split(ids, np.cumsum(lengths)[:-1]) if n else []


class Helpers:
    """A pool of child processes that do the same work; a context manager."""

    def __init__(self, setup: dict[str, Any]) -> None:
        self._setup = json.dumps(setup).encode()

    def __enter__(self) -> Self:
        command = [sys.executable, "-c", _START, *sys.path]
        self._processes = [
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            for _ in range(min(_cores(), MOST))
        ]
        self._free: SimpleQueue[subprocess.Popen[bytes]] = SimpleQueue()
        for process in self._processes:
            send(process.stdin, self._setup)
            self._free.put(process)
        self._threads = ThreadPoolExecutor(len(self._processes))
        return self

    def __exit__(self, *error: object) -> None:
        for process in self._processes if error[0] is not None else ():
            process.kill()
        self._threads.shutdown(cancel_futures=True)
        for process in self._processes:
            for pipe in (process.stdin, process.stdout):
                with suppress(OSError):  # (it may have died with something left to read)
                    pipe.close() if pipe is not None else None
            process.wait()

    def map(self, todo: Iterator[list[str]]) -> Iterator[bytes]:
        """The reply to each batch, in order; at most two batches per helper are in flight."""
        waiting: deque[Future[bytes]] = deque()
        for batch in todo:
            waiting.append(self._threads.submit(self._ask_any, batch))
            if len(waiting) > 2 * len(self._processes):
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()

    def finish(self) -> Iterator[bytes]:
        """The final reply of each helper."""
        return self._threads.map(lambda process: _ask(process, b""), self._processes)

    def _ask_any(self, batch: list[str]) -> bytes:
        process = self._free.get()
        try:
            return _ask(process, json.dumps(batch, ensure_ascii=False).encode("utf-8", "surrogatepass"))
        finally:
            self._free.put(process)


def _ask(process: subprocess.Popen[bytes], message: bytes) -> bytes:
    """Send a message and wait for the reply. Raises DataError as the helper does, UlmusError if the helper died."""
    try:
        send(process.stdin, message)
        reply = receive(process.stdout)
    except OSError:
        reply = None
    if reply is None:
        raise UlmusError(
            f"A tokenizer process ended unexpectedly (exit code {process.wait()}). Check that there is enough memory."
        )
    if reply[:1] == b"!":
        raise DataError(reply[1:].decode("utf-8", "replace"))
    return reply[1:]


def send(pipe: IO[bytes] | None, message: bytes) -> None:
    """Write a message, preceded by its length in 8 bytes."""
    if pipe is not None:
        pipe.write(len(message).to_bytes(8, "little") + message)
        pipe.flush()


def receive(pipe: IO[bytes] | None) -> bytes | None:
    """Read a message; None at the end of the pipe."""
    size = pipe.read(8) if pipe is not None else b""
    if pipe is None or len(size) < 8:
        return None
    message = pipe.read(int.from_bytes(size, "little"))
    return message if len(message) == int.from_bytes(size, "little") else None
