"""Reading against the encoder it was made from: ragged documents, both cells, all precisions."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from ulmus.errors import ConfigError
from ulmus.models import inference as reader_module
from ulmus.models import inference_layers as reading
from ulmus.models.awd_lstm import AWDLSTM
from ulmus.models.encoder import CELLS, EncoderConfig
from ulmus.models.heads import concat, pool, start_pooling
from ulmus.models.inference import PRECISIONS, Reader

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
    """Pooled features of each document read by the encoder at once."""
    with torch.no_grad():
        outputs = made(ids).outputs
    nothing = start_pooling(len(ids), made.config.widths(), outputs[0])
    return concat(pool(nothing, outputs, 0, lengths), lengths)


@pytest.mark.parametrize("cell", CELLS)
@settings(max_examples=25, deadline=None)
@given(lengths=st.lists(st.integers(0, 40), min_size=1, max_size=9), tokens=st.sampled_from([16, 64, 4096]))
def test_features_are_those_of_the_encoder_whatever_the_lengths(cell, lengths, tokens) -> None:
    """Empty documents, equal ones, pieces that end within and at the end of documents."""
    torch.manual_seed(len(lengths))
    made, sizes = encoder(cell), torch.tensor(lengths)
    ids = torch.randint(V, (len(lengths), max(*lengths, 1)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reader_module, "TOKENS", tokens)
        found = Reader(made).features(ids, sizes)
    torch.testing.assert_close(found, expected(made, ids, sizes), rtol=1e-4, atol=1e-5)


@CELL
def test_reading_on_from_a_state_is_reading_at_once(cell: str) -> None:
    """Token by token, as generation does, and in pieces."""
    made, ids = encoder(cell, layers=3), torch.randint(V, (3, 12))
    read, at_once = Reader(made), made(ids).output.detach()
    state, steps = read.start(3), []
    for cut in (slice(0, 1), slice(1, 5), slice(5, 12)):
        part = ids[:, cut]
        steps.append(read.read(part.t().flatten(), [3] * part.shape[1], state)[-1].view(-1, 3, 6))
    torch.testing.assert_close(torch.cat(steps).transpose(0, 1), at_once, rtol=1e-4, atol=1e-5)


@CELL
@pytest.mark.parametrize(("precision", "few"), [("bf16", 0), ("int8", 0), ("int8", 30), ("int8", 9999)])
def test_shorter_numbers_give_nearly_the_same_features(cell, precision, few, monkeypatch) -> None:
    """Within two percent on an encoder of random weights, whether there are few documents or many."""
    monkeypatch.setattr(reading, "FEW", few)
    made, ids, lengths = encoder(cell), torch.randint(V, (5, 20)), torch.tensor([20, 3, 11, 0, 20])
    exact = expected(made, ids, lengths)
    found = Reader(made, precision).features(ids, lengths)
    assert (found - exact).norm() < 0.02 * exact.norm()
    assert not found.isnan().any()


@CELL
@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_document_has_the_same_features_alone_and_beside_others(cell: str, precision: str) -> None:
    """Up to the rounding of the products."""
    made, ids, lengths = encoder(cell), torch.randint(V, (5, 20)), torch.tensor([20, 3, 11, 7, 20])
    read = Reader(made, precision)
    together = read.features(ids, lengths)
    alone = torch.cat([read.features(ids[k : k + 1, :n], lengths[k : k + 1]) for k, n in enumerate(lengths)])
    torch.testing.assert_close(together, alone, rtol=1e-2, atol=1e-2 if precision == "bf16" else 1e-3)


@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_an_lstm_reads_a_document_alike_alone_and_beside_others_in_bf16_too(precision: str) -> None:
    """Within 1e-5 where oneDNN lays out the layers: its sums of a row do not depend on the rows beside it."""
    torch.manual_seed(0)
    read = Reader(AWDLSTM(EncoderConfig(V, embedding=40, hidden=70, layers=3)), precision)
    if any(layer._run._packed is None for layer in read._layers):
        pytest.skip(f"this processor, or this torch, has no {precision} layers of oneDNN")
    ids, lengths = torch.randint(V, (9, 40)), torch.tensor([40, 3, 11, 7, 20, 40, 1, 33, 12])
    together = read.features(ids, lengths)
    alone = torch.cat([read.features(ids[k : k + 1, :n], lengths[k : k + 1]) for k, n in enumerate(lengths)])
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-5)


def test_another_precision_is_refused() -> None:
    """The error names the ones there are."""
    with pytest.raises(ConfigError, match="expected one of float32, bf16, int8, got 'int4'"):
        Reader(encoder("lstm"), "int4")
