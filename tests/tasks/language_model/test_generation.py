"""Sampling: which tokens can be drawn, reproducibility, and cost per token."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from ulmus.errors import UsageError
from ulmus.models.inference import PackedEncoder
from ulmus.tasks.language_model.generation import Sampling, filtered, sample
from ulmus.tasks.language_model.network import LMNetwork
from ulmus.text.vocab import BOS, EOS, PAD, UNK

Make = Callable[..., LMNetwork]
PROMPT = [BOS, 11, 12, 13]
SETTINGS = Sampling(words=12, temperature=1.0, seed=0)


def drawn(network: LMNetwork, **changes: Any) -> list[list[int]]:
    """Samples after the prompt, with some settings changed."""
    return sample(network, PROMPT, replace(SETTINGS, **changes))


def biased(network: LMNetwork, token: int, by: float = 50.0) -> LMNetwork:
    """The network with one token made by far the most likely."""
    with torch.no_grad():
        network.decoder.bias[token] += by
    return network


def test_a_token_costs_one_step_whatever_the_length_before_it(
    make_lm_network: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The prompt is encoded once, then one token per call: cost is linear in the number of tokens, not quadratic."""
    sizes, real = [], PackedEncoder.forward
    monkeypatch.setattr(
        PackedEncoder, "forward", lambda self, ids, *rest: sizes.append(len(ids)) or real(self, ids, *rest)
    )
    drawn(make_lm_network(), words=20, samples=3)
    assert sizes == [3 * 4] + [3] * 19


def test_carried_state_draws_the_same_as_a_full_pass(make_lm_network: Make) -> None:
    """Each token is the most likely one after the whole text so far."""
    network = make_lm_network()
    (row,) = drawn(network, temperature=0)
    ids = list(PROMPT)
    for token in row:
        output = network.encoder(torch.tensor([ids])).output[:, -1]
        scores = network.decoder.log_probs(output, network.encoder.embedding)[0]
        scores[[PAD, BOS, UNK]] = -torch.inf
        assert token == int(scores.argmax())
        ids.append(token)


def test_the_same_seed_draws_the_same_and_leaves_torch_alone(make_lm_network: Make) -> None:
    """A seed fixes the samples; the caller's random state is not touched."""
    network, state = make_lm_network(), torch.get_rng_state()
    assert drawn(network, samples=4, seed=7) == drawn(network, samples=4, seed=7)
    assert drawn(network, samples=4, seed=7) != drawn(network, samples=4, seed=8)
    assert torch.equal(torch.get_rng_state(), state)
    assert drawn(network, seed=None, words=30) != drawn(network, seed=None, words=30)


def test_samples_of_one_batch_differ(make_lm_network: Make) -> None:
    """They share the prompt, not the random numbers."""
    assert len({tuple(row) for row in drawn(make_lm_network(), samples=5)}) == 5


@pytest.mark.parametrize(
    "change", [{"top_k": 1}, {"temperature": 1e-7}, {"temperature": 1e-40}, {"top_p": 1e-9}]
)
def test_narrow_settings_equal_greedy_decoding(change: dict[str, Any], make_lm_network: Make) -> None:
    """One candidate, a temperature near 0 or a tiny nucleus all equal temperature 0."""
    network = make_lm_network()
    assert drawn(network, samples=2, **change) == drawn(network, samples=2, temperature=0)


def test_padding_and_starts_are_never_drawn_and_unknown_words_only_when_allowed(
    make_lm_network: Make,
) -> None:
    """However likely they are in the model."""
    network = biased(biased(biased(make_lm_network(), PAD), BOS), UNK)
    assert not {PAD, BOS, UNK} & {token for row in drawn(network, samples=5) for token in row}
    assert drawn(network, no_unk=False) == [[UNK] * 12]


def test_a_text_ends_at_its_end_token(make_lm_network: Make) -> None:
    """Each sample ends before its first xxeos."""
    assert drawn(biased(make_lm_network(), EOS), samples=2) == [[], []]
    rows = drawn(biased(make_lm_network(), EOS, by=3.0), samples=20)
    assert not any(EOS in row for row in rows)
    assert len({len(row) for row in rows}) > 2


@given(st.lists(st.floats(-5, 5), min_size=2, max_size=20), st.integers(1, 25))
def test_top_k_keeps_the_k_most_likely(values: list[float], k: int) -> None:
    """All others get probability 0; the kept scores do not change. Ties with the last one are kept."""
    scores = torch.tensor([values])
    kept = filtered(scores, k, 1.0) > -torch.inf
    assert int(kept.sum()) >= min(k, len(values))
    assert torch.equal(kept, scores >= scores.sort(descending=True).values[:, min(k, len(values)) - 1])


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=20), st.floats(0.01, 0.99))
def test_top_p_keeps_the_smallest_nucleus(values: list[float], p: float) -> None:
    """Together they have probability p or more; without the least likely they would not (Holtzman et al. 2020, 3.1)."""
    scores = torch.tensor([values], dtype=torch.float64)
    probs, out = scores.softmax(1), filtered(scores, 0, p)
    kept = out > -torch.inf
    assert float(probs[kept].sum()) >= p - 1e-9
    assert float(probs[kept].sum() - probs[kept].min()) < p + 1e-9
    assert probs[kept].min() >= probs[~kept].max() if (~kept).any() else True


def test_nothing_is_filtered_by_default() -> None:
    """top_k 0 and top_p 1 do not change the scores."""
    scores = torch.randn(3, 7)
    assert torch.equal(filtered(scores, 0, 1.0), scores)
    assert torch.equal(filtered(scores, 7, 1.0), scores)


@pytest.mark.parametrize("wrong", [{"top_k": -1}, {"top_p": 0.0}, {"top_p": 1.5}])
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_impossible_settings_are_refused(
    wrong: dict[str, Any], temperature: float, make_lm_network: Make
) -> None:
    """At any temperature, with what was expected and what came."""
    with pytest.raises(UsageError, match="expected 0 < top_p <= 1 and top_k >= 0, got"):
        drawn(make_lm_network(), temperature=temperature, **wrong)


def test_frequencies_follow_the_probabilities(make_lm_network: Make) -> None:
    """At temperature 1 the first token is drawn as often as the model says, at temperature 2 more evenly."""
    network = biased(make_lm_network(), 20, by=2.0)

    def share(temperature: float) -> float:
        rows = drawn(network, words=1, samples=4_000, temperature=temperature)
        return sum(row == [20] for row in rows) / 4_000

    output = network.eval().encoder(torch.tensor([PROMPT])).output[:, -1]
    scores: Tensor = network.decoder.log_probs(output, network.encoder.embedding)[0].detach()
    scores[[PAD, BOS, UNK]] = -torch.inf
    assert share(1.0) == pytest.approx(float(scores.softmax(0)[20]), abs=0.03)
    assert share(2.0) == pytest.approx(float((scores / 2).softmax(0)[20]), abs=0.03)
