"""A checkpoint with a changed byte is reported as damaged, and no run resumes from it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ulmus.errors import ConfigError, DataError
from ulmus.train.loop import LoopConfig, Stage, Trainer


def test_every_flipped_byte_of_a_checkpoint_is_noticed(
    new_model: Any, new_batches: Any, tmp_path: Path
) -> None:
    """In the weights, in the names, in the numbers of where the run was."""
    path = tmp_path / "run.checkpoint"

    def run() -> None:
        Trainer(
            new_model(),
            [Stage("all", epochs=1)],
            train=new_batches(2),
            config=LoopConfig(device="cpu"),
            checkpoint=path,
        ).run()

    run()
    whole = path.read_bytes()
    for at in range(3, len(whole), len(whole) // 60):
        data = bytearray(whole)
        data[at] ^= 1
        path.write_bytes(data)
        with pytest.raises((DataError, ConfigError), match=r"damaged|another run"):
            run()


def test_batches_that_stood_at_an_epoch_are_resumed_there(
    new_model: Any, new_batches: Any, weights: Any, same: Any, tmp_path: Path
) -> None:
    """A run that began behind another one ends the same when it is resumed in a new process, at epoch 0."""
    config = LoopConfig(device="cpu")

    def second(checkpoint: Path | None, batches: Any, *, stages: int) -> Any:
        model = new_model()
        plan = [Stage("a", epochs=1), Stage("b", epochs=1)]
        trainer = Trainer(model, plan, train=batches, config=config, checkpoint=checkpoint)
        if stages == 1:
            trainer._run_stage = _once(trainer._run_stage)  # type: ignore[method-assign]
        trainer.run()
        return model

    expected = second(None, _at(new_batches(3), 2), stages=2)
    with pytest.raises(RuntimeError, match="killed"):
        second(tmp_path / "c", _at(new_batches(3), 2), stages=1)
    assert same(weights(second(tmp_path / "c", new_batches(3), stages=2)), weights(expected))


def _at(batches: Any, epoch: int) -> Any:
    batches.set_epoch(epoch)
    return batches


def _once(run: Any) -> Any:
    """The first stage alone, then the process dies."""
    done: list[int] = []

    def once(index: int, saved: Any) -> None:
        if done:
            raise RuntimeError("killed")
        done.append(index)
        run(index, saved)

    return once
