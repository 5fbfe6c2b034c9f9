"""One network instead of several: taught by what they say together of unlabelled texts."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ulmus import TextClassifier
from ulmus.errors import ConfigError, DataError
from ulmus.tasks.classifier.distilling import Distilling
from ulmus.tasks.classifier.tuning import Tuned

Fit = Callable[..., TextClassifier]


def test_one_network_learns_what_several_say(
    make: Fit, corpus: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is taught by their mean for unlabelled texts, kept in their place, and measured itself."""
    monkeypatch.setattr(Tuned, "helps", True)  # else other seeds would give the same network
    taught: list[Any] = []
    make_steps = Distilling.of

    def spy(steps: Any, members: Any, mix: Any, texts: Any) -> Any:
        taught.append((members, mix, made := make_steps(steps, members, mix, texts)))
        return made

    monkeypatch.setattr(Distilling, "of", spy)
    model = make(ensemble="seeds:2", distil=True).fit(
        corpus.texts[:30],
        corpus.labels[:30],
        unlabeled=corpus.unlabeled,
        valid=(corpus.test_texts, corpus.test_labels),
    )
    ((networks, mix, steps),) = taught
    assert len(networks) == 2
    soft = steps.soft
    assert len(soft.documents) > 0
    own = dataclasses.replace(model.fitted_, network=networks[0].network, others=(networks[1],))
    texts = [corpus.unlabeled[i] for i in soft.documents]
    lm = TextClassifier.of(own, precision="float32").predict_proba(texts, part="lm")
    counts = steps.counts.of_unlabeled(steps.teacher)[soft.documents]
    np.testing.assert_allclose(soft.proba, mix.combine(lm, counts), atol=1e-4)
    assert len(model.fitted_.members) == 1
    assert model.report_["distilled"]["networks"] == 2
    assert {"lm", "combined"} <= set(model.report_["distilled"])
    assert "ensemble" not in model.report_
    model.save(tmp_path / "model.ulmus")
    loaded = TextClassifier.load(tmp_path / "model.ulmus", device="cpu", precision="float32")
    assert np.array_equal(loaded.predict_proba(texts), model.predict_proba(texts))


def test_distillation_needs_several_networks_and_unlabelled_texts(make: Fit, corpus: Any) -> None:
    """Both are told before anything is trained."""
    few = corpus.texts[:30], corpus.labels[:30]
    with pytest.raises(ConfigError, match="choose an ensemble"):
        make(distil=True).fit(*few)
    with pytest.raises(DataError, match="Give unlabeled texts"):
        make(distil=True, ensemble="seeds:2").fit(*few)


def test_one_network_alone_is_trained_as_without_distillation(
    make: Fit, corpus: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Frozen features do not depend on the seed, so there is nothing to distil; the held-out labels are learnt."""
    monkeypatch.setattr(Tuned, "helps", False)
    plain, other = (
        make(teach="none", **more).fit(corpus.texts, corpus.labels, unlabeled=corpus.unlabeled)
        for more in ({}, {"ensemble": "seeds:2", "distil": True})
    )
    assert "distilled" not in other.report_
    assert other.report_["refit"] == plain.report_["refit"]
    texts = corpus.test_texts
    assert np.array_equal(plain.predict_proba(texts), other.predict_proba(texts))
