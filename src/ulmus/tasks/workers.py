"""Jobs -> results, in this process or in several that run at the same time; each has one thread.

One thread each, so that a result does not depend on how many run at once. Processes are started, not forked, and are in
process groups of their own: Ctrl-C reaches this process, which passes it on once, so that each saves its checkpoint.
`results` gives what is done first, `in_order` a stream of any length in its order. Costs: some seconds to start a
process, which then holds a copy of the work. Knows no training.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from typing import Any, NamedTuple, TypeVar

import torch
from threadpoolctl import threadpool_limits

from ulmus.errors import UlmusError

__all__ = ["in_order", "results"]

Job = TypeVar("Job")
SAVING_S = 120.0  # for a process to save its checkpoint and end
AHEAD = 4  # jobs per process that may be done before the oldest one is: bounds what waits for its turn


class _Worker(NamedTuple):
    """A process and this end of its pipe."""

    process: Any
    connection: Any  # a Connection, of a class that differs between systems


def results(work: Callable[[Job], Any], jobs: Sequence[Job], processes: int = 1) -> Iterator[tuple[Job, Any]]:
    """Each job with what `work` returns for it, as soon as it is done; with several processes both can be pickled.

    Raises what `work` raises; UlmusError if a process ends by itself. Jobs under way are then interrupted.
    """
    if min(processes, len(jobs)) < 2:
        for job in jobs:
            with _one_thread():
                result = work(job)
            yield job, result
        return
    waiting, workers = deque(jobs), list[_Worker]()
    busy: dict[Any, Job] = {}  # by connection
    try:
        for _ in range(min(processes, len(jobs))):
            workers.append(_start(work))
            _give(workers[-1].connection, waiting, busy)
        while busy:
            for ready in wait(list(busy)):
                job, result = busy.pop(ready), _received(ready)
                _give(ready, waiting, busy)
                yield job, result
    finally:
        _stop(workers, busy)


def in_order(work: Callable[[Job], Any], jobs: Iterable[Job], processes: int) -> Iterator[Any]:
    """What `work` returns for each job, in their order, from several processes; jobs are read as they are needed.

    Both can be pickled. Raises as `results` does.
    """
    workers, busy = list[_Worker](), dict[Any, int]()  # the number of the job by connection
    numbered, idle, done = enumerate(jobs), list[Any](), dict[int, Any]()
    given = taken = 0
    try:
        workers.extend(_start(work) for _ in range(processes))
        idle.extend(worker.connection for worker in workers)
        while True:
            while idle and given - taken < AHEAD * processes and (job := next(numbered, None)) is not None:
                connection = idle.pop()
                busy[connection] = job[0]
                connection.send(job[1])
                given += 1
            if not busy:
                return
            for ready in wait(list(busy)):
                done[busy.pop(ready)] = _received(ready)
                idle.append(ready)
            while taken in done:
                yield done.pop(taken)
                taken += 1
    finally:
        _stop(workers, busy)


def _start(work: Callable[[Any], Any]) -> _Worker:
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_serve, args=(there, work), daemon=True)
    process.start()
    there.close()
    return _Worker(process, here)


def _give(connection: Any, waiting: deque[Job], busy: dict[Any, Job]) -> None:
    """Give a worker the next job, if there is one."""
    if waiting:
        busy[connection] = waiting.popleft()
        connection.send(busy[connection])


def _received(connection: Any) -> Any:
    try:
        answer = connection.recv()
    except (EOFError, OSError) as error:
        raise UlmusError(
            "a process ended unexpectedly: out of memory, or killed. Use fewer processes, and run the same command "
            "again to resume."
        ) from error
    if isinstance(answer, BaseException):
        raise answer
    return answer


def _stop(workers: Sequence[_Worker], busy: Container[Any]) -> None:
    """Interrupt the processes that still work, once, and wait until they have saved their checkpoints."""
    for worker in workers:
        works = worker.connection in busy
        worker.connection.close()
        if works and worker.process.is_alive() and hasattr(os, "setpgrp"):
            with suppress(ProcessLookupError):
                os.kill(worker.process.pid, signal.SIGINT)
    try:
        for worker in workers:
            worker.process.join(SAVING_S)
    finally:
        for worker in workers:
            worker.process.terminate()


def _serve(connection: Connection, work: Callable[[Any], Any]) -> None:
    """Answer jobs until the pipe is closed. An UlmusError is an answer."""
    if hasattr(os, "setpgrp"):
        os.setpgrp()
    with suppress(EOFError, OSError, KeyboardInterrupt), _one_thread():
        while True:
            job = connection.recv()
            try:
                answer = work(job)
            except UlmusError as error:
                answer = error
            connection.send(answer)


@contextmanager
def _one_thread() -> Iterator[None]:
    """One thread for torch, numpy and scikit-learn inside the block."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1):
            yield
    finally:
        torch.set_num_threads(before)
