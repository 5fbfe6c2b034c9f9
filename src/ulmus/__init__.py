"""Ulmus: transfer learning for text, from raw text and a few labels to a classifier you can ship.

Public names are loaded on first use: `import ulmus` takes milliseconds and loads neither torch nor numpy.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ulmus.corpus.source import Source, read
    from ulmus.data.label_batches import LabelBatches
    from ulmus.data.lm_batches import LMBatches
    from ulmus.data.store import IdStore
    from ulmus.errors import UlmusError
    from ulmus.tasks.adaptation.model import TransformerEncoder
    from ulmus.tasks.classifier.model import TextClassifier
    from ulmus.tasks.classifier.regressor import TextRegressor
    from ulmus.tasks.language_model.model import LanguageModel
    from ulmus.tasks.tagger.model import TextTagger
    from ulmus.tasks.word_counts import WordCounts
    from ulmus.text.tokenizer import Tokenizer, TokenizerConfig
    from ulmus.text.vocab import Vocab

__version__ = "0.1.0"

__all__ = [
    "TextClassifier",
    "TextRegressor",
    "TextTagger",
    "LanguageModel",
    "TransformerEncoder",
    "WordCounts",
    "read",
    "Source",
    "Tokenizer",
    "TokenizerConfig",
    "Vocab",
    "IdStore",
    "LMBatches",
    "LabelBatches",
    "UlmusError",
    "__version__",
]

_HOMES = {
    "TextClassifier": "tasks.classifier.model",
    "TextRegressor": "tasks.classifier.regressor",
    "TextTagger": "tasks.tagger.model",
    "LanguageModel": "tasks.language_model.model",
    "TransformerEncoder": "tasks.adaptation.model",
    "WordCounts": "tasks.word_counts",
    "read": "corpus.source",
    "Source": "corpus.source",
    "Tokenizer": "text.tokenizer",
    "TokenizerConfig": "text.tokenizer",
    "Vocab": "text.vocab",
    "IdStore": "data.store",
    "LMBatches": "data.lm_batches",
    "LabelBatches": "data.label_batches",
    "UlmusError": "errors",
}


def __getattr__(name: str) -> object:
    """Load a public name from its module on first access (PEP 562). Raises AttributeError for any other name."""
    if name not in _HOMES:
        raise AttributeError(f"module 'ulmus' has no attribute {name!r}")
    value: object = getattr(import_module(f"ulmus.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
