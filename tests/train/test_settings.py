"""Settings of the loop and its stages that are refused."""

from types import SimpleNamespace

import pytest

from ulmus.errors import ConfigError
from ulmus.train.loop import LoopConfig, Stage, Trainer


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Stage("s", epochs=0), "epochs must be at least 1"),
        (lambda: Stage("s", minutes=0), "minutes must be above 0"),
        (lambda: Stage("s", factor=0), "factor must be above 0"),
        (lambda: Stage("s", decay_steps=0), "decay_steps must be at least 1"),
        (lambda: LoopConfig(clip=0), "clip"),
        (lambda: LoopConfig(ema=1), "between 0 and 1"),
        (lambda: LoopConfig(nt_asgd=-1), "nt_asgd"),
        (lambda: LoopConfig(nt_asgd=5, ema=0.9), "without ema"),
        (lambda: LoopConfig(optimizer="adam"), "adamw or sgd, got 'adam'"),
        (lambda: LoopConfig(patience=0), "at least 1 evaluation"),
        (lambda: Trainer(None, [], train=SimpleNamespace()), "stages: expected at least one"),
        (lambda: Trainer(None, [Stage("s")], train=[1, 2]), "each of the 1 stages, got 2"),
        (
            lambda: Trainer(None, [Stage("s")], train=[1], config=LoopConfig(keep_best=True)),
            "validation batches",
        ),
    ],
)
def test_invalid_settings_are_refused_before_training(make, message):
    """Invalid stages and settings are ConfigErrors that say what was expected."""
    with pytest.raises(ConfigError, match=message):
        make()
