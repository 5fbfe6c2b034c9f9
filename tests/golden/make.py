"""Writes the model files beside it; run once for each format that people have files of: `python tests/golden/make.py`.

They are promises: every later version loads them and predicts what `expected.json` says. Never write one anew; add a
folder for a new format.
"""

from __future__ import annotations

import json
from pathlib import Path

from ulmus import LanguageModel, TextClassifier, TokenizerConfig, __version__
from ulmus.models.encoder import Dropouts
from ulmus.tasks.classifier.config import ClassifierConfig
from ulmus.tasks.language_model.config import LMConfig

HERE = Path(__file__).parent / "format-1"
SEA, WOOD = "wave tide harbour sailor gull reef".split(), "oak moss owl path fern beetle".split()
TEXTS = [
    f"The {words[i % 6]} near a {words[(i * 5 + 1) % 6]} and the old {words[(i + 2) % 6]}, {i} times."
    for i in range(24)
    for words in (SEA, WOOD)
]
LABELS = ["sea", "wood"] * 24
NEW = ["A gull over the reef.", "Moss on an oak", "", "Größe, 日本語 🙂 and the tide", "path " * 40]
LM = LMConfig(
    tokenizer=TokenizerConfig(min_freq=1, max_size=200),
    embedding=8,
    hidden=12,
    layers=2,
    dropouts=Dropouts(mult=0.1),
    batch_size=4,
    bptt=12,
    epochs=2,
)
SETTINGS = {"device": "cpu", "precision": "float32", "verbose": False}


def main() -> None:
    """A single-label and a multi-label classifier, and a language model."""
    HERE.mkdir(exist_ok=True)
    config = ClassifierConfig(language_model=LM, head_hidden=6, max_len=12, all_epochs=2, batch_size=16)
    expected = {"version": __version__, "texts": NEW}
    several = [[label, "even"] if i % 4 < 2 else [label] for i, label in enumerate(LABELS)]
    for name, labels in (("single-label", LABELS), ("multi-label", several)):
        model = TextClassifier(language_model="none", config=config, **SETTINGS).fit(TEXTS, labels)
        model.save(HERE / f"{name}.ulmus")
        found = {part: model.predict_proba(NEW, part=part).tolist() for part in model.parts}
        expected[name] = {"classes": list(model.class_names_), "probabilities": found}
    language_model = LanguageModel(LM, **SETTINGS).fit(TEXTS)
    language_model.save(HERE / "language-model.ulmus")
    expected["language-model"] = {
        "perplexity": language_model.perplexity(NEW),
        "samples": language_model.generate("The old", words=6, seed=1, samples=2),
    }
    (HERE / "expected.json").write_text(
        json.dumps(expected, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
    )


if __name__ == "__main__":
    main()
