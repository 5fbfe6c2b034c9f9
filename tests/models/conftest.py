"""The small encoder that the tests of the models share."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from ulmus.models.awd_lstm import AWDLSTM
from ulmus.models.encoder import Dropouts, EncoderConfig

NONE = Dropouts(mult=0.0)


@pytest.fixture
def shape() -> EncoderConfig:
    """V 40, E 8, D 16, two layers."""
    return EncoderConfig(vocab_size=40, embedding=8, hidden=16, layers=2)


@pytest.fixture
def make_encoder(shape: EncoderConfig) -> Callable[..., AWDLSTM]:
    """Makes the small encoder from a seed; without dropout unless some is given."""

    def make(dropouts: Dropouts = NONE, *, seed: int = 0, config: EncoderConfig = shape) -> AWDLSTM:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return AWDLSTM(config, dropouts)

    return make
