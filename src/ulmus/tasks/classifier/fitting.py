"""One `TextClassifier.fit` under way, step by step; each step is a method that can be read on its own.

    count          word counts of all texts, and the teacher: word counts fitted to the labels that are not held back
    begin          a language model's encoder with a new head, and a linear probe of what the encoder knows already
    learn          soft labels for unlabelled texts (where there are enough), by teacher and probe; then gradual
                   unfreezing on true labels
    combine        weigh language model and word counts on held-back labels; report
    give_back      teaching and true labels once more, with the held-back ones, a teacher that has seen them, and the
                   student's own opinion

Documents are numbered: labelled ones first, then unlabelled ones, then those of `valid`.
Axes: N labelled documents, M unlabelled, C classes.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from ulmus.corpus.labels import Labels
from ulmus.data.label_batches import LabelBatches
from ulmus.data.store import IdStore
from ulmus.evaluation.combination import Combination, fit_weight
from ulmus.evaluation.comparison import compare
from ulmus.linear.count_model import CountModel
from ulmus.models.heads import ClassifierHead
from ulmus.tasks.classifier.budget import TRAIN, Budget
from ulmus.tasks.classifier.config import ClassifierConfig
from ulmus.tasks.classifier.counting import Counts
from ulmus.tasks.classifier.inference import document_features, probabilities
from ulmus.tasks.classifier.material import Material, SoftLabels
from ulmus.tasks.classifier.network import ClassifierNetwork
from ulmus.tasks.classifier.probe import Probe
from ulmus.tasks.classifier.teaching import start_head, surest, teach
from ulmus.tasks.classifier.training import Run, padded
from ulmus.tasks.classifier.unfreezing import true_labels
from ulmus.tasks.ids import cut
from ulmus.tasks.language_model.model import LanguageModel
from ulmus.train.device import resolve_device

__all__ = ["PARTS", "Fitting"]

PARTS = ("combined", "lm", "counts")
PROBE_MOST = 1_000  # labels; with more the probe has little to add to the word counts, and takes long
LENGTHS = (128, 256, 512, 1_024)  # tokens that documents may be cut to, where time is short
# shares of all minutes for a first look at documents, for teaching, for teaching again; for training without teaching
LOOK, TAUGHT, TAUGHT_AGAIN, UNTAUGHT = 0.1, 0.2, 0.27, 0.4
TOO_FEW = (
    "There are too few labels to hold any back, so nothing was measured: give --valid (valid=) to measure."
)


@dataclass
class Fitting:
    """The state between the steps."""

    material: Material
    config: ClassifierConfig
    budget: Budget
    run_settings: dict[str, Any]  # seed, device, precision, folder, callbacks of the trainings
    class_weight: str | None = None
    teach: bool = True
    mix: bool = True
    report: dict[str, Any] = field(default_factory=lambda: {"verdict": TOO_FEW})
    thresholds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(PARTS, 0.5))

    def count(self, say: Callable[[str], None]) -> None:
        """Count the words of all texts; fit the teacher."""
        m = self.material
        say("Counting words.")
        self.counts = Counts(m.texts, m.unlabeled, self.class_weight)
        self.choice = self.counts.choose(m.labels, m.train)
        self.teacher = self.counts.fit(m.labels, m.train, self.choice)

    def begin(self, language_model: LanguageModel) -> None:
        """A classifier network on the language model's encoder, and the ids of all texts."""
        c, labels = self.config, self.material.labels
        self.tokenizer = language_model.tokenizer_
        encoder = copy.deepcopy(language_model.network_.encoder)
        encoder.set_dropouts(c.dropouts)
        features, classes = encoder.config.pooled(), len(labels.classes)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.run_settings["seed"])
            head = ClassifierHead(features, classes, hidden=c.head_hidden, drops=c.head_dropouts)
        network = ClassifierNetwork(
            encoder,
            head,
            max_len=c.max_len,
            objective=labels.objective,
            class_weight=_balanced(labels) if self.class_weight else None,
        )
        self.run = Run(network, c, **self.run_settings, backwards=language_model.config.backwards)
        self.store: IdStore = cut(self.material.everything, self.tokenizer, self.run.folder, "ids")
        self.run.longest = self._longest()
        self.probe = self._probe()

    def _tokens(self, share: float) -> float:
        """Tokens that the encoder can read in a share of all minutes."""
        if resolve_device(self.run.device).type != "cpu":
            return math.inf
        return self.budget.tokens(share, sum(p.numel() for p in self.run.network.encoder.layers.parameters()))

    def _longest(self) -> int:
        """Tokens of a document to train on: in few minutes, many documents in part teach more than few whole ones."""
        c, n, more = self.config, len(self.material.texts), len(self.material.unlabeled)
        wanted = min(c.teach_texts * c.teach_first, c.teach_confident * more) if self.teach else 2 * n
        tokens = self._tokens(TAUGHT if self.teach else UNTAUGHT) / TRAIN
        lengths = self.store.lengths[: n + more]
        fits = [k for k in (*LENGTHS, c.longest) if np.minimum(lengths, k).mean() * wanted <= tokens]
        return min(max(fits, default=LENGTHS[0]), c.longest)

    def _probe(self) -> Probe | None:
        """What the encoder knows of the labels that are not held back; None where nobody asks."""
        m = self.material
        asked = self.teach or (self.mix and not len(m.measured))
        if not asked or len(m.train) > PROBE_MOST:
            return None
        labels = m.labels.rows(m.train)
        whole = self.store.lengths[m.train].sum() <= self._tokens(LOOK)
        probe = Probe(
            document_features(self.run, self.store, m.train, whole=whole), labels, seed=self.run.seed
        )
        p_counts = self.counts.out_of_fold(m.labels, m.train, self.choice, self.run.seed)
        self.probe_mix = probe.beside(p_counts, labels.target)
        return probe

    def learn(self) -> None:
        """Teach where there is something to teach with, then train on the true labels that are not held back."""
        m, c = self.material, self.config
        soft = None
        if self.teach:
            soft = self._soft_labels(self.teacher, round(c.teach_texts * c.teach_first), self.run.seed)
            self._first_look(soft)
        self.spare = self.budget.share(self.teach)
        if soft is not None:
            epochs = c.teach_epochs_for(len(soft.documents), first=True)
            self._teach("teaching", soft, m.train, epochs=epochs, minutes=self.spare.teach)
        self.labels_helped = self._true_labels("labels", m.train, self._judging())

    def _true_labels(self, name: str, documents: np.ndarray, valid: LabelBatches | None) -> bool:
        return true_labels(
            self.run,
            name,
            self.store,
            self.material.labels,
            documents,
            valid,
            taught=self.teach,
            minutes=self.spare.labels,
        )

    def combine(self) -> Combination:
        """The weights of the two parts, from documents that neither was trained on; the report of all three."""
        m = self.material
        found = Combination(multi_label=m.labels.multi_label)
        if self.probe is not None and not self.teach:
            found = self.probe_mix  # (a student's are half and half)
        if len(m.measured):
            p_lm = probabilities(self.run, self.store, m.measured)
            if m.judged is None:
                p_counts = self.counts.of_labelled(self.teacher, m.held)
            else:
                p_counts = self.teacher.proba_of(m.judged_texts)
            found = fit_weight(p_lm, p_counts, m.truth.target)
            parts = {"lm": p_lm, "counts": p_counts}
            if self.mix:
                parts["combined"] = found.combine(p_lm, p_counts)
            self.thresholds |= {
                name: m.labels.objective.best_threshold(m.truth.target, proba)
                for name, proba in parts.items()
            }
            self.report = compare(m.truth.target, parts, self.thresholds, self.run.seed)
        self.report["weight"] = found.weight if self.mix else 1.0
        self.combination = found
        return found

    def give_back(self) -> CountModel:
        """Learn from the held-back labels too; the word counts of all labels."""
        m, c = self.material, self.config
        n = len(m.texts)
        final = self.counts.fit(m.labels, np.arange(n), self.choice)
        if self.teach:
            soft = self._soft_labels(final, c.teach_texts, self.run.seed + 1)
            soft = soft.some(self._in_time(soft, self._tokens(TAUGHT_AGAIN) / (1 + TRAIN)))
            began = self.budget.spent()
            p_lm = probabilities(self.run, self.store, n + soft.documents, whole=False)
            soft.proba[:] = self.combination.combine(p_lm, soft.proba)  # co-training: Blum & Mitchell 1998
            self._teach(
                "teaching again",
                soft,
                np.repeat(np.arange(n), c.teach_repeat),
                epochs=c.teach_epochs_for(len(soft.documents), first=False),
                minutes=self.spare.back and max(self.spare.back - (self.budget.spent() - began), 0.05),
                share=c.give_back_taught,
            )
            if self.labels_helped:
                self._true_labels("all labels", np.arange(n), None)
        elif len(m.held) and n <= c.give_back_most:
            targets, everything = padded(m.labels.hot(), len(self.store)), np.arange(n)
            back = self.spare.back
            teach(
                self.run, "held-back labels", self.store, targets, everything, minutes=back, share=c.give_back
            )
        return final

    def _soft_labels(self, teacher: CountModel, most: int, seed: int) -> SoftLabels:
        """Unlabelled documents, drawn from those of which the teacher is surest, and what it says of them."""
        m, share = self.material, self.config.teach_confident
        proba = self.counts.of_unlabeled(teacher)
        chosen = surest(proba, most=most, share=share, objective=m.labels.objective, seed=seed)
        return SoftLabels(chosen, proba[chosen])

    def _first_look(self, soft: SoftLabels) -> None:
        """Read the documents once, or as many as there is time for; the head learns from what the encoder made of them.

        Where the probe has a say, it is mixed into their soft labels first.
        """
        some = self._in_time(soft, self._tokens(LOOK), whole=True)
        documents = len(self.material.texts) + soft.documents[some]
        features = document_features(self.run, self.store, documents)
        if self.probe is not None and self.probe_mix.weight > 0:
            soft.proba[some] = self.probe_mix.combine(self.probe.proba(features), soft.proba[some])
        sharpened = self.material.labels.objective.soft_labels(soft.proba[some], self.config.teach_power)
        start_head(self.run, features, sharpened)

    def _in_time(self, soft: SoftLabels, tokens: float, *, whole: bool = False) -> np.ndarray:
        """Some of the K documents, drawn at random: as many as can be read, whole or as training does."""
        drawn = np.random.default_rng(self.run.seed).permutation(len(soft.documents))
        lengths = self.store.lengths[len(self.material.texts) + soft.documents[drawn]]
        read = np.cumsum(lengths if whole else np.minimum(lengths, self.run.most_tokens))
        return drawn[: max(int(np.searchsorted(read, tokens, side="right")), 2)]

    def _teach(self, name: str, soft: SoftLabels, labelled: np.ndarray, **settings: Any) -> None:
        """Train on soft labels of unlabelled documents, and on the true labels of `labelled` ones."""
        m, n = self.material, len(self.material.texts)
        targets = padded(m.labels.hot(), len(self.store))
        targets[n + soft.documents] = m.labels.objective.soft_labels(soft.proba, self.config.teach_power)
        documents = np.concatenate([labelled, n + soft.documents])
        teach(self.run, name, self.store, targets, documents, **settings)

    def _judging(self) -> LabelBatches | None:
        """The documents to measure on, with their labels."""
        m = self.material
        truth = m.truth.learnable()
        targets = np.zeros((len(self.store), *truth.shape[1:]), truth.dtype)
        targets[m.measured] = truth
        return self.run.judging(self.store, targets, m.measured)


def _balanced(labels: Labels) -> torch.Tensor:
    """Weights of the classes (C,) that make all weigh the same, as scikit-learn's "balanced"."""
    weights = labels.objective.balanced(labels.target, len(labels.classes))
    return torch.tensor(np.clip(weights, 0.01, 100.0), dtype=torch.float32)
