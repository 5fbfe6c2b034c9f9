"""Predictions over Ray Data: one task reads the file, a pool of actors predicts, the driver gets the batches in order.

A row of the data set is a whole batch with its number, so that batches are those of a run without Ray, and with them
the probabilities. The file must have the same path on every machine; the model is sent. What travels is JSON and the
bytes of arrays. Costs: some seconds to start; back pressure keeps memory constant. Needs the extra `ray`.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ulmus.corpus.source import Source, read_batches
from ulmus.errors import MissingExtra, UlmusError
from ulmus.fields import split_pair
from ulmus.tasks.classifier.bulk import Predictor

__all__ = ["LOCAL", "on_ray"]

LOCAL = "local"  # instead of an address: a cluster on this machine, for this run
_BLOCK = 1 << 16  # bytes: a batch or a few, so that every actor gets some


def on_ray(
    predictor: Predictor, source: Source, *, size: int, skip: int, address: str, workers: int | None
) -> Iterator[tuple[list[Any], np.ndarray, list[tuple[Any, ...]]]]:
    """Per batch of `size` texts after the first `skip` ones: N labels, outputs (N, C), N tuples of kept columns.

    workers: actors, one thread each; None: one for each processor of the cluster. Raises MissingExtra, what reading and
    predicting raise, and UlmusError if there is no cluster at the address.
    """
    try:
        import ray.data
    except ImportError as error:
        raise MissingExtra.of("ray", "ray", "--ray") from error
    _connect(ray, address, workers)
    try:
        for expected, row in enumerate(_rows(ray, predictor, source, size, skip, workers).iter_rows()):
            if row["number"] != expected:
                raise UlmusError(
                    f"Ray returned batch {row['number']} instead of {expected}. Report this error."
                )
            yield _received(row)
    except ray.exceptions.RayError as error:
        raise _cause(error) from error
    finally:
        ray.shutdown()


def _rows(ray: Any, predictor: Predictor, source: Source, size: int, skip: int, workers: int | None) -> Any:
    """The data set of predicted batches; nothing is computed before it is iterated over."""
    source = dataclasses.replace(source, path=Path(source.path).absolute())
    read = ray.data.from_items([{"start": skip}], override_num_blocks=1).map_batches(
        _read,
        batch_size=1,
        batch_format="pyarrow",
        num_cpus=0,  # other resources than the next step: it stays a task of its own
        fn_kwargs={"source": source, "size": size, "skip": skip},
    )
    return read.map_batches(
        _Worker,
        batch_size=1,
        batch_format="pyarrow",
        concurrency=workers or max(1, int(ray.cluster_resources().get("CPU", 1))),
        num_cpus=1,
        fn_constructor_kwargs={
            "predictor": dataclasses.replace(predictor),
            "model": ray.put(predictor.path.read_bytes()),
            "pairs": source.pairs,
        },
    )


def _connect(ray: Any, address: str, workers: int | None) -> None:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is sent anywhere
    quiet = {"log_to_driver": False, "logging_level": "ERROR"}
    try:
        if address == LOCAL:
            ray.init(address=LOCAL, num_cpus=workers, include_dashboard=False, **quiet)
        else:
            ray.init(address=address, **quiet)
    except Exception as error:  # Ray raises bare Exception
        where = "on this machine" if address == LOCAL else f"at {address!r}"
        raise UlmusError(
            f"Ray did not start {where} ({error}). Check the address and the cluster (`ray status`); --processes N "
            "needs no Ray."
        ) from error
    logging.getLogger("ray.data").setLevel(logging.ERROR)  # its plan and its advice are no news of ours
    context = ray.data.DataContext.get_current()
    context.execution_options.preserve_order = True
    context.target_max_block_size = _BLOCK
    context.enable_progress_bars = False


def _read(_: pa.Table, *, source: Source, size: int, skip: int) -> Iterator[pa.Table]:
    """The batches of the file, each as one row."""
    number = 0
    for records in read_batches(source, size=size):
        done, skip = skip, max(0, skip - len(records))
        if done < len(records):
            chosen = records[done:]
            content = [[record.text for record in chosen], [record.kept for record in chosen]]
            yield pa.table({"number": [number], "batch": _bytes(json.dumps(content).encode())})
            number += 1


class _Worker:
    """An actor with its copy of the model."""

    def __init__(self, predictor: Predictor, model: Any, pairs: bool) -> None:
        import ray
        import torch

        torch.set_num_threads(1)
        self._pairs = pairs
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / predictor.path.name
            path.write_bytes(ray.get(model))
            self._predictor = dataclasses.replace(predictor, path=path)
            self._predictor.model  # noqa: B018 - loads it while the file is there

    def __call__(self, rows: pa.Table) -> pa.Table:
        """The labels and outputs of one batch, with what was kept of it."""
        texts, kept = json.loads(rows["batch"][0].as_py())
        documents = [split_pair(text) for text in texts] if self._pairs else texts
        labels, outputs = self._predictor(documents)
        answer, scores = json.dumps([labels, kept]).encode(), np.asarray(outputs, np.float64).tobytes()
        return pa.table({"number": rows["number"], "answer": _bytes(answer), "outputs": _bytes(scores)})


def _bytes(value: bytes) -> pa.Array:
    return pa.array([value], pa.large_binary())


def _received(row: dict[str, Any]) -> tuple[list[Any], np.ndarray, list[tuple[Any, ...]]]:
    labels, kept = json.loads(row["answer"])
    outputs = np.frombuffer(row["outputs"], np.float64).reshape(len(labels), -1)
    return [tuple(x) if isinstance(x, list) else x for x in labels], outputs, [tuple(cells) for cells in kept]


def _cause(error: BaseException) -> UlmusError:
    """The error of ours inside one of Ray's, or the message of Ray's."""
    inner: Any = error
    while inner is not None:
        if isinstance(inner, UlmusError) and type(inner).__module__ == UlmusError.__module__:
            return inner
        inner = getattr(inner, "cause", None) or inner.__cause__
    return UlmusError(f"Ray failed: {str(error)[:500]}. Run the same command again to resume.")
