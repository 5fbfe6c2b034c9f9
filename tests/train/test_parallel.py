"""The same loop in several processes under torchrun."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from ulmus.train.loop import LoopConfig, Stage, Trainer
from ulmus.train.schedules import Schedule

STAGES = [
    Stage("head", epochs=1, unfreeze=1),
    Stage("all", epochs=2, schedule=Schedule("one_cycle", 0.05), minutes=60),
]
SCRIPT = """
import runpy, sys
here, folder = sys.argv[1:]
mine = runpy.run_path(here + "/test_parallel.py")
import os
rank = int(os.environ["RANK"])
model, history = mine["train"](here, share=rank, checkpoint=folder + "/run.checkpoint")
mine["np"].savez(f"{folder}/{rank}.npz", *[p.detach().numpy() for p in model.parameters()])
assert len(history.rows) == 3 and history.rows[-1]["n"] == 32, history.rows
"""


def train(here: str, *, share: int | None, checkpoint: str | None):
    """Train a model without dropout on all of the batches, or on one half of each."""
    import runpy

    tiny = runpy.run_path(f"{here}/conftest.py")

    class Half(tiny["TinyBatches"]):
        def __iter__(self):
            for x, y in super().__iter__():
                yield (x, y) if share is None else (x[share::2], y[share::2])

        def settings(self):
            return {}

    torch.set_num_threads(1)
    model = tiny["_new_model"]()
    model.drop.p = 0.0
    model.norm = model.middle.__class__(8, 8)  # batch norm sees its own process's documents only
    model.carried, model.carry = dict, lambda _tensors: None
    model.forward = stateless(model)
    torch.manual_seed(0)
    for p in model.norm.parameters():
        torch.nn.init.constant_(p, 0.1)
    config = LoopConfig(device="cpu", clip=1.0, patience=5)
    trainer = Trainer(
        model, STAGES, train=Half(5), valid=Half(4, seed=1), config=config, checkpoint=checkpoint
    )
    return model, trainer.run()


def stateless(model):
    """Forward without what one batch hands to the next."""
    forward = type(model).forward

    def call(batch):
        model.hidden = None
        return forward(model, batch)

    return call


@pytest.mark.slow
def test_two_processes_with_half_a_batch_each_train_as_one(tmp_path: Path):
    """Gradients are averaged, rates and evaluations agreed: the weights are those of one process, to rounding."""
    here = str(Path(__file__).parent)
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node",
        "2",
        str(script),
    ]
    for _ in range(2):  # the second time everything comes from the checkpoints
        done = subprocess.run([*command, here, str(tmp_path)], check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        halves = [np.load(tmp_path / f"{rank}.npz") for rank in range(2)]
        model, _ = train(here, share=None, checkpoint=None)
        for name, parameter in zip(halves[0].files, model.parameters(), strict=True):
            assert np.array_equal(halves[0][name], halves[1][name])
            np.testing.assert_allclose(halves[0][name], parameter.detach().numpy(), atol=1e-5)
