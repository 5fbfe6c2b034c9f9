"""The training loop: stages, schedules, time budgets, averaging, the best weights."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from ulmus.errors import ConfigError, DataError
from ulmus.train.callbacks import Callback, RunState
from ulmus.train.loop import LoopConfig, Stage, Trainer, evaluate
from ulmus.train.schedules import Schedule

FAST = Schedule("one_cycle", 0.05)
CPU = LoopConfig(device="cpu")


class _Watch(Callback):
    """Notes what each step looked like."""

    def __init__(self, look: Callable[[RunState], Any] = lambda s: (s.stage.name, s.epoch, s.step)) -> None:
        self.look, self.seen, self.rows = look, [], []

    def step_ended(self, state: RunState) -> None:
        self.seen.append(self.look(state))

    def epoch_ended(self, state: RunState, row: dict[str, Any]) -> None:
        self.rows.append(row)


def test_training_makes_the_loss_smaller(new_model, new_batches):
    """A tiny problem is learned, and the history says so."""
    history = Trainer(
        new_model(),
        [Stage("all", epochs=8, schedule=FAST)],
        train=new_batches(20),
        valid=new_batches(5, seed=1),
        config=CPU,
    ).run()
    assert [row["epoch"] for row in history.rows] == list(range(1, 9))
    assert history.rows[-1]["loss"] < 0.5 * history.rows[0]["loss"]
    assert history.rows[-1]["train_loss"] < history.rows[0]["train_loss"]
    assert history.rows[-1]["n"] == 40
    assert history.best == min(row["loss"] for row in history.rows)


def test_the_reported_loss_is_that_of_evaluate(new_model, new_batches):
    """The history and a later `evaluate` agree."""
    model, valid = new_model(), new_batches(5, seed=1)
    history = Trainer(model, [Stage("all", epochs=1)], train=new_batches(5), valid=valid, config=CPU).run()
    assert evaluate(model, valid, device="cpu")["loss"] == history.rows[-1]["loss"]


def test_stages_run_in_order_with_their_own_batches(new_model, new_batches):
    """Each stage trains on its entry of `train`, for its epochs, and is evaluated on its entry of `valid`."""
    teach, true, watch = new_batches(3), new_batches(2, seed=1), _Watch()
    history = Trainer(
        new_model(),
        [Stage("teach", epochs=1), Stage("true", epochs=2)],
        train=[teach, true], valid=[None, new_batches(1)],
        config=CPU, callbacks=[watch],
    ).run()  # fmt: skip
    steps = [("teach", 0, 1), ("teach", 0, 2), ("teach", 0, 3)]
    assert watch.seen == [*steps, ("true", 0, 1), ("true", 0, 2), ("true", 1, 1), ("true", 1, 2)]
    assert ["loss" in row for row in history.rows] == [False, True, True]
    assert watch.rows == history.rows


def test_each_epoch_resets_the_model_and_shuffles_anew(new_model, new_batches):
    """set_epoch counts through the whole run, so stages that share batches do not see one order twice."""
    model, batches = new_model(), new_batches(2)
    Trainer(model, [Stage("a", epochs=2), Stage("b", epochs=2)], train=batches, config=CPU).run()
    assert list(dict.fromkeys(batches.epochs)) == [0, 1, 2, 3, 4]
    assert model.resets == 4


def test_a_second_run_on_the_same_batches_repeats_neither_order_nor_dropout(
    new_model, new_batches, weights, same
):
    """Three trainers in turn with one seed and the same batches: each epoch is shuffled anew, as is each mask."""
    batches, masks, watch = new_batches(2), [], _Watch(lambda _: batches.epoch)
    for _ in range(3):
        model = new_model()
        model.drop.register_forward_hook(lambda _m, _in, out: masks.append((out == 0).tolist()))
        Trainer(model, [Stage("a", epochs=2)], train=batches, config=CPU, callbacks=[watch]).run()
    assert watch.seen == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    drawn = torch.tensor(masks).float()  # (12, B, D)
    assert all(not torch.equal(drawn[0], later) for later in drawn[1:])
    fresh = [new_model(), new_model()]
    for model in fresh:
        Trainer(model, [Stage("a", epochs=2)], train=new_batches(2), config=CPU).run()
    assert same(*map(weights, fresh))


def test_an_epoch_whose_time_is_up_before_its_first_step_tells_the_last_loss(
    new_model, new_batches, monkeypatch
):
    """Not 0.0, which no training reaches."""
    clock = _Clock()
    monkeypatch.setattr("ulmus.train.processes.time", clock)
    watch = _Watch(lambda s: s.loss())
    batches = new_batches(3)
    set_epoch = batches.set_epoch

    def slow(epoch: int) -> None:  # shuffling takes what is left of the time
        set_epoch(epoch)
        clock.now += 40 * epoch

    batches.set_epoch = slow
    stage = Stage("all", epochs=9, schedule=FAST, minutes=1)
    history = Trainer(new_model(), [stage], train=batches, config=CPU, callbacks=[watch]).run()
    assert history.rows[-1]["steps"] == history.rows[-2]["steps"] == len(watch.seen)
    assert history.rows[-1]["train_loss"] == watch.seen[-1] > 0


def test_frozen_groups_keep_their_weights(new_model, new_batches):
    """With unfreeze=1 only the top group moves."""
    model, fresh = new_model(), new_model()
    Trainer(
        model, [Stage("head", epochs=1, schedule=FAST, unfreeze=1)], train=new_batches(5), config=CPU
    ).run()
    assert torch.equal(model.low.weight, fresh.low.weight)
    assert torch.equal(model.middle.weight, fresh.middle.weight)
    assert not torch.equal(model.top.weight, fresh.top.weight)


def test_the_schedule_runs_through_the_epochs_of_a_stage(new_model, new_batches):
    """Rates are the schedule's at (epoch + step) / total, and momentum cycles with them."""
    watch = _Watch(lambda s: (s.lr, s.beta1))
    stage = Stage("all", epochs=2, schedule=FAST)
    Trainer(new_model(), [stage], train=new_batches(4), config=CPU, callbacks=[watch]).run()
    lrs, beta1s = zip(*watch.seen, strict=True)
    assert lrs == pytest.approx([FAST(k / 8) for k in range(8)])
    assert beta1s == pytest.approx([FAST.momentum(k / 8) for k in range(8)])


def test_a_warm_up_multiplies_the_rates_of_the_schedule(new_model, new_batches):
    """A quarter, a half, three quarters, all of a constant rate."""
    watch = _Watch(lambda s: s.lr)
    stage = Stage("all", epochs=2, schedule=Schedule("constant", 0.8, warmup_steps=4))
    Trainer(new_model(), [stage], train=new_batches(3), config=CPU, callbacks=[watch]).run()
    assert watch.seen == pytest.approx([0.2, 0.4, 0.6, 0.8, 0.8, 0.8])


def test_a_decay_ends_the_stage_after_its_steps(new_model, new_batches):
    """Across epochs, with a falling rate; the last weights are evaluated."""
    watch = _Watch(lambda s: s.lr)
    stage = Stage("all", epochs=100, schedule=Schedule("constant", 0.5), decay_steps=4)
    history = Trainer(
        new_model(),
        [stage],
        train=new_batches(3),
        valid=new_batches(1),
        config=CPU,
        callbacks=[watch],
    ).run()
    assert watch.seen == pytest.approx([0.5 * (1 - math.sqrt(k / 4)) for k in range(4)])
    assert [row["steps"] for row in history.rows] == [3, 4]
    assert "loss" in history.rows[-1]


def test_the_rate_follows_the_length_of_a_random_bptt_batch(new_model, new_batches, monkeypatch):
    """A batch half as long as bptt trains at half the rate (Merity et al. 2017, section 5)."""
    batches, rates = new_batches(3), []
    batches.bptt = 8  # each batch's first array is (B, 4)
    monkeypatch.setattr("ulmus.train.stage.set_rates", lambda _optimizer, lr, _beta1: rates.append(lr))
    Trainer(new_model(), [Stage("all", epochs=1, schedule=FAST)], train=batches, config=CPU).run()
    assert rates == pytest.approx([0.5 * FAST(k / 3) for k in range(3)])


class _Clock:
    """A clock that advances by one second per reading."""

    def __init__(self) -> None:
        self.now = 0.0

    def perf_counter(self) -> float:
        self.now += 1
        return self.now


def test_a_time_budget_is_kept_and_the_schedule_complete(new_model, new_batches, monkeypatch):
    """With minutes for a fraction of the epochs the stage ends in time, its rate down at the end of the schedule."""
    clock, watch = _Clock(), _Watch(lambda s: s.lr)
    monkeypatch.setattr("ulmus.train.processes.time", clock)
    stage = Stage("all", epochs=1000, schedule=FAST, minutes=5)
    history = Trainer(
        new_model(), [stage], train=new_batches(30), valid=new_batches(2), config=CPU, callbacks=[watch]
    ).run()
    assert 270 <= clock.now <= 310
    assert max(watch.seen) == pytest.approx(FAST.peak, rel=0.01)
    assert watch.seen[-1] < 0.01 * FAST.peak
    assert "loss" in history.rows[-1]


def test_an_epoch_that_is_done_before_the_time_ends_the_stage(new_model, new_batches):
    """`minutes` is a limit: the epochs may be done sooner."""
    history = Trainer(
        new_model(), [Stage("all", epochs=2, minutes=60)], train=new_batches(3), config=CPU
    ).run()
    assert history.rows[-1]["steps"] == 6


def test_evaluations_take_no_more_than_their_share_of_a_time_budget(new_model, new_batches, monkeypatch):
    """Short epochs in a long budget are not each evaluated; the last one is."""
    clock = _Clock()
    monkeypatch.setattr("ulmus.train.processes.time", clock)
    monkeypatch.setattr("ulmus.train.stage.evaluate", lambda *_a, **_k: slow_evaluation(clock))
    stage = Stage("all", epochs=1000, schedule=FAST, minutes=10)
    history = Trainer(new_model(), [stage], train=new_batches(3), valid=new_batches(1), config=CPU).run()
    evaluated = ["loss" in row for row in history.rows]
    assert evaluated[-1]
    assert sum(evaluated) * 10 <= 0.2 * clock.now
    assert clock.now <= 620


@pytest.mark.parametrize("seconds", range(60, 140, 4))
def test_weights_at_the_end_of_a_time_budget_are_always_evaluated(
    new_model, new_batches, monkeypatch, seconds
):
    """Also when the time runs out in the last step of an epoch: the best weights are never those of long before."""
    clock = _Clock()
    monkeypatch.setattr("ulmus.train.processes.time", clock)
    monkeypatch.setattr("ulmus.train.stage.evaluate", lambda *_a, **_k: slow_evaluation(clock))
    stage = Stage("all", epochs=1000, schedule=FAST, minutes=seconds / 60)
    history = Trainer(new_model(), [stage], train=new_batches(8), valid=new_batches(1), config=CPU).run()
    assert "loss" in history.rows[-1]


def test_a_stage_ended_by_its_time_budget_stays_ended_when_the_evaluation_took_less_than_was_reserved(
    new_model, new_batches, monkeypatch
):
    """The rate is down by then: more steps would teach nothing, and one more evaluation would tell nothing."""
    monkeypatch.setattr("ulmus.train.processes.time", _Clock())
    found = {"loss": 1.0, "n": 1, "outputs": None, "targets": None, "index": None}
    monkeypatch.setattr("ulmus.train.stage.evaluate", lambda *_a, **_k: dict(found))
    stage = Stage("all", epochs=1000, schedule=FAST, minutes=5)
    history = Trainer(new_model(), [stage], train=new_batches(1000), valid=new_batches(100), config=CPU).run()
    assert len(history.rows) == 1


def slow_evaluation(clock: _Clock) -> dict[str, Any]:
    """Ten seconds for nothing."""
    clock.now += 10
    return {"loss": 1.0, "n": 1, "outputs": None, "targets": None, "index": None}


def test_bf16_trains_under_autocast(new_model, new_batches):
    """The forward pass runs in bf16, the weights stay float32."""
    model = new_model()
    config = LoopConfig(device="cpu", precision="bf16", clip=1.0)
    history = Trainer(
        model, [Stage("all", epochs=4, schedule=FAST)], train=new_batches(10), config=config
    ).run()
    assert all(model.autocast)
    assert all(p.dtype == torch.float32 for p in model.parameters())
    assert history.rows[-1]["train_loss"] < history.rows[0]["train_loss"]


def test_gradients_are_clipped(new_model, new_batches, monkeypatch):
    """No step sees a gradient longer than `clip`."""
    norms = []
    original = torch.optim.AdamW.step

    def step(self: torch.optim.AdamW, *args: Any) -> Any:
        grads = [p.grad for group in self.param_groups for p in group["params"]]
        norms.append(float(torch.nn.utils.get_total_norm(grads)))
        return original(self, *args)

    monkeypatch.setattr(torch.optim.AdamW, "step", step)
    config = LoopConfig(device="cpu", clip=0.01)
    Trainer(new_model(), [Stage("all", epochs=1)], train=new_batches(5), config=config).run()
    assert max(norms) <= 0.01 * (1 + 1e-4)


def test_the_same_seed_gives_the_same_weights(new_model, new_batches, weights, same):
    """Training is a function of seed, model and batches, whatever random numbers were drawn before."""
    ends = []
    for seed in (0, 0, 1):
        model = new_model()
        torch.rand(len(ends) + 1)
        Trainer(
            model, [Stage("all", epochs=2)], train=new_batches(4), config=LoopConfig(device="cpu", seed=seed)
        ).run()
        ends.append(weights(model))
    assert same(ends[0], ends[1])
    assert not same(ends[0], ends[2])


def test_the_callers_random_state_is_left_alone(new_model, new_batches):
    """A run draws from its own seed."""
    before = torch.get_rng_state()
    Trainer(new_model(), [Stage("all", epochs=1)], train=new_batches(3), config=CPU).run()
    assert torch.equal(before, torch.get_rng_state())


class _Scripted(Callback):
    """Gives each evaluation a score from a list."""

    def __init__(self, *scores: float) -> None:
        self.scores = list(scores)

    def measure(self, outputs: np.ndarray, targets: np.ndarray) -> dict[str, float]:
        assert len(outputs) == len(targets) == 8
        return {"score": self.scores.pop(0)}


def test_the_best_weights_are_kept(new_model, new_batches, weights, same):
    """With keep_best a stage ends with the weights of its best evaluation, here the second of three."""
    ends = {}
    for epochs, keep in ((2, False), (3, True)):
        model = new_model()
        config = LoopConfig(device="cpu", monitor="score", higher_is_better=True, keep_best=keep)
        stage = Stage("all", epochs, Schedule("constant", 0.01))
        history = Trainer(
            model, [stage], train=new_batches(4), valid=new_batches(1), config=config,
            callbacks=[_Scripted(0.1, 0.9, 0.3)],
        ).run()  # fmt: skip
        ends[keep] = weights(model)
        assert history.best == 0.9
        assert [row["score"] for row in history.rows] == [0.1, 0.9, 0.3][:epochs]
    assert same(ends[True], ends[False])


def test_patience_ends_a_stage_and_not_the_run(new_model, new_batches):
    """Two evaluations in a row that are no better end the stage; the next one starts afresh."""
    config = LoopConfig(device="cpu", monitor="score", patience=2)
    history = Trainer(
        new_model(),
        [Stage("a", epochs=9), Stage("b", epochs=1)],
        train=new_batches(2), valid=new_batches(1), config=config,
        callbacks=[_Scripted(5, 4, 4, 6, 7)],
    ).run()  # fmt: skip
    assert [row["stage"] for row in history.rows] == ["a"] * 4 + ["b"]


def test_averaged_weights_are_evaluated_and_kept(new_model, new_batches):
    """With ema the loss in the history is that of the averaged weights, which the stage ends with."""
    model, valid = new_model(), new_batches(4, seed=1)
    config = LoopConfig(device="cpu", ema=0.9)
    stage = Stage("all", epochs=2, schedule=Schedule("constant", 0.05))
    history = Trainer(model, [stage], train=new_batches(10), valid=valid, config=config).run()
    assert evaluate(model, valid, device="cpu")["loss"] == history.rows[-1]["loss"]
    plain = new_model()
    Trainer(plain, [stage], train=new_batches(10), valid=valid, config=CPU).run()
    assert not torch.equal(plain.top.weight, model.top.weight)


def test_averaging_begins_when_the_loss_no_longer_falls(new_model, new_batches, monkeypatch):
    """NT-ASGD: the loss of an epoch above the lowest until n epochs before; then the mean of all weights since."""
    falls = iter([5.0, 4.0, 4.5, 3.9, 4.1, 3.8, 3.7])
    kept: list[torch.Tensor] = []

    def scripted(model, *_, **__):
        kept.append(model.top.bias.detach().clone())
        return {"loss": next(falls), "n": 1, "outputs": None, "targets": None, "index": None}

    monkeypatch.setattr("ulmus.train.stage.evaluate", scripted)
    config = LoopConfig(device="cpu", optimizer="sgd", nt_asgd=2)
    stage = Stage("all", epochs=7, schedule=Schedule("constant", 0.05))
    ends: list[torch.Tensor] = []

    class Steps(Callback):
        def step_ended(self, state: RunState) -> None:
            if state.epoch >= 5:  # 4.1 > min(5.0, 4.0): averaging starts with the sixth epoch
                ends.append(model.top.bias.detach().clone())

    model = new_model()
    Trainer(
        model, [stage], train=new_batches(3), valid=new_batches(1), config=config, callbacks=[Steps()]
    ).run()
    assert len(ends) == 6
    torch.testing.assert_close(kept[-1], torch.stack(ends).mean(0))
    torch.testing.assert_close(model.top.bias.detach(), kept[-1])


def test_a_monitor_that_nobody_measures_is_an_error(new_model, new_batches):
    """The message names the columns there are."""
    config = LoopConfig(device="cpu", monitor="acuracy")
    with pytest.raises(ConfigError, match=r"loss, n, got 'acuracy'"):
        Trainer(new_model(), [Stage("a")], train=new_batches(1), valid=new_batches(1), config=config).run()


def test_no_batches_to_train_on_is_an_error(new_model, new_batches):
    """An empty stage would look trained and is not."""
    batches = new_batches(1)
    batches.n = 0
    with pytest.raises(DataError, match="nothing to train on"):
        Trainer(new_model(), [Stage("a")], train=batches, config=CPU).run()
