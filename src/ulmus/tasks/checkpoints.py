"""Where a training keeps its checkpoint: a file whose name follows from all that decides what comes out.

Other texts, labels, settings or starting weights give another name. So one work folder serves any number of runs: a run
goes on from its own checkpoint and never takes another's for it. A time budget is no part of the name: a continuation
may have more or less time. (Where it decides how much of each document is read, a very different one begins a
classifier's stage anew.) Costs one pass over the weights. Knows no stage and no loss.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from ulmus.errors import UsageError
from ulmus.storage import whole_file
from ulmus.train.checkpoint import CheckpointFile

__all__ = ["checkpoint"]


def checkpoint(
    folder: Path | None,
    name: str,
    network: nn.Module,
    *,
    batches: Sequence[Any],
    settings: Any,
    branch: bool = False,
) -> Path | None:
    """`folder/NAME-DIGEST.checkpoint` for a training of `network` as it is now; None without a folder.

    `batches` are those to train and to measure on (or None), over stores that have keys; `settings` anything JSON can
    hold. With `branch`, a copy of that file as it is now, and UsageError without one: what trains on from there leaves
    the run of the file alone.
    """
    if folder is None:
        if branch:
            raise UsageError("A decay begins at a checkpoint: it needs the work folder of the run.")
        return None
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True, default=repr).encode())
    for weight in network.state_dict().values():
        digest.update(weight.detach().cpu().numpy().tobytes())
    for each in batches:
        if each is None:
            digest.update(b"none")
            continue
        digest.update(json.dumps([each.store.key, each.settings()]).encode())
        weights = getattr(each, "weights", None)
        for rows in (each.documents, getattr(each, "targets", None), *([] if weights is None else [weights])):
            digest.update(b"all" if rows is None else np.ascontiguousarray(rows).tobytes())
    path = folder / f"{name}-{digest.hexdigest()[:12]}.checkpoint"
    return _copied(path) if branch else path


def _copied(path: Path) -> Path:
    """A copy of the checkpoint of a run under way, or the one that there is already."""
    copy = path.with_name(f"branch-{path.name}")
    if not copy.exists():
        saved = CheckpointFile(path, every_s=0).read({})
        if saved is None:
            raise UsageError(f"{path.parent} has no checkpoint of this run: begin it without a decay.")
        if saved.run["stage_run"] is None:
            raise UsageError(f"{path} is that of a run which has ended: give the run more epochs or minutes.")
        with path.open("rb") as source, whole_file(copy) as target:
            shutil.copyfileobj(source, target)
    return copy
