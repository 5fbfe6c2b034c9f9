"""Passages -> the vectors of a sentence encoder, computed once and kept in the work folder as they come.

The file is raw float16, little-endian, one row per passage. Its size says how far it has got: a run that was stopped
goes on from there. Knows no student.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ulmus.data.store import content_key
from ulmus.errors import ConfigError
from ulmus.models.transformer import Transformer
from ulmus.storage import storage_error
from ulmus.tasks.ids import RunTexts
from ulmus.tasks.pretrained import open_checkpoint
from ulmus.text.parallel import batches
from ulmus.text.pretrained import PretrainedTokenizer
from ulmus.train.device import autocast, resolve_device, resolve_precision
from ulmus.train.processes import processes

__all__ = ["Teacher", "open_teacher"]

ROW = np.dtype("<f2")  # a cosine needs no more
TOKENS = 8_192  # encoded at once


@dataclass(frozen=True)
class Teacher:
    """A sentence encoder with its tokenizer: the mean of its last layer's outputs is what a text means."""

    name: str
    encoder: Transformer
    tokenizer: PretrainedTokenizer
    device: str = "auto"
    precision: str = "auto"

    @property
    def width(self) -> int:
        """K, the number of features of a vector."""
        return self.encoder.config.width

    def key(self, texts: RunTexts) -> str:
        """Digest of everything that determines the vectors of these texts, in hex."""
        weights = [(name, t.detach().double().sum().item()) for name, t in self.encoder.state_dict().items()]
        return content_key([self.tokenizer.fingerprint, weights, self.precision, texts.key])

    def vectors(self, texts: RunTexts, what: str) -> NDArray[np.float16]:
        """The unit vector of each text, (N, K) float16, mapped from the work folder if there is one.

        `what` names the work to whoever waits for it. Raises StorageError: the folder cannot be written to.
        """
        if texts.folder is None:
            rows = [row for some in batches(texts.reported(what)) for row in self._vectors(some)]
            return np.array(rows, ROW).reshape(-1, self.width)
        path = texts.folder / f"vectors-{self.key(texts)[:16]}.f16"
        try:
            with processes().first_before_others():  # the others find it written
                self._write(path, texts, what)
            return np.memmap(path, ROW, "r").reshape(-1, self.width)
        except OSError as error:
            raise storage_error(path, error) from error

    def _write(self, path: Path, texts: RunTexts, what: str) -> None:
        """Add the rows that the file does not have yet."""
        size = self.width * ROW.itemsize
        with path.open("ab") as file:
            had = file.tell() // size
            if file.tell() % size:
                file.truncate(had * size)  # a row that was not finished
            for some in batches(islice(texts.reported(what), had, None)):
                file.write(self._vectors(some).tobytes())

    @torch.inference_mode()
    def _vectors(self, texts: list[str]) -> NDArray[np.float16]:
        """The vectors (B, K) of a list of texts."""
        device = resolve_device(self.device)
        self.encoder.to(device)
        ids = self.tokenizer.encode_batch(texts)
        order = np.argsort([-len(one) for one in ids], kind="stable")
        found = np.empty((len(ids), self.width), ROW)
        for mine in _together([len(ids[i]) for i in order]):
            rows = order[mine]
            lengths = torch.tensor([len(ids[i]) for i in rows])
            block = torch.zeros(len(rows), max(1, int(lengths.max())), dtype=torch.long)
            for row, i in enumerate(rows):
                block[row, : len(ids[i])] = torch.from_numpy(ids[i].astype(np.int64))
            with autocast(device, resolve_precision(self.precision, device)):
                vectors = self.encoder.sentence_vectors(block.to(device), lengths.to(device))
            found[rows] = vectors.cpu().numpy()
        return found


def _together(lengths: list[int]) -> Iterator[slice]:
    """Slices of documents of these lengths, longest first, that are encoded at once."""
    at = 0
    while at < len(lengths):
        end = at + max(1, TOKENS // max(1, lengths[at]))
        yield slice(at, end)
        at = end


def open_teacher(path: str | Path, *, device: str = "auto", precision: str = "auto") -> Teacher:
    """The sentence encoder in a local folder of the `transformers` format, or in a file of `ulmus tune`.

    Raises BundleError: an unusable folder or file; ConfigError: a decoder, whose tokens do not see the whole text;
    MissingExtra: the package `transformers` is missing.
    """
    opened = open_checkpoint(path)
    if not isinstance(opened.encoder, Transformer) or not isinstance(opened.tokenizer, PretrainedTokenizer):
        raise ConfigError(f"teacher: expected a transformer, got {path}.")
    if opened.encoder.config.causal:
        raise ConfigError(
            f"teacher: expected an encoder such as a sentence transformer, got a decoder: {path}."
        )
    name = Path(path).resolve().name
    return Teacher(name, opened.encoder.eval(), opened.tokenizer, device, precision)
