"""A language model and a prompt -> continuations, sampled token by token.

All samples run as one batch and the state is carried over, so a token costs one step however long the text before it.
Tokens that start or pad a document are never drawn. Knows no files.
Axes: S samples, T prompt tokens, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ulmus.errors import UsageError
from ulmus.models.encoder import State
from ulmus.models.encoders import packed
from ulmus.tasks.language_model.fitted import FittedLanguageModel
from ulmus.tasks.language_model.network import LMNetwork
from ulmus.text.vocab import BOS, EOS, PAD, UNK
from ulmus.train.device import resolve_device, resolve_precision

__all__ = ["COLDEST", "Sampling", "card_samples", "continued", "filtered", "generate", "sample"]

PROMPTS = 3  # samples in a card
WORDS = 60  # tokens of each
COLDEST = 1e-4  # below this temperature the most likely token is taken


@dataclass(frozen=True)
class Sampling:
    """How to continue a text: `samples` continuations of at most `words` tokens, drawn by these rules.

    Raises UsageError: words or samples below 1, a negative temperature or top_k, or top_p outside (0, 1].
    """

    words: int = 40  # tokens
    temperature: float = 0.75  # 0 takes the most likely token each time
    top_k: int = 0  # draw from the k most likely tokens; 0: all
    top_p: float = 1.0  # draw from the most likely tokens that together have this probability
    no_unk: bool = True  # never draw the token for unknown words
    samples: int = 1
    seed: int | None = None

    def __post_init__(self) -> None:
        if self.words < 1 or self.samples < 1 or self.temperature < 0:
            raise UsageError(
                "expected words and samples >= 1 and temperature >= 0, got "
                f"{self.words}, {self.samples} and {self.temperature}."
            )
        if not 0 < self.top_p <= 1 or self.top_k < 0:
            raise UsageError(
                f"expected 0 < top_p <= 1 and top_k >= 0, got top_p={self.top_p} and top_k={self.top_k}."
            )


def generate(
    model: FittedLanguageModel, prompt: str, how: Sampling, *, device: str = "auto", precision: str = "auto"
) -> list[str]:
    """The prompt with its continuations, one text per sample. Raises UsageError: a backward model."""
    if model.config.backwards:
        raise UsageError("this is a backward language model: it cannot continue a text. Use a forward one.")
    ids = model.tokenizer.encode(prompt).tolist() or [BOS]
    target = resolve_device(device)
    rows = sample(model.network.to(target), ids, how, precision=resolve_precision(precision, target))
    decoded = model.tokenizer.decode(ids)
    return [continued(prompt, decoded, model.tokenizer.decode([*ids, *row])) for row in rows]


def card_samples(model: FittedLanguageModel, seed: int = 0) -> list[str]:
    """A few generated texts for the card; none for a backward model."""
    if model.config.backwards:
        return []
    return generate(model, "", Sampling(words=WORDS, samples=PROMPTS, seed=seed))


def continued(prompt: str, decoded: str, text: str) -> str:
    """`text` with the decoded prompt at its beginning replaced by the prompt as the user wrote it."""
    if not prompt.strip() or not text.startswith(decoded):
        return text
    added = text[len(decoded) :]
    gap = " " if not decoded and added else ""
    return prompt.rstrip() + gap + added


@torch.no_grad()
def sample(
    network: LMNetwork, prompt: list[int], how: Sampling, *, precision: str = "float32"
) -> list[list[int]]:
    """Continuations (S lists) of `prompt` (T ids, at least one), `how.words` ids each or up to the end of the text."""
    device = network.encoder.embedding.device
    rng = torch.Generator(device=device)
    rng.manual_seed(how.seed) if how.seed is not None else rng.seed()
    network.eval()
    step = torch.tensor([prompt], device=device).expand(how.samples, -1)  # (S, T)
    banned = [PAD, BOS] + [UNK] * how.no_unk
    forward, drawn = _stateful_forward(network, how.samples, precision), []
    for _ in range(how.words):
        scores = network.decoder.log_probs(forward(step), network.encoder.embedding)  # (S, V)
        scores[:, banned] = -torch.inf
        step = _draw(scores, how.temperature, how.top_k, how.top_p, rng)  # (S, 1)
        drawn.append(step)
    rows = torch.cat(drawn, dim=1).tolist()  # S x tokens
    return [row[: row.index(EOS)] if EOS in row else row for row in rows]


def _stateful_forward(network: LMNetwork, samples: int, precision: str) -> Callable[[Tensor], Tensor]:
    """A forward pass that carries its state from call to call: ids (S, T) -> the last outputs (S, E) float32."""
    if network.encoder.embedding.device.type == "cpu":
        reader = packed(network.encoder, precision)
        state = reader.start(samples)
        return lambda ids: reader.forward(ids.t().flatten(), [samples] * ids.shape[1], state)[-1][
            -samples:
        ].float()
    carried: list[State | None] = [None]

    def forward(ids: Tensor) -> Tensor:
        encoded = network.encoder(ids, carried[0])
        carried[0] = encoded.state
        return torch.as_tensor(encoded.output[:, -1])

    return forward


def _draw(scores: Tensor, temperature: float, top_k: int, top_p: float, rng: torch.Generator) -> Tensor:
    """One drawn id (S, 1) for each row of log-probabilities (S, V)."""
    cold = temperature < COLDEST
    allowed = filtered(scores / (1.0 if cold else temperature), top_k, top_p)
    if cold:
        return allowed.argmax(dim=1, keepdim=True)
    return torch.multinomial(allowed.softmax(1), 1, generator=rng)


def filtered(scores: Tensor, top_k: int, top_p: float) -> Tensor:
    """Scores (S, V) with -inf outside the `top_k` most likely tokens and outside the nucleus of probability `top_p`.

    Nucleus sampling: Holtzman et al. 2020, section 3.1.
    """
    if 0 < top_k < scores.shape[1]:
        scores = scores.masked_fill(scores < scores.topk(top_k, dim=1).values[:, -1:], -torch.inf)
    if top_p < 1:
        ordered, order = scores.sort(dim=1, descending=True)
        probs = ordered.softmax(dim=1)
        outside = probs.cumsum(dim=1) - probs >= top_p  # the first token is always inside
        scores = scores.masked_fill(outside.scatter(1, order, outside), -torch.inf)
    return scores
