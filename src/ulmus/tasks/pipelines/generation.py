"""text-generation, summarization and translation: texts -> other texts, token by token. Axes: N texts, T tokens."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor

from ulmus.corpus.columns import as_texts
from ulmus.errors import DataError, DataWarning, UsageError
from ulmus.models.checkpoint_folder import quiet
from ulmus.tasks.language_model.generation import COLDEST, Sampling, continued
from ulmus.tasks.pipelines.checkpoint import Checkpoint, Model, OwnModel, checkpoint, opened

__all__ = ["summarization", "text_generation", "translation"]


def text_generation(texts: Sequence[str], model: Model, **how: Any) -> list[dict[str, Any]]:
    """{"texts": [S texts]} for each of N texts: the text with S continuations.

    `how`: words (40; tokens, at most), temperature (0.75; 0 takes the most likely token), top_k (0: all), top_p (1.0),
    no_unk (True), samples (S, 1) and seed, the same for each text. Also with Ulmus' own language models.
    Raises UsageError: unusable texts, values out of range, or a backward model. DataError: a text as long as the model
    takes. The errors of `load`.
    """
    given, found = as_texts(texts), opened("text-generation", model)
    if isinstance(found, OwnModel):
        return [{"texts": found.model.generate(text, **how)} for text in given]  # type: ignore[union-attr]
    sampling = Sampling(**how)
    return [{"texts": _continuations(found, text, sampling)} for text in given]


def summarization(texts: Sequence[str], model: Model, *, words: int = 200) -> list[dict[str, Any]]:
    """{"summary": text} for each of N texts, of at most `words` tokens.

    Words that a model wants before the text ("summarize: ") are taken from its config. What is beyond the tokens that
    the model takes is left out, with a DataWarning.
    Raises UsageError: unusable texts, words below 1. The errors of `load`.
    """
    found = checkpoint("summarization", model)
    prefix = _settings(found, "summarization").get("prefix", "")
    return [{"summary": text} for text in _rewritten(found, as_texts(texts), words, prefix=prefix)]


def translation(
    texts: Sequence[str],
    model: Model,
    *,
    source: str | None = None,
    target: str | None = None,
    words: int = 400,
) -> list[dict[str, Any]]:
    """{"translation": text} for each of N texts, of at most `words` tokens.

    source, target: languages as the model names them (en, de; eng_Latn), for models of several languages. What is
    beyond the tokens that the model takes is left out, with a DataWarning: translate sentences or paragraphs.
    Raises UsageError: unusable texts, words below 1, or languages that the model does not offer. The errors of `load`.
    """
    found = checkpoint("translation", model)
    prefix, options = _languages(found, source, target)
    rows = _rewritten(found, as_texts(texts), words, prefix=prefix, **options)
    return [{"translation": text} for text in rows]


def _continuations(found: Checkpoint, text: str, how: Sampling) -> list[str]:
    """The text with its continuations by a decoder."""
    tokenizer, limit = found.tokenizer, found.limit
    with quiet():
        ids = tokenizer(text)["input_ids"] or [_beginning(found)]
    room = how.words if limit is None else min(how.words, limit - len(ids))
    if room < 1:
        raise DataError(
            f"a text of {len(ids):,} tokens fills the {limit:,} tokens that the model takes. Shorten it."
        )
    cold = how.temperature < COLDEST
    special = {tokenizer.eos_token_id, tokenizer.bos_token_id, tokenizer.pad_token_id, None}
    banned = [tokenizer.unk_token_id] if how.no_unk and tokenizer.unk_token_id not in special else None
    drawn = {} if cold else {"temperature": how.temperature, "top_k": how.top_k, "top_p": how.top_p}
    devices = [found.device] if found.device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices) if how.seed is not None else nullcontext():
        if how.seed is not None:
            torch.manual_seed(how.seed)
        rows = _generate(
            found,
            torch.tensor([ids]),
            do_sample=not cold,
            num_beams=1,
            num_return_sequences=1 if cold else how.samples,
            max_new_tokens=room,
            suppress_tokens=banned,
            **drawn,
        )
    start = tokenizer.decode(ids, skip_special_tokens=True)
    texts = [continued(text, start, tokenizer.decode(row, skip_special_tokens=True)) for row in rows]
    return texts * how.samples if cold else texts


def _beginning(found: Checkpoint) -> int:
    """The token from which a model continues an empty text. Raises DataError if it has none."""
    for token in (
        found.tokenizer.bos_token_id,
        found.model.config.bos_token_id,
        found.tokenizer.eos_token_id,
    ):
        if token is not None:
            return int(token)
    raise DataError("the model cannot begin with an empty text: give the beginning of one.")


def _rewritten(
    found: Checkpoint, texts: list[str], words: int, *, prefix: str = "", **options: Any
) -> list[str]:
    """What an encoder-decoder makes of each text: at most `words` tokens."""
    if words < 1:
        raise UsageError(f"words: expected 1 or more tokens, got {words}.")
    results, limit = [], found.limit
    for number, text in enumerate(texts):
        with quiet():
            ids = found.tokenizer(prefix + text)["input_ids"]
            if limit is not None and len(ids) > limit:
                warnings.warn(
                    f"text {number} has {len(ids):,} tokens, and the model takes {limit:,}: the rest was left out.",
                    DataWarning,
                    stacklevel=3,
                )
                ids = found.tokenizer(prefix + text, truncation=True, max_length=limit)["input_ids"]
        row = _generate(found, torch.tensor([ids]), do_sample=False, max_new_tokens=words, **options)[0]
        results.append(str(found.tokenizer.decode(row, skip_special_tokens=True)).strip())
    return results


@torch.inference_mode()
def _generate(found: Checkpoint, ids: Tensor, **options: Any) -> Tensor:
    """Generated ids (S, T) from those of one text (1, T)."""
    ids = ids.to(found.device)
    with quiet():
        return torch.as_tensor(
            found.model.generate(
                ids,
                attention_mask=torch.ones_like(ids),
                pad_token_id=found.tokenizer.pad_token_id,
                max_length=None,
                **options,
            )
        )


def _settings(found: Checkpoint, task: str) -> dict[str, Any]:
    """The entries for a task in the model's config (T5 has them)."""
    every = getattr(found.model.config, "task_specific_params", None) or {}
    return dict(every.get(task) or {})


def _languages(found: Checkpoint, source: str | None, target: str | None) -> tuple[str, dict[str, Any]]:
    """What to put before a text, and options of `generate`, for the languages. Raises UsageError."""
    tokenizer = found.tokenizer
    if source is None and target is None:
        if hasattr(tokenizer, "src_lang") and found.model.generation_config.forced_bos_token_id is None:
            raise UsageError("the model translates between several languages: give source and target.")
        return _settings(found, "translation").get("prefix", ""), {}
    if source is None or target is None:
        raise UsageError("give both languages, source and target, or neither.")
    if prefix := _settings(found, f"translation_{source}_to_{target}").get("prefix"):
        return prefix, {}
    if not hasattr(tokenizer, "src_lang"):
        every = getattr(found.model.config, "task_specific_params", None) or {}
        pairs = [name.removeprefix("translation_") for name in every if name.startswith("translation_")]
        known = f"it knows {', '.join(sorted(pairs))}" if pairs else "it has one pair of languages only"
        raise UsageError(f"the model does not translate {source} to {target}: {known}.")
    known_codes = getattr(tokenizer, "lang_code_to_token", {})  # (M2M100 writes en as __en__)
    names = [known_codes.get(language, language) for language in (source, target)]
    codes = tokenizer.convert_tokens_to_ids(names)
    if tokenizer.unk_token_id in codes or None in codes:
        raise UsageError(
            f"the model does not know the languages {source} and {target}; name them as it does, e.g. eng_Latn."
        )
    tokenizer.src_lang = source
    return "", {"forced_bos_token_id": codes[1]}
