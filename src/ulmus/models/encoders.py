"""Builds the encoder of a config, and its form for inference. The only module that names encoder classes."""

from __future__ import annotations

from ulmus.errors import ConfigError
from ulmus.models.awd_lstm import AWDLSTM
from ulmus.models.encoder import (
    Dropouts,
    Encoder,
    EncoderConfig,
    EncoderInference,
    EncoderShape,
    RecurrentEncoder,
)
from ulmus.models.inference import PackedEncoder
from ulmus.models.transformer import Transformer, TransformerConfig, TransformerInference, skeleton

__all__ = ["for_inference", "make_encoder", "make_recurrent", "packed"]


def make_encoder(config: EncoderShape, dropouts: Dropouts) -> Encoder:
    """An encoder of the config's shape, without trained weights. A transformer has dropouts of its own.

    Raises ConfigError: an unknown architecture; MissingExtra: a transformer without the package `transformers`.
    """
    if isinstance(config, TransformerConfig):
        return skeleton(config)
    if isinstance(config, EncoderConfig):
        return make_recurrent(config, dropouts)
    raise ConfigError(f"encoder: no architecture for a config of type {type(config).__name__}.")


def make_recurrent(config: EncoderConfig, dropouts: Dropouts) -> RecurrentEncoder:
    """The encoder of a language model, of the config's shape, with random weights."""
    return AWDLSTM(config, dropouts)


def for_inference(encoder: Encoder, precision: str) -> EncoderInference:
    """The encoder prepared for inference on a CPU, in float32, bf16 or (a recurrent one) int8.

    Later changes to its weights have no effect. Raises ConfigError for another precision.
    """
    if isinstance(encoder, Transformer):
        return TransformerInference(encoder, precision)
    return packed(encoder, precision)


def packed(encoder: Encoder, precision: str) -> PackedEncoder:
    """A recurrent encoder with packed weights, step by step too: for generating text. As `for_inference`."""
    if not isinstance(encoder, AWDLSTM):
        raise ConfigError(f"a {type(encoder).__name__} has no recurrent layers to pack.")
    return PackedEncoder(encoder, precision)
