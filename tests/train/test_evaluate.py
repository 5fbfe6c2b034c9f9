"""Measuring the loss without training."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from ulmus.errors import DataError
from ulmus.train.evaluate import evaluate
from ulmus.train.protocol import Step


class _Numbers(NamedTuple):
    x: Any  # (B,) float32
    index: Any  # (B,) int64


class _Cut:
    """The numbers cut into batches of given sizes, and an index that counts backwards."""

    def __init__(self, x: Sequence[float], sizes: Sequence[int]) -> None:
        self.x, self.sizes, self.epoch = np.asarray(x, np.float32), sizes, 7

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __iter__(self) -> Iterator[_Numbers]:
        assert self.epoch == 0
        index = np.arange(len(self.x))[::-1].copy()
        ends = np.cumsum(self.sizes)
        for start, end in zip(ends - self.sizes, ends, strict=True):
            yield _Numbers(self.x[start:end], index[start:end])


class _Identity(nn.Module):
    """Its loss is the mean of its input."""

    def forward(self, batch: _Numbers) -> Step:
        nll = batch.x.mean()
        return Step(nll, nll, len(batch.x), batch.x[:, None], batch.x)

    def reset(self) -> None:
        pass


@given(st.lists(st.integers(1, 5), min_size=1, max_size=6), st.randoms(use_true_random=False))
def test_the_loss_is_the_mean_over_all_documents(sizes, random):
    """However the documents are cut into batches, each weighs the same."""
    x = [random.random() for _ in range(sum(sizes))]
    found = evaluate(_Identity(), _Cut(x, sizes), device="cpu")
    assert found["loss"] == pytest.approx(np.mean(x), rel=1e-5)
    assert found["n"] == len(x)
    assert found["outputs"] is None


def test_outputs_targets_and_index_are_collected_in_the_order_of_the_batches():
    """`index` tells which document each row is."""
    batches = _Cut([1, 2, 3, 4, 5], [2, 3])
    found = evaluate(_Identity(), batches, device="cpu", collect=True)
    assert batches.epoch == 7
    assert found["outputs"].tolist() == [[1], [2], [3], [4], [5]]
    assert found["targets"].tolist() == [1, 2, 3, 4, 5]
    assert found["index"].tolist() == [4, 3, 2, 1, 0]


def test_evaluating_changes_nothing(new_model, new_batches, weights, same):
    """Weights, batch-norm statistics, gradients, mode and random state are as before; carried state is reset."""
    model = new_model().train()
    before, rng = weights(model), torch.get_rng_state()
    first = evaluate(model, new_batches(4), device="cpu")
    again = evaluate(model, new_batches(4), device="cpu")
    assert first == again
    assert same(before, weights(model))
    assert torch.equal(rng, torch.get_rng_state())
    assert model.training
    assert model.hidden is None
    assert all(p.grad is None for p in model.parameters())


def test_bf16_outputs_come_back_as_float32():
    """numpy has no bfloat16: outputs are widened."""

    class Half(_Identity):
        def forward(self, batch: _Numbers) -> Step:
            return super().forward(batch)._replace(output=torch.ones(len(batch.x), 1, dtype=torch.bfloat16))

    found = evaluate(Half(), _Cut([1, 2], [2]), device="cpu", precision="bf16", collect=True)
    assert found["outputs"].dtype == np.float32


def test_autocast_is_on_during_evaluation_in_bf16(new_model, new_batches):
    """The model's forward runs in the precision that was asked for."""
    model = new_model()
    for precision, expected in (("float32", False), ("bf16", True)):
        model.autocast.clear()
        evaluate(model, new_batches(2), device="cpu", precision=precision)
        assert model.autocast == [expected] * 2


def test_between_may_stop_an_evaluation(new_model, new_batches):
    """What `between` raises comes through, and the model is back in its mode."""
    model = new_model().train()

    def stop() -> Tensor:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evaluate(model, new_batches(2), device="cpu", between=stop)
    assert model.training


def test_no_batches_is_an_error(new_model, new_batches):
    """A mean of nothing is refused."""
    batches = new_batches(1)
    batches.n = 0
    batches.x, batches.y = batches.x[:0], batches.y[:0]
    with pytest.raises(DataError, match="at least one batch"):
        evaluate(new_model(), batches, device="cpu")
