"""A pair is taken apart at its second field mark, encoded twice, and compared."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from ulmus.models.encoder import EncoderConfig
from ulmus.models.pairs import document_width, pair_features, split_pairs
from ulmus.special_tokens import BOS, FLD, PAD

PAIRS = [
    ([10, 11, 12], [20, 21]),
    ([], []),
    ([10], [20, 21, 22]),
    ([10, 11], []),
    ([], [20]),
]


def documents(*, backwards: bool) -> tuple[Tensor, Tensor]:
    """The pairs as padded ids (B, T) and lengths (B,), as `LabelBatches` gives them."""
    rows = [[BOS, FLD, 50, *a, FLD, 51, *b] for a, b in PAIRS]
    if backwards:
        rows = [[row[0], *row[:0:-1]] for row in rows]
    longest = max(map(len, rows))
    padded = [row + [PAD] * (longest - len(row)) for row in rows]
    return torch.tensor(padded), torch.tensor([len(row) for row in rows])


@pytest.mark.parametrize("backwards", [False, True])
def test_a_pair_becomes_two_documents(backwards: bool) -> None:
    """First all first texts, then all second ones, each after xxbos, without marks and numbers."""
    ids, lengths = split_pairs(*documents(backwards=backwards))
    found = [row[:n].tolist() for row, n in zip(ids, lengths, strict=True)]
    turned = -1 if backwards else 1
    assert found == [[BOS, *a[::turned]] for a, _ in PAIRS] + [[BOS, *b[::turned]] for _, b in PAIRS]


def test_a_document_cut_in_the_middle_is_divided_where_it_was_cut() -> None:
    """A quarter of the tokens is of the head, the rest of the tail (`LabelBatches.max_tokens`)."""
    cut = torch.tensor([[BOS, FLD, 50, 10, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31]])
    ids, lengths = split_pairs(cut, torch.tensor([16]))
    assert ids[0, : lengths[0]].tolist() == [BOS, 10]
    assert ids[1, : lengths[1]].tolist() == [BOS, *range(20, 32)]


def test_features_are_both_texts_and_what_they_have_in_common() -> None:
    """[u, v, |u - v|, u * v], with gradients to both."""
    table = torch.nn.Embedding(60, 3)
    torch.nn.init.normal_(table.weight, generator=torch.Generator().manual_seed(0))

    def encode(ids: Tensor, lengths: Tensor) -> Tensor:
        real = torch.arange(ids.shape[1])[None] < lengths[:, None]
        return (table(ids) * real.unsqueeze(2)).sum(1)

    features = pair_features(encode, *documents(backwards=False))
    assert features.shape == (5, 12)
    u, v, difference, product = features.chunk(4, dim=1)
    torch.testing.assert_close(u[0], table.weight[[BOS, 10, 11, 12]].sum(0))
    torch.testing.assert_close(v[0], table.weight[[BOS, 20, 21]].sum(0))
    torch.testing.assert_close(difference, (u - v).abs())
    torch.testing.assert_close(product, u * v)
    features.sum().backward()
    assert table.weight.grad is not None
    assert np.flatnonzero(table.weight.grad.abs().sum(1)).tolist() == [BOS, 10, 11, 12, 20, 21, 22]


def test_the_head_of_pairs_is_four_times_as_wide() -> None:
    """Unless the encoder takes both texts together."""
    config = EncoderConfig(40, 8, 16, 2)
    assert document_width(config, pairs=True) == 4 * document_width(config, pairs=False)
    assert not config.joint_pairs
