"""feature-extraction: texts -> one vector each. Axes: N texts, F features, B batch, T tokens, D hidden."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from ulmus.corpus.columns import as_texts
from ulmus.models.encoders import for_inference
from ulmus.special_tokens import PAD
from ulmus.tasks.language_model.model import LanguageModel
from ulmus.tasks.pipelines.checkpoint import Checkpoint, Model, OwnModel, opened
from ulmus.tasks.pipelines.windows import averaged, forward, windows

__all__ = ["feature_extraction"]

BATCH = 16  # documents


def feature_extraction(texts: Sequence[str], model: Model) -> list[dict[str, Any]]:
    """{"features": [F numbers]} for each of N texts, which are read whole.

    A transformer's features are the mean of its last layer over all tokens, special ones included (F = D); a text
    longer than it takes is read in several windows. Those of Ulmus' own models are the pooled outputs of the encoder.
    Raises UsageError: unusable texts. The errors of `load`.
    """
    given, found = as_texts(texts), opened("feature-extraction", model)
    if not given:
        return []
    rows = _own(given, found) if isinstance(found, OwnModel) else _means(given, found)
    return [{"features": row} for row in rows.tolist()]


def _means(texts: list[str], found: Checkpoint) -> Tensor:
    """Mean outputs (N, D) of the last layer of a transformer, of its encoder if it has a decoder too."""
    given = windows(found, texts, overlap=False)
    encoder = found.model.get_encoder() if found.model.config.is_encoder_decoder else found.model

    def take(outputs: Any, row: int, k: int) -> Tensor:
        return torch.as_tensor(outputs.last_hidden_state[row, : len(given.own[k])].mean(dim=0))

    return averaged(forward(found, given, take, model=encoder), given, len(texts))


def _own(texts: list[str], found: OwnModel) -> Tensor:
    """Pooled features (N, F) of an own encoder, computed on the CPU in float32."""
    fitted = found.model.fitted_
    config = found.model.config if isinstance(found.model, LanguageModel) else found.model.fitted_.lm_config
    encoder = for_inference(fitted.network.encoder.to(torch.device("cpu")), "float32")
    ids = [torch.from_numpy(one).long() for one in fitted.tokenizer.encode_batch(texts)]  # N of (T_i,)
    if config is not None and config.backwards:
        ids = [one.flip(0) for one in ids]
    batches = [ids[start : start + BATCH] for start in range(0, len(ids), BATCH)]
    return torch.cat(
        [
            encoder.features(
                pad_sequence(batch, batch_first=True, padding_value=PAD),
                torch.tensor([len(one) for one in batch]),
            )
            for batch in batches
        ]
    )
