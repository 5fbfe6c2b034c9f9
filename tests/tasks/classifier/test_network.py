"""Language model and classifier networks: carried state, padding, reach and memory of gradients, losses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from ulmus.data.label_batches import Batch
from ulmus.evaluation.objectives import MULTI_LABEL
from ulmus.models import document
from ulmus.models.encoder import Dropouts
from ulmus.tasks.classifier.network import ClassifierNetwork
from ulmus.tasks.language_model.network import LMNetwork
from ulmus.train.loop import LoopConfig, Stage, Trainer
from ulmus.train.optim import freeze_to
from ulmus.train.schedules import Schedule

MakeLM = Callable[..., LMNetwork]
Make = Callable[..., ClassifierNetwork]


def window(seed: int = 0, rows: int = 3, steps: int = 8) -> tuple[Tensor, Tensor]:
    """Inputs and targets (B, T)."""
    ids = torch.randint(40, (rows, steps + 1), generator=torch.Generator().manual_seed(seed))
    return ids[:, :-1], ids[:, 1:]


def documents(lengths: Sequence[int], *, seed: int = 0) -> list[list[int]]:
    """Documents of these lengths, with ids 2..99 (100..199 are reserved for tests that mark tokens)."""
    rng = np.random.default_rng(seed)
    return [rng.integers(2, 100, n).tolist() for n in lengths]


def batch(docs: Sequence[Sequence[int]], targets: Any = None, *, wider: int = 0) -> Any:
    """Documents padded on the right with 1, as tensors; `wider` adds columns of padding."""
    lengths = torch.tensor([len(d) for d in docs])
    ids = torch.ones(len(docs), max(1, int(lengths.max())) + wider, dtype=torch.long)
    for row, d in enumerate(docs):
        ids[row, : len(d)] = torch.tensor(d, dtype=torch.long)
    return Batch(ids, lengths, targets, torch.arange(len(docs)))  # type: ignore[arg-type]


# -- language model ---------------------------------------------------------------------------------------------


def test_the_language_model_continues_where_the_last_batch_ended(make_lm_network: MakeLM) -> None:
    """Two halves in a row have the loss of the whole; after `reset` the second half has another."""
    network, (x, y) = make_lm_network().eval(), window()
    whole = network((x, y)).nll
    network.reset()
    first, second = network((x[:, :4], y[:, :4])).nll, network((x[:, 4:], y[:, 4:])).nll
    torch.testing.assert_close((first + second) / 2, whole)
    network.reset()
    assert not torch.isclose(network((x[:, 4:], y[:, 4:])).nll, second)


def test_carried_state_survives_saving(make_lm_network: MakeLM) -> None:
    """`carry(carried())` makes another network with the same weights continue identically."""
    one, other, (x, y) = make_lm_network().eval(), make_lm_network().eval(), window()
    assert one.carried() == {}
    one((x, y))
    other.carry(one.carried())
    assert torch.equal(one((x, y)).nll, other((x, y)).nll)
    other.carry({})
    assert other.carried() == {}


def test_a_batch_of_another_size_resets_the_state(make_lm_network: MakeLM) -> None:
    """The state of three streams cannot be used for two."""
    network, (x, y) = make_lm_network().eval(), window()
    network((x, y))
    carried = network((x[:2], y[:2])).nll
    network.reset()
    assert torch.equal(network((x[:2], y[:2])).nll, carried)


def test_regularisation_is_in_the_loss_of_training_only(make_lm_network: MakeLM) -> None:
    """loss = nll + 2 mean(h^2) + 1 mean((h_t - h_t-1)^2) in training, nll in evaluation; nll never has it."""
    network, (x, y) = make_lm_network(), window()
    h = network.encoder(x).raw
    step = network.train()((x, y))
    expected = step.nll + 2 * (h**2).mean() + ((h[:, 1:] - h[:, :-1]) ** 2).mean()
    torch.testing.assert_close(step.loss, expected)
    network.reset()
    evaluated = network.eval()((x, y))
    assert torch.equal(evaluated.loss, evaluated.nll)
    torch.testing.assert_close(evaluated.nll, step.nll)
    assert not step.nll.requires_grad
    assert step.count == x.numel()


def test_gradients_stop_at_the_border_of_a_batch(make_lm_network: MakeLM) -> None:
    """Truncated back-propagation: a word that occurs only in the previous batch gets no gradient through the state."""
    network = make_lm_network()
    with torch.no_grad():
        network.decoder.bias.zero_()
    network((torch.full((1, 3), 39), torch.full((1, 3), 39)))
    h = network.encoder(torch.full((1, 3), 5), network._state).output
    assert torch.autograd.grad(h.sum(), network.encoder.embedding)[0][39].any() == torch.tensor(False)


def test_a_window_of_one_step_is_valid(make_lm_network: MakeLM) -> None:
    """There is no change over time to regularise."""
    step = make_lm_network().train()(window(steps=1))
    assert step.loss.isfinite()


@pytest.mark.parametrize("which", ["lm", "classifier"])
def test_layer_groups_hold_every_parameter_once(
    which: str, make_lm_network: MakeLM, make_classifier_network: Make
) -> None:
    """From bottom to top; what a new vocabulary or new classes need is on top, so that it trains first."""
    network = make_lm_network() if which == "lm" else make_classifier_network()
    groups = network.layer_groups()
    assert sorted(id(p) for group in groups for p in group) == sorted(map(id, network.parameters()))
    top = {id(p) for p in groups[-1]}
    if isinstance(network, LMNetwork):
        assert top == {id(network.encoder.embedding), *map(id, network.decoder.parameters())}
    else:
        assert top == set(map(id, network.head.parameters()))
        assert groups[0] == [network.encoder.embedding]


# -- classifier: the same text in any batch ------------------------------------------------------------------------


@given(st.data())
def test_a_text_gets_the_same_logits_alone_and_in_any_batch_in_any_order(data: Any) -> None:
    """Padding, neighbours and order change no logit by more than 1e-5."""
    lengths = data.draw(st.lists(st.integers(1, 40), min_size=1, max_size=8))
    docs = documents(lengths)
    order = data.draw(st.permutations(range(len(docs))))
    network = shared_network().eval()
    with torch.no_grad(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(document, "CHUNK", data.draw(st.integers(1, 50)))
        together = network(batch([docs[i] for i in order], wider=data.draw(st.integers(0, 9)))).output
        for place, i in enumerate(order):
            alone = network(batch([docs[i]])).output[0]
            torch.testing.assert_close(together[place], alone, rtol=0, atol=1e-5)


def shared_network() -> ClassifierNetwork:
    """A network for the property test, which may not use function-scoped fixtures."""
    from ulmus.models.awd_lstm import AWDLSTM
    from ulmus.models.encoder import EncoderConfig
    from ulmus.models.heads import ClassifierHead

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        encoder = AWDLSTM(EncoderConfig(200, 8, 16, 2), Dropouts(mult=0.0))
        return ClassifierNetwork(encoder, ClassifierHead(encoder.config.pooled(), 3, hidden=6))


def one_pass(network: ClassifierNetwork, document: Sequence[int]) -> Tensor:
    """Concat pooling (F,) of all layers for one document in a single forward pass, as in the paper."""
    return pooled([h[0] for h in network.encoder(torch.tensor([document])).outputs])


def pooled(layers: Sequence[Tensor]) -> Tensor:
    """(F,) of the outputs (T, D) of all layers."""
    return torch.cat([layers[-1][-1], *(h.amax(0) for h in layers), *(h.mean(0) for h in layers)])


@pytest.mark.parametrize("chunk", [1, 7, 64, 256])
@pytest.mark.parametrize("mode", ["evaluation", "training", "frozen encoder"])
def test_processing_in_chunks_equals_a_single_pass(
    chunk: int, mode: str, make_classifier_network: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Long, short and one-token documents: pooled features without dropout are those of a single pass."""
    monkeypatch.setattr(document, "CHUNK", chunk)
    network = make_classifier_network(max_len=20).train(mode != "evaluation")
    if mode == "frozen encoder":
        freeze_to(network.layer_groups(), 1)
    docs = documents([300, 299, 260, 41, 20, 3, 1])
    with torch.set_grad_enabled(mode != "evaluation"):
        result = network.features(*batch(docs)[:2])
    for row, d in enumerate(docs):
        torch.testing.assert_close(result[row], one_pass(network, d), rtol=1e-4, atol=1e-5)


def test_a_document_without_tokens_gets_finite_logits(make_classifier_network: Make) -> None:
    """Alone or in a batch: an empty text without xxbos has no tokens."""
    network = make_classifier_network()
    for docs in ([[], [5, 6, 7]], [[], []]):
        b = batch(docs, torch.tensor([0, 1]))
        assert network.eval()(b).output.isfinite().all()
        step = network.train()(b)
        step.loss.backward()
        assert step.loss.isfinite()
        assert all(p.grad is None or p.grad.isfinite().all() for p in network.parameters())


# -- classifier: how far gradients reach ---------------------------------------------------------------------------


def test_gradients_reach_the_last_tokens_of_every_document_and_no_others(
    make_classifier_network: Make,
) -> None:
    """BPT3C: the embeddings of the last `max_len` tokens get gradients, earlier ones none; so too in mixed batches."""
    network = make_classifier_network(max_len=16).train()
    docs = documents([50, 120, 10, 16, 17])
    early, late, short = list(range(100, 110)), list(range(110, 126)), list(range(126, 136))
    docs[1] = early + docs[1][10:104] + late  # 120 tokens: ten marked first ones, sixteen marked last ones
    docs[2] = short
    docs[0] = docs[0][:34] + list(range(136, 152))
    network(batch(docs, torch.tensor([0, 1, 2, 0, 1]))).loss.backward()
    grad = network.encoder.embedding.grad
    assert grad is not None
    reached = grad.abs().sum(dim=1) > 0
    assert not reached[early].any()
    assert reached[late].all()
    assert reached[short].all()
    assert reached[136:152].all(), "a document shorter than its neighbours must learn from its end as well"


def test_the_gradient_is_that_of_the_last_tokens_from_a_fixed_state(make_classifier_network: Make) -> None:
    """Everything before the last `max_len` tokens is a constant: state, maximum and sum."""
    network = make_classifier_network(max_len=16).train()
    (d,) = documents([60])
    network.features(*batch([d])[:2]).square().sum().backward()
    result = {name: p.grad.clone() for name, p in network.encoder.named_parameters() if p.grad is not None}
    network.zero_grad()
    with torch.no_grad():
        before = network.encoder(torch.tensor([d[:44]]))
    after = network.encoder(torch.tensor([d[44:]]), before.state)
    layers = [torch.cat(pair, dim=1)[0] for pair in zip(before.outputs, after.outputs, strict=True)]
    pooled(layers).square().sum().backward()
    for name, p in network.encoder.named_parameters():
        torch.testing.assert_close(result[name], p.grad, rtol=1e-4, atol=1e-6)


def test_documents_up_to_max_len_get_the_full_gradient(make_classifier_network: Make) -> None:
    """Nothing is truncated if no document is too long."""
    limited, whole = (
        make_classifier_network(max_len=30).train(),
        make_classifier_network(max_len=10_000).train(),
    )
    b = batch(documents([30, 12, 5]), torch.tensor([0, 1, 2]))
    for network in (limited, whole):
        network(b).loss.backward()
    for mine, other in zip(limited.parameters(), whole.parameters(), strict=True):
        torch.testing.assert_close(mine.grad, other.grad)


def saved_bytes(network: ClassifierNetwork, b: Any) -> int:
    """Bytes that autograd keeps for the backward pass of one batch, each storage once."""
    kept: dict[int, int] = {}

    def pack(t: Tensor) -> Tensor:
        kept[t.untyped_storage().data_ptr()] = t.untyped_storage().nbytes()
        return t

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
        network(b).loss.backward()
    return sum(kept.values())


def test_memory_of_a_training_step_does_not_grow_with_document_length(make_classifier_network: Make) -> None:
    """What the backward pass keeps is the same for documents of 50 and of 3,000 tokens; without a limit it grows."""
    targets = torch.tensor([0, 1, 2, 0])
    short, long = (batch(documents([n] * 4), targets) for n in (50, 3_000))
    limited = make_classifier_network(Dropouts(), max_len=32).train()
    assert saved_bytes(limited, long) <= 1.02 * saved_bytes(limited, short)
    unlimited = make_classifier_network(Dropouts(), max_len=10_000).train()
    assert saved_bytes(unlimited, long) > 5 * saved_bytes(unlimited, short)


def test_a_frozen_encoder_gets_no_gradient_and_keeps_no_activations(make_classifier_network: Make) -> None:
    """While only the head trains, whole documents go through the encoder without a graph."""
    network = make_classifier_network().train()
    freeze_to(network.layer_groups(), 1)
    b = batch(documents([30, 400]), torch.tensor([0, 1]))
    assert not network.features(b.ids, b.lengths).requires_grad
    network(b).loss.backward()
    assert all(p.grad is None for p in network.encoder.parameters())
    assert all(p.grad is not None for p in network.head.parameters())


@pytest.mark.parametrize(
    ("unfreeze", "moving"), [(1, {"head"}), (2, {"head", "layers.1"}), (3, {"head", "layers"})]
)
def test_frozen_groups_do_not_change(unfreeze: int, moving: set[str], make_classifier_network: Make) -> None:
    """Weight decay and momentum leave them alone too: not one bit changes."""
    network = make_classifier_network(max_len=16)
    before = {name: t.clone() for name, t in network.state_dict().items()}
    docs = documents([20, 30, 25, 5])
    b = batch(docs, torch.tensor([0, 1, 2, 0]))
    stage = Stage("some", 3, Schedule("constant", peak=0.05), unfreeze=unfreeze, weight_decay=0.5)
    Trainer(network, [stage], train=OneBatch(b), config=LoopConfig(device="cpu")).run()
    for name, p in network.named_parameters():
        trains = any(part in name for part in moving)
        assert torch.equal(p, before[name]) is not trains, name


class OneBatch:
    """The same batch, once per epoch."""

    epoch = 0

    def __init__(self, only: Any) -> None:
        self.only = only

    def __len__(self) -> int:
        return 1

    def __iter__(self) -> Any:
        return iter([self.only])

    def set_epoch(self, epoch: int, /) -> None:
        """All epochs are alike."""

    def state_dict(self) -> dict[str, Any]:
        """There is no position."""
        return {}

    def load_state_dict(self, state: dict[str, Any], /) -> None:
        """There is no position."""


# -- classifier: losses --------------------------------------------------------------------------------------------


def test_hard_and_one_hot_targets_have_the_same_loss(make_classifier_network: Make) -> None:
    """A one-hot row equals a class number, with and without class weights; the reported loss is unweighted."""
    weight = torch.tensor([0.2, 1.0, 3.0])
    docs, hard = documents([9, 8, 7, 6]), torch.tensor([0, 2, 1, 0])
    soft = F.one_hot(hard, 3).float()
    for balance in (None, weight):
        network = make_classifier_network(class_weight=balance).train()
        one, other = network(batch(docs, hard)), network(batch(docs, soft))
        torch.testing.assert_close(one.loss, other.loss)
        torch.testing.assert_close(one.nll, other.nll)
        torch.testing.assert_close(one.nll, F.cross_entropy(one.output.detach(), hard))
        torch.testing.assert_close(one.loss, F.cross_entropy(one.output, hard, balance))


def test_the_loss_of_soft_labels_is_the_cross_entropy_of_the_two(make_classifier_network: Make) -> None:
    """Mean over documents of - sum q log p."""
    q = torch.tensor([[0.2, 0.5, 0.3], [1.0, 0.0, 0.0]])
    step = make_classifier_network().train()(batch(documents([9, 8]), q))
    torch.testing.assert_close(step.loss, -(q * step.output.log_softmax(1)).sum(1).mean())


def test_multi_label_targets_are_independent(make_classifier_network: Make) -> None:
    """Binary cross-entropy summed over labels, averaged over documents; weights apply to labels that are present."""
    y = torch.tensor([[1.0, 0.0, 1.0], [0.0, 0.0, 0.0]])
    weight = torch.tensor([2.0, 3.0, 4.0])
    network = make_classifier_network(objective=MULTI_LABEL, class_weight=weight).train()
    step = network(batch(documents([9, 8]), y))
    p = step.output.sigmoid()
    yes, no = -(y * p.log()), -((1 - y) * (1 - p).log())
    torch.testing.assert_close(step.nll, (yes + no).sum(1).mean().detach())
    torch.testing.assert_close(step.loss, (weight * yes + no).sum(1).mean())


def test_without_targets_there_are_only_logits(make_classifier_network: Make) -> None:
    """Prediction needs no labels."""
    step = make_classifier_network().eval()(batch(documents([4, 3])))
    assert step.output.shape == (2, 3)
    assert (step.count, step.target) == (2, None)
