"""One network that has learnt what several say together (Hinton, Vinyals & Dean 2015).

The networks and the word counts, mixed as they predict, label unlabelled texts softly; a new network is taught by these
labels and then learns from the true ones, by the steps of every network, and is measured like one. So that its
held-out set stays unseen, the networks that teach it have not learnt from that set either.
Axes: N labelled documents, M unlabelled, K selected ones, C classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace

import numpy as np

from ulmus.evaluation.combination import Combination
from ulmus.linear.count_model import CountModel
from ulmus.tasks.budget import SHARES
from ulmus.tasks.classifier.fitted import Member
from ulmus.tasks.classifier.inference import Inference
from ulmus.tasks.classifier.material import SoftLabels
from ulmus.tasks.classifier.steps import Fitting, Learnt
from ulmus.tasks.ids import RunTexts

__all__ = ["Distilling"]


@dataclass(frozen=True)
class Distilling(Fitting):
    """The steps of a network that several networks teach; `soft` is what these say."""

    soft: SoftLabels = field(default_factory=lambda: SoftLabels(np.arange(0), np.zeros((0, 0))))

    @classmethod
    def of(
        cls, fitting: Fitting, members: Sequence[Member], combination: Combination, texts: RunTexts
    ) -> Distilling:
        """The steps of `fitting`, taught by `members` mixed with its word counts by `combination`."""
        steps = cls(**{one.name: getattr(fitting, one.name) for one in fields(fitting)} | {"probed": None})
        return replace(steps, soft=steps.said(members, combination, texts))

    def said(self, members: Sequence[Member], combination: Combination, texts: RunTexts) -> SoftLabels:
        """What networks and word counts together say of unlabelled documents, of as many as there is time for."""
        m, c, settings = self.material, self.training.config, self.training.settings
        drawn = np.random.default_rng(settings.seed).permutation(len(m.unlabeled))[: c.teach_texts]
        soft = SoftLabels(np.sort(drawn), np.zeros((len(drawn), 0)))
        tokens = self.tokens(SHARES.head_features) / len(members)
        documents = np.sort(soft.documents[self._in_time(soft, tokens, whole=True)])
        each = [
            Inference(
                one.network, settings.device, settings.precision, one.backwards, c.token_budget
            ).probabilities(texts.ids(one.tokenizer), len(m.texts) + documents)
            for one in members
        ]
        counts = self.counts.of_unlabeled(self.teacher)[documents]
        return SoftLabels(documents, combination.combine(np.mean(each, axis=0), counts))

    def learn(self) -> Learnt:
        """As `Fitting.learn`."""
        self.training.settings.say(
            f"Distilling: {len(self.soft.documents):,} unlabelled texts, labelled by the networks together, teach one."
        )
        return super().learn()

    def _soft_labels(self, teacher: CountModel, most: int, seed: int) -> SoftLabels:  # noqa: ARG002
        drawn = np.random.default_rng(seed).permutation(len(self.soft.documents))[:most]
        return self.soft.some(np.sort(drawn))

    def _teach_again(self, learnt: Learnt, combination: Combination) -> bool:  # noqa: ARG002
        """Nothing is taught again: the networks would say the same. The held-out labels follow."""
        return True
