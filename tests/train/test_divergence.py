"""Trainings that come to nothing: a loss or weights that are no numbers end the run, with advice."""

from __future__ import annotations

import math
from typing import Any

import pytest

from ulmus.errors import UlmusError
from ulmus.train.callbacks import Callback, RunState
from ulmus.train.loop import LoopConfig, Stage, Trainer
from ulmus.train.schedules import Schedule

CPU = LoopConfig(device="cpu")
MESSAGE = r"in stage 'all' by step \d+, at a learning rate of .* .* Use a lower learning rate"


class _Spoil(Callback):
    """Makes a weight no number after the n-th step."""

    def __init__(self, model: Any, step: int) -> None:
        self.model, self.step = model, step

    def step_ended(self, state: RunState) -> None:
        if state.total_steps == self.step:
            self.model.top.bias.data[0] = math.nan


def test_a_loss_that_is_no_number_ends_the_run(new_model, new_batches):
    """Not a model full of NaN, but stage, step, rate, and what to change."""
    batches = new_batches(3)
    batches.x[:] = math.nan
    with pytest.raises(UlmusError, match=MESSAGE):
        Trainer(new_model(), [Stage("all", epochs=1)], train=batches, config=CPU).run()


def test_a_learning_rate_out_of_all_proportion_ends_the_run(new_model, new_batches):
    """Found by the loss, whatever becomes of the weights."""
    stage = Stage("all", epochs=3, schedule=Schedule("constant", 1e38))
    with pytest.raises(UlmusError, match=MESSAGE):
        Trainer(new_model(), [stage], train=new_batches(3), config=CPU).run()


@pytest.mark.parametrize("validated", [False, True])
def test_a_last_step_that_spoils_the_weights_ends_the_run(new_model, new_batches, validated):
    """The loss of a step is that of the weights before it: the evaluation, or a look at the weights, tells."""
    model = new_model()
    valid = new_batches(1) if validated else None
    how = {"valid": valid, "config": CPU, "callbacks": [_Spoil(model, 3)]}
    with pytest.raises(UlmusError, match=MESSAGE):
        Trainer(model, [Stage("all", epochs=1)], train=new_batches(3), **how).run()
