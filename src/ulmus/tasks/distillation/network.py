"""A language model and a projection of its features, behind the interface of the training loop.

Both losses come from one forward pass: each token predicts the next one, and the pooled features of the passage
predict, through one linear layer, the teacher's vector. Knows no strings and no files.
Axes: B passages, T tokens, F features of a document, K features of the teacher.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from ulmus.data.label_batches import Batch
from ulmus.models.heads import concat, pool, start_pooling
from ulmus.tasks.language_model.network import LMNetwork
from ulmus.train.protocol import Step

__all__ = ["DistillationNetwork"]


class DistillationNetwork(nn.Module):
    """`similarity` (1 - cosine) + `language_model` times the loss per token; the projection is not kept afterwards."""

    def __init__(
        self, model: LMNetwork, width: int, *, similarity: float, language_model: float, seed: int = 0
    ) -> None:
        super().__init__()
        self.model = model
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.projection = nn.Linear(model.encoder.config.pooled(), width)
        self.similarity, self.language_model = similarity, language_model

    def forward(self, batch: Batch) -> Step:
        """Loss of passages (B, T) whose targets are unit vectors (B, K); `output` has the cosines (B,)."""
        ids, lengths, vectors = torch.as_tensor(batch.ids), torch.as_tensor(batch.lengths), batch.targets
        encoder = self.model.encoder
        encoded = encoder(ids)
        pooled = pool(
            start_pooling(len(ids), encoder.config.widths(), encoder.embedding), encoded.outputs, 0, lengths
        )
        projected = self.projection(concat(pooled, lengths))  # (B, K)
        cosine = F.cosine_similarity(projected.float(), torch.as_tensor(vectors).float())
        loss = self.similarity * (1 - cosine.mean())
        following = torch.arange(1, ids.shape[1], device=ids.device) < lengths[:, None]  # (B, T - 1)
        if self.language_model and following.any():
            hidden = encoded.output[:, :-1][following]
            nll = self.model.decoder.loss(hidden, encoder.embedding, ids[:, 1:][following])
            loss = loss + self.language_model * nll
        return Step(loss, loss.detach(), len(ids), cosine.detach())

    def reset(self) -> None:
        """Nothing is carried from batch to batch."""

    def layer_groups(self) -> list[list[nn.Parameter]]:
        """Those of the language model, and the projection."""
        return [*self.model.layer_groups(), list(self.projection.parameters())]
