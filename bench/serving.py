"""`ulmus serve` under load on the loopback interface: errors, latency, memory, overload, slow clients.

    python bench/serving.py [MODEL.ulmus] [--requests 10000] [--clients 32]

Without a model it takes a tiny one of the tests: then what is measured is the server, not the model. The model is
exported first, so the server runs without torch. Prints one JSON object, and fails if there was an error, if memory
grew, or if overload was answered otherwise than below.

- load: `--clients` connections that stay open send `--requests` requests of one text each, as fast as they are answered
- overload: 200 connections at once to a server that takes 8 requests at a time: the others get 503 and Retry-After
- slow clients: the same load, smaller, while 100 connections send their bodies byte by byte
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

TINY = Path(__file__).parents[1] / "tests" / "golden" / "format-1" / "single-label.ulmus"
WORDS = "a fine film of the sea, the town and a dull play that nobody would see twice".split()
Answer = tuple[int, dict[str, str]]


class Load(NamedTuple):
    """What came of many requests."""

    statuses: Counter[int]
    seconds: list[float]
    memory_mb: list[float]  # of the server, ten times on the way
    cpu_s: float  # of the server
    wall_s: float

    def summary(self) -> dict[str, Any]:
        """Plain numbers."""
        cuts = statistics.quantiles(self.seconds, n=100)
        return {
            "statuses": dict(self.statuses),
            "per_second": round(len(self.seconds) / self.wall_s),
            "server_cpu_ms": round(1000 * self.cpu_s / len(self.seconds), 2),
            "p50_ms": round(1000 * cuts[49], 2),
            "p99_ms": round(1000 * cuts[98], 2),
            "p99_over_p50": round(cuts[98] / cuts[49], 1),
            "memory_mb": [round(mb, 1) for mb in self.memory_mb],
        }


class Server(NamedTuple):
    """A running server."""

    process: subprocess.Popen[str]
    port: int

    def memory_mb(self) -> float:
        """Its resident memory."""
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="utf-8")
        return int(status.partition("VmRSS:")[2].split()[0]) / 1024

    def cpu_s(self) -> float:
        """The processor time it has used."""
        used = Path(f"/proc/{self.process.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        return (int(used[11]) + int(used[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def serving(model: Path, *options: str) -> Iterator[Server]:
    """`ulmus serve` in a process of its own."""
    command = [
        sys.executable,
        "-m",
        "ulmus",
        "serve",
        str(model),
        "--port",
        "0",
        "--json",
        "--quiet",
        *options,
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        line = process.stdout.readline() if process.stdout else ""
        yield Server(process, int(json.loads(line)["url"].strip("/").rpartition(":")[2]))
    finally:
        process.terminate()
        process.wait(30)


def request(text: str) -> bytes:
    """A request for one prediction."""
    body = json.dumps({"texts": [text]}).encode()
    head = f"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    return f"{head}\r\n\r\n".encode() + body


async def answer(reader: asyncio.StreamReader) -> Answer:
    """Status and headers of the next answer; its body is read too."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:])}
    await reader.readexactly(int(headers["content-length"]))
    return int(head[0].split()[1]), headers


async def load(server: Server, requests: int, clients: int) -> Load:
    """Requests over connections that stay open."""
    rng, left = random.Random(0), iter(range(requests))
    statuses, seconds, memory = Counter[int](), list[float](), list[float]()

    async def client() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        for nth in left:
            started = perf_counter()
            writer.write(request(" ".join(rng.choices(WORDS, k=rng.randint(3, 60)))))
            status, _ = await answer(reader)
            seconds.append(perf_counter() - started)
            statuses[status] += 1
            if nth % max(requests // 10, 1) == 0:
                memory.append(server.memory_mb())
        writer.close()

    started, used = perf_counter(), server.cpu_s()
    await asyncio.gather(*(client() for _ in range(clients)))
    return Load(statuses, seconds, memory, server.cpu_s() - used, perf_counter() - started)


async def overload(server: Server, connections: int) -> dict[str, Any]:
    """Many requests at the same time."""

    async def client() -> Answer:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(request("the film " * 5_000))
        found = await answer(reader)
        writer.close()
        return found

    found = await asyncio.gather(*(client() for _ in range(connections)))
    refused = [headers for status, headers in found if status == 503]
    return {
        "statuses": dict(Counter(status for status, _ in found)),
        "with_retry_after": sum("retry-after" in headers for headers in refused),
    }


async def beside_slow_clients(server: Server, requests: int, clients: int) -> Load:
    """The load beside 100 clients that send a byte every tenth of a second."""
    stop = asyncio.Event()

    async def trickle() -> None:
        _, writer = await asyncio.open_connection("127.0.0.1", server.port)
        data = request("a film " * 1_000)
        writer.write(data[:200])
        for i in range(200, len(data)):
            if stop.is_set():
                break
            writer.write(data[i : i + 1])
            await asyncio.sleep(0.1)
        writer.close()

    slow = [asyncio.create_task(trickle()) for _ in range(100)]
    await asyncio.sleep(0.5)
    found = await load(server, requests, clients)
    stop.set()
    await asyncio.gather(*slow, return_exceptions=True)
    return found


def main() -> None:
    """Measure, print and check."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", nargs="?", type=Path, default=TINY)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--clients", type=int, default=32)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        exported = Path(folder) / "exported.ulmus"
        export = [sys.executable, "-m", "ulmus", "export", str(given.model), "-o", str(exported), "--json"]
        subprocess.run(export, check=True, stdout=subprocess.DEVNULL)
        with serving(exported) as server:
            asyncio.run(load(server, 500, given.clients))  # threads and buffers are there
            full = asyncio.run(load(server, given.requests, given.clients))
            few = given.requests // 10
            alone = asyncio.run(load(server, few, given.clients))
            slow = asyncio.run(beside_slow_clients(server, few, given.clients))
        with serving(exported, "--max-requests", "8") as server:
            over = asyncio.run(overload(server, 200))
    medians = [statistics.median(one.seconds) for one in (slow, alone)]
    found = {
        "model": given.model.name,
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        "load": full.summary(),
        "overload": over,
        "beside_slow_clients": slow.summary() | {"p50_over_alone": round(medians[0] / medians[1], 2)},
    }
    print(json.dumps(found, indent=1))
    refused = over["statuses"].get(503, 0)
    right = {
        "no errors": set(full.statuses) | set(slow.statuses) == {200},
        "memory is flat": full.memory_mb[-1] <= 1.1 * full.memory_mb[0],
        "overload is 503 with Retry-After": set(over["statuses"]) == {200, 503}
        and over["with_retry_after"] == refused,
    }
    sys.exit(
        "wrong: " + ", ".join(name for name, holds in right.items() if not holds)
        if not all(right.values())
        else 0
    )


if __name__ == "__main__":
    main()
