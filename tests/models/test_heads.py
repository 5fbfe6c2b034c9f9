"""The two heads: a decoder that is a distribution over all words, a pooling that padding cannot touch."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from ulmus.models import cross_entropy
from ulmus.models.encoder import EncoderConfig
from ulmus.models.heads import ClassifierHead, TiedDecoder, concat, pool, start_pooling

V, E = 60, 8
CUTOFFS = pytest.mark.parametrize("cutoffs", [(), (20,), (10, 35)])


def decoder_and_embedding(cutoffs: tuple[int, ...]) -> tuple[TiedDecoder, Tensor]:
    """A decoder with all its weights drawn at random, and a (V, E) matrix."""
    torch.manual_seed(0)
    decoder = TiedDecoder(V, E, cutoffs)
    with torch.no_grad():
        decoder.bias.normal_()
        decoder.clusters.normal_()
    return decoder, torch.randn(V, E, requires_grad=True)


@CUTOFFS
def test_log_probabilities_are_a_distribution_over_all_words(cutoffs: tuple[int, ...]) -> None:
    """With none, one and two tails every row sums to 1, in float32."""
    decoder, embedding = decoder_and_embedding(cutoffs)
    log_probs = decoder.log_probs(torch.randn(50, E), embedding)
    assert log_probs.shape == (50, V)
    assert log_probs.dtype == torch.float32
    torch.testing.assert_close(log_probs.exp().sum(dim=1), torch.ones(50))


@CUTOFFS
def test_the_loss_is_the_mean_of_the_picked_log_probabilities(cutoffs: tuple[int, ...]) -> None:
    """`loss` computes only what it needs; `log_probs` computes all; both say the same, gradients too."""
    decoder, embedding = decoder_and_embedding(cutoffs)
    h, targets = torch.randn(200, E, requires_grad=True), torch.randint(V, (200,))
    short = decoder.loss(h, embedding, targets)
    long = -decoder.log_probs(h, embedding)[torch.arange(200), targets].mean()
    torch.testing.assert_close(short, long)
    inputs = [h, embedding, *(p for p in decoder.parameters() if p.numel())]
    for mine, other in zip(
        torch.autograd.grad(short, inputs), torch.autograd.grad(long, inputs), strict=True
    ):
        torch.testing.assert_close(mine, other, rtol=1e-4, atol=1e-6)


def test_without_tails_it_is_the_softmax_of_the_textbook() -> None:
    """log p = h E^T + b, less its log-sum-exp."""
    decoder, embedding = decoder_and_embedding(())
    h = torch.randn(7, E)
    scores = h @ embedding.T + decoder.bias
    torch.testing.assert_close(decoder.log_probs(h, embedding), scores - scores.logsumexp(1, keepdim=True))


def test_a_rare_word_is_its_cluster_times_its_share_of_the_cluster() -> None:
    """p(w) = p(tail | head) p(w | tail), both softmaxes over shared rows (Grave et al. 2017, section 4)."""
    decoder, embedding = decoder_and_embedding((20,))
    h = torch.randn(3, E)
    top = torch.cat([h @ embedding[:20].T + decoder.bias[:20], h @ decoder.clusters.T], dim=1).softmax(1)
    rare = (h @ embedding[20:].T + decoder.bias[20:]).softmax(1)
    expected = torch.cat([top[:, :20], top[:, 20:] * rare], dim=1)
    torch.testing.assert_close(decoder.log_probs(h, embedding).exp(), expected)


@pytest.mark.parametrize("rows", [1, 7, 8, 9, 40])
@CUTOFFS
def test_chunks_of_rows_do_not_change_the_loss(
    cutoffs: tuple[int, ...], rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Logits exist for a few rows at a time; the mean is over all of them."""
    decoder, embedding = decoder_and_embedding(cutoffs)
    h, targets = torch.randn(rows, E), torch.randint(V, (rows,))
    whole = decoder.loss(h, embedding, targets)
    monkeypatch.setattr(cross_entropy, "SLICE_BYTES", 8 * V * 4)
    torch.testing.assert_close(decoder.loss(h, embedding, targets), whole)


def test_a_batch_without_rare_words_trains_the_tails_names_only() -> None:
    """An empty tail adds nothing to the loss, and no NaN to the gradients."""
    decoder, embedding = decoder_and_embedding((10, 35))
    loss = decoder.loss(torch.randn(5, E), embedding, torch.arange(5))
    loss.backward()
    assert torch.isfinite(loss)
    assert embedding.grad is not None
    assert not embedding.grad[10:].any()
    assert decoder.clusters.grad is not None
    assert decoder.clusters.grad.isfinite().all()
    assert decoder.clusters.grad.any()


def test_cutoffs_outside_the_vocabulary_are_left_out() -> None:
    """One setting serves small vocabularies: what would be an empty tail is none."""
    assert TiedDecoder(100, E, (2_000, 8_000)).tails == 0
    assert TiedDecoder(5_000, E, (2_000, 8_000)).bounds == [0, 2_000, 5_000]
    assert TiedDecoder(100, E, (50, 0, 50, 100, 20)).bounds == [0, 20, 50, 100]


def test_bf16_autocast_changes_the_loss_by_its_noise_only() -> None:
    """The products are bf16, the softmax and the sum float32."""
    decoder, embedding = decoder_and_embedding((10, 35))
    h, targets = torch.randn(100, E), torch.randint(V, (100,))
    exact = decoder.loss(h, embedding, targets)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        near = decoder.loss(h, embedding, targets)
    assert near.dtype == torch.float32
    torch.testing.assert_close(near, exact, rtol=0.02, atol=0.02)


def pooled_in_pieces(output: Tensor, lengths: Tensor, cuts: list[int]) -> Tensor:
    """Concat pooling (B, 3E) of one layer's `output` (B, T, E), handed over in pieces that end at `cuts` and T."""
    pooled = start_pooling(len(output), [output.shape[2]], output)
    for start, end in zip([0, *cuts], [*cuts, output.shape[1]], strict=True):
        pooled = pool(pooled, [output[:, start:end]], start, lengths)
    return concat(pooled, lengths)


@given(st.data())
def test_pooling_sees_the_real_tokens_and_nothing_else(data: Any) -> None:
    """last, max and mean of each document's own tokens, whatever the padding holds and wherever pieces end."""
    steps = data.draw(st.integers(1, 12))
    lengths = torch.tensor(data.draw(st.lists(st.integers(1, steps), min_size=1, max_size=5)))
    cuts = sorted(data.draw(st.sets(st.integers(1, steps - 1)))) if steps > 1 else []
    output = torch.randn(len(lengths), steps, 3, generator=torch.Generator().manual_seed(0)) - 2
    for row, n in enumerate(lengths.tolist()):
        output[row, n:] = 1e6  # the padding shouts
    found = pooled_in_pieces(output, lengths, cuts)
    for row, n in enumerate(lengths.tolist()):
        real = output[row, :n]
        expected = torch.cat([real[-1], real.max(dim=0).values, real.mean(dim=0)])
        torch.testing.assert_close(found[row], expected, rtol=1e-4, atol=1e-5)


def test_all_layers_are_pooled_and_the_last_output_is_that_of_the_top_one() -> None:
    """(B, E + 2 W) for layers that are W wide together."""
    low, top, lengths = torch.randn(2, 4, 5), torch.randn(2, 4, 3), torch.tensor([4, 4])
    found = concat(pool(start_pooling(2, [5, 3], low), [low, top], 0, lengths), lengths)
    expected = [top[:, -1], low.amax(1), top.amax(1), low.mean(1), top.mean(1)]
    torch.testing.assert_close(found, torch.cat(expected, dim=1))
    assert found.shape[1] == EncoderConfig(V, embedding=3, hidden=5, layers=2).pooled()


def test_a_document_without_tokens_pools_to_zeros() -> None:
    """With the xxbos rule off an empty text has no token at all: no NaN, no infinity, and its neighbours unharmed."""
    output = torch.randn(2, 4, 3)
    found = pooled_in_pieces(output, torch.tensor([0, 4]), [2])
    assert torch.equal(found[0], torch.zeros(9))
    torch.testing.assert_close(found[1, :3], output[1, -1])


def test_nan_in_the_padding_stays_there() -> None:
    """Not even a broken value behind the end of a document reaches its vector."""
    output = torch.randn(1, 4, 3)
    output[0, 2:] = math.nan
    assert pooled_in_pieces(output, torch.tensor([2]), []).isfinite().all()


def test_pooling_gradients_reach_real_tokens_only() -> None:
    """The maximum's winner, the last token, and every token's share of the mean."""
    output = torch.randn(2, 5, 3, requires_grad=True)
    pooled_in_pieces(output, torch.tensor([2, 5]), [3]).sum().backward()
    assert output.grad is not None
    assert output.grad[0, :2].all()
    assert not output.grad[0, 2:].any()


def test_the_head_gives_one_logit_a_class_and_knows_how_many() -> None:
    """(B, F) -> (B, C) through 50 hidden units, as published."""
    head = ClassifierHead(3 * E, 5)
    assert head(torch.randn(4, 3 * E)).shape == (4, 5)
    assert head.classes == 5
    assert head.layers[2].out_features == 50
