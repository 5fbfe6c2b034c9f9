"""Texts of any length -> windows that a transformer takes, and its outputs for them: texts are read whole.

A text that is longer than the model's limit becomes several windows, overlapping or not; padding is masked.
Axes: N texts, W windows, T tokens of a window.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor

from ulmus.errors import BundleError, DataError
from ulmus.models.checkpoint_folder import quiet
from ulmus.tasks.pipelines.checkpoint import Checkpoint

__all__ = ["Windows", "averaged", "forward", "windows"]

BATCH = 16  # windows in a forward pass
OVERLAP = 128  # tokens that neighbouring windows share at most
FEWEST = 4  # tokens of a text in a window, at least
Result = TypeVar("Result")


class Windows(NamedTuple):
    """W windows of N texts, without padding."""

    inputs: dict[str, list[list[int]]]  # what the model takes: W lists of (T,) each
    text: list[int]  # (W,) number of the text
    offsets: list[list[tuple[int, int]]]  # W lists of (T, 2): first and last character + 1 in the text
    own: list[
        list[bool]
    ]  # W lists of (T,): whether the token is one of the text, not special or of the other text

    def sizes(self) -> Tensor:
        """Tokens of the text in each window (W,), at least 1."""
        return torch.tensor([max(sum(row), 1) for row in self.own])


def windows(
    found: Checkpoint,
    texts: Sequence[str],
    second: Sequence[str] | None = None,
    *,
    divided: int = 0,
    overlap: bool,
    special: bool = False,
) -> Windows:
    """Windows of `texts`, or of pairs with `second`; of a pair, number `divided` (0, 1) goes on in the next window.

    The other one is whole in each window. special: `[MASK]` and the like in a text are the model's special tokens.
    Raises BundleError: a tokenizer that does not know where its tokens stand. DataError: the other text is too long.
    """
    if not found.tokenizer.is_fast:
        raise BundleError(
            f"{found.folder}: {found.task} needs the tokenizer as tokenizer.json. Convert it once."
        )
    room = _room(found, None if second is None else (second, texts)[divided])
    with quiet():
        given = found.tokenizer(
            list(texts),
            None if second is None else list(second),
            truncation=False if room is None else ("only_first", "only_second")[divided],
            max_length=found.limit,
            stride=min(room // 2, OVERLAP) if overlap and room is not None else 0,
            split_special_tokens=not special,
            return_overflowing_tokens=True,
            return_offsets_mapping=True,
        )
    inputs = {name: given[name] for name in found.tokenizer.model_input_names if name in given}
    own = [[one == divided for one in given.sequence_ids(k)] for k in range(len(given["input_ids"]))]
    return Windows(inputs, list(given["overflow_to_sample_mapping"]), given["offset_mapping"], own)


def _room(found: Checkpoint, others: Sequence[str] | None) -> int | None:
    """Tokens for the text in each window; None: any number. Raises DataError if another text leaves none."""
    if found.limit is None:
        return None
    tokenizer = found.tokenizer
    room = found.limit - int(tokenizer.num_special_tokens_to_add(pair=others is not None))
    if others is None:
        return room
    with quiet():
        distinct = list(dict.fromkeys(others))
        ids = tokenizer(distinct, add_special_tokens=False, split_special_tokens=True)["input_ids"]
        sizes = [len(one) for one in ids]
    if (left := room - max(sizes, default=0)) < FEWEST:
        raise DataError(
            f"a question or label of {max(sizes):,} tokens leaves no room for the text: the model takes "
            f"{found.limit:,} tokens. Shorten it."
        )
    return left


@torch.inference_mode()
def forward(
    found: Checkpoint, given: Windows, take: Callable[[Any, int, int], Result], *, model: Any = None
) -> list[Result]:
    """One result per window (W,), in order: `take(outputs, row, window)` of the model's outputs for a batch.

    Outputs are padded: only the first T tokens of a row belong to the window. `model`: part of the model to call.
    """
    lengths = [len(ids) for ids in given.inputs["input_ids"]]
    order = sorted(range(len(lengths)), key=lengths.__getitem__, reverse=True)
    results: dict[int, Result] = {}
    for start in range(0, len(order), BATCH):
        chosen = order[start : start + BATCH]
        with quiet():
            batch = found.tokenizer.pad(
                {name: [rows[k] for k in chosen] for name, rows in given.inputs.items()}, return_tensors="pt"
            )
        outputs = (model or found.model)(**{name: tensor.to(found.device) for name, tensor in batch.items()})
        results |= {k: take(outputs, row, k) for row, k in enumerate(chosen)}
    return [results[k] for k in range(len(lengths))]


def averaged(rows: Sequence[Tensor], given: Windows, texts: int) -> Tensor:
    """Rows (W, F) of windows -> their mean (N, F) over the windows of each text, weighted by tokens."""
    sizes, owner = given.sizes(), torch.tensor(given.text)
    values = torch.stack([row.float().cpu() for row in rows]) * sizes[:, None]
    total = torch.zeros(texts, values.shape[1]).index_add_(0, owner, values)
    return total / torch.zeros(texts).index_add_(0, owner, sizes.float())[:, None]
