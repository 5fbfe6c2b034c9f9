"""A language model and the beginning of a text -> how it goes on, sampled token by token.

All samples run as one batch and the state is carried, so a token costs one step whatever came before it. Tokens that
start a document or pad it are never drawn. Knows no files.
Axes: S samples, T prompt tokens, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ulmus.errors import UsageError
from ulmus.models.encoder import State
from ulmus.models.encoders import for_inference
from ulmus.tasks.language_model.fitted import FittedLanguageModel
from ulmus.tasks.language_model.network import LMNetwork
from ulmus.text.vocab import BOS, EOS, PAD, UNK
from ulmus.train.device import resolve_device, resolve_precision

__all__ = ["Sampling", "card_samples", "filtered", "generate", "sample"]

PROMPTS = 3  # samples in a card
WORDS = 60  # tokens of each
COLDEST = 1e-4  # below this temperature only the likeliest token has a chance


@dataclass(frozen=True)
class Sampling:
    """How to go on with a text: `samples` texts of at most `words` tokens, drawn by these rules."""

    words: int = 40  # tokens
    temperature: float = 0.75  # 0 takes the likeliest token each time
    top_k: int = 0  # only the so many likeliest tokens; 0: all
    top_p: float = 1.0  # only the likeliest tokens that hold this probability together
    no_unk: bool = True  # never the token for unknown words
    samples: int = 1
    seed: int | None = None

    def __post_init__(self) -> None:
        if self.words < 1 or self.samples < 1 or self.temperature < 0:
            raise UsageError(
                "expected words and samples >= 1 and temperature >= 0, got "
                f"{self.words}, {self.samples} and {self.temperature}."
            )


def generate(
    model: FittedLanguageModel, prompt: str, how: Sampling, *, device: str = "auto", precision: str = "auto"
) -> list[str]:
    """Texts that begin with `prompt` and go on. Raises UsageError for a model that reads backwards."""
    if model.config.backwards:
        raise UsageError(
            "this language model reads backwards: it cannot go on with a text. Use a forward one."
        )
    ids = model.tokenizer.encode(prompt).tolist() or [BOS]
    place = resolve_device(device)
    rows = sample(model.network.to(place), ids, how, precision=resolve_precision(precision, place))
    began = model.tokenizer.decode(ids)
    return [_continued(prompt, began, model.tokenizer.decode([*ids, *row])) for row in rows]


def card_samples(model: FittedLanguageModel, seed: int = 0) -> list[str]:
    """A few texts that the model writes, for its card; none of one that reads backwards."""
    if model.config.backwards:
        return []
    return generate(model, "", Sampling(words=WORDS, samples=PROMPTS, seed=seed))


def _continued(prompt: str, began: str, text: str) -> str:
    """`text`, which begins with `began` as the tokens have it, beginning as the user wrote it (unknown words too)."""
    if not prompt.strip() or not text.startswith(began):
        return text
    added = text[len(began) :]
    gap = " " if not began and added else ""
    return prompt.rstrip() + gap + added


@torch.no_grad()
def sample(
    network: LMNetwork, prompt: list[int], how: Sampling, *, precision: str = "float32"
) -> list[list[int]]:
    """Continuations of `prompt` (T ids, at least one), each of `how.words` ids or up to the end of the text."""
    device = network.encoder.embedding.device
    rng = torch.Generator(device=device)
    rng.manual_seed(how.seed) if how.seed is not None else rng.seed()
    network.eval()
    step = torch.tensor([prompt], device=device).expand(how.samples, -1)  # (S, T)
    banned = [PAD, BOS] + [UNK] * how.no_unk
    read, drawn = _reading(network, how.samples, precision), []
    for _ in range(how.words):
        scores = network.decoder.log_probs(read(step), network.encoder.embedding)  # (S, V)
        scores[:, banned] = -torch.inf
        step = _draw(scores, how.temperature, how.top_k, how.top_p, rng)  # (S, 1)
        drawn.append(step)
    rows = torch.cat(drawn, dim=1).tolist()  # S x tokens
    return [row[: row.index(EOS)] if EOS in row else row for row in rows]


def _reading(network: LMNetwork, samples: int, precision: str) -> Callable[[Tensor], Tensor]:
    """A function that reads on, ids (S, T) -> the last outputs (S, E) float32, from where it was."""
    if network.encoder.embedding.device.type == "cpu":
        reader = for_inference(network.encoder, precision)
        state = reader.start(samples)
        return lambda ids: reader.forward(ids.t().flatten(), [samples] * ids.shape[1], state)[-1][
            -samples:
        ].float()
    kept: list[State | None] = [None]

    def read(ids: Tensor) -> Tensor:
        encoded = network.encoder(ids, kept[0])
        kept[0] = encoded.state
        return torch.as_tensor(encoded.output[:, -1])

    return read


def _draw(scores: Tensor, temperature: float, top_k: int, top_p: float, rng: torch.Generator) -> Tensor:
    """One id for each row of log-probabilities (S, V) -> (S, 1)."""
    cold = temperature < COLDEST
    allowed = filtered(scores / (1.0 if cold else temperature), top_k, top_p)
    if cold:
        return allowed.argmax(dim=1, keepdim=True)
    return torch.multinomial(allowed.softmax(1), 1, generator=rng)


def filtered(scores: Tensor, top_k: int, top_p: float) -> Tensor:
    """Scores (S, V) with -inf outside the `top_k` likeliest and outside the nucleus that holds `top_p`.

    Nucleus sampling: Holtzman et al. 2020, section 3.1. Raises UsageError for top_p outside (0, 1] or top_k below 0.
    """
    if not 0 < top_p <= 1 or top_k < 0:
        raise UsageError(f"expected 0 < top_p <= 1 and top_k >= 0, got top_p={top_p} and top_k={top_k}.")
    if 0 < top_k < scores.shape[1]:
        scores = scores.masked_fill(scores < scores.topk(top_k, dim=1).values[:, -1:], -torch.inf)
    if top_p < 1:
        ordered, order = scores.sort(dim=1, descending=True)
        probs = ordered.softmax(dim=1)
        outside = probs.cumsum(dim=1) - probs >= top_p  # the first is always inside
        scores = scores.masked_fill(outside.scatter(1, order, outside), -torch.inf)
    return scores
