"""Whole documents through a recurrent encoder: chunk by chunk, pooled, without padding.

Gradients reach only the last `max_len` tokens of a document (BPT3C, Howard & Ruder 2018, section 3.3), so memory does
not grow with its length. Axes: B batch, T time, E embedding, D features of a layer, F of a document.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ulmus.models.encoder import RecurrentEncoder, State
from ulmus.models.heads import Pooled, concat, pool, start_pooling

__all__ = ["document_features", "token_features"]

CHUNK = 256  # tokens per forward pass if no gradient is needed


def document_features(encoder: RecurrentEncoder, ids: Tensor, lengths: Tensor, *, max_len: int) -> Tensor:
    """Concat pooling over the real tokens of documents (B, T) of `lengths` (B,) -> (B, F).

    Each document goes through the encoder without gradients up to its last `max_len` tokens (less a sixteenth at most,
    so that documents of similar length stop together); the rest follows with gradients, from that state.
    """
    tracked = torch.is_grad_enabled() and any(p.requires_grad for p in encoder.parameters())
    skimmed = lengths
    if tracked:
        grain = max(1, max_len // 16)
        skimmed = (lengths - max_len + grain - 1).clamp(min=0) // grain * grain  # (B,) tokens
    with encoder.one_draw():
        with torch.no_grad():
            pooled, state = _skim(encoder, ids, lengths, skimmed)
        if tracked:
            rest = lengths - skimmed  # (B,)
            # few lengths: kernels and blocks of memory are made for each new one
            longest = min(-(-int(rest.max()) // grain) * grain, ids.shape[1])
            at = skimmed[:, None] + torch.arange(max(1, longest), device=ids.device)  # (B, T')
            outputs = encoder(ids.gather(1, at.clamp(max=ids.shape[1] - 1)), state).outputs
            pooled = pool(pooled, outputs, 0, rest)
    return concat(pooled, lengths)


def token_features(encoder: RecurrentEncoder, ids: Tensor, lengths: Tensor) -> Tensor:
    """Outputs (B, T, D) float32 of all layers for documents (B, T) of `lengths` (B,); zeros for padding.

    Lower layers know more of a word, the top one more of the next word (Peters et al. 2018, section 5.3).
    """
    real = torch.arange(ids.shape[1], device=ids.device) < lengths[:, None]  # (B, T)
    return torch.cat([one.float() for one in encoder(ids).outputs], 2) * real.unsqueeze(2)


def _skim(
    encoder: RecurrentEncoder, ids: Tensor, lengths: Tensor, skimmed: Tensor
) -> tuple[list[Pooled], State]:
    """Pooling and state of documents (B, T) of `lengths` (B,) after `skimmed` (B,) tokens each, in chunks."""
    pooled = start_pooling(len(ids), encoder.config.widths(), encoder.embedding)
    state, longest = encoder.initial_state(len(ids)), int(skimmed.max())
    stops = set(range(CHUNK, longest, CHUNK)) | {longest}
    # running over the end of a document does no harm; over the point where gradients begin, it would
    if skimmed is not lengths:
        stops |= set(skimmed.tolist())
    start = 0
    for end in sorted(stops - {0}):
        rows = (skimmed > start).nonzero().squeeze(1)  # documents that are not finished
        outputs, _, now = encoder(ids[rows, start:end], [(h[rows], c[rows]) for h, c in state])
        new_pooled = pool([Pooled(*(t[rows] for t in one)) for one in pooled], outputs, start, lengths[rows])
        pooled = [
            Pooled(*(t.index_copy(0, rows, new) for t, new in zip(*pair, strict=True)))
            for pair in zip(pooled, new_pooled, strict=True)
        ]
        state = [
            (h.index_copy(0, rows, new_h.to(h.dtype)), c.index_copy(0, rows, new_c.to(c.dtype)))
            for (h, c), (new_h, new_c) in zip(state, now, strict=True)
        ]
        start = end
    return pooled, state
