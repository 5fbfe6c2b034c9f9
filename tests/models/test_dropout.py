"""The three dropouts: what a mask is shared along, how often it drops, and that the mean stays."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from ulmus.models.dropout import VariationalDropout, embedding_dropout, weight_dropout


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


def test_variational_dropout_drops_the_same_features_at_every_step() -> None:
    """Along time the mask of a sequence is one; another sequence of the batch has its own."""
    out = VariationalDropout(0.5)(torch.ones(8, 30, 64))  # (B, T, D)
    assert torch.equal(out, out[:, :1].expand_as(out))
    assert len({tuple(row.tolist()) for row in out[:, 0]}) == 8


@given(st.floats(0.05, 0.9))
def test_variational_dropout_drops_its_share_and_scales_the_rest(p: float) -> None:
    """Every value is 0 or 1 / (1 - p); about p of them are 0."""
    out = VariationalDropout(p)(torch.ones(50, 1, 200))
    kept = out[out != 0]
    torch.testing.assert_close(kept, torch.full_like(kept, 1 / (1 - p)))
    assert float((out == 0).float().mean()) == pytest.approx(p, abs=0.03)


def test_variational_dropout_draws_anew_at_every_call() -> None:
    """Two calls have two masks."""
    drop, x = VariationalDropout(0.5), torch.ones(2, 3, 100)
    assert not torch.equal(drop(x), drop(x))


@pytest.mark.parametrize("p", [0.0, 0.5])
def test_nothing_is_dropped_when_not_training_or_at_p_0(p: float) -> None:
    """Evaluation and p = 0 give back the very same tensor."""
    drop = VariationalDropout(p).train(p == 0)
    x, ids = torch.randn(2, 3, 4), torch.tensor([[1, 2]])
    assert drop(x) is x
    assert weight_dropout(x, p, drop.training) is x
    assert torch.equal(embedding_dropout(x[0], ids % 3, p, drop.training), x[0][ids % 3])


def test_weight_dropout_drops_single_weights_and_scales_the_rest() -> None:
    """DropConnect: entries of the matrix fall out one by one, the rest grows by 1 / (1 - p)."""
    weight = torch.ones(400, 100, requires_grad=True)
    dropped = weight_dropout(weight, 0.3, training=True)
    assert sorted(dropped.detach().unique().tolist()) == pytest.approx([0, 1 / 0.7])
    assert float((dropped == 0).float().mean()) == pytest.approx(0.3, abs=0.01)
    assert not (dropped == 0).all(dim=0).any()
    assert not (dropped == 0).all(dim=1).any()


def test_a_dropped_weight_gets_no_gradient() -> None:
    """The gradient reaches the raw weights through the mask."""
    weight = torch.randn(20, 20, requires_grad=True)
    dropped = weight_dropout(weight, 0.5, training=True)
    dropped.sum().backward()
    assert weight.grad is not None
    assert torch.equal(weight.grad == 0, dropped == 0)


def test_a_dropped_word_is_dropped_wherever_it_stands() -> None:
    """Embedding dropout decides once per word of the vocabulary, for all its places in the batch."""
    weight = torch.rand(100, 6) + 0.5
    ids = torch.randint(100, (20, 50))  # (B, T): each word stands about ten times
    rows = embedding_dropout(weight, ids, 0.4, training=True)
    gone = (rows == 0).all(dim=2)
    assert torch.equal(gone, (rows == 0).any(dim=2))  # whole words, never single features
    for word in range(100):
        assert len(gone[ids == word].unique()) <= 1
    torch.testing.assert_close(rows[~gone], weight[ids[~gone]] / 0.6)
    assert 0.25 < float(gone.float().mean()) < 0.55


def test_embedding_dropout_gives_dropped_words_no_gradient() -> None:
    """Rows of dropped and of unread words get none, the others do."""
    weight = torch.rand(30, 4, requires_grad=True)
    ids = torch.arange(20)[None]
    rows = embedding_dropout(weight, ids, 0.5, training=True)
    rows.sum().backward()
    assert weight.grad is not None
    read = torch.zeros(30, dtype=torch.bool)
    read[:20] = (rows[0] != 0).any(dim=1)
    assert torch.equal((weight.grad != 0).any(dim=1), read)


def test_dropouts_show_their_probability() -> None:
    """A printed network tells how much it drops."""
    assert "p=0.25" in repr(nn.Sequential(VariationalDropout(0.25)))
