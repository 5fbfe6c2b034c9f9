"""`distil`: a language model learns what passages mean from a sentence encoder in a local folder.

    lm = LanguageModel.load("en-small", minutes=60, work_dir="run")
    better = ulmus.distil(lm, texts, teacher="all-MiniLM-L6-v2")

Knows no labels.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from pathlib import Path

from ulmus.corpus.columns import readable
from ulmus.tasks.distillation import fitting
from ulmus.tasks.distillation.config import DistillationConfig
from ulmus.tasks.distillation.teacher import open_teacher
from ulmus.tasks.ids import RunTexts
from ulmus.tasks.language_model.model import LanguageModel
from ulmus.tasks.settings import RunSettings, work_folder

__all__ = ["distil"]


def distil(
    model: LanguageModel,
    texts: Iterable[str],
    *,
    teacher: str | Path,
    config: DistillationConfig | None = None,
) -> LanguageModel:
    """A new language model of the same shape and settings, whose features also know what a passage means.

    `texts` are general texts without labels, one document each, that can be iterated several times; they are cut into
    passages. `teacher` is the local folder of a sentence encoder in the format of `transformers`, or a file that
    `ulmus tune` made from one. Seed, device, time budget and work folder are those of `model`, which is not modified;
    with a work folder the teacher's vectors are kept and a run that was stopped resumes.
    Raises UsageError: not fitted, or unusable texts; BundleError: an unusable folder or file; ConfigError: a decoder as
    teacher; DataError: no texts; MissingExtra: transformers is not installed.
    """
    model.check_fitted()
    settings = RunSettings.of(model)
    knows = open_teacher(teacher, device=settings.device, precision=settings.precision)
    own = RunTexts(readable(texts), work_folder(model.work_dir), verbose=model.verbose)
    result = copy.copy(model)
    result.fitted_ = fitting.distil(model.fitted_, knows, own, settings, config=config, about=model.about)
    return result
