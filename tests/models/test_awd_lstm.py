"""The encoder: what its state carries, what its dropouts reach, and its shape."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from ulmus.models.awd_lstm import AWDLSTM
from ulmus.models.encoder import Dropouts, EncoderConfig, detach

Make = Callable[..., AWDLSTM]


def some_ids(rows: int, steps: int, *, below: int = 40, seed: int = 0) -> Tensor:
    """Ids (B, T) at random."""
    return torch.randint(below, (rows, steps), generator=torch.Generator().manual_seed(seed))


def test_the_default_shape_is_the_published_one() -> None:
    """400 / 1150 / 3 with dropouts 0.25, 0.15, 0.1, 0.02 and 0.2 (Howard & Ruder 2018; Merity et al. 2017)."""
    config = EncoderConfig(vocab_size=100)
    assert config.widths() == [1150, 1150, 400]
    assert dataclasses.astuple(Dropouts()) == (0.25, 0.15, 0.1, 0.02, 0.2, 1.0)


def test_outputs_and_state_have_the_documented_shapes(make_encoder: Make) -> None:
    """(B, T, E) before and after dropout; a state of two (B, D) a layer; the last layer is as wide as E."""
    out = make_encoder()(some_ids(5, 7))
    assert out.output.shape == out.raw.shape == (5, 7, 8)
    assert [(h.shape, c.shape) for h, c in out.state] == [((5, 16),) * 2, ((5, 8),) * 2]


@pytest.mark.parametrize("cut", [1, 6, 11])
def test_reading_in_two_parts_equals_reading_at_once(make_encoder: Make, cut: int) -> None:
    """The state handed back, handed in again, goes on as if nothing had been between."""
    encoder, ids = make_encoder().eval(), some_ids(3, 12)
    whole = encoder(ids)
    first = encoder(ids[:, :cut])
    second = encoder(ids[:, cut:], first.state)
    torch.testing.assert_close(torch.cat([first.output, second.output], dim=1), whole.output)
    for mine, other in zip(second.state, whole.state, strict=True):
        torch.testing.assert_close(mine, other)


def test_rows_of_a_batch_do_not_see_each_other(make_encoder: Make) -> None:
    """A sequence gives the same outputs alone and among others, and nothing behind it changes what came before."""
    encoder, ids = make_encoder().eval(), some_ids(6, 9)
    together = encoder(ids).output
    for row in range(6):
        torch.testing.assert_close(encoder(ids[row : row + 1]).output[0], together[row])
    torch.testing.assert_close(encoder(ids[:, :4]).output, together[:, :4])


def test_gradients_flow_through_the_state_unless_it_is_detached(make_encoder: Make) -> None:
    """Back-propagation through time ends where `detach` cuts it."""
    encoder, ids = make_encoder(), some_ids(1, 4)
    for cut, reached in ((lambda state: state, True), (detach, False)):
        encoder.zero_grad()
        state = cut(encoder(torch.full((1, 3), 39)).state)
        encoder(ids % 39, state).output.sum().backward()
        assert encoder.embedding.grad is not None
        assert bool(encoder.embedding.grad[39].any()) is reached


@pytest.mark.parametrize("name", ["input", "hidden", "output", "embedding", "weight"])
def test_each_dropout_changes_training_and_leaves_evaluation_alone(make_encoder: Make, name: str) -> None:
    """Any one of the five makes two training passes differ; evaluation is that of an encoder without it."""
    none = dict.fromkeys(["input", "hidden", "output", "embedding", "weight"], 0.0)
    encoder = make_encoder(Dropouts(**(none | {name: 0.5})))
    ids = some_ids(4, 10)
    torch.manual_seed(0)
    assert not torch.equal(encoder(ids).output, encoder(ids).output)
    torch.testing.assert_close(encoder.eval()(ids).output, make_encoder()(ids).output)


def test_the_output_dropout_is_not_in_the_raw_output(make_encoder: Make) -> None:
    """Temporal-activation regularisation looks at the outputs before their dropout (Merity et al. 2017, 4.6)."""
    only_output = Dropouts(input=0, hidden=0, output=0.5, embedding=0, weight=0)
    out = make_encoder(only_output)(some_ids(4, 6))
    torch.testing.assert_close(out.raw, make_encoder()(some_ids(4, 6)).raw)
    kept = out.output != 0
    torch.testing.assert_close(out.output[kept], out.raw[kept] * 2)
    assert not kept.all()


def test_one_dropped_weight_matrix_serves_all_steps_of_a_call(make_encoder: Make) -> None:
    """DropConnect draws once per call: equal inputs after equal states give equal outputs within a call."""
    encoder = make_encoder(Dropouts(input=0, hidden=0, output=0, embedding=0, weight=0.5))
    ids = some_ids(1, 6).repeat(3, 1)
    out = encoder(ids).output
    torch.testing.assert_close(out[0], out[1])
    torch.testing.assert_close(out[0], out[2])


def test_within_one_draw_all_calls_have_the_same_dropped_weights(make_encoder: Make) -> None:
    """Skimmed without gradients and then read on with them is as if it had been read at once; then all is anew."""
    encoder = make_encoder(Dropouts(input=0, hidden=0, output=0, embedding=0, weight=0.5))
    ids = some_ids(3, 12)
    with encoder.one_draw():
        at_once = encoder(ids).output
        with torch.no_grad():
            first = encoder(ids[:, :5])
        rest = encoder(ids[:, 5:], first.state).output
        torch.testing.assert_close(torch.cat([first.output, rest], dim=1), at_once)
        rest.sum().backward()
    assert all(layer.weight_hh.grad.any() for layer in encoder.layers)
    assert not torch.allclose(encoder(ids).output, at_once)


def test_the_recurrent_matrix_itself_is_never_changed_by_its_dropout(make_encoder: Make) -> None:
    """Dropped copies come and go; the parameter stays, and trains."""
    encoder = make_encoder(Dropouts(weight=0.9))
    before = [layer.weight_hh.detach().clone() for layer in encoder.layers]
    encoder(some_ids(2, 5)).output.sum().backward()
    for layer, was in zip(encoder.layers, before, strict=True):
        assert torch.equal(layer.weight_hh, was)
        assert layer.weight_hh.grad.any()


def test_mult_scales_all_dropouts_and_none_goes_beyond_095(make_encoder: Make) -> None:
    """`drop_mult` of the papers' code; `set_dropouts` changes an encoder in place."""
    assert Dropouts(input=0.4, mult=0.5).scaled("input") == pytest.approx(0.2)
    assert Dropouts(weight=0.5, mult=10).scaled("weight") == 0.95
    encoder = make_encoder()
    encoder.set_dropouts(Dropouts(mult=2.0))
    assert [drop.p for drop in encoder.between] == pytest.approx([0.5, 0.3, 0.2])
    assert [layer.weight_p for layer in encoder.layers] == pytest.approx([0.4, 0.4])


def test_layer_groups_hold_every_parameter_once_lowest_first(make_encoder: Make) -> None:
    """The embedding, then one group a layer: the unit of freezing and of learning rates."""
    encoder = make_encoder()
    groups = encoder.layer_groups()
    assert groups[0][0] is encoder.embedding
    assert len(groups) == 3
    assert sorted(id(p) for group in groups for p in group) == sorted(map(id, encoder.parameters()))


def test_the_forget_gate_starts_open(make_encoder: Make) -> None:
    """Its bias is 1, the others' 0 (Jozefowicz et al. 2015)."""
    layer = make_encoder().layers[0]
    i, f, g, o = layer.bias.detach().chunk(4)
    assert torch.equal(f, torch.ones(16))
    assert not torch.cat([i, g, o]).any()


def test_the_same_seed_makes_the_same_weights(make_encoder: Make) -> None:
    """And another seed makes others."""
    assert torch.equal(make_encoder(seed=3).embedding, make_encoder(seed=3).embedding)
    assert not torch.equal(make_encoder(seed=3).embedding, make_encoder(seed=4).embedding)


def test_bf16_autocast_stays_close_and_keeps_float32_weights(make_encoder: Make) -> None:
    """Mixed precision: outputs within bf16 noise of float32, gradients in float32."""
    encoder, ids = make_encoder(), some_ids(3, 8)
    exact = encoder(ids).output
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = encoder(ids)
        out = encoder(ids, detach(out.state))  # a state in bf16 goes on too
        near = encoder(ids).output
    torch.testing.assert_close(near.float(), exact, rtol=0.05, atol=0.02)
    near.float().sum().backward()
    assert all(p.grad is not None and p.grad.dtype == torch.float32 for p in encoder.parameters())
