"""The conditional random field, beside sums over all sequences."""

from __future__ import annotations

from itertools import pairwise, product

import pytest
import torch

from ulmus.models.crf import CRF

ALLOWED = torch.tensor([[1, 1, 0], [1, 1, 1], [1, 1, 1], [1, 1, 0]], dtype=torch.bool)
WORDS = torch.tensor([4, 1, 3])


@pytest.fixture
def crf() -> CRF:
    """Three tags, the last of which follows the second and itself only; random transitions."""
    torch.manual_seed(0)
    crf = CRF(ALLOWED)
    torch.nn.init.normal_(crf.transitions)
    torch.nn.init.normal_(crf.last)
    return crf


def totals(crf: CRF, scores: torch.Tensor, words: int) -> dict[tuple[int, ...], float]:
    """The score of every sequence of tags of one sentence (W, K)."""
    between, first = crf.steps()
    return {
        tags: float(
            first[tags[0]]
            + crf.last[tags[-1]]
            + sum(scores[t, k] for t, k in enumerate(tags))
            + sum(between[j, k] for j, k in pairwise(tags))
        )
        for tags in product(range(3), repeat=words)
    }


@torch.no_grad()
def test_loss_and_best_sequence_are_those_of_enumeration(crf: CRF) -> None:
    """Loss, sums and best tags are those found by going through all sequences."""
    scores = torch.randn(3, 4, 3)
    tags = torch.tensor([[1, 2, 2, 0], [0, 0, 0, 0], [0, 1, 2, 0]])
    loss, best, chain = crf.loss(scores, tags, WORDS), crf.best(scores, WORDS), crf.chain(scores, WORDS)
    for row, words in enumerate(WORDS.tolist()):
        every = totals(crf, scores[row], words)
        total = torch.logsumexp(torch.tensor(list(every.values())), 0)
        assert float(loss[row]) == pytest.approx(
            float(total) - every[tuple(tags[row, :words].tolist())], abs=1e-4
        )
        assert tuple(best[row, :words].tolist()) == max(every, key=every.__getitem__)
        assert not best[row, words:].any()
        assert float(chain.total[row]) == pytest.approx(float(total), abs=1e-4)
        both = torch.logsumexp(chain.alpha[row, :words] + chain.beta[row, :words], 1)
        assert both.tolist() == pytest.approx([float(total)] * words, abs=1e-4)


def test_what_is_not_allowed_is_never_chosen(crf: CRF) -> None:
    """The best tags keep to the allowed steps, whatever their scores."""
    scores = torch.randn(20, 6, 3) + torch.tensor([0.0, 0.0, 5.0])
    for tags in crf.best(scores, torch.full((20,), 6)).tolist():
        assert tags[0] != 2
        assert all(step != (0, 2) for step in pairwise(tags))


@torch.no_grad()
def test_the_length_of_the_batch_changes_nothing(crf: CRF) -> None:
    """A sentence has the same loss alone and padded."""
    scores, tags = torch.randn(1, 6, 3), torch.tensor([[1, 2, 0, 0, 0, 0]])
    alone = crf.loss(scores[:, :3], tags[:, :3], torch.tensor([3]))
    assert float(crf.loss(scores, tags, torch.tensor([3]))) == pytest.approx(float(alone), abs=1e-5)
