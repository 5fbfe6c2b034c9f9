"""Builds the encoder of a config, and its form for inference. The only module that names encoder classes."""

from __future__ import annotations

from typing import cast

from ulmus.models.awd_lstm import AWDLSTM
from ulmus.models.encoder import Dropouts, Encoder, EncoderConfig
from ulmus.models.inference import PackedEncoder

__all__ = ["for_inference", "make_encoder"]


def make_encoder(config: EncoderConfig, dropouts: Dropouts) -> Encoder:
    """An encoder of the config's shape with random weights."""
    return AWDLSTM(config, dropouts)


def for_inference(encoder: Encoder, precision: str) -> PackedEncoder:
    """The encoder with packed weights, on a CPU, in float32, bf16 or int8. Raises ConfigError for another precision.

    Later changes to the encoder's weights have no effect on it.
    """
    return PackedEncoder(cast(AWDLSTM, encoder), precision)
