"""Which encoder a config asks for, and its form for inference. The only place that knows them by name."""

from __future__ import annotations

from typing import cast

from ulmus.models.awd_lstm import AWDLSTM
from ulmus.models.encoder import Dropouts, Encoder, EncoderConfig
from ulmus.models.inference import Reader

__all__ = ["for_inference", "make_encoder"]


def make_encoder(config: EncoderConfig, dropouts: Dropouts) -> Encoder:
    """An encoder of this shape with random weights."""
    return AWDLSTM(config, dropouts)


def for_inference(encoder: Encoder, precision: str) -> Reader:
    """The encoder with packed weights, on a CPU, in float32, bf16 or int8. Raises ConfigError for another precision.

    Later changes of the encoder's weights are not seen.
    """
    return Reader(cast(AWDLSTM, encoder), precision)
