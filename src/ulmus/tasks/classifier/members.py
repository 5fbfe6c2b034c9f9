"""The networks of a classifier, trained one after the other within one time budget.

A network that is done is kept in the work folder: a run that was stopped resumes at the one it was in.
Axes: K documents not learnt from, C classes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import torch

from ulmus.config import LARGEST_SEED, to_dict
from ulmus.linear.count_model import CountModel
from ulmus.tasks.budget import Budget
from ulmus.tasks.checkpoints import checkpoint
from ulmus.tasks.classifier.ensemble import Ensemble, Start
from ulmus.tasks.classifier.fitted import Member
from ulmus.tasks.classifier.measuring import Evidence, Measured
from ulmus.tasks.classifier.network import ClassifierNetwork
from ulmus.tasks.classifier.steps import Fitting
from ulmus.tasks.pretrained import Pretrained
from ulmus.tasks.settings import RunSettings
from ulmus.train.checkpoint import CheckpointFile
from ulmus.train.processes import processes

__all__ = ["Done", "Outcome", "Trained", "train_in_turn"]


class Outcome(NamedTuple):
    """What the training of a network comes to, apart from its weights."""

    learnt: bool  # false: its encoder is as it was, with a regression on frozen features
    refit: bool  # it was trained once more after it was measured
    history: list[dict[str, Any]]


class Trained(NamedTuple):
    """A network that is done, and what it shows beside the word counts."""

    member: Member
    counts: CountModel  # fitted to all labels
    measured: Measured
    outcome: Outcome
    metrics: dict[str, Any]  # of the language model
    about: dict[str, Any]  # more entries of the report
    name: str = ""  # of the language model, if it is an installed one
    seed: int = 0


Open = Callable[[Start, RunSettings, Budget], Pretrained]
Train = Callable[[Pretrained, RunSettings, Budget], Trained]


def train_in_turn(
    ensemble: Ensemble,
    starts: Sequence[Start],
    settings: RunSettings,
    budget: Budget,
    *,
    open_start: Open,
    train: Train,
    more: int = 0,
) -> list[Trained]:
    """The networks of the ensemble: one for each of the `starts`, or one for each seed of the only start.

    `open_start` and `train` make the pretrained encoder and a network of it, within the budgets they are given. Other
    seeds are left out if the first one comes to no more than a regression on frozen features, which does not depend on
    the seed; those of `auto` also if there is no time for them. The budget is for so many `more` networks too.
    """
    count = ensemble.networks
    if len(starts) > 1:
        done = []
        for nth, start in enumerate(starts):
            part, own = budget.part(nth, count + more), _turn(settings, nth, count, start.name)
            done.append(train(open_start(start, own, part), own, part)._replace(name=start.name))
        return done
    only, auto = starts[0], ensemble.name == "auto"
    pretrained = open_start(only, settings, budget)
    done = []
    for nth in range(count):
        began = budget.spent()
        part = budget if count == 1 or (auto and nth == 0) else budget.part(nth, count + more, whole=auto)
        own = settings if count == 1 or (auto and nth == 0) else _turn(settings, nth, count)
        own = replace(own, seed=(settings.seed + nth) % (LARGEST_SEED + 1))
        done.append(train(pretrained, own, part)._replace(name=only.name, seed=own.seed))
        if (
            nth == 0
            and count > 1
            and not _more(done[0], settings, budget, began, auto=auto, count=count + more)
        ):
            break
    return done


def _turn(settings: RunSettings, nth: int, count: int, name: str = "") -> RunSettings:
    """The settings of the `nth` network (from 0), named in its progress; says that it begins."""
    title = f"network {nth + 1} of {count}"
    settings.say(f"{title.capitalize()}{f', of the language model {name}' if name else ''}.")
    return replace(settings, title=title)


def _more(
    first: Trained, settings: RunSettings, budget: Budget, began: float, *, auto: bool, count: int
) -> bool:
    """Whether other seeds follow the first network, whose training began after so many minutes; says so if not."""
    if not first.outcome.learnt:
        settings.say("Frozen features were chosen: other seeds would give the same network, so there is one.")
        return False
    took, left = budget.spent() - began, budget.left()
    if auto and left is not None and left < took * (count - 1):
        settings.say("There is no time for networks of other seeds.")
        return False
    return True


@dataclass(frozen=True)
class Done:
    """The file of a network that is done, in the work folder; its name depends on everything that determines it."""

    path: Path | None

    @classmethod
    def of(cls, fitting: Fitting) -> Done:
        """The file for the network of this fitting, as it is before any training."""
        training, m = fitting.training, fitting.material
        recipe = replace(fitting.recipe, language_model=None, encoder=None)  # its weights count, not its name
        path = checkpoint(
            training.settings.folder,
            "network",
            training.network,
            batches=[training.batches(fitting.label_set("labels", m.train, None))],
            settings=[
                *(to_dict(training.config), m.fingerprints, m.measured.tolist()),
                *(training.settings.seed, training.settings.precision),
                [repr(recipe.class_weight), recipe.teach, recipe.mix, recipe.distil],
            ],
        )
        name = processes().from_first(lambda: None if path is None else str(path))
        return cls(None if name is None else Path(name))

    def write(self, network: ClassifierNetwork, evidence: Evidence | None, outcome: Outcome) -> None:
        """Write it, in the first process; a full disk is a warning."""
        if self.path is None or not processes().first:
            return
        tensors = {f"model.{name}": t for name, t in network.state_dict().items()}
        run = {"identity": {}, "outcome": outcome._asdict(), "prior": None}
        if evidence is not None:
            arrays = evidence._asdict()
            run["prior"] = arrays.pop("prior")
            tensors |= {f"evidence.{name}": torch.from_numpy(array) for name, array in arrays.items()}
        CheckpointFile(self.path, every_s=0).try_write(tensors, run)

    def read(self, network: ClassifierNetwork) -> tuple[Evidence | None, Outcome] | None:
        """Load the weights into the network; the rest of what was written. None if there is no such file.

        Raises DataError: a damaged file.
        """
        saved = None if self.path is None else CheckpointFile(self.path, every_s=0).read({})
        if saved is None:
            return None
        network.load_state_dict(saved.part("model"))
        arrays = {name: t.numpy() for name, t in saved.part("evidence").items()}
        evidence = Evidence(**arrays, prior=saved.run["prior"]) if arrays else None
        return evidence, Outcome(**saved.run["outcome"])
