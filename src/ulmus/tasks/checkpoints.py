"""Where a training keeps its checkpoint: a file whose name is a digest of everything that determines the result.

Different texts, labels, settings or starting weights give a different name. One work folder therefore serves any number
of runs: each resumes from its own checkpoint only. The time budget is not part of the name: a run may resume with more
or less time. (Where the budget decides how many tokens of a document are used, a very different budget restarts a
classifier's stage.) Costs one pass over the weights. Knows no stage and no loss.
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
    """`folder/NAME-DIGEST.checkpoint` for training `network` from its present weights; None without a folder.

    `batches` are the training and the evaluation batches (or None), over stores that have keys; `settings` is anything
    JSON can hold. `branch` returns a copy of that checkpoint: training on from there leaves the original run alone.
    Raises UsageError: `branch` without a checkpoint of a run under way.
    """
    if folder is None:
        if branch:
            raise UsageError("A decay starts from a checkpoint: specify the work folder of the run.")
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
    """A copy of the checkpoint of a run under way, or the copy made before."""
    copy = path.with_name(f"branch-{path.name}")
    if not copy.exists():
        saved = CheckpointFile(path, every_s=0).read({})
        if saved is None:
            raise UsageError(
                f"{path.parent} has no checkpoint of this run: start the run without a decay first."
            )
        if saved.run["stage_run"] is None:
            raise UsageError(f"{path}: this run has ended; give it more epochs or minutes before a decay.")
        with path.open("rb") as source, whole_file(copy) as target:
            shutil.copyfileobj(source, target)
    return copy
