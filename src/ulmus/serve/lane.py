"""Requests that come together are worked through together: micro-batching on one thread.

While one batch is at work the next one gathers, so nothing waits for company: alone, a request starts at once. A
request puts in one part at a time (`parts`), so that a large one does not hold up the others. Work whose request has
given up is left out. Where a batch fails, each of its requests is tried alone: one text spoils no other's answer.
Knows no HTTP and no model. Runs in one event loop.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

__all__ = ["Full", "Lane", "parts"]

BATCH = 64  # texts at a time
CHARACTERS = 200_000  # of a batch of more than one text

Work = Callable[[list[Any]], Sequence[Any]]


class Full(Exception):  # noqa: N818 - a state, not an error of anybody
    """As many requests are inside as may be."""


class _Job(NamedTuple):
    """What one request put in."""

    items: Sequence[Any]
    done: asyncio.Future[list[Any]]


class Lane:
    """One thread that calls `work` with the items of the requests inside; at most `places` requests are.

    `size` says how many characters an item has, `seen` is told how many items each batch had.
    """

    def __init__(
        self,
        work: Work,
        *,
        places: int,
        size: Callable[[Any], int],
        most: int = BATCH,
        seen: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._size, self._seen = size, seen
        self._most, self.places = most, places
        self._jobs: deque[_Job] = deque()
        self._thread = _Thread(work)
        self._running: asyncio.Task[None] | None = None
        self.inside = 0  # requests

    @contextmanager
    def place(self) -> Iterator[None]:
        """A place for one request. Raises Full."""
        if self.inside >= self.places:
            raise Full
        self.inside += 1
        try:
            yield
        finally:
            self.inside -= 1

    async def run(self, items: Sequence[Any]) -> list[Any]:
        """The result of each item. Raises what the work raises."""
        job = _Job(items, asyncio.get_running_loop().create_future())
        self._jobs.append(job)
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._drain())
        return await job.done

    async def _drain(self) -> None:
        while batch := self._next():
            if not await self._try(batch, alone=len(batch) == 1):
                for job in batch:
                    await self._try([job], alone=True)

    async def _try(self, batch: list[_Job], *, alone: bool) -> bool:
        """Do the work of some requests; whether it went well, or its error was passed to the only one."""
        items = [item for job in batch for item in job.items]
        self._seen(len(items))
        try:
            found = await self._thread.call(items)
        except Exception as error:  # noqa: BLE001 - it belongs to the request
            if alone and not batch[0].done.done():
                batch[0].done.set_exception(error)
            return alone
        start = 0
        for job in batch:
            if not job.done.done():
                job.done.set_result(list(found[start : start + len(job.items)]))
            start += len(job.items)
        return True

    def _next(self) -> list[_Job]:
        """The next batch: the jobs in turn, as long as they are not too much together."""
        batch, items, characters = list[_Job](), 0, 0
        while self._jobs:
            job = self._jobs[0]
            if not job.done.done():
                items += len(job.items)
                characters += sum(map(self._size, job.items))
                if batch and (items > self._most or characters > CHARACTERS):
                    break
                batch.append(job)
            self._jobs.popleft()
        return batch


class _Thread:
    """One thread for all calls: libraries keep their own threads for each thread that calls them. It ends with the
    process, whatever it is at.
    """

    def __init__(self, work: Work) -> None:
        self._work = work
        self._calls: queue.SimpleQueue[tuple[list[Any], asyncio.Future[Sequence[Any]]]] = queue.SimpleQueue()
        threading.Thread(target=self._run, daemon=True, name="ulmus-lane").start()

    async def call(self, items: list[Any]) -> Sequence[Any]:
        """The results of the items. Raises what the work raises."""
        done: asyncio.Future[Sequence[Any]] = asyncio.get_running_loop().create_future()
        self._calls.put((items, done))
        return await done

    def _run(self) -> None:
        while True:
            items, done = self._calls.get()
            found: Sequence[Any] = ()
            failed: BaseException | None = None
            try:
                found = self._work(items)
            except BaseException as error:  # noqa: BLE001 - it is raised where the call was made
                failed = error
            with suppress(RuntimeError):  # the loop has ended
                done.get_loop().call_soon_threadsafe(_settle, done, found, failed)


def _settle(done: asyncio.Future[Any], found: Sequence[Any], failed: BaseException | None) -> None:
    if done.done():
        return
    if failed is not None:
        done.set_exception(failed if isinstance(failed, Exception) else RuntimeError(type(failed).__name__))
    else:
        done.set_result(found)


def parts(items: Sequence[Any], size: Callable[[Any], int]) -> Iterator[Sequence[Any]]:
    """The items in runs that are a batch at most."""
    start = characters = 0
    for end, item in enumerate(items):
        characters += size(item)
        if end > start and (end - start >= BATCH or characters > CHARACTERS):
            yield items[start:end]
            start, characters = end, size(item)
    if start < len(items):
        yield items[start:]
