"""The recipes of `examples/` run from their data to their scores: on made-up rows here, on real ones where they are."""

from __future__ import annotations

import csv
import importlib.util
import random
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"
WORDS = "oak moss owl fern beetle root acorn tram baker tower market bridge lamp gull reef".split()


def recipe(name: str) -> ModuleType:
    """A file of `examples/` as a module."""
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def tiny() -> dict[str, Any]:
    """Settings of a training of seconds."""
    from ulmus.models.encoder import Dropouts
    from ulmus.tasks.classifier.config import ClassifierConfig
    from ulmus.tasks.language_model.config import LMConfig

    lm = LMConfig(embedding=8, hidden=8, layers=1, cutoffs=())
    config = ClassifierConfig(language_model=lm, dropouts=Dropouts(mult=0.1), head_hidden=8, all_epochs=1)
    return {"config": config, "language_model": "none", "verbose": False, "device": "cpu"}


@pytest.fixture(scope="module")
def patents(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Anchors with targets that share 0 to 4 of their words, in the columns of the real file."""
    path, rng = tmp_path_factory.mktemp("patents") / "train.csv", random.Random(0)
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["id", "anchor", "target", "context", "score"])
        for i in range(24):
            anchor = rng.sample(WORDS, 4)
            for same in range(5):
                target = anchor[:same] + rng.sample([word for word in WORDS if word not in anchor], 4 - same)
                rows.writerow([f"{i}-{same}", " ".join(anchor), " ".join(target), "A47", same / 4])
    return path


@pytest.mark.parametrize("form", ["pair", "text"])
def test_patent_phrases(patents: Path, tiny: dict[str, Any], form: str) -> None:
    """Scored on six anchors of 24, none of which is trained on; pairs see what the phrases share, one text does not."""
    module = recipe("us_patent_phrases")
    found = module.run(patents, form=form, **tiny)
    assert found["n"] == 30
    assert set(found["parts"]) == {"lm", "counts", "combined"}
    if form == "pair":
        assert found["parts"]["counts"]["pearson"] > 0.9
    with patents.open(newline="") as file:
        train, test = module.split(list(csv.DictReader(file)))
    assert not {row["anchor"] for row in train} & {row["anchor"] for row in test}
    assert module.texts(test[:1], "text")[0].startswith("TEXT1: human necessities; TEXT2: ")


def test_paraphrases(tmp_path: Path, tiny: dict[str, Any]) -> None:
    """Accuracy and F1 of each part, from a tab-separated file with quotation marks that are text."""
    rng, lines = random.Random(0), ["\ufeffQuality\t#1 ID\t#2 ID\t#1 String\t#2 String"]
    for i in range(160):
        first = rng.sample(WORDS, 6)
        second = rng.sample(first, 6) if i % 2 else rng.sample(WORDS, 6)
        lines.append(f'{i % 2}\t{i}\t{i}\t"{" ".join(first)}\t{" ".join(second)}')
    path = tmp_path / "pairs.txt"
    path.write_text("\n".join(lines), encoding="utf-8")
    found = recipe("paraphrases").run(path, **tiny)
    assert found["n"] == 40
    assert found["parts"]["counts"]["accuracy"] > 0.8
    assert 0 <= found["parts"]["combined"]["f1"] <= 1


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_real_data() -> None:
    """On a part of each data set the word counts of pairs are far better than chance."""
    import os

    data = Path(os.environ.get("ULMUS_DATA", "../shared/data"))
    settings = {"language_model": "none", "minutes": 1, "verbose": False}
    phrases = recipe("us_patent_phrases").run(
        data / "us_patent_phrase" / "train.csv", limit=6_000, **settings
    )
    assert phrases["parts"]["counts"]["pearson"] > 0.4
    sentences = recipe("paraphrases").run(data / "mrpc" / "msr_paraphrase_train.txt", **settings)
    assert sentences["parts"]["counts"]["f1"] > 0.8
