"""A transformer with its language-model head: masked (an encoder) or causal (a decoder).

The head computes only the rows that are predicted: they replace the encoder's outputs before the head sees them, so
that any architecture of `transformers` keeps a head of its own. A folder that holds an encoder alone gets a head whose
output weights are those of the embeddings and whose transformation changes nothing at first. Needs the extra
`transformers`. Axes: B parts of documents, T tokens, W windows, K their length, M predicted tokens, D hidden,
V vocabulary.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ulmus.errors import BundleError
from ulmus.models.checkpoint_folder import check_folder, open_config, open_model, weight_names
from ulmus.models.transformer import Transformer, TransformerConfig, described, has_masked_head, known_config
from ulmus.special_tokens import Layout

__all__ = ["HeadedTransformer", "open_with_head", "with_head"]

BOTH_WAYS = ("xlnet",)  # listed as causal, but a token sees those after it
LINEAR = 3.0  # added before the activation, where GELU and its like are nearly linear; the norm after it removes it


class HeadedTransformer(nn.Module):
    """A transformer and its head."""

    def __init__(self, config: TransformerConfig, model: Any) -> None:
        super().__init__()
        self.config, self.model = config, model
        accepted = inspect.signature(model.forward).parameters
        self._accepted = None if any(p.kind is p.VAR_KEYWORD for p in accepted.values()) else set(accepted)

    @property
    def encoder(self) -> Transformer:
        """The transformer without the head; it shares the weights."""
        return Transformer(self.config, self.model.base_model)

    def logits(self, ids: Tensor, lengths: Tensor, predicted: Tensor) -> Tensor:
        """Logits (M, V) at the places `predicted` (B, T) of parts (B, T) of `lengths` (B,), in their order.

        A part must fit in one window.
        """
        encoder = self.encoder
        parts = encoder.windows(ids, lengths)
        rows = (parts.position >= 0) & predicted[parts.document[:, None], parts.position.clamp(min=0)]

        kept = []

        def keep(_module: nn.Module, _inputs: Any, outputs: Any) -> Any:
            kept.append(outputs["last_hidden_state"][rows].unsqueeze(0))  # (1, M, D)
            outputs["last_hidden_state"] = kept[0]
            return outputs

        inputs = encoder.inputs(parts)
        if self._accepted is not None:
            inputs = {name: value for name, value in inputs.items() if name in self._accepted}
        handle = self.model.base_model.register_forward_hook(keep)
        try:
            with encoder.precision(ids.device):
                logits: Tensor = self.model(**inputs).logits
        finally:
            handle.remove()
        return logits[0] if kept else logits[rows]  # OPT calls a part of its encoder: nothing is kept

    def head(self) -> dict[str, nn.Parameter]:
        """The weights of the head by name, without those that it shares with the encoder."""
        own = {id(weight) for weight in self.model.base_model.parameters()}
        return {name: weight for name, weight in self.model.named_parameters() if id(weight) not in own}

    def outside(self) -> tuple[str, ...]:
        """All names of weights outside the encoder, those of shared weights too."""
        inside = f"{self.model.base_model_prefix}."
        return tuple(name for name in self.model.state_dict() if not name.startswith(inside))

    def layer_groups(self) -> list[list[nn.Parameter]]:
        """Embeddings, one group per layer, and the head if it has weights of its own."""
        groups, head = self.encoder.layer_groups(), list(self.head().values())
        return [*groups, head] if head else groups

    @torch.no_grad()
    def start_head(self) -> None:
        """Give the head weights to begin with: it compares the encoder's outputs with the embeddings."""
        inside = {id(module) for module in self.model.base_model.modules()}
        modules = [module for module in self.model.modules() if id(module) not in inside]
        normed = any(isinstance(module, nn.LayerNorm) for module in modules)
        output, head = self.model.get_output_embeddings(), self.head()
        for name, weight in head.items():
            if name.endswith("bias"):
                weight.zero_()
        for module in modules:
            if isinstance(module, nn.LayerNorm):
                module.weight.fill_(1.0)
            elif isinstance(module, nn.Linear) and module is not output:
                nn.init.eye_(module.weight)
                if normed and module.bias is not None:
                    module.bias.fill_(LINEAR)
        if any(weight is output.weight for weight in head.values()):
            output.weight.copy_(self.model.get_input_embeddings().weight)


def open_with_head(
    folder: str | Path, layout: Layout, *, window: int | None = None
) -> tuple[HeadedTransformer, bool]:
    """The model in a local folder with its language-model head, and whether the head is a new one.

    Raises BundleError: an unusable folder, an encoder-decoder, or an architecture without such a head; ConfigError: an
    impossible window; MissingExtra.
    """
    check_folder(folder)
    own = open_config(folder)
    config = described(own, folder, layout, window=window)
    kind = _auto(config, own, folder)
    with torch.device("meta"):
        empty = HeadedTransformer(config, _without_weights(kind, own))
    new = bool(empty.head()) and not weight_names(folder) & empty.head().keys()
    with torch.random.fork_rng(devices=[]):
        model = open_model(folder, kind, optional=empty.outside() if new else (), config=own)
    headed = HeadedTransformer(config, model)
    if new:
        headed.start_head()
    return headed, new


def with_head(encoder: Transformer, weights: Mapping[str, Tensor]) -> HeadedTransformer:
    """An encoder with a head that has these weights, of any shape, named as by `HeadedTransformer.head`.

    Raises BundleError: an architecture without such a head, or weights that do not fit it.
    """
    own = known_config(encoder.config)
    with torch.device("meta"):
        model = _without_weights(_auto(encoder.config, own, "The file"), own)
    setattr(model, model.base_model_prefix, encoder.model)
    model.tie_weights()
    headed = HeadedTransformer(encoder.config, model)
    shapes = {name: weight.shape for name, weight in headed.head().items()}
    if shapes != {name: weight.shape for name, weight in weights.items()}:
        raise BundleError("The weights of the head do not match the model's config. Adapt the model again.")
    model.load_state_dict(dict(weights), strict=False, assign=True)
    model.tie_weights()
    return headed


def _auto(config: TransformerConfig, own: Any, where: str | Path) -> str:
    """The name of the Auto class that has the head. Raises BundleError: there is none."""
    if config.causal and own.model_type not in BOTH_WAYS:
        return "AutoModelForCausalLM"
    if has_masked_head(own):
        return "AutoModelForMaskedLM"
    raise BundleError(
        f"{where} holds a {own.model_type}, of which transformers has no masked or causal language model, so it cannot "
        "be trained on texts without labels. Use another architecture, such as BERT."
    )


def _without_weights(kind: str, own: Any) -> Any:
    """A model of this config whose weights are still to be loaded, on the current default device."""
    import transformers
    from transformers.initialization import no_init_weights

    with no_init_weights():
        model = getattr(transformers, kind).from_config(own, trust_remote_code=False)
    model.tie_weights()
    return model
