"""Weights to arrays and back, and from one vocabulary to another."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ulmus.bundle import BFloat16
from ulmus.errors import BundleError, ConfigError
from ulmus.models.awd_lstm import AWDLSTM
from ulmus.models.encoder import Dropouts, EncoderConfig
from ulmus.models.heads import TiedDecoder
from ulmus.models.weights import numpy_tensors, remapped, rows_of, torch_tensors
from ulmus.tasks.language_model.network import LMNetwork
from ulmus.text.vocab import SPECIALS, Vocab, remap

Make = Callable[..., LMNetwork]
WORDS = [f"w{i}" for i in range(30)]


def network_for(vocab: Vocab, *, seed: int = 0, cutoffs: tuple[int, ...] = ()) -> LMNetwork:
    """A small language model over a vocabulary, with all weights at random."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        encoder = AWDLSTM(EncoderConfig(len(vocab), 6, 7, 2), Dropouts())
        network = LMNetwork(encoder, TiedDecoder(len(vocab), 6, cutoffs))
        with torch.no_grad():
            network.decoder.bias.normal_()
            network.decoder.clusters.normal_()
    return network


def vocab_of(words: list[str]) -> Vocab:
    """The specials and these words."""
    return Vocab([*SPECIALS, *words])


@settings(max_examples=25)
@given(st.lists(st.sampled_from(WORDS), unique=True), st.lists(st.sampled_from(WORDS), unique=True))
def test_known_words_keep_their_row_and_new_ones_get_the_mean(old: list[str], new: list[str]) -> None:
    """Embedding rows and biases, for any two vocabularies; kept, new and dropped words add up."""
    before, after = vocab_of(old), vocab_of(new)
    mapping = remap(before, after)
    assert mapping.kept == len(set(before.tokens) & set(after.tokens))
    assert mapping.kept + mapping.new == len(after)
    assert mapping.kept + mapping.dropped == len(before)
    one = network_for(before)
    other = remapped(one, mapping.index, network_for(after, seed=1))
    for mine, theirs in (
        (other.encoder.embedding, one.encoder.embedding),
        (other.decoder.bias, one.decoder.bias),
    ):
        for i, token in enumerate(after.tokens):
            expected = theirs[before.id_of(token)] if token in before else theirs.mean(dim=0)
            torch.testing.assert_close(mine[i], expected)


def test_all_weights_but_those_of_the_vocabulary_are_kept(make_lm_network: Make) -> None:
    """The LSTM layers are those of the old network; a fresh one's random weights are gone."""
    before, after = vocab_of(WORDS[:20]), vocab_of(WORDS[10:])
    one = network_for(before)
    other = remapped(one, remap(before, after).index, network_for(after, seed=1))
    for name, t in one.encoder.layers.state_dict().items():
        assert torch.equal(other.encoder.layers.state_dict()[name], t)


def test_tails_keep_their_rows_if_the_number_of_clusters_is_the_same() -> None:
    """A vocabulary too small for a tail reinitialises its clusters; the mapping itself does not fail."""
    before, small = vocab_of(WORDS), vocab_of(WORDS[:3])
    one = network_for(before, cutoffs=(15, 25))
    same = remapped(one, remap(before, before).index, network_for(before, seed=1, cutoffs=(15, 25)))
    assert torch.equal(same.decoder.clusters, one.decoder.clusters)
    fewer = remapped(one, remap(before, small).index, network_for(small, seed=1, cutoffs=(15, 25)))
    assert fewer.decoder.tails == 0


def test_networks_of_another_shape_are_not_mixed() -> None:
    """An error, rather than a network with some weights silently random."""
    vocab = vocab_of(WORDS)
    wider = LMNetwork(AWDLSTM(EncoderConfig(len(vocab), 8, 20, 2), Dropouts()), TiedDecoder(len(vocab), 8))
    deeper = LMNetwork(AWDLSTM(EncoderConfig(len(vocab), 8, 16, 3), Dropouts()), TiedDecoder(len(vocab), 8))
    for other in (wider, deeper):
        with pytest.raises(ConfigError, match="differ in shape"):
            remapped(network_for(vocab), remap(vocab, vocab), other)


def test_a_remapped_network_over_the_same_vocabulary_predicts_the_same() -> None:
    """Remapping to the same vocabulary loses nothing."""
    vocab = vocab_of(WORDS)
    one = network_for(vocab).eval()
    other = remapped(one, remap(vocab, vocab).index, network_for(vocab, seed=1)).eval()
    batch = (torch.randint(39, (2, 5)), torch.randint(39, (2, 5)))
    assert torch.equal(one(batch).nll, other(batch).nll)


def test_rows_of_gives_shapes_of_the_new_vocabulary() -> None:
    """For vectors and matrices alike."""
    mapping = remap(vocab_of(["a", "b"]), vocab_of(["b", "c", "d"]))
    assert rows_of(torch.randn(11, 4), mapping.index).shape == (12, 4)
    assert rows_of(torch.randn(11), mapping.index).shape == (12,)


def test_arrays_and_back_is_the_same_network(make_lm_network: Make, make_classifier_network: Any) -> None:
    """By name, with a prefix, batch norm counters included; names with other prefixes are ignored."""
    for make in (make_lm_network, make_classifier_network):
        one, other = make(seed=0), make(seed=1)
        torch_tensors(other, numpy_tensors(one, "net.") | {"counts.idf": np.zeros(3)}, "net.")
        for name, t in one.state_dict().items():
            assert torch.equal(other.state_dict()[name], t), name


def test_weights_of_a_file_stay_mapped_and_read_only_arrays_are_copied(make_lm_network: Make) -> None:
    """Mapped arrays are used in place and cost no memory; read-only ones are copied, so that they can be trained."""
    one, other = make_lm_network(seed=0), make_lm_network(seed=1)
    arrays = numpy_tensors(one)
    fixed = arrays["decoder.bias"].copy()
    fixed.flags.writeable = False
    torch_tensors(other, arrays | {"decoder.bias": fixed})
    assert other.encoder.embedding.data_ptr() == one.encoder.embedding.data_ptr()
    with torch.no_grad():
        other.decoder.bias += 1
    assert torch.equal(other.decoder.bias, one.decoder.bias + 1)
    assert np.array_equal(fixed, arrays["decoder.bias"])


def test_bf16_arrays_become_float32_weights(make_lm_network: Make) -> None:
    """A model file may hold half-precision weights."""
    one, other = make_lm_network(seed=0), make_lm_network(seed=1)
    halves = {
        name: BFloat16(t.detach().bfloat16().view(torch.int16).numpy().view(np.uint16))
        for name, t in one.state_dict().items()
        if t.numel()
    }
    torch_tensors(other, numpy_tensors(one) | halves)
    assert torch.equal(other.encoder.embedding, one.encoder.embedding.bfloat16().float())


@pytest.mark.parametrize("wrong", ["missing", "extra", "shape"])
def test_mismatched_arrays_are_refused(wrong: str, make_lm_network: Make) -> None:
    """Missing, surplus or wrongly shaped weights are a BundleError that names them."""
    arrays = numpy_tensors(make_lm_network())
    if wrong == "missing":
        del arrays["decoder.bias"]
    elif wrong == "extra":
        arrays["decoder.bias2"] = np.zeros(3, np.float32)
    else:
        arrays["decoder.bias"] = np.zeros(3, np.float32)
    with pytest.raises(BundleError, match=r"decoder\.bias"):
        torch_tensors(make_lm_network(), arrays)
