"""What several tests share: the public data sets, and quiet, small, repeatable runs."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings
from pytest_socket import disable_socket, enable_socket

os.environ.setdefault("OMP_NUM_THREADS", "1")  # tiny models: threads would only wait for each other
os.environ.setdefault("HF_HUB_OFFLINE", "1")
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell ignores it for what it runs behind
settings.register_profile("no clock", deadline=None)  # a busy machine is no bug
settings.load_profile("no clock")

DATA = Path(os.environ.get("ULMUS_DATA", "../shared/data"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what is marked `data` where the public data sets are not, and say so."""
    if DATA.is_dir():
        return
    reason = f"the public data sets are not at {DATA}; set ULMUS_DATA to their folder"
    for item in items:
        if item.get_closest_marker("data"):
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(autouse=True)
def nothing_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests start from nothing, whatever language models are installed; those of `installed` bring their own."""
    monkeypatch.setattr("ulmus.installed.OWN", Path("/nonexistent"))
    monkeypatch.setattr("ulmus.installed.entry_points", lambda **_: ())


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder of the public data sets; asking for it skips the test where it is not there."""
    if not DATA.is_dir():
        pytest.skip(f"the public data sets are not at {DATA}; set ULMUS_DATA to their folder")
    return DATA.resolve()


@pytest.fixture(scope="session")
def launch_two() -> Callable[..., list[subprocess.CompletedProcess[str]]]:
    """`launch_two(script, *arguments, **environment)`: run a script in two processes, as torchrun starts them."""

    def launch(script: str, *arguments: object, **more: str) -> list[subprocess.CompletedProcess[str]]:
        enable_socket()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = str(free.getsockname()[1])
        disable_socket(allow_unix_socket=True)
        command = [sys.executable, "-c", script, *map(str, arguments)]
        started = []
        for rank in "01":
            own = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": "2"}
            own |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
            pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
            started.append(subprocess.Popen(command, env=os.environ | own | more, **pipes))
        outputs = [process.communicate(timeout=900) for process in started]
        return [
            subprocess.CompletedProcess(command, process.returncode, *output)
            for process, output in zip(started, outputs, strict=True)
        ]

    return launch
