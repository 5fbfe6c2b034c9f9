"""A transformer as an encoder: an architecture of the `transformers` library, with weights from a local folder.

A document of any length is encoded in overlapping windows (`windows`), whose outputs are pooled without padding:
the mean of each of the last layers over all tokens, and the last layer's summary token (the first one; the last one
of a decoder), averaged over the windows. Nothing is downloaded, no code but the library's runs, no pickle is opened.
Needs the extra `transformers`. Axes: B documents, T tokens, W windows, K their length, D hidden, L layers, F features.
"""

from __future__ import annotations

import copy
import dataclasses
import inspect
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ulmus.errors import BundleError, ConfigError, MissingExtra
from ulmus.models.checkpoint_folder import check_folder, open_config, open_model, positions
from ulmus.models.encoder import Dropouts
from ulmus.models.windows import GRAIN, Windows, windows, windows_of
from ulmus.special_tokens import Layout

__all__ = [
    "Transformer", "TransformerConfig", "TransformerInference", "described", "has_masked_head", "known_config",
    "open_transformer", "skeleton",
]  # fmt: skip

MEANS = 2  # layers, the last ones, whose means over the tokens are features
DEFAULT_WINDOW, DEFAULT_OVERLAP = 256, 32  # tokens; attention to longer windows costs more than it gives
LARGEST_ID = 2**31
LONGEST = 8_192  # tokens of a window, also where a model has no limit
# 0 here: on CPUs attention has a fused kernel only without dropout, and a training step takes 2.7 times as long with it
ATTENTION_DROPOUTS = ("attention_probs_dropout_prob", "attention_dropout", "attn_pdrop")
MIXED = ("deberta", "xmod")  # architectures whose code mixes types of numbers under autocast: float32 only
TOKENS = 8_192  # in one forward pass of inference, padding included


@dataclass(frozen=True)
class TransformerConfig:
    """The architecture, and how documents are presented to it. Raises ConfigError: a window without room for text."""

    architecture: dict[str, Any]  # contents of config.json
    layout: Layout
    width: int  # D, features of a token
    causal: bool = False  # a decoder: each token has seen those before it
    window: int = DEFAULT_WINDOW  # places: text, special tokens, and one for padding at least
    overlap: int = DEFAULT_OVERLAP  # tokens that neighbouring windows share, at least

    def __post_init__(self) -> None:
        if not 0 <= self.overlap < self.room:
            raise ConfigError(
                f"window: expected more than {self.overlap} tokens of text, got room for {self.room}."
            )

    @property
    def room(self) -> int:
        """The most tokens of text in a window."""
        return self.window - len(self.layout.prefix) - len(self.layout.suffix) - 1

    def to_dict(self) -> dict[str, Any]:
        """The config as plain JSON."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, saved: dict[str, Any]) -> TransformerConfig:
        """The inverse of `to_dict`. Raises TypeError, ValueError, ConfigError: values that cannot be a config."""
        sizes = {name: saved[name] for name in ("width", "window", "overlap")}
        layout, architecture = dict(saved["layout"]), saved["architecture"]
        special: dict[str, Any] = {
            name: tuple(layout.pop(name)) for name in ("prefix", "separator", "suffix")
        }
        numbers = [*sizes.values(), *layout.values(), *(i for ids in special.values() for i in ids)]
        if not all(type(n) is int and 0 <= n < LARGEST_ID for n in numbers) or not isinstance(
            architecture, dict
        ):
            raise ValueError("a transformer's config with numbers out of range")
        if sizes["width"] < 1 or type(saved["causal"]) is not bool:
            raise ValueError("a transformer's config without a width")
        return cls(architecture, Layout(**special, **layout), causal=saved["causal"], **sizes)

    def token_width(self) -> int:
        """D, the number of features of a token."""
        return self.width

    @property
    def joint_pairs(self) -> bool:
        """The two texts of a pair are one document to a transformer: its tokenizer separates the fields."""
        return True

    def windows(self, lengths: np.ndarray) -> np.ndarray:
        """The number of windows (N,) in which documents of `lengths` (N,) are encoded."""
        sizes = torch.from_numpy(np.asarray(lengths, np.int64))
        return windows_of(sizes, size=self.window, overlap=self.overlap, layout=self.layout).numpy()

    def pooled(self) -> int:
        """F, the number of features of a document."""
        return (MEANS + 1) * self.width


class Transformer(nn.Module):
    """A `transformers` model without a head, behind the interface of an encoder."""

    steady_bf16 = False  # a matrix product with other rows beside it is rounded otherwise

    def __init__(self, config: TransformerConfig, model: nn.Module) -> None:
        super().__init__()
        self.config = config
        if getattr(model, "pooler", None) is not None:
            # not used here, only parameters without a gradient; some architectures call it all the same
            setattr(model, "pooler", nn.Identity())  # noqa: B010
        self.model: Any = model
        accepted = inspect.signature(model.forward).parameters
        self._options: dict[str, Any] = {"use_cache": False} if "use_cache" in accepted else {}
        self.typed = "token_type_ids" in accepted and getattr(model.config, "type_vocab_size", 0) > 1

    def features(self, ids: Tensor, lengths: Tensor, *, max_len: int = 0) -> Tensor:  # noqa: ARG002
        """Documents (B, T) of `lengths` (B,) -> pooled features (B, F) float32; `max_len` is for recurrent encoders.

        Without gradients, windows of one padded length go together, at most `TOKENS` tokens at a time.
        """
        parts, documents = self.windows(ids, lengths), len(lengths)
        if torch.is_grad_enabled():
            return self.means(self.sums(parts, self.hidden(parts), documents), parts, lengths)
        sums = torch.zeros(documents, self.config.pooled(), device=ids.device)
        for chosen in _by_length(parts.mask.sum(dim=1)):
            some = parts.rows(chosen)
            sums += self.sums(some, self.hidden(some), documents)
        return self.means(sums, parts, lengths)

    def token_features(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """Documents (B, T) of `lengths` (B,) -> the last layer's outputs (B, T, D) float32, zeros for padding."""
        parts = self.windows(ids, lengths)
        outputs = self.hidden(parts)[-1].float()
        own = parts.position >= 0
        place = (parts.document[:, None] * ids.shape[1] + parts.position)[own]
        flat = outputs.new_zeros(ids.numel(), outputs.shape[2]).index_copy(0, place, outputs[own])
        return flat.view(*ids.shape, -1)

    def windows(self, ids: Tensor, lengths: Tensor) -> Windows:
        """The windows of documents (B, T) of `lengths` (B,)."""
        c = self.config
        return windows(ids, lengths, size=c.window, overlap=c.overlap, layout=c.layout)

    def hidden(self, parts: Windows) -> tuple[Tensor, ...]:
        """Outputs (W, K, D) of the last layers, the top one last."""
        with self.precision(parts.ids.device):
            outputs = self.model(**self.inputs(parts), output_hidden_states=True)
        return (*outputs.hidden_states[-MEANS:-1], outputs.last_hidden_state)

    def precision(self, device: torch.device) -> AbstractContextManager[Any]:
        """The block in which the model is called: as it is, or in float32 if the architecture takes nothing else."""
        if self.config.architecture.get("model_type") not in MIXED:
            return nullcontext()
        return torch.autocast(device.type, enabled=False)

    def inputs(self, parts: Windows) -> dict[str, Any]:
        """The arguments of the model for these windows."""
        types = {"token_type_ids": parts.types} if self.typed else {}
        shown = {"input_ids": parts.ids, "attention_mask": parts.mask, "return_dict": True}
        return shown | types | self._options

    def sums(self, parts: Windows, outputs: tuple[Tensor, ...], documents: int) -> Tensor:
        """Outputs (W, K, D) of windows of B documents -> features (B, F) float32, summed over windows and tokens."""
        at = parts.last if self.config.causal else torch.zeros_like(parts.last)
        summary = outputs[-1][torch.arange(len(at), device=at.device), at].float()
        own = (parts.position >= 0).unsqueeze(2)
        rows = torch.cat([summary, *((one.float() * own).sum(dim=1) for one in outputs)], dim=1)
        return rows.new_zeros(documents, rows.shape[1]).index_add(0, parts.document, rows)

    def means(self, sums: Tensor, parts: Windows, lengths: Tensor) -> Tensor:
        """Sums (B, F) over all windows of documents of `lengths` (B,) -> their features (B, F)."""
        number = torch.bincount(parts.document, minlength=len(lengths))[:, None]  # (B, 1) windows
        width = self.config.width
        return torch.cat([sums[:, :width] / number, sums[:, width:] / lengths.clamp(min=1)[:, None]], dim=1)

    def sentence_vectors(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """Unit vectors (B, D) float32 of documents (B, T): means over all tokens of their windows, special ones too.

        That is how sentence encoders such as all-MiniLM-L6-v2 are used (Reimers & Gurevych 2019, section 3).
        """
        parts = self.windows(ids, lengths)
        sums = torch.zeros(len(lengths), self.config.width, device=ids.device)
        for chosen in _by_length(parts.mask.sum(dim=1)):
            some = parts.rows(chosen)
            top = self.hidden(some)[-1].float() * some.mask.unsqueeze(2)
            sums.index_add_(0, some.document, top.sum(dim=1))
        return nn.functional.normalize(sums)

    def vocabulary(self) -> int:
        """V, the number of ids that can be embedded."""
        return len(self.model.get_input_embeddings().weight)

    def set_dropouts(self, dropouts: Dropouts) -> None:
        """It keeps the dropouts of its config."""

    def restore_buffers(self) -> None:
        """Compute the buffers that are not saved (positions), after weights were loaded on the meta device."""
        if not any(buffer.is_meta for buffer in self.buffers()):
            return
        fresh = dict(skeleton(self.config).named_modules())
        for name, module in self.named_modules():
            for key, buffer in module.named_buffers(recurse=False):
                if buffer.is_meta:
                    setattr(module, key, getattr(fresh[name], key))

    def layer_groups(self) -> list[list[nn.Parameter]]:
        """Embeddings, then one group per layer from the bottom; what follows the layers belongs to the top one."""
        layers = self._layers()
        groups: list[list[nn.Parameter]] = [[], *(list(layer.parameters()) for layer in layers)]
        inside = {id(p) for group in groups for p in group}
        at = 0
        for parameter in self.model.parameters():
            if id(parameter) in inside:
                at = len(groups) - 1
            else:
                groups[at].append(parameter)
        return groups

    def weights_per_token(self) -> int:
        """Number of weights that each token is multiplied by: those of all layers."""
        return sum(p.numel() for p in self._layers().parameters())

    def _layers(self) -> nn.ModuleList:
        """The layers: the longest list of modules, outermost first. Raises ConfigError: there is none."""
        lists = [module for module in self.model.modules() if isinstance(module, nn.ModuleList)]
        if not lists:
            raise ConfigError(f"{type(self.model).__name__} has no list of layers; use another architecture.")
        return max(lists, key=len)


def open_transformer(
    folder: str | Path, layout: Layout, *, window: int | None = None, overlap: int | None = None
) -> Transformer:
    """The encoder in a local folder of the `transformers` format; a window of `DEFAULT_WINDOW` tokens, or what it has.

    Raises BundleError: an unusable folder, an encoder-decoder, or a model of something else than text; ConfigError: an
    impossible window; MissingExtra.
    """
    check_folder(folder)
    own = open_config(folder)
    config = described(own, folder, layout, window=window, overlap=overlap)
    encoder = Transformer(config, open_model(folder, "AutoModel", optional=("pooler.",), config=own))
    _check_encodes(encoder, folder)
    return encoder


def _check_encodes(encoder: Transformer, folder: str | Path) -> None:
    """Raise BundleError unless a text that fills a window can be encoded."""
    ids = torch.full((1, encoder.config.room), encoder.config.layout.pad)
    try:
        encoder.vocabulary()
        with torch.no_grad():
            features = encoder.eval().features(ids, torch.tensor([ids.shape[1]]))
    except (MissingExtra, MemoryError):
        raise
    except Exception as error:  # architectures that take something else raise anything
        raise _no_encoder(folder, encoder.model.config, str(error).split("\n")[0]) from error
    if features.shape != (1, encoder.config.pooled()):
        raise _no_encoder(folder, encoder.model.config, f"features of shape {tuple(features.shape)}")


def _no_encoder(folder: str | Path, config: Any, why: str) -> BundleError:
    return BundleError(
        f"{folder} holds a model of the architecture {config.model_type}, which cannot be used as an encoder of text "
        f"({why}). Use another one, such as BERT."
    )


def described(
    config: Any, folder: str | Path, layout: Layout, *, window: int | None = None, overlap: int | None = None
) -> TransformerConfig:
    """What there is to know of a model in `folder` with this config of `transformers`.

    The dropout of attention is removed from that config.
    Raises BundleError: an encoder-decoder, or no model of text; ConfigError: an impossible window.
    """
    if getattr(config, "is_encoder_decoder", False):
        raise BundleError(
            f"{folder} holds an encoder-decoder ({config.model_type}); expected an encoder such as BERT, or a decoder."
        )
    if not getattr(config, "vocab_size", None) or not getattr(config, "hidden_size", None):
        raise _no_encoder(folder, config, "it has no vocabulary of its own")
    most = _longest(config)
    if window is not None and window > most:
        raise ConfigError(f"window: this model has {most} positions, got {window}.")
    size = min(window or DEFAULT_WINDOW, most)
    for name in ATTENTION_DROPOUTS:
        if getattr(config, name, None):
            setattr(config, name, 0.0)
    return TransformerConfig(
        architecture=config.to_diff_dict() | {"model_type": config.model_type},
        layout=layout,
        width=int(config.hidden_size),
        causal=_is_causal(config),
        window=size,
        overlap=min(DEFAULT_OVERLAP, size // 4) if overlap is None else overlap,
    )


def skeleton(config: TransformerConfig) -> Transformer:
    """A transformer of this shape whose weights are still to be loaded, on the current default device.

    Raises ConfigError: an architecture that this version of transformers does not know; MissingExtra.
    """
    return Transformer(config, _without_weights(known_config(config)))


def known_config(config: TransformerConfig) -> Any:
    """The config as `transformers` has it, for float32. Raises ConfigError: an unknown architecture; MissingExtra."""
    try:
        import transformers
    except ImportError as error:
        raise MissingExtra.of("transformers", "transformers", "This model") from error
    kind = str(config.architecture.get("model_type"))
    if kind not in transformers.CONFIG_MAPPING:
        raise ConfigError(f"transformers {transformers.__version__} knows no architecture {kind!r}.")
    # a folder of weights in half precision says so in its config, and the model would compute in it
    return transformers.CONFIG_MAPPING[kind].from_dict(config.architecture | {"dtype": "float32"})


def _longest(config: Any) -> int:
    """The longest window in tokens."""
    with torch.device("meta"):
        most = positions(_without_weights(config))
    return LONGEST if most is None else min(most, LONGEST)


def _without_weights(config: Any) -> Any:
    """A model with this config of `transformers`, in float32, whose weights are still to be loaded."""
    from transformers import AutoModel
    from transformers.initialization import no_init_weights

    auto: Any = AutoModel
    with no_init_weights():
        return auto.from_config(config, trust_remote_code=False, dtype=torch.float32)


def has_masked_head(config: Any) -> bool:
    """Whether `transformers` has a masked language model of this architecture."""
    from transformers import MODEL_FOR_MASKED_LM_MAPPING

    return type(config) in MODEL_FOR_MASKED_LM_MAPPING


def _is_causal(config: Any) -> bool:
    """Whether the architecture is a decoder: `transformers` has a causal language model for it, but no masked one."""
    from transformers import MODEL_FOR_CAUSAL_LM_MAPPING

    return type(config) in MODEL_FOR_CAUSAL_LM_MAPPING and not has_masked_head(config)


class TransformerInference:
    """A transformer with fixed weights, for inference on a CPU, in float32 or bf16.

    Raises ConfigError for another precision. Later changes to the encoder's weights have no effect.
    """

    def __init__(self, encoder: Transformer, precision: str = "float32") -> None:
        if precision not in ("float32", "bf16"):
            raise ConfigError(f"precision: a transformer runs in float32 or bf16, got {precision!r}.")
        self._encoder, self._bf16 = copy.deepcopy(encoder).eval(), precision == "bf16"

    @torch.inference_mode()
    def features(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """Documents (B, T) of `lengths` (B,) -> pooled features (B, F) float32."""
        with torch.autocast("cpu", torch.bfloat16, enabled=self._bf16):
            return self._encoder.features(ids, lengths)


def _by_length(lengths: Tensor) -> list[Tensor]:
    """Indices of windows of `lengths` (W,) in batches of one padded length, each of at most `TOKENS` tokens."""
    padded = lengths // GRAIN
    order = padded.argsort(descending=True, stable=True)
    counts = torch.unique_consecutive(padded[order], return_counts=True)[1]
    groups: tuple[Tensor, ...] = torch.split(order, counts.tolist())
    return [
        batch
        for same in groups
        for batch in torch.split(same, max(1, TOKENS // int((padded[same[0]] + 1) * GRAIN)))
    ]
