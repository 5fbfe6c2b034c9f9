"""The trainer: it learns beside the labelling, and what goes wrong there stops nobody."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ulmus import TextClassifier
from ulmus.labelling.desk import Desk, Sheet
from ulmus.labelling.guesses import ModelGuesses
from ulmus.labelling.journal import Journal
from ulmus.labelling.trainer import News, Trainer
from ulmus.tasks.classifier.config import ClassifierConfig
from ulmus.tasks.language_model.config import LMConfig

Reviews = Callable[..., list[tuple[str, str]]]


def waited(trainer: Trainer, until: Callable[[News], bool]) -> News:
    """What the trainer says once something holds."""
    end = time.monotonic() + 100
    while not until(trainer.news()):
        assert time.monotonic() < end, trainer.news()
        time.sleep(0.01)
    return trainer.news()


def desk_of(folder: Path, texts: list[str]) -> Desk:
    """A desk for these texts."""
    return Desk(Sheet.of(texts, [None] * len(texts)), Journal(folder / "journal.jsonl"))


def labelled(desk: Desk, truth: dict[str, str], n: int, trainer: Trainer) -> None:
    """Label n more texts."""
    for _ in range(n):
        offer = desk.next("anna")
        assert offer is not None
        desk.answer("anna", desk.sheet.keys[offer.number], truth[desk.sheet.texts[offer.number]])
        trainer.notice()


def test_it_learns_after_ten_answers_and_orders_the_rest(tmp_path: Path, reviews: Reviews) -> None:
    """Texts are counted, an order is there, ten answers later there is a model with a guess."""
    truth = dict(reviews(120))
    desk = desk_of(tmp_path, list(truth))
    trainer = Trainer(desk)
    trainer.start()
    waited(trainer, lambda news: news.ready and not news.busy)
    assert trainer.guess(0) is None
    labelled(desk, truth, 30, trainer)
    trainer.now()
    news = waited(trainer, lambda news: news.labels == 30 and not news.busy)
    assert news.accuracy is not None
    assert not news.problem
    guess = trainer.guess(0)
    assert guess is not None
    assert guess.label in ("good", "bad")
    offers = []
    for _ in range(10):
        offer = desk.next("anna")
        assert offer is not None
        offers.append(offer)
        desk.skip("anna", desk.sheet.keys[offer.number])
    assert sum(not offer.drawn for offer in offers) >= 8
    trainer.stop()


def test_texts_that_cannot_be_counted_are_labelled_all_the_same(tmp_path: Path) -> None:
    """There is no model then, the page says why, and texts come at random."""
    desk = desk_of(tmp_path, ["\u200b", "\u200b\u200b"])
    trainer = Trainer(desk)
    trainer.start()
    news = waited(trainer, lambda news: bool(news.problem))
    assert "There is no quick model" in news.problem
    trainer.now()
    assert not trainer.news().busy
    assert desk.next("anna") is not None
    trainer.stop()


def test_what_stops_the_model_does_not_stop_the_labelling(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error in the thread is said on the page."""

    def failing(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr("ulmus.labelling.trainer.QuickModel", failing)
    trainer = Trainer(desk_of(tmp_path, ["a text", "another"]))
    trainer.start()
    assert "MemoryError" in waited(trainer, lambda news: bool(news.problem)).problem


def test_a_classifier_from_a_file_guesses_and_is_measured(tmp_path: Path, reviews: Reviews) -> None:
    """With --model the file's classifier guesses; on texts drawn at random it is counted how often it was right."""
    truth = dict(reviews(80))
    texts, labels = zip(*reviews(60, seed=1), strict=True)
    lm = LMConfig(embedding=8, hidden=8, layers=1, epochs=1, cutoffs=())
    config = ClassifierConfig(language_model=lm, all_epochs=1)
    model = TextClassifier(config=config, language_model="none", verbose=False).fit(list(texts), list(labels))
    guesses = ModelGuesses(model, "reviews.ulmus")
    assert guesses.classes == ("bad", "good")
    guess = guesses.guess("a superb film")
    assert "".join(part for part, _ in guess.parts) == "a superb film"
    assert guess == guesses.guess("a superb film")
    desk = desk_of(tmp_path, list(truth))
    trainer = Trainer(desk, guesses)
    labelled(desk, truth, 25, trainer)  # before an order is there, all texts are drawn at random
    trainer.start()
    news = waited(trainer, lambda news: news.labels == 25 and not news.busy)
    assert news.of_model is not None
    numbers = [i for i, _, _ in desk.answers()]
    best = model.predict([desk.sheet.texts[i] for i in numbers])
    expected = np.mean([truth[desk.sheet.texts[i]] == label for i, label in zip(numbers, best, strict=True)])
    assert news.of_model.share == pytest.approx(expected)
    trainer.stop()
