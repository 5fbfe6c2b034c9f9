"""Texts -> what the word-count model sees: TF-IDF (N, F) sparse and its LSA (N, K) dense. Sees no labels.

How: n-gram counts (`ngrams.py`), saturated (a word said five times says little more than said twice: BM25's
formula, Robertson & Zaragoza 2009, section 3.4, without its length), inverse document frequency from all texts
(labelled or not), rows scaled to length 1; LSA (Deerwester et al. 1990) is the projection on the K strongest
directions of the texts (randomised SVD, Halko et al. 2011, seeded), scaled so that its rows have mean length 1 and
*not* normalised one by one: it stays linear in the TF-IDF row, so a classifier on both folds into one weight per
n-gram. N-grams in more than half of the texts have no part in it. Fitted once, it serves any number of fits and folds.
Words are 1-2-grams, with the beginning of the text as a word of its own, or unigrams alone: the same counts with no
weight on what is longer. Which is better is for labels to say (`selection.py`).
Costs: 70,000 film reviews, 150,000 n-grams: 40 s to fit and count, 20 s for K = 100, one core; 1.5 GB.
Knows no labels, no classifier, no files.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, diags, hstack, vstack

from ulmus.errors import ConfigError, DataError
from ulmus.linear.ngrams import START, Ngrams, Unit, as_csr, as_rows
from ulmus.linear.rows import tf_idf

__all__ = ["CountConfig", "CountFeatures", "Counted", "spaces_missing"]

Floats = NDArray[np.float32]
LSA = 100  # dimensions where there are unlabelled texts: more lose with 100 labels, fewer with 20 classes


@dataclass(frozen=True)
class CountConfig:
    """What is counted. `auto` looks at the texts: their number, and whether they are written with spaces."""

    ngrams: Literal["auto", "word", "char", "word+subword"] = "auto"
    min_df: int | Literal["auto"] = "auto"  # documents an n-gram must stand in
    max_features: int = 150_000  # n-grams of each unit
    lsa: int | Literal["auto"] = "auto"  # dimensions, 0 for none
    lsa_texts: int = 100_000  # at most this many texts, drawn at random, decide the LSA directions
    seed: int = 0

    def __post_init__(self) -> None:
        if self.ngrams not in _UNITS and self.ngrams != "auto":
            raise ConfigError(f"ngrams must be auto, {', '.join(_UNITS)}; got {self.ngrams!r}.")
        for name, least in (("min_df", 1), ("max_features", 1), ("lsa", 0), ("lsa_texts", 1)):
            value = getattr(self, name)
            if value != "auto" and (not isinstance(value, int) or value < least):
                raise ConfigError(f"{name} must be a whole number of at least {least}, got {value!r}.")


_UNITS: dict[str, tuple[tuple[Unit, int], ...]] = {
    "word": (("word", 2),),
    "char": (("char", 3),),
    "word+subword": (("word", 2), ("subword", 5)),
}


@dataclass(frozen=True)
class Counted:
    """Texts as the classifier sees them: `x` (N, F) sparse, rows of length 1 (or 0); `lsa` (N, K)."""

    x: csr_matrix
    lsa: Floats

    def __len__(self) -> int:
        return int(self.x.shape[0])

    def rows(self, index: NDArray[np.int64]) -> Counted:
        """Some of the texts, by number."""
        return Counted(self.x[index], self.lsa[index])

    def and_then(self, others: Counted) -> Counted:
        """These texts and others after them."""
        return Counted(vstack([self.x, others.x], format="csr"), np.concatenate([self.lsa, others.lsa]))


class CountFeatures:
    """`fit` on all texts there are; `prepare` any texts for a classifier; `transform` for prediction.

    blocks: the n-grams, unit by unit. idf: (F,) float32. basis: (F, K) float32, the scaled LSA directions.
    """

    def __init__(self, config: CountConfig | None = None) -> None:
        self.config = config or CountConfig()
        self.blocks: list[Ngrams] = []
        self.idf: Floats = np.zeros(0, np.float32)
        self.basis: Floats = np.zeros((0, 0), np.float32)

    @property
    def size(self) -> int:
        """Number of n-grams F."""
        return sum(len(block) for block in self.blocks)

    def names(self) -> list[str]:
        """The F n-grams in the order of the columns."""
        return [name for block in self.blocks for name in block.names]

    def column_idf(self) -> Floats:
        """The idf of each column of TF-IDF, (F,)."""
        return self.idf

    def kept_columns(self) -> NDArray[np.bool_]:
        """The columns (F,) that a model file needs: those of `kept`."""
        return np.concatenate(self.kept())

    def kept(self) -> list[NDArray[np.bool_]]:
        """Of each unit, the n-grams that are no longer than the longest one with a weight."""
        found, start = [], 0
        for block in self.blocks:
            lengths, idf = block.lengths(), self.idf[start : start + len(block)]
            found.append(lengths <= lengths[idf > 0].max(initial=1))
            start += len(block)
        return found

    def fit(self, texts: Sequence[str], *, unlabeled: Sequence[str] = ()) -> CountFeatures:
        """Choose n-grams, their idf and the LSA directions from `texts` and `unlabeled` together.

        Raises DataError when there are no texts or nothing in them can be counted.
        """
        raw = self.index([*texts, *unlabeled])
        self._weigh_by(raw, np.array([name != START for name in self.names()]), bool(len(unlabeled)))
        return self

    def index(self, texts: Sequence[str]) -> csr_matrix:
        """Choose the n-grams; their counts (N, F). Raises DataError."""
        if not texts:
            raise DataError("Counting words needs texts: expected at least one, got none.")
        min_df = self.fewest(len(texts))
        units = _UNITS[_choose(texts) if self.config.ngrams == "auto" else self.config.ngrams]
        self.blocks = []
        for unit, high in units:
            block = Ngrams(unit, high=high, anchored=unit == "word")
            self.blocks.append(block.fit(texts, min_df=min_df, max_features=self.config.max_features))
        return self.count(texts)

    def fewest(self, texts: int) -> int:
        """The number of documents that an n-gram must stand in to have an entry, out of so many texts."""
        return _min_df(texts) if self.config.min_df == "auto" else self.config.min_df

    def views(self, raw: csr_matrix, *, more_texts: bool) -> list[CountFeatures]:
        """The ways to weigh the counts (N, F) of all texts: all n-grams; where those are words, unigrams alone."""
        used = [np.array([name != START for name in self.names()])]
        if [block.unit for block in self.blocks] == ["word"] and len(self.blocks[0].levels):
            used.append(used[0] & (self.blocks[0].lengths() == 1))
        found = []
        for columns in used:
            view = CountFeatures(self.config)
            view.blocks = self.blocks
            view._weigh_by(raw, columns, more_texts)
            found.append(view)
        return found

    def _weigh_by(self, raw: csr_matrix, used: NDArray[np.bool_], more_texts: bool) -> None:
        """idf and LSA of the used n-grams (F,), from the counts (N, F); the others have no weight."""
        n, df = raw.shape[0], np.bincount(raw.indices, minlength=self.size)
        idf = np.log((1 + n) / (1 + df)) + 1  # scikit-learn's smooth idf
        self.idf = np.where(used, idf, 0).astype(np.float32)
        rare = np.asarray(df <= n / 2, np.float32)
        self._fit_lsa(self.weighed(raw) @ diags(rare), more_texts)

    def _fit_lsa(self, x: csr_matrix, more_texts: bool) -> None:
        wanted = (LSA if more_texts else 0) if self.config.lsa == "auto" else self.config.lsa
        k = min(wanted, min(x.shape) // 4)
        if k < 1:
            self.basis = np.zeros((self.size, 0), np.float32)
            return
        from sklearn.utils.extmath import randomized_svd

        if x.shape[0] > self.config.lsa_texts:
            rng = np.random.default_rng(self.config.seed)
            x = x[np.sort(rng.choice(x.shape[0], self.config.lsa_texts, replace=False))]
        _, _, directions = randomized_svd(x, k, n_iter=2, random_state=self.config.seed)
        basis = np.ascontiguousarray(directions.T, np.float32)  # (F, K)
        length = np.linalg.norm(x @ basis, axis=1).mean()
        self.basis = basis / max(float(length), 1e-6)

    def count(self, texts: Sequence[str]) -> csr_matrix:
        """How often each n-gram stands in each text, (N, F) float32."""
        parts = [block.transform(texts) for block in self.blocks]
        return parts[0] if len(parts) == 1 else hstack(parts, format="csr")

    def weighed(self, raw: csr_matrix) -> csr_matrix:
        """Counts (N, F) -> TF-IDF (N, F) float32, each row of length 1, or 0 where no n-gram has a weight."""
        return as_csr(tf_idf(as_rows(raw), self.idf))

    def transform(self, texts: Sequence[str]) -> csr_matrix:
        """TF-IDF (N, F) of texts."""
        return self.weighed(self.count(texts))

    def prepare(self, texts: Sequence[str]) -> Counted:
        """TF-IDF and its LSA, for fitting; count the texts once and use the result for every fit and fold."""
        return self.prepared(self.count(texts))

    def prepared(self, raw: csr_matrix) -> Counted:
        """The same of counts (N, F)."""
        x = self.weighed(raw)
        return Counted(x, np.asarray(x @ self.basis, np.float32))


def _min_df(texts: int) -> int:
    return 1 if texts < 2_000 else min(max(2, texts // 7_500), 10)


def _choose(texts: Sequence[str]) -> str:
    return "char" if spaces_missing(texts) else "word"


def spaces_missing(texts: Sequence[str], *, sample: int = 1_000) -> bool:
    """True where the writing has no spaces between words (Chinese, Japanese, Thai, Khmer...).

    Looks at `sample` texts spread evenly: fewer than one space in 10 letters (combining marks are letters here) is
    without. English has one in 4.5, German one in 6; Thai social media texts one in 15, Chinese none.
    """
    letters = spaces = 0
    for text in texts[:: max(1, len(texts) // sample)]:
        letters += sum(unicodedata.category(c)[0] in "LM" for c in text[:10_000])
        spaces += max(len(text[:10_000].split()) - 1, 0)
    return letters > 10 * spaces and letters > 0
