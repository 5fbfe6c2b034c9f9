"""Environments of their own for peers that want other versions than Ulmus; they share its torch and what else fits.

python bench/environments.py NAME PACKAGE...      makes runs/peers/NAME where there is none, prints its Python
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Sequence
from pathlib import Path

PEERS = Path(__file__).resolve().parent.parent / "runs" / "peers"
QUIET = {"HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1", "TRANSFORMERS_VERBOSITY": "error"}


def python_with(name: str, packages: Sequence[str]) -> Path:
    """The Python of the environment `name`, made with `packages` where there is none."""
    folder = PEERS / name
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not (folder / ".installed").exists():
        print(f"installing {', '.join(packages)} in {folder} ...", file=sys.stderr, flush=True)
        venv.create(folder, with_pip=True, clear=True)
        ask = [python, "-c", "import sysconfig; print(sysconfig.get_paths()['purelib'])"]
        theirs = Path(subprocess.run(ask, check=True, capture_output=True, text=True).stdout.strip())
        # what is installed here is seen there, after their own; pip leaves it alone
        (theirs / "shared.pth").write_text(sysconfig.get_paths()["purelib"] + "\n", encoding="utf-8")
        pip = [python, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        subprocess.run([*pip, *packages], check=True, stdout=sys.stderr)
        (folder / ".installed").touch()
    return python


def last_line(command: Sequence[object]) -> str:
    """The last line that a peer's script prints. Raises CalledProcessError where it fails."""
    done = subprocess.run(
        list(map(str, command)), check=True, stdout=subprocess.PIPE, text=True, env=os.environ | QUIET
    )
    return done.stdout.strip().splitlines()[-1]


if __name__ == "__main__":
    print(python_with(sys.argv[1], sys.argv[2:]))
