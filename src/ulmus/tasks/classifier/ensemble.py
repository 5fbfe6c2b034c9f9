"""Several networks instead of one, whose probabilities are averaged: which they are.

    none            one network
    seeds:N         N networks of one language model or transformer, trained with different seeds
    directions      two networks: of a forward and of a backward language model
    tokenizers      two networks: of language models with different kinds of tokens
    auto            seeds:3 if there are few labels, they fine-tune the network, and there is time left; else none

Knows no label and no layer.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from ulmus.bundle import read_manifest
from ulmus.errors import ConfigError
from ulmus.installed import find, installed
from ulmus.tasks.language_model.config import LMConfig, lm_config
from ulmus.tasks.language_model.model import LanguageModel
from ulmus.tasks.language_model.selection import counterpart, matching_model

__all__ = ["AUTO", "CHOICES", "Ensemble", "Start"]

AUTO = 3  # networks of `auto`
MOST = 20  # networks
CHOICES = "auto, none, directions, tokenizers or seeds:N"
PAIRS = {"directions": "the other direction", "tokenizers": "another kind of tokens"}
MADE = ("new", "none")  # names of language models that there is no file of


class Start(NamedTuple):
    """What the network comes from: a language model as `Recipe.language_model` names it, or the config of a new one."""

    given: Any
    config: LMConfig | None = None

    @property
    def name(self) -> str:
        """The name of an installed language model; empty for any other, of which a report holds no path."""
        return self.given if isinstance(self.given, str) and self.given in installed() else ""


@dataclass(frozen=True)
class Ensemble:
    """A choice of networks."""

    name: str  # none, auto, directions, tokenizers, seeds
    networks: int  # at most

    @classmethod
    def of(cls, choice: Any) -> Ensemble:
        """The choice as a user writes it. Raises ConfigError."""
        if choice in ("none", "auto", *PAIRS):
            return cls(choice, {"none": 1, "auto": AUTO}.get(choice, 2))
        match = re.fullmatch(r"seeds:(\d{1,3})", choice) if isinstance(choice, str) else None
        if match is None or not 2 <= int(match[1]) <= MOST:
            raise ConfigError(
                f"ensemble: expected {CHOICES} with N from 2 to {MOST}, as in seeds:3, got {choice!r}."
            )
        return cls("seeds", int(match[1]))

    def check(self, language_model: Any, encoder: Any) -> None:
        """Raise ConfigError unless it can be made of this language model (or list of two), or of this transformer."""
        if encoder is not None:
            if self.name in PAIRS:
                raise ConfigError(
                    f"ensemble: {self.name} needs language models. With encoder choose seeds:{AUTO}, or none."
                )
            return
        if isinstance(language_model, list | tuple) and len(language_model) != 1:
            self._check_two(language_model)
        elif self.name in PAIRS:
            self._pair(_only(language_model))

    def starts(
        self, given: Any, config: LMConfig | None, sample: Callable[[], list[str]], **choices: Any
    ) -> list[Start]:
        """What each network starts from; one start for all seeds.

        given: a language model, its path or name, "new", "none", a list of two; None looks for an installed one of the
        language of the texts in `sample()`. config: of a new one. choices: kind and size of one that is looked for,
        and `say`, see `matching_model`. Raises ConfigError: the second of two language models is missing.
        """
        kind, size = choices["kind"], choices["size"]
        if isinstance(given, list | tuple) and len(given) > 1:
            return [Start(one, config or lm_config()) for one in given]
        given = _only(given)
        if given is None and config is None:
            given = matching_model(sample(), **choices)
        config = config or lm_config(size or "small", kind=kind or "word")
        if self.name not in PAIRS:
            return [Start(given, config)]
        if given is None or given in MADE:
            return [Start(given, config), Start(given, self._other(config))]
        return [Start(one, config) for one in self._pair(given)]

    def _other(self, config: LMConfig) -> LMConfig:
        """The config of the second language model, if both are new."""
        if self.name == "directions":
            return replace(config, backwards=not config.backwards)
        kind = "unigram" if config.tokenizer.kind == "word" else "word"
        return replace(config, tokenizer=lm_config(kind=kind).tokenizer)

    def _pair(self, given: Any) -> Sequence[Any]:
        """An installed language model and its counterpart; the given one alone if nothing has to be found.

        Raises ConfigError: there is no counterpart, or only that of an installed model would be known.
        """
        if given is None or (isinstance(given, str) and given in MADE):
            return [given]
        second = "Give two: language_model=[A, B], or --language-model twice."
        if not isinstance(given, str) or given not in installed():
            raise ConfigError(
                f"ensemble: {self.name} needs a second language model beside your own. {second}"
            )
        other = counterpart(given, self.name)
        if other is None:
            raise ConfigError(
                f"ensemble: {self.name} needs two language models, and none is installed that is like {given} but for "
                f"{PAIRS[self.name]}. Installed: {', '.join(installed())}. {second} Or choose seeds:{AUTO}."
            )
        return [given, other]

    def _check_two(self, given: Sequence[Any]) -> None:
        if self.name not in PAIRS or len(given) != 2:
            raise ConfigError(
                f"language_model: expected one, or two for the ensembles directions and tokenizers, got {len(given)} "
                f"for {self.name}."
            )
        if any(one is None or (isinstance(one, str) and one in MADE) for one in given):
            raise ConfigError(
                "language_model: of two, each is a LanguageModel, a file or an installed model."
            )
        traits = [_config(one) for one in given]
        same = (
            traits[0]["backwards"] == traits[1]["backwards"]
            if self.name == "directions"
            else traits[0]["tokenizer"]["kind"] == traits[1]["tokenizer"]["kind"]
        )
        if same:
            raise ConfigError(
                f"ensemble: {self.name} needs two language models that differ in {_trait(self.name)}."
            )


def _trait(name: str) -> str:
    return "direction, one of them trained with --backwards" if name == "directions" else "the kind of tokens"


def _only(given: Any) -> Any:
    """The language model, if it may be the only one of a list."""
    return given[0] if isinstance(given, list | tuple) else given


def _config(given: Any) -> Any:
    """The config of a language model: an object, a path or a name."""
    if isinstance(given, LanguageModel):
        config = given.fitted_.config
        return {"backwards": config.backwards, "tokenizer": {"kind": config.tokenizer.kind}}
    return read_manifest(find(given))["config"]
