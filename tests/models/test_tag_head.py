"""The head of a tagger, and reading from the end."""

from __future__ import annotations

import torch

from ulmus.models.tag_head import TagHead, mirrored


def test_positions_are_mirrored_within_their_row() -> None:
    """A mark of the beginning and the padding stay; doing it twice changes nothing."""
    here, lengths = torch.arange(5).expand(2, 5), torch.tensor([5, 3])
    keep = torch.tensor([1, 1])
    turned = mirrored(here, lengths, keep)
    assert turned.tolist() == [[0, 4, 3, 2, 1], [0, 2, 1, 3, 4]]
    assert mirrored(turned, lengths, keep).tolist() == here.tolist()
    assert mirrored(here, lengths).tolist() == [[4, 3, 2, 1, 0], [2, 1, 0, 3, 4]]


def test_padding_reaches_no_word() -> None:
    """A sentence has the same scores alone and padded."""
    torch.manual_seed(0)
    head = TagHead(6, 3, buckets=20, own=4, hidden=5).eval()
    encoded, features = torch.randn(1, 7, 6), torch.randint(0, 20, (1, 7, 8))
    padded = head(encoded, features, torch.tensor([4]))[:, :4]
    alone = head(encoded[:, :4], features[:, :4], torch.tensor([4]))
    assert (padded - alone).abs().max() < 1e-5


def test_both_sides_of_a_word_reach_it() -> None:
    """The scores of a word depend on the words before and after it."""
    torch.manual_seed(0)
    head = TagHead(6, 3, buckets=20, own=4, hidden=5).eval()
    features = torch.zeros(1, 5, 8, dtype=torch.long)
    encoded = torch.randn(1, 5, 6, requires_grad=True)
    head(encoded, features, torch.tensor([5]))[0, 2].sum().backward()
    assert (encoded.grad[0].abs().sum(1) > 0).all()
