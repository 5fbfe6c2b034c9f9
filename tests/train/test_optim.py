"""Layer groups, freezing, AdamW, averaging."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from ulmus.errors import ConfigError
from ulmus.train.optim import (
    WeightAverage,
    check_groups,
    freeze_to,
    group_scales,
    load_optimizer,
    make_optimizer,
    optimizer_tensors,
    set_rates,
)


def test_each_lower_group_trains_at_the_factor_below_the_one_above():
    """Howard & Ruder 2018, section 3.2: rate / 2.6 per layer downwards."""
    assert group_scales(3, 2.6) == pytest.approx([2.6**-2, 2.6**-1, 1])
    assert group_scales(1, 2.6) == [1]


def test_freezing_leaves_the_top_groups_to_train(new_model):
    """`unfreeze=n` trains the top n groups; None trains all; too many is all."""
    groups = new_model().layer_groups()
    trains = [
        (n, [all(p.requires_grad for p in g) for g in groups])
        for n in (1, 2, None, 9)
        if freeze_to(groups, n)
    ]
    assert trains == [
        (1, [False, False, True]), (2, [False, True, True]), (None, [True] * 3), (9, [True] * 3)
    ]  # fmt: skip
    with pytest.raises(ConfigError, match="at least 1"):
        freeze_to(groups, 0)


def test_a_frozen_group_costs_no_backward_pass(new_model, new_batches):
    """Frozen layers get no gradient, and below the lowest trained layer nothing is recorded for one."""
    model = new_model()
    freeze_to(model.layer_groups(), 1)
    batch = tuple(torch.from_numpy(a) for a in next(iter(new_batches(1))))
    entered = []
    model.middle.register_forward_hook(lambda _m, _i, out: entered.append(out.requires_grad))
    model(batch).loss.backward()
    assert entered == [False]
    assert model.low.weight.grad is None
    assert model.top.weight.grad is not None


def test_one_step_moves_each_group_by_its_own_rate():
    """AdamW's first step moves a weight by its rate, whatever the gradient: group rates show in the weights."""
    groups = [[nn.Parameter(torch.zeros(2, 2))] for _ in range(3)]
    optimizer = make_optimizer(groups, factor=2.0, weight_decay=0.0)
    set_rates(optimizer, 0.1, 0.9)
    for (parameter,) in groups:
        parameter.grad = torch.ones(2, 2)
    optimizer.step()
    assert [float(g[0].detach()[0, 0]) for g in groups] == pytest.approx([-0.025, -0.05, -0.1], rel=1e-4)


def test_biases_and_norms_do_not_decay():
    """Weight decay shrinks matrices only."""
    matrix, bias = nn.Parameter(torch.ones(2, 2)), nn.Parameter(torch.ones(2))
    optimizer = make_optimizer([[matrix, bias]], weight_decay=0.5)
    set_rates(optimizer, 0.1, 0.9)
    matrix.grad, bias.grad = torch.zeros(2, 2), torch.zeros(2)
    optimizer.step()
    assert float(matrix.detach()[0, 0]) == pytest.approx(0.95)
    assert float(bias.detach()[0]) == 1


def test_a_tied_parameter_is_trained_once_with_the_lowest_group_that_has_it(new_model):
    """Shared parameters stay where they are met first."""
    model = new_model()
    low, middle, top = model.layer_groups()
    assert check_groups(model, [low, middle, [*top, low[0]]]) == [low, middle, top]


def test_a_parameter_in_no_group_is_an_error(new_model):
    """What would silently never train is named."""
    model = new_model()
    with pytest.raises(ConfigError, match=r"'top\.weight'"):
        check_groups(model, model.layer_groups()[:2])


def test_nothing_to_train_is_an_error():
    """An empty top group cannot be the only one that trains."""
    groups = [[nn.Parameter(torch.ones(2))], []]
    freeze_to(groups, 1)
    with pytest.raises(ConfigError, match="Nothing to train"):
        make_optimizer(groups)


def test_an_optimizer_resumes_from_its_tensors():
    """Two steps equal one step, a move into a new optimizer, and one more step, to the last bit."""
    ends = []
    for moved in (False, True):
        parameter = nn.Parameter(torch.arange(6.0).view(2, 3))
        optimizer = make_optimizer([[parameter]])
        for step in range(2):
            if moved and step == 1:
                kept = {name: t.clone() for name, t in optimizer_tensors(optimizer).items()}
                optimizer = make_optimizer([[parameter]])
                load_optimizer(optimizer, kept)
            set_rates(optimizer, 0.1, 0.9 - 0.1 * step)
            parameter.grad = torch.full((2, 3), 0.5 + step)
            optimizer.step()
        ends.append(parameter.detach())
    assert torch.equal(*ends)


def test_the_average_is_an_exponential_moving_average():
    """average <- decay * average + (1 - decay) * weights, with less decay in the first updates."""
    parameter = nn.Parameter(torch.zeros(1))
    average = WeightAverage([parameter], decay=0.5)
    expected = 0.0
    for n in range(20):
        parameter.data.fill_(n + 1.0)
        average.update()
        decay = min(0.5, (1 + n) / (10 + n))
        expected = decay * expected + (1 - decay) * (n + 1)
    assert float(average.average[0]) == pytest.approx(expected)


def test_without_a_decay_it_is_the_mean_of_all_updates():
    """What was there before the first update counts for nothing."""
    parameter = nn.Parameter(torch.full((1,), 99.0))
    average = WeightAverage([parameter], decay=None)
    for value in (1.0, 2.0, 6.0):
        parameter.data.fill_(value)
        average.update()
    assert float(average.average[0]) == pytest.approx(3)


def test_sgd_goes_straight_down_the_gradient():
    """weights <- weights - rate * (gradient + decay * weights), each group at its own rate, matrices alone decay."""
    low, high = nn.Parameter(torch.ones(1, 1)), nn.Parameter(torch.ones(1))
    optimizer = make_optimizer([[low], [high]], factor=2, weight_decay=0.1, name="sgd")
    set_rates(optimizer, 1.0, 0.9)
    low.grad, high.grad = torch.full((1, 1), 0.25), torch.full((1,), 0.25)
    optimizer.step()
    assert low.item() == pytest.approx(1 - 0.5 * (0.25 + 0.1))
    assert high.item() == pytest.approx(1 - 0.25)
    assert optimizer_tensors(optimizer) == {}


def test_applying_the_average_is_undone():
    """Inside the block the weights are the average, afterwards they are as before, also after an error."""
    parameter = nn.Parameter(torch.ones(2))
    average = WeightAverage([parameter], decay=0.9)
    parameter.data.fill_(3.0)
    with average.applied():
        assert parameter.tolist() == [1, 1]
    assert parameter.tolist() == [3, 3]
    with pytest.raises(ZeroDivisionError), average.applied():
        raise ZeroDivisionError
    assert parameter.tolist() == [3, 3]
    average.copy_to_model()
    assert parameter.tolist() == [1, 1]
