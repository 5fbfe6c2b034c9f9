"""The quick model learns in a thread of its own, while people go on labelling; the desk gets its order.

It begins by counting all texts, learns when enough labels have come, or when somebody asks for it, and says how it is
getting on. What goes wrong there is said on the page and stops nobody from labelling. Costs: one core, now and then.
"""

from __future__ import annotations

import logging
import threading
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ulmus.errors import DataError
from ulmus.evaluation.objectives import SINGLE_LABEL
from ulmus.evaluation.per_class import wilson
from ulmus.labelling.desk import Desk
from ulmus.labelling.guesses import Guess, ModelGuesses, guess_of_counts
from ulmus.labelling.quick import FEWEST, Accuracy, Lesson, QuickModel, Trained

__all__ = ["News", "Trainer"]

FIRST = 10  # labels after which it learns for the first time
AGAIN = 0.1  # then after so many more, as a share, but `FIRST` at most apart at the beginning
ASKED = 400  # texts of which a model from a file gives its doubt
_log = logging.getLogger("ulmus.labelling")


class News(NamedTuple):
    """What the page says of the models."""

    busy: bool
    ready: bool  # the texts are counted
    labels: int  # learnt from
    accuracy: Accuracy | None  # of the quick model
    more: int | None  # labels for one more point
    of_model: Accuracy | None  # of the classifier from a file, on texts that were drawn at random
    problem: str


class Trainer:
    """Learns from the labels of a desk; `start` it, `notice` each answer, `stop` it. `model` is one from a file."""

    def __init__(self, desk: Desk, model: ModelGuesses | None = None, *, seed: int = 0) -> None:
        self._desk, self._model, self._seed = desk, model, seed
        self._wanted, self._stopping = threading.Event(), False
        self._trained: Trained | None = None
        self._news = News(True, False, 0, None, None, None, "")
        self._asked_of_model: dict[int, str] = {}  # what the classifier guesses of texts drawn at random
        self._thread = threading.Thread(target=self._work, name="ulmus label: training", daemon=True)

    def start(self) -> None:
        """Begin to count the texts."""
        self._thread.start()

    def stop(self) -> None:
        """End after the step that is being done; wait a moment for it."""
        self._stopping = True
        self._wanted.set()
        self._thread.join(timeout=2.0)

    def now(self) -> None:
        """Learn as soon as possible."""
        self._wanted.set()

    def notice(self) -> None:
        """An answer has come: learn if there are enough new ones."""
        before = self._news.labels
        if len(self._desk.answers()) >= before + max(FIRST, int(AGAIN * before)):
            self._wanted.set()

    def news(self) -> News:
        """How it is getting on."""
        news = self._news
        return news._replace(busy=news.busy or (self._wanted.is_set() and not news.problem))

    def guess(self, number: int) -> Guess | None:
        """What the current model says of a text: the one from a file, else the quick one, if it knows two classes."""
        text = self._desk.sheet.texts[number]
        if self._model is not None:
            return self._model.guess(text)
        trained = self._trained
        return None if trained is None else guess_of_counts(trained, text)

    def _work(self) -> None:
        try:
            quick = QuickModel(self._desk.sheet.texts, seed=self._seed)
            self._say(ready=True)
            while not self._stopping:
                self._wanted.clear()
                self._say(busy=True)
                self._learn(quick)
                self._say(busy=False)
                self._wanted.wait()
        except DataError as error:
            self._say(busy=False, problem=f"There is no quick model for these texts: {error}")
        except Exception as error:  # noqa: BLE001 - labelling goes on without a model
            _log.exception("the quick model stopped")
            self._say(
                busy=False, problem=f"The quick model has stopped ({type(error).__name__}); labels are safe."
            )

    def _learn(self, quick: QuickModel) -> None:
        lesson = Lesson.of(self._desk.answers())
        trained = quick.learn(lesson)
        self._trained = trained
        self._say(labels=len(lesson.numbers))
        if self._model is None:
            self._desk.reorder(quick.order(trained, lesson, self._desk.open_texts()))
        else:
            self._ask(self._model, quick, lesson)
        if trained is None:
            self._say(accuracy=None, more=None)
            return
        self._say(accuracy=quick.accuracy(trained))
        self._say(more=quick.labels_for_a_point(trained, self._wanted.is_set))

    def _ask(self, model: ModelGuesses, quick: QuickModel, lesson: Lesson) -> None:
        """Order the texts by the doubt of the classifier from a file, and count how often it is right."""
        texts = self._desk.sheet.texts

        def doubt(numbers: NDArray[np.int64]) -> NDArray[np.float64]:
            return SINGLE_LABEL.doubt(model.proba([texts[i] for i in numbers]))

        self._desk.reorder(quick.order(None, lesson, self._desk.open_texts(), doubt=doubt, most=ASKED))
        drawn = lesson.numbers[lesson.drawn]
        unknown = [int(i) for i in drawn if int(i) not in self._asked_of_model]
        if unknown:
            best = model.proba([texts[i] for i in unknown]).argmax(axis=1)
            self._asked_of_model |= {i: model.classes[k] for i, k in zip(unknown, best, strict=True)}
        if len(drawn) >= FEWEST:
            right = [self._asked_of_model[int(i)] for i in drawn] == np.array(lesson.labels)[lesson.drawn]
            share = float(np.mean(right))
            self._say(of_model=Accuracy(share, *wilson(share, len(drawn)), len(drawn), at_random=True))

    def _say(self, **changed: Any) -> None:
        self._news = self._news._replace(**changed)
