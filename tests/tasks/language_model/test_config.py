"""Settings of language model and classifier: sizes, published defaults, invalid values."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from ulmus.config import from_dict, from_toml, to_dict, to_toml
from ulmus.errors import ConfigError
from ulmus.models.encoder import Dropouts
from ulmus.tasks.classifier.config import ClassifierConfig
from ulmus.tasks.language_model.config import SIZES, LMConfig, lm_config


def test_base_has_the_published_shape_and_dropouts() -> None:
    """AWD-LSTM 400/1150/3, bptt 70, full softmax, dropouts of Howard & Ruder 2018."""
    base = lm_config("base")
    assert (base.embedding, base.hidden, base.layers, base.bptt, base.cutoffs) == (400, 1150, 3, 70, ())
    assert base.dropouts == Dropouts(0.25, 0.15, 0.1, 0.02, 0.2, 1.0)
    assert (base.alpha, base.beta) == (2, 1)


def test_a_tokenizer_type_changes_only_the_tokenizer() -> None:
    """Word vocabularies have the limit of the size, other tokenizer types their own defaults."""
    assert lm_config("small").tokenizer.size == 20_000
    char = lm_config("small", kind="char", backwards=True)
    assert (char.tokenizer.kind, char.backwards) == ("char", True)
    assert dataclasses.replace(char, tokenizer=lm_config("small").tokenizer, backwards=False) == lm_config(
        "small"
    )


@pytest.mark.parametrize(
    "config", [*SIZES.values(), ClassifierConfig(), ClassifierConfig(language_model=LMConfig())]
)
def test_settings_survive_toml_and_json(config: Any, tmp_path: Any) -> None:
    """A config survives both formats unchanged."""
    assert from_dict(to_dict(config), type(config)) == config
    (tmp_path / "run.toml").write_text(to_toml(config))
    assert from_toml(tmp_path / "run.toml", type(config)) == config


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [
        (LMConfig, "embedding", 0),
        (LMConfig, "layers", 1_000),
        (LMConfig, "epochs", 0),
        (LMConfig, "clip", 0),
        (LMConfig, "alpha", -1),
        (LMConfig, "bptt", float("nan")),
        (Dropouts, "weight", 1.5),
        (Dropouts, "mult", -0.1),
        (ClassifierConfig, "max_len", 0),
        (ClassifierConfig, "teach_confident", 0),
        (ClassifierConfig, "teach_confident", 1.1),
        (ClassifierConfig, "head_dropouts", (0.1, 1.0)),
        (ClassifierConfig, "tune", "sometimes"),
    ],
)
def test_invalid_values_are_refused(kind: Any, name: str, value: Any) -> None:
    """When the config is created, not an hour later; the message names field, bounds and value."""
    with pytest.raises(ConfigError, match=f"{name}: expected .* got"):
        kind(**{name: value})


def test_scaled_dropout_stays_below_1() -> None:
    """Scaled beyond 1, it is limited to 0.95."""
    assert Dropouts(weight=1.0).scaled("weight") == 0.95
