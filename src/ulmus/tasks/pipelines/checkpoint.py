"""A task and a folder -> an opened model that fits the task, with its tokenizer; or one of Ulmus' own model files.

`load` opens a model once for many calls; every function of a task takes an opened model or its path.
Costs: reading the weights. Knows no text. Shapes: none; a text has at most `limit` tokens in one forward pass.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ulmus.config import did_you_mean
from ulmus.errors import BundleError, UsageError
from ulmus.models.checkpoint_folder import check_folder, open_model, open_tokenizer, positions
from ulmus.tasks.classifier.model import TextClassifier
from ulmus.tasks.language_model.model import LanguageModel
from ulmus.train.device import resolve_device

__all__ = ["TASKS", "Checkpoint", "Model", "OwnModel", "Task", "load", "opened"]

NO_LIMIT = 10**9  # tokens; tokenizers give larger numbers where they know no limit


@dataclass(frozen=True)
class Task:
    """What a task needs of a model: the Auto class that opens it, and parts of the names in `architectures`."""

    auto: str
    heads: tuple[str, ...]
    own: tuple[str, ...] = ()  # kinds of Ulmus' own model files that serve as well

    @property
    def expected(self) -> str:
        """The architectures that serve, for messages."""
        return " or ".join(f"...{head}" for head in self.heads)


_SEQ2SEQ = ("ForConditionalGeneration", "MTModel", "EncoderDecoderModel", "T5WithLMHeadModel")
TASKS = {
    "feature-extraction": Task("AutoModel", ("",), own=("classifier", "language-model")),
    "fill-mask": Task("AutoModelForMaskedLM", ("ForMaskedLM", "ForPreTraining")),
    "ner": Task("AutoModelForTokenClassification", ("ForTokenClassification",)),
    "question-answering": Task("AutoModelForQuestionAnswering", ("ForQuestionAnswering",)),
    "sentiment-analysis": Task("AutoModelForSequenceClassification", ("ForSequenceClassification",)),
    "summarization": Task("AutoModelForSeq2SeqLM", _SEQ2SEQ),
    "text-generation": Task("AutoModelForCausalLM", ("ForCausalLM", "LMHeadModel"), own=("language-model",)),
    "translation": Task("AutoModelForSeq2SeqLM", _SEQ2SEQ),
    "zero-shot-classification": Task("AutoModelForSequenceClassification", ("ForSequenceClassification",)),
}


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A transformer from a folder, opened for a task."""

    task: str
    folder: Path
    model: Any  # in evaluation mode, float32
    tokenizer: Any
    device: torch.device

    @property
    def limit(self) -> int | None:
        """Tokens in one forward pass, special ones included; None: any number."""
        most = positions(self.model)
        own = min(int(self.tokenizer.model_max_length), NO_LIMIT if most is None else most)
        return own if own < NO_LIMIT else None

    @property
    def labels(self) -> list[str]:
        """Names of the classes (C,) in the order of the model's outputs."""
        return [str(name) for _, name in sorted(self.model.config.id2label.items())]


@dataclass(frozen=True, eq=False)
class OwnModel:
    """One of Ulmus' own models, opened for a task."""

    task: str
    model: TextClassifier | LanguageModel


Model = str | Path | Checkpoint | OwnModel


def load(task: str, path: str | Path, *, device: str = "auto") -> Checkpoint | OwnModel:
    """Open a local folder in the format of transformers for one of `TASKS`; a `.ulmus` file where the task takes one.

    Nothing is downloaded, no code of the folder runs, no pickle is opened. Raises UsageError: an unknown task.
    BundleError: a path that holds no whole model, or one of another task. MissingExtra: transformers is not installed.
    ConfigError: an unknown device.
    """
    if task not in TASKS:
        raise UsageError(
            f"task: expected one of {', '.join(TASKS)}, got {task!r}.{did_you_mean(task, TASKS)}"
        )
    if not Path(path).is_dir() and (own := _own(task, path, device)):
        return own
    folder, needed = Path(path), TASKS[task]
    _check_head(task, folder, check_folder(folder))
    model = open_model(folder, needed.auto, optional=["pooler."] if needed.auto == "AutoModel" else [])
    tokenizer = open_tokenizer(folder, model)
    tokenizer.padding_side = "right"
    if tokenizer.pad_token_id is None:  # any token will do, because padding is masked
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token
    if model.config.pad_token_id is None:
        model.config.pad_token_id = tokenizer.pad_token_id
    target = resolve_device(device)
    return Checkpoint(task, folder, model.to(target), tokenizer, target)


def opened(task: str, model: Model) -> Checkpoint | OwnModel:
    """The model, opened for the task if it is a path. Raises UsageError: opened for another task; else as `load`."""
    if isinstance(model, (str, Path)):
        return load(task, model)
    if model.task != task:
        raise UsageError(f"the model was opened for {model.task}: open it for {task}.")
    return model


def checkpoint(task: str, model: Model) -> Checkpoint:
    """As `opened`, for the tasks that only a transformer serves. Raises as `opened` does."""
    found = opened(task, model)
    if not isinstance(found, Checkpoint):
        raise UsageError(f"{task} needs the folder of a transformer.")
    return found


def _own(task: str, path: str | Path, device: str) -> OwnModel | None:
    """An own model from a file or an installed one; None if the path names neither. Raises BundleError."""
    from ulmus.bundle import read_manifest
    from ulmus.installed import find, installed

    if not Path(path).is_file() and str(path) not in installed():
        return None
    file = find(path)
    if file.suffix != ".ulmus":
        return None
    kind = str(read_manifest(file).get("kind"))
    if kind not in TASKS[task].own:
        wanted = ", ".join(["the folder of a transformer", *(f"a {name}" for name in TASKS[task].own)])
        raise BundleError(f"{path} holds a {kind}; {task} needs {wanted}.{_alternative(kind)}")
    if kind == "classifier":
        return OwnModel(task, TextClassifier.load(file, device=device))
    return OwnModel(task, LanguageModel.load(file, device=device))


def _alternative(kind: str) -> str:
    return " `ulmus predict` classifies texts with it." if kind == "classifier" else ""


def _check_head(task: str, folder: Path, config: dict[str, Any]) -> None:
    """Raise BundleError if the config names architectures, and none of them serves the task."""
    names = config.get("architectures")
    known = [str(name) for name in names] if isinstance(names, list) else []
    if known and not any(head in name for name in known for head in TASKS[task].heads):
        raise BundleError(f"{folder} holds a {', '.join(known)}; {task} needs a {TASKS[task].expected}.")
