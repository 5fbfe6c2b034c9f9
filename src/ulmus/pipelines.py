"""The everyday tasks, over transformers in local folders: texts in, a list of plain dicts out, one for each text.

    from ulmus import pipelines
    pipelines.sentiment_analysis(["I liked it."], "models/sst2")  # [{"label": "POSITIVE", "score": 0.99, ...}]

Each function takes a folder, or what `load` has opened from one for many calls. Only local folders, only safetensors,
no code from the folder. Loaded on first use: importing this module loads neither torch nor transformers.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ulmus.tasks.pipelines.answers import question_answering
    from ulmus.tasks.pipelines.checkpoint import load
    from ulmus.tasks.pipelines.classification import sentiment_analysis, zero_shot_classification
    from ulmus.tasks.pipelines.features import feature_extraction
    from ulmus.tasks.pipelines.generation import summarization, text_generation, translation
    from ulmus.tasks.pipelines.tokens import fill_mask, ner

__all__ = [
    "feature_extraction",
    "fill_mask",
    "load",
    "ner",
    "question_answering",
    "sentiment_analysis",
    "summarization",
    "text_generation",
    "translation",
    "zero_shot_classification",
]

_HOMES = {
    "feature_extraction": "features",
    "fill_mask": "tokens",
    "load": "checkpoint",
    "ner": "tokens",
    "question_answering": "answers",
    "sentiment_analysis": "classification",
    "summarization": "generation",
    "text_generation": "generation",
    "translation": "generation",
    "zero_shot_classification": "classification",
}


def __getattr__(name: str) -> object:
    """Load a function from its module on first access (PEP 562). Raises AttributeError for any other name."""
    if name not in _HOMES:
        raise AttributeError(f"module 'ulmus.pipelines' has no attribute {name!r}")
    value: object = getattr(import_module(f"ulmus.tasks.pipelines.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
