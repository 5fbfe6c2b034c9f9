"""Subword and character tokenizers: a chunk -> subwords that carry their space (`▁`), and the training of the models.

How: the chunk is split into runs of letters and single signs; a run is lower-cased after its marker, letters repeated
four times or more become `xxrep N c` in place, and the rest goes through the unigram or BPE model of `tokenizers`, or
is split into characters. Training uses these runs with their counts. Costs: see `train_model`. Knows no ids.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache

from tokenizers import Regex, decoders, models, normalizers, pre_tokenizers, trainers
from tokenizers import Tokenizer as Standard

from ulmus.text.expand import WORDS, special
from ulmus.text.rules import LETTER_RUN, MOST, RulesConfig, lower_case, repeat
from ulmus.text.splitter import Splitter, expression
from ulmus.text.vocab import SPECIALS, Vocab

__all__ = ["SPACE", "SubwordExpander", "train_model"]

SPACE = "\u2581"  # represents the space before a chunk
_LOOKALIKE = re.compile("(?<=xx)(?=" + "|".join(name[2:] for name in SPECIALS) + ")")
_BUDGET = 15_000_000  # characters to train a subword model on, repeated runs included
_DIFFERENT = 3_000_000  # the same, counting each run once
_COMMON = 20  # runs this frequent are offered to the unigram model as subwords
_MARKS = (["xxup"], ["xxmaj"])
_DIGITS = list("0123456789")  # always in the alphabet: repeats need them


class SubwordExpander:
    """Callable: a chunk -> markers and subwords. model: None for characters."""

    def __init__(self, rules: RulesConfig, model: models.Model | None) -> None:
        self.rules = rules
        self.trained = model
        self.split = Splitter("subword")
        self._known = lru_cache(WORDS)(self._tokens)
        self._known_runs = lru_cache(WORDS)(self._given)

    def __call__(self, chunk: str) -> list[str]:
        """The markers and subwords of a chunk."""
        if found := special(chunk):
            marks, chunk = found
            return [*marks[:1], *"".join(marks[1:]), *(self(chunk) if chunk else [])]
        tokens: list[str] = []
        for word in self._words(chunk):
            tokens += self._known(word)
        return tokens

    def _words(self, chunk: str) -> list[str]:
        """The runs of letters and the signs of a chunk, the first with its space."""
        words = self.split(chunk.replace(SPACE, "_"))  # a user's own ▁ would come back as a space
        return [SPACE + words[0], *words[1:]] if words else []

    def _tokens(self, word: str) -> tuple[str, ...]:
        return tuple(
            token
            for part in self._parts(word)
            for token in (part if isinstance(part, list) else self.subwords(part))
        )

    def _parts(self, word: str) -> Iterator[str | list[str]]:
        """The parts of a word in order: strings still to be split into subwords, lists of finished tokens (markers)."""
        space, word = word[: word.startswith(SPACE)], word.removeprefix(SPACE)
        if self.rules.repeat_chars and (found := repeat(word)):
            yield [*space, "xxrep", *str(found[0]), found[1]]
            return
        marker, low = lower_case(word) if self.rules.case else ("", word)
        if marker:
            yield [marker]
        yield from self._runs(space + low) if self.rules.repeat_chars else _apart(space + low)

    def runs(self, chunk: str) -> list[str]:
        """The runs of a chunk that a model splits into subwords, and is trained on."""
        if special(chunk):
            return []
        return [run for word in self._words(chunk) for run in self._known_runs(word)]

    def _given(self, word: str) -> tuple[str, ...]:
        parts = (part for part in self._parts(word) if part not in _MARKS)
        return tuple(part if isinstance(part, str) else part[-1] for part in parts)

    def _runs(self, word: str) -> Iterator[str | list[str]]:
        end = 0
        for run in LETTER_RUN.finditer(word):
            if len(run[0]) <= MOST:
                yield from _apart(word[end : run.start()])
                yield ["xxrep", *str(len(run[0])), run[1]]
                end = run.end()
        yield from _apart(word[end:])

    def subwords(self, word: str) -> list[str]:
        """The subwords of a run of characters; their concatenation is the run."""
        return list(word) if self.trained is None else [token.value for token in self.trained.tokenize(word)]

    def standard(self, vocab: Vocab) -> Standard:
        """The tokenizer as an object of the `tokenizers` library: same subwords, same ids; no markers."""
        if self.trained is None:
            model: models.Model = models.WordLevel(
                {token: i for i, token in enumerate(vocab.tokens)}, unk_token="xxunk"
            )
            split = pre_tokenizers.Split(Regex("."), "isolated")
        else:
            model = self.trained
            split = pre_tokenizers.Split(Regex(f"{SPACE}?(?:{expression('subword')})"), "isolated")
        standard = Standard(model)
        spaces = [normalizers.Replace(Regex(r"\s+"), " "), normalizers.Strip()]
        standard.normalizer = normalizers.Sequence([*spaces, *[normalizers.Lowercase()] * self.rules.case])
        standard.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Metaspace(SPACE, "always"), split])
        standard.decoder = decoders.Metaspace(SPACE, "always")
        return standard


def _apart(word: str) -> Iterator[str]:
    """The word, split so that no part contains the name of a special token."""
    if word:
        yield from _LOOKALIKE.split(word) if "xx" in word else (word,)


def train_model(runs: Counter[str], kind: str, *, size: int, min_freq: int) -> tuple[models.Model, list[str]]:
    """A unigram (Kudo 2018) or BPE (Sennrich et al. 2016) model of `size` subwords, and the subwords by id.

    runs: how often each run of characters occurs. Characters rarer than `min_freq`, and all but the `size` // 2 most
    frequent ones, are omitted (they become `xxunk`). Costs: about a minute for a large corpus; at most 15 million
    characters are used, with counts scaled down evenly.
    """
    # (without it a later fork of this process prints a warning)
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    letters: Counter[str] = Counter()
    for run, n in runs.items():
        for letter in run:
            letters[letter] += n
    common = sorted(letters.items(), key=lambda item: (-item[1], item[0]))[: size // 2]
    usual = {letter for letter, n in common if n >= min_freq} | {SPACE}
    trainer: trainers.Trainer
    if kind == "unigram":
        model: models.Model = models.Unigram()
        trainer = trainers.UnigramTrainer(
            vocab_size=size,
            special_tokens=list(SPECIALS),
            unk_token="xxunk",
            initial_alphabet=_DIGITS,
            shrinking_factor=0.5,  # half the time of the default 0.75, 0.3% more subwords per text
            seed_size=20 * size,  # type: ignore[call-arg]  # there, but not in its stub
            show_progress=False,
        )
    else:
        model = models.BPE(unk_token="xxunk")
        trainer = trainers.BpeTrainer(
            vocab_size=size,
            min_frequency=min_freq,
            special_tokens=list(SPECIALS),
            initial_alphabet=_DIGITS,
            show_progress=False,
        )
    standard = Standard(model)
    standard.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    standard.train_from_iterator(_weighted(runs, usual, seeds=kind == "unigram"), trainer)
    ids = standard.get_vocab(with_added_tokens=False)
    return standard.model, sorted(ids, key=ids.__getitem__)


def _weighted(runs: Counter[str], usual: set[str], *, seeds: bool) -> Iterator[str]:
    """The runs, repeated by their counts scaled down to the budget, split at unusual characters.

    seeds: the unigram trainer considers only subwords that occur in two different runs, which excludes a whole word
    that is part of no other; common runs are therefore added once more, followed by a space sign.
    """
    total = sum(len(run) * n for run, n in runs.items())
    scale = max(1.0, total / _BUDGET, sum(map(len, runs)) / _DIFFERENT)
    due = 0.0
    for run, n in sorted(runs.items(), key=lambda item: (-item[1], item[0])):
        due += n / scale
        times = int(due)
        due -= times
        if not times:
            continue
        clean = run if usual.issuperset(run) else "".join(c if c in usual else " " for c in run)
        if seeds and times >= _COMMON:
            yield clean + SPACE
        while times > 0:
            yield " ".join([clean] * min(times, 1000))
            times -= 1000
