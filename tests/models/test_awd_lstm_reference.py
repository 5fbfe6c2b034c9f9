"""The library's AWD-LSTM beside one written from the equations, cell by cell: same losses, gradients, weights.

Dropout is off. Merity et al. 2017: the LSTM of section 2, weight tying of 4.5, activation regularisation of 4.6.
AdamW is Loshchilov & Hutter 2019, algorithm 2; clipping is Pascanu et al. 2013. `Reference` shares no line with the
library: it is given the weights by name. Axes: B batch, T time, E embedding, D hidden, V vocabulary.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from torch import Tensor

from ulmus.data.lm_batches import LMBatches
from ulmus.data.store import IdStore
from ulmus.models.awd_lstm import AWDLSTM
from ulmus.models.encoder import Dropouts, EncoderConfig
from ulmus.models.heads import TiedDecoder
from ulmus.tasks.language_model.network import LMNetwork
from ulmus.train.callbacks import Callback, RunState
from ulmus.train.loop import LoopConfig, Stage, Trainer
from ulmus.train.schedules import Schedule

FACTOR, DECAY, CLIP = 2.6, 0.1, 0.25

Cells = list[tuple[Tensor, Tensor]]


class Reference:
    """Weights by name, the loss of a batch, and one optimizer step."""

    def __init__(self, weights: dict[str, Tensor], *, alpha: float = 2.0, beta: float = 1.0) -> None:
        self.weights = {name: t.detach().clone().requires_grad_() for name, t in weights.items() if t.numel()}
        self.layers = sum(name.endswith("weight_hh") for name in self.weights)
        self.alpha, self.beta = alpha, beta
        self.first = {name: torch.zeros_like(t) for name, t in self.weights.items()}
        self.second = {name: torch.zeros_like(t) for name, t in self.weights.items()}
        self.steps = 0

    def zero_state(self, batch: int) -> Cells:
        """Hidden and cell vectors (B, D) of every layer, before anything was read."""
        widths = [self.weights[f"encoder.layers.{k}.weight_hh"].shape[1] for k in range(self.layers)]
        return [(torch.zeros(batch, width), torch.zeros(batch, width)) for width in widths]

    def read(self, ids: Tensor, state: Cells) -> tuple[list[Tensor], Cells]:
        """Outputs of the last layer, T x (B, E), and the state after the last token of `ids` (B, T)."""
        outputs = []
        state = list(state)
        for t in range(ids.shape[1]):
            x = self.weights["encoder.embedding"][ids[:, t]]
            for k in range(self.layers):
                state[k] = self.cell(k, x, *state[k])
                x = state[k][0]
            outputs.append(x)
        return outputs, state

    def cell(self, layer: int, x: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        """i, f, o = sigmoid(W x + U h + b); c~ = tanh(W x + U h + b); c = i c~ + f c; h = o tanh(c)."""
        parts = [
            self.weights[f"encoder.layers.{layer}.{name}"] for name in ("weight_ih", "weight_hh", "bias")
        ]
        (w_i, w_f, w_c, w_o), (u_i, u_f, u_c, u_o), (b_i, b_f, b_c, b_o) = (p.chunk(4) for p in parts)
        i = torch.sigmoid(x @ w_i.T + h @ u_i.T + b_i)
        f = torch.sigmoid(x @ w_f.T + h @ u_f.T + b_f)
        o = torch.sigmoid(x @ w_o.T + h @ u_o.T + b_o)
        new = torch.tanh(x @ w_c.T + h @ u_c.T + b_c)
        c = i * new + f * c
        return o * torch.tanh(c), c

    def loss(self, x: Tensor, y: Tensor, state: Cells) -> tuple[Tensor, Tensor, Cells]:
        """(what is minimised, mean negative log-likelihood in nats, the state to go on with)."""
        outputs, state = self.read(x, state)
        total = torch.zeros(())
        for t, h in enumerate(outputs):
            scores = h @ self.weights["encoder.embedding"].T + self.weights["decoder.bias"]  # (B, V)
            top = scores.max(dim=1, keepdim=True).values
            log_z = top.squeeze(1) + (scores - top).exp().sum(dim=1).log()
            total = total + (log_z - scores[torch.arange(len(h)), y[:, t]]).sum()
        nll = total / y.numel()
        activation = sum((h**2).mean() for h in outputs) / len(outputs)
        change = sum(((a - b) ** 2).mean() for a, b in pairwise(outputs))
        loss = nll + self.alpha * activation + self.beta * change / max(len(outputs) - 1, 1)
        return loss, nll.detach(), [(h.detach(), c.detach()) for h, c in state]

    @torch.no_grad()
    def adamw(
        self, *, rates: dict[str, float], beta1: float, beta2: float, weight_decay: float, clip: float
    ) -> None:
        """One step on the gradients there are, clipped together; matrices decay, vectors do not."""
        self.steps += 1
        grads = {name: t.grad for name, t in self.weights.items() if t.grad is not None}
        norm = torch.sqrt(sum((g**2).sum() for g in grads.values()))
        for name, g in grads.items():
            g = g * min(1.0, clip / (float(norm) + 1e-6))
            t, m, v = self.weights[name], self.first[name], self.second[name]
            m.mul_(beta1).add_((1 - beta1) * g)
            v.mul_(beta2).add_((1 - beta2) * g**2)
            if t.ndim > 1:
                t.mul_(1 - rates[name] * weight_decay)
            mean, spread = m / (1 - beta1**self.steps), v / (1 - beta2**self.steps)
            t.sub_(rates[name] * mean / (spread.sqrt() + 1e-8))
            t.grad = None


class Losses(Callback):
    """The nll of every step, read off the running sum."""

    def __init__(self) -> None:
        self.values: list[float] = []
        self._sum, self._count = 0.0, 0

    def step_ended(self, state: RunState) -> None:
        """Notes what the last step added."""
        total, count = float(state.nll_sum), state.count
        self.values.append((total - self._sum) / (count - self._count))
        self._sum, self._count = total, count


def make_network(shape: EncoderConfig) -> LMNetwork:
    """The library's language model without dropout, with all weights drawn at random, biases too."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        encoder = AWDLSTM(shape, Dropouts(mult=0.0))
        network = LMNetwork(encoder, TiedDecoder(shape.vocab_size, shape.embedding))
        with torch.no_grad():
            for name, t in network.named_parameters():
                if name.endswith("bias"):
                    t.add_(0.1 * torch.randn_like(t))
    return network


def trained_beside(
    network: LMNetwork, store: IdStore, *, rows: int, bptt: int, steps: int, rate: float
) -> tuple[Reference, list[float], list[float]]:
    """Train the library's loop and the reference on the same batches; the reference, and both lists of losses."""
    batches = LMBatches(store, batch_size=rows, bptt=bptt, random_bptt=False, shuffle=False)
    assert len(batches) == steps
    reference = Reference(network.state_dict())
    losses = Losses()
    stage = Stage(
        "one epoch", epochs=1, schedule=Schedule("constant", peak=rate), factor=FACTOR, weight_decay=DECAY
    )
    config = LoopConfig(device="cpu", clip=CLIP)
    Trainer(network, [stage], train=batches, config=config, callbacks=[losses]).run()

    scale = dict.fromkeys(reference.weights, rate)  # lower layers learn slower: section 3.2 of ULMFiT
    for k in range(reference.layers):
        for part in ("weight_ih", "weight_hh", "bias"):
            scale[f"encoder.layers.{k}.{part}"] = rate / FACTOR ** (reference.layers - k)
    state, expected = reference.zero_state(rows), []
    for k in range(steps):
        x, y = map(torch.from_numpy, batches.batch(k))
        loss, nll, state = reference.loss(x, y, state)
        expected.append(float(nll))
        loss.backward()
        reference.adamw(rates=scale, beta1=0.9, beta2=0.99, weight_decay=DECAY, clip=CLIP)
    return reference, losses.values, expected


def test_loss_and_every_gradient_are_those_of_the_equations(shape: EncoderConfig) -> None:
    """Two windows with carried state: loss, nll, and the gradient of each weight agree to 1e-4."""
    network = make_network(shape).train()
    reference = Reference(network.state_dict())
    ids = torch.randint(shape.vocab_size, (3, 15), generator=torch.Generator().manual_seed(1))
    state = reference.zero_state(3)
    for x, y in ((ids[:, :7], ids[:, 1:8]), (ids[:, 7:14], ids[:, 8:15])):
        step = network((x, y))
        loss, nll, state = reference.loss(x, y, state)
        torch.testing.assert_close(step.loss, loss, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(step.nll, nll, rtol=1e-5, atol=1e-5)
        step.loss.backward()
        loss.backward()
    grads = dict(network.named_parameters())
    for name, t in reference.weights.items():
        assert t.grad is not None
        assert float(t.grad.abs().max()) > 1e-4, f"{name}: nothing to compare"
        torch.testing.assert_close(grads[name].grad, t.grad, rtol=1e-4, atol=1e-6, msg=name)


def test_weights_after_one_step_are_those_of_the_equations(shape: EncoderConfig) -> None:
    """One step of the loop: discriminative rates, clipping, decay and AdamW as written in the papers, to 1e-4."""
    network = make_network(shape)
    before = {name: t.clone() for name, t in network.state_dict().items()}
    ids = np.random.default_rng(0).integers(0, shape.vocab_size, 4 * 9 + 1).astype(np.int32)
    store = IdStore.from_arrays([ids])
    reference, ours, expected = trained_beside(network, store, rows=4, bptt=9, steps=1, rate=0.01)
    assert ours == pytest.approx(expected, abs=1e-5)
    for name, t in reference.weights.items():
        now = network.state_dict()[name]
        assert float((now - before[name]).abs().max()) > 1e-3, f"{name} did not move"
        torch.testing.assert_close(now, t.detach(), rtol=0, atol=1e-4, msg=name)


def test_twenty_steps_follow_the_reference(shape: EncoderConfig) -> None:
    """Over twenty windows with carried state and optimizer memory the losses stay together, and fall."""
    period = np.random.default_rng(0).integers(0, shape.vocab_size, 11)
    store = IdStore.from_arrays([np.resize(period, 4 * 10 * 20 + 1).astype(np.int32)])
    _, ours, expected = trained_beside(make_network(shape), store, rows=4, bptt=10, steps=20, rate=0.02)
    assert ours == pytest.approx(expected, abs=1e-3)
    assert ours[-1] < ours[0] - 0.5


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_wikitext_2_at_the_published_shape_follows_the_reference(data_folder: Path) -> None:
    """400/1150/3 over 33,278 words: the loss of each of the first steps is that of the reference, within 0.001 nats."""
    rows, bptt, steps = 10, 15, 20
    ids, words = wikitext_2(data_folder)
    assert (len(ids), words) == (2_088_628, 33_278)
    network = make_network(EncoderConfig(vocab_size=words))
    assert [tuple(layer.weight_hh.shape) for layer in network.encoder.layers] == [
        (4600, 1150),
        (4600, 1150),
        (1600, 400),
    ]
    store = IdStore.from_arrays([ids[: rows * bptt * steps + 1]])
    _, ours, expected = trained_beside(network, store, rows=rows, bptt=bptt, steps=steps, rate=1e-3)
    assert ours == pytest.approx(expected, abs=1e-3)
    assert ours[0] == pytest.approx(np.log(words), abs=0.2)
    assert ours[-1] < ours[0] - 1.0


def wikitext_2(folder: Path) -> tuple[np.ndarray, int]:
    """The training text as (ids, number of types): the file's own tokens, split at spaces, <eos> after each line."""
    number: dict[str, int] = {}
    ids: list[int] = []
    with pa.input_stream(folder / "lm" / "wikitext-2.train.txt.zst", compression="zstd") as file:
        lines = file.read().decode().split("\n")[:-1]
    for line in lines:
        ids += [number.setdefault(token, len(number)) for token in [*line.split(), "<eos>"]]
    return np.array(ids, np.int32), len(number)
