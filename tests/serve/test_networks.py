"""What the runtime does in plain numbers is what the models do in tensors."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ulmus.models import windows as tensors
from ulmus.models.pairs import split_pairs
from ulmus.serve import networks
from ulmus.serve.windows import windows
from ulmus.special_tokens import BOS, FLD, Layout

LAYOUTS = [
    Layout((2,), (3,), (3,), 1, 0),
    Layout((), (9,), (), 0, 0),
    Layout((2, 4), (5, 5), (3, 6), 0, 1),
]


@given(
    ids=st.lists(st.integers(3, 12), max_size=90),
    size=st.integers(12, 40),
    overlap=st.integers(0, 5),
    layout=st.sampled_from(LAYOUTS),
)
def test_windows_are_those_of_the_models(ids: list[int], size: int, overlap: int, layout: Layout) -> None:
    """Ids, masks, types, and which tokens a window owns."""
    own = windows(np.array(ids, np.int64), size=size, overlap=overlap, layout=layout)
    padded = torch.tensor([ids or [0]])
    theirs = tensors.windows(padded, torch.tensor([len(ids)]), size=size, overlap=overlap, layout=layout)
    assert len(own) == len(theirs.ids)
    for w, window in enumerate(own):
        np.testing.assert_array_equal(window.ids, theirs.ids[w])
        np.testing.assert_array_equal(window.mask, theirs.mask[w])
        np.testing.assert_array_equal(window.types, theirs.types[w])
        places = np.flatnonzero(theirs.position[w].numpy() >= 0)
        np.testing.assert_array_equal(np.arange(len(window.ids))[window.own], places)
        assert window.last == int(theirs.last[w])


@given(first=st.lists(st.integers(9, 20), max_size=6), second=st.lists(st.integers(9, 20), max_size=6))
@pytest.mark.parametrize("backwards", [False, True])
def test_pairs_are_taken_apart_as_the_models_do(first: list[int], second: list[int], backwards: bool) -> None:
    """Forwards and backwards, with empty texts too."""
    ids = np.array([BOS, FLD, 30, *first, FLD, 31, *second], np.int64)
    if backwards:
        ids = networks._reversed(ids)
    both, sizes = split_pairs(torch.from_numpy(ids)[None], torch.tensor([len(ids)]))
    own = networks._taken_apart(ids)
    for k, text in enumerate(own):
        assert text.tolist() == both[k, : int(sizes[k])].tolist()
