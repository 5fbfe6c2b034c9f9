"""What every encoder keeps, whatever its architecture: features alone and in a batch, any length, layer groups."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from ulmus.errors import BundleError, ConfigError
from ulmus.models.encoder import Dropouts, Encoder, EncoderConfig
from ulmus.models.encoders import for_inference, make_encoder
from ulmus.models.transformer import Transformer, open_transformer
from ulmus.models.weights import numpy_tensors, torch_tensors
from ulmus.models.windows import windows
from ulmus.special_tokens import Layout

BERT = Layout(prefix=(2,), separator=(3,), suffix=(3,), second_type=1)
KINDS = ("lstm", "qrnn", "BertModel", "RobertaModel", "GPT2Model")
Make = Callable[[str], Encoder]


@pytest.fixture(scope="module")
def make(make_checkpoint: Callable[..., Path]) -> Make:
    """Makes an encoder of a few thousand weights."""
    made: dict[str, Path] = {}

    def new(kind: str) -> Encoder:
        torch.manual_seed(0)
        if kind in ("lstm", "qrnn"):
            config = EncoderConfig(32, embedding=8, hidden=16, layers=2, cell=kind)
            return make_encoder(config, Dropouts(mult=0.0))
        if kind not in made:
            made[kind] = make_checkpoint(kind)
        layout = Layout() if kind.startswith("GPT2") else BERT
        return open_transformer(made[kind], layout, window=16, overlap=4)

    return new


def batch(*lengths: int) -> tuple[Tensor, Tensor]:
    """Random ids (B, T) of documents of these lengths."""
    generator = torch.Generator().manual_seed(sum(lengths))
    ids = torch.randint(5, 31, (len(lengths), max(1, *lengths)), generator=generator)
    sizes = torch.tensor(lengths)
    return torch.where(torch.arange(ids.shape[1]) < sizes[:, None], ids, 0), sizes


@pytest.mark.parametrize("kind", KINDS)
def test_a_document_has_the_same_features_alone_and_in_any_batch(kind: str, make: Make) -> None:
    """Whatever stands beside it, from no token to many windows; training and inference agree."""
    encoder: Any = make(kind)
    encoder.eval()
    ids, lengths = batch(0, 1, 5, 13, 14, 15, 16, 40, 200)
    together = for_inference(encoder, "float32").features(ids, lengths)
    assert together.shape == (9, encoder.config.pooled())
    with torch.no_grad():
        torch.testing.assert_close(encoder.features(ids, lengths, max_len=8), together, atol=1e-5, rtol=1e-5)
    for i, n in enumerate(lengths.tolist()):
        alone = for_inference(encoder, "float32").features(ids[i : i + 1, : max(n, 1)], lengths[i : i + 1])
        torch.testing.assert_close(alone[0], together[i], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_every_token_has_features_and_padding_has_none(kind: str, make: Make) -> None:
    """(B, T, D), the same alone and in a batch, zeros beyond the end of a document."""
    encoder: Any = make(kind)
    encoder.eval()
    ids, lengths = batch(3, 30)
    with torch.no_grad():
        features = encoder.token_features(ids, lengths)
        alone = encoder.token_features(ids[:1, :3], lengths[:1])
    assert features.shape == (2, 30, encoder.config.token_width())
    assert not features[0, 3:].any()
    assert features[1].abs().sum(dim=1).min() > 0
    torch.testing.assert_close(features[:1, :3], alone, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_layer_groups_hold_every_parameter_once_lowest_first(kind: str, make: Make) -> None:
    """Embeddings, then the layers; gradients reach all of them."""
    encoder: Any = make(kind)
    groups = encoder.layer_groups()
    flat = [id(p) for group in groups for p in group]
    assert sorted(flat) == sorted({id(p) for p in encoder.parameters()})
    assert len(groups) >= 2
    assert all(groups)
    encoder.train().features(*batch(4, 20), max_len=30).square().sum().backward()
    assert all(p.grad is not None for p in encoder.parameters())
    assert encoder.weights_per_token() > 0


@pytest.mark.parametrize("kind", ["BertModel", "RobertaModel", "GPT2Model"])
def test_a_transformer_is_rebuilt_from_its_config_and_arrays(kind: str, make: Make) -> None:
    """Weights loaded on the meta device, and what no file holds computed again."""
    encoder: Any = make(kind)
    with torch.device("meta"):
        empty: Any = make_encoder(type(encoder.config).from_dict(encoder.config.to_dict()), Dropouts())
    torch_tensors(empty, numpy_tensors(encoder))
    empty.restore_buffers()
    ids, lengths = batch(3, 50)
    expected = for_inference(encoder, "float32").features(ids, lengths)
    torch.testing.assert_close(for_inference(empty, "float32").features(ids, lengths), expected)


def test_bf16_features_are_close_and_int8_is_refused(make: Make) -> None:
    """The error names what a transformer can do."""
    encoder: Any = make("BertModel").to("cpu")
    ids, lengths = batch(3, 20)
    exact = for_inference(encoder, "float32").features(ids, lengths)
    torch.testing.assert_close(
        for_inference(encoder, "bf16").features(ids, lengths), exact, atol=0.1, rtol=0.1
    )
    with pytest.raises(ConfigError, match="float32 or bf16, got 'int8'"):
        for_inference(encoder, "int8")


def test_memory_does_not_depend_on_the_length_of_a_document(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No forward pass has more tokens than its limit, however long the document."""
    encoder: Any = make("BertModel")
    seen: list[int] = []
    real = Transformer.hidden
    monkeypatch.setattr(
        Transformer, "hidden", lambda self, parts: seen.append(parts.ids.numel()) or real(self, parts)
    )
    for_inference(encoder, "float32").features(*batch(20_000, 3))
    assert max(seen) <= 8_192
    assert sum(seen) >= 20_000


@given(
    lengths=st.lists(st.integers(0, 70), min_size=1, max_size=5),
    size=st.integers(8, 24),
    overlap=st.integers(0, 4),
    special=st.booleans(),
)
def test_windows_cover_each_token_exactly_once(
    lengths: list[int], size: int, overlap: int, special: bool
) -> None:
    """Each token is owned by one window, stands in it unchanged, and windows overlap as much as was asked for."""
    layout = BERT if special else Layout()
    ids, sizes = batch(*lengths)
    parts = windows(ids, sizes, size=size, overlap=overlap, layout=layout)
    assert int(parts.mask.sum(dim=1).max()) < parts.ids.shape[1] <= size
    owned = parts.position >= 0
    places = (parts.document[:, None] * 100 + parts.position)[owned].tolist()
    assert sorted(places) == [100 * i + t for i, n in enumerate(lengths) for t in range(n)]
    assert torch.equal(
        parts.ids[owned], ids[parts.document[:, None].expand_as(owned)[owned], parts.position[owned]]
    )
    room = size - 2 * special - 1
    step = room - overlap
    assert len(parts.ids) == sum(1 + -(-max(n - room, 0) // step) for n in lengths)


def test_the_second_of_a_pair_has_its_own_token_type() -> None:
    """Type 0 up to and with the first separator, 1 from there on, the last separator included."""
    ids = torch.tensor([[7, 8, 3, 9]])
    parts = windows(ids, torch.tensor([4]), size=16, overlap=0, layout=BERT)
    assert parts.ids[0, :6].tolist() == [2, 7, 8, 3, 9, 3]
    assert parts.types[0, :6].tolist() == [0, 0, 0, 0, 1, 1]


def test_a_window_beyond_the_positions_of_the_model_is_refused(make_checkpoint: Callable[..., Path]) -> None:
    """RoBERTa's first positions are reserved: of 24 there are 23 with padding token 0."""
    folder = make_checkpoint("RobertaModel", pad_token_id=1)
    assert open_transformer(folder, BERT).config.window == 22
    with pytest.raises(ConfigError, match="this model has 22 positions, got 23"):
        open_transformer(folder, BERT, window=23)


@pytest.mark.parametrize("kind", ["MPNetModel", "RobertaModel", "SqueezeBertModel", "XLNetModel"])
def test_documents_that_fill_the_longest_window_are_encoded(
    kind: str, make_checkpoint: Callable[..., Path]
) -> None:
    """Wherever the positions of an architecture begin, and whether it needs a pooler or has no limit."""
    encoder = open_transformer(make_checkpoint(kind), BERT)
    ids, lengths = batch(encoder.config.room, 100)
    with torch.no_grad():
        assert encoder.features(ids, lengths).isfinite().all()


def test_an_architecture_that_takes_float32_only_gets_it(make_checkpoint: Callable[..., Path]) -> None:
    """DeBERTa cannot be called in bf16, which training chooses where that is fast."""
    encoder = open_transformer(make_checkpoint("DebertaModel"), BERT)
    documents = batch(3, 30)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = encoder.features(*documents)
    torch.testing.assert_close(mixed, encoder.features(*documents))
    mixed.sum().backward()


def test_an_architecture_that_takes_no_tokens_is_refused(make_checkpoint: Callable[..., Path]) -> None:
    """When the folder is opened, with the reason."""
    with pytest.raises(BundleError, match="architecture canine, which cannot be used as an encoder of text"):
        open_transformer(make_checkpoint("CanineModel"), BERT)


def test_weights_in_half_precision_become_float32_for_good(
    make_checkpoint: Callable[..., Path], tmp_path: Path
) -> None:
    """The encoder rebuilt from its config computes in float32 too, to the last digit."""
    from transformers import BertModel

    BertModel.from_pretrained(make_checkpoint("BertModel"), dtype=torch.bfloat16).save_pretrained(tmp_path)
    tokenizer = make_checkpoint("BertModel") / "tokenizer.json"
    (tmp_path / tokenizer.name).write_text(tokenizer.read_text())
    encoder = open_transformer(tmp_path, BERT)
    with torch.no_grad():
        for weight in encoder.parameters():
            weight += 1e-4  # what bfloat16 cannot hold
    with torch.device("meta"):
        rebuilt: Any = make_encoder(encoder.config, Dropouts())
    torch_tensors(rebuilt, dict(numpy_tensors(encoder)))
    rebuilt.restore_buffers()
    ids, lengths = batch(3, 30)
    with torch.no_grad():
        assert torch.equal(rebuilt.eval().features(ids, lengths), encoder.eval().features(ids, lengths))


def test_an_encoder_decoder_is_refused(make_checkpoint: Callable[..., Path]) -> None:
    """The error says what it is and what is expected."""
    with pytest.raises(
        BundleError, match=r"holds an encoder-decoder \(t5\); expected an encoder such as BERT"
    ):
        open_transformer(make_checkpoint("T5ForConditionalGeneration"), BERT)
