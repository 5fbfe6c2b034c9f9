"""The learning-rate range test."""

from __future__ import annotations

import math

import pytest
import torch

from ulmus.errors import ConfigError
from ulmus.train.loop import LoopConfig, Stage
from ulmus.train.lr_find import LRFind, lr_find, suggest

CPU = LoopConfig(device="cpu")


def test_everything_is_afterwards_as_it_was(new_model, new_batches, weights, same):
    """Weights, what is frozen, mode, random state and the place in the batches."""
    model, batches = new_model().eval(), new_batches(5)
    model.top.weight.requires_grad_(False)
    batches.load_state_dict({"epoch": 3, "done": 2})
    before, rng = weights(model), torch.get_rng_state()
    lr_find(model, batches, steps=20, config=CPU)
    assert same(before, weights(model))
    assert not model.training
    assert [p.requires_grad for p in model.top.parameters()] == [False, True]
    assert all(p.grad is None for p in model.parameters())
    assert torch.equal(rng, torch.get_rng_state())
    assert batches.state_dict() == {"epoch": 3, "done": 2}


def test_rates_grow_by_the_same_factor_and_the_test_ends_when_the_loss_explodes(new_model, new_batches):
    """From the lowest rate on, over as many epochs as it takes."""
    found = lr_find(new_model(), new_batches(7), steps=60, span=(1e-6, 1e4), config=CPU)
    factors = {round(b / a, 6) for a, b in zip(found.lrs, found.lrs[1:], strict=False)}
    assert len(factors) == 1
    assert found.lrs[0] == pytest.approx(1e-6)
    assert len(found.lrs) == len(found.losses) < 60
    assert all(map(math.isfinite, found.losses))


def test_the_suggestion_trains(new_model, new_batches):
    """It lies where the loss falls: above the rates that do nothing, below those that explode."""
    found = lr_find(new_model(), new_batches(20), steps=100, config=CPU)
    assert 1e-4 < found.suggestion < 1


def test_a_stage_says_what_is_frozen(new_model, new_batches, monkeypatch):
    """The rate can be looked for with the lower layers frozen."""
    trained = []
    monkeypatch.setattr("ulmus.train.stage.freeze_to", lambda groups, n: trained.append((len(groups), n)))
    lr_find(new_model(), new_batches(20), steps=10, stage=Stage("head", unfreeze=1), config=CPU)
    assert trained == [(3, 1)]


def test_the_suggestion_lies_two_thirds_down_the_longest_fall():
    """A flat start, a fall of nine steps, an explosion."""
    losses = [5.0, 5.0, 5.0, 4.5, 4.0, 3.5, 3.0, 2.5, 2.0, 1.5, 1.0, 9.0]
    assert suggest([10.0**k for k in range(12)], losses) == 10.0**7


def test_the_plot_is_a_picture(tmp_path):
    """A PNG file, written whole."""
    path = LRFind([1e-3, 1e-2, 1e-1], [3.0, 2.0, 4.0], 1e-2).plot(tmp_path / "lr.png")
    assert path.read_bytes().startswith(b"\x89PNG")
    assert [file.name for file in tmp_path.iterdir()] == ["lr.png"]


def test_invalid_arguments_are_refused(new_model, new_batches):
    """A span that does not grow, too few steps, a loss that is no number from the start."""
    with pytest.raises(ConfigError, match="0 < low < high"):
        lr_find(new_model(), new_batches(2), span=(1, 1), config=CPU)
    with pytest.raises(ConfigError, match="at least 10 steps"):
        lr_find(new_model(), new_batches(2), steps=2, config=CPU)
    batches = new_batches(2)
    batches.x[:] = math.nan
    with pytest.raises(ConfigError, match="not finite even at the lowest rate"):
        lr_find(new_model(), batches, config=CPU)
