"""The packed encoder against the one it is made from: ragged documents, both cells, all precisions."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from ulmus.errors import ConfigError
from ulmus.models import inference, inference_layers
from ulmus.models.awd_lstm import AWDLSTM
from ulmus.models.encoder import CELLS, EncoderConfig
from ulmus.models.heads import concat, pool, start_pooling
from ulmus.models.inference import PRECISIONS, PackedEncoder

V = 30
CELL = pytest.mark.parametrize("cell", CELLS)


def encoder(cell: str, layers: int = 2) -> AWDLSTM:
    """A small encoder with weights large enough to tell mistakes."""
    torch.manual_seed(0)
    made = AWDLSTM(EncoderConfig(V, embedding=6, hidden=10, layers=layers, cell=cell)).eval()
    with torch.no_grad():
        made.embedding.mul_(10)
    return made


def expected(made: AWDLSTM, ids: Tensor, lengths: Tensor) -> Tensor:
    """Pooled features (B, F) of documents that the encoder processes in one call."""
    with torch.no_grad():
        outputs = made(ids).outputs
    nothing = start_pooling(len(ids), made.config.widths(), outputs[0])
    return concat(pool(nothing, outputs, 0, lengths), lengths)


def one_by_one(packed: PackedEncoder, ids: Tensor, lengths: Tensor) -> Tensor:
    """Features (B, F) of documents (B, T) of `lengths` (B,), each in a batch of its own and without padding."""
    return torch.cat([packed.features(ids[k : k + 1, :n], lengths[k : k + 1]) for k, n in enumerate(lengths)])


@pytest.mark.parametrize("cell", CELLS)
@settings(max_examples=25, deadline=None)
@given(lengths=st.lists(st.integers(0, 40), min_size=1, max_size=9), tokens=st.sampled_from([16, 64, 4096]))
def test_features_are_those_of_the_encoder_whatever_the_lengths(cell, lengths, tokens) -> None:
    """Empty documents, equal lengths, chunks that end inside a document and at its end."""
    torch.manual_seed(len(lengths))
    made, sizes = encoder(cell), torch.tensor(lengths)
    ids = torch.randint(V, (len(lengths), max(*lengths, 1)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inference, "TOKENS", tokens)
        found = PackedEncoder(made).features(ids, sizes)
    torch.testing.assert_close(found, expected(made, ids, sizes), rtol=1e-4, atol=1e-5)


@CELL
def test_chunks_with_a_carried_state_give_the_outputs_of_the_whole_sequence(cell: str) -> None:
    """Token by token, as in generation, and in longer chunks."""
    made, ids = encoder(cell, layers=3), torch.randint(V, (3, 12))
    packed, at_once = PackedEncoder(made), made(ids).output.detach()
    state, steps = packed.start(3), []
    for part in (slice(0, 1), slice(1, 5), slice(5, 12)):
        chunk = ids[:, part]
        steps.append(packed.forward(chunk.t().flatten(), [3] * chunk.shape[1], state)[-1].view(-1, 3, 6))
    torch.testing.assert_close(torch.cat(steps).transpose(0, 1), at_once, rtol=1e-4, atol=1e-5)


@CELL
@pytest.mark.parametrize(("precision", "few"), [("bf16", 0), ("int8", 0), ("int8", 30), ("int8", 9999)])
def test_lower_precision_gives_nearly_the_same_features(cell, precision, few, monkeypatch) -> None:
    """Within two percent for an encoder with random weights, for few documents and for many."""
    monkeypatch.setattr(inference_layers, "FEW", few)
    made, ids, lengths = encoder(cell), torch.randint(V, (5, 20)), torch.tensor([20, 3, 11, 0, 20])
    exact = expected(made, ids, lengths)
    found = PackedEncoder(made, precision).features(ids, lengths)
    assert (found - exact).norm() < 0.02 * exact.norm()
    assert not found.isnan().any()


@CELL
@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_document_has_the_same_features_alone_and_beside_others(cell: str, precision: str) -> None:
    """Up to the rounding of the products."""
    made, ids, lengths = encoder(cell), torch.randint(V, (5, 20)), torch.tensor([20, 3, 11, 7, 20])
    packed = PackedEncoder(made, precision)
    together = packed.features(ids, lengths)
    alone = one_by_one(packed, ids, lengths)
    torch.testing.assert_close(together, alone, rtol=1e-2, atol=1e-2 if precision == "bf16" else 1e-3)


@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_an_lstm_gives_a_document_the_same_features_alone_and_beside_others_in_bf16_too(precision) -> None:
    """Within 1e-5 where oneDNN packs the layers: its sums for one row do not depend on the other rows."""
    torch.manual_seed(0)
    packed = PackedEncoder(AWDLSTM(EncoderConfig(V, embedding=40, hidden=70, layers=3)), precision)
    if any(layer._run._packed is None for layer in packed._layers):
        pytest.skip(f"this processor, or this torch, has no {precision} layers of oneDNN")
    ids, lengths = torch.randint(V, (9, 40)), torch.tensor([40, 3, 11, 7, 20, 40, 1, 33, 12])
    together = packed.features(ids, lengths)
    alone = one_by_one(packed, ids, lengths)
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-5)


def test_another_precision_is_refused() -> None:
    """The error lists the valid ones."""
    with pytest.raises(ConfigError, match="expected one of float32, bf16, int8, got 'int4'"):
        PackedEncoder(encoder("lstm"), "int4")
