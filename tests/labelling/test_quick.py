"""The quick model: what it learns, how it chooses, and that its accuracy is honest."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from ulmus.errors import DataError
from ulmus.evaluation.power_law import PowerLaw
from ulmus.labelling.guesses import guess_of_counts
from ulmus.labelling.quick import FEWEST, Lesson, QuickModel, _more

Reviews = Callable[..., list[tuple[str, str]]]
N = 240


@pytest.fixture(scope="module")
def texts(reviews: Reviews) -> list[tuple[str, str]]:
    """Texts with labels."""
    return reviews(N)


@pytest.fixture(scope="module")
def quick(texts: list[tuple[str, str]]) -> QuickModel:
    """All of them counted."""
    return QuickModel([text for text, _ in texts])


def lesson(texts: list[tuple[str, str]], n: int, drawn: int = 0) -> Lesson:
    """The labels of the first n texts, of which so many were drawn at random."""
    return Lesson.of([(i, texts[i][1], i < drawn) for i in range(n)])


def test_it_learns_and_says_what_it_does_not_know(quick: QuickModel, texts: list[tuple[str, str]]) -> None:
    """With a hundred labels it is right on most others, and its measured accuracy is near to that."""
    trained = quick.learn(lesson(texts, 100, drawn=60))
    assert trained is not None
    truth = np.array([label for _, label in texts[100:]])
    proba = trained.model.proba_of([text for text, _ in texts[100:]])
    right = float((np.array(trained.classes)[proba.argmax(axis=1)] == truth).mean())
    found = quick.accuracy(trained)
    assert found is not None
    assert (found.texts, found.at_random) == (60, True)
    assert right > 0.8
    assert found.low <= right <= found.high + 1e-9


def test_too_few_labels_are_not_measured_on(quick: QuickModel, texts: list[tuple[str, str]]) -> None:
    """Without two classes nothing is learnt; with few labels nothing is measured; then all labels, then random ones."""
    assert quick.learn(lesson(texts, 0)) is None
    assert quick.learn(Lesson.of([(0, "good", True), (1, "good", True)])) is None
    few = quick.learn(lesson(texts, FEWEST - 1, drawn=FEWEST - 1))
    assert few is not None
    assert quick.accuracy(few) is None
    assert quick.labels_for_a_point(few) is None
    chosen = quick.learn(lesson(texts, FEWEST + 5, drawn=FEWEST - 1))
    assert chosen is not None
    found = quick.accuracy(chosen)
    assert found is not None
    assert (found.texts, found.at_random) == (FEWEST + 5, False)


def test_the_order_is_of_open_texts_that_differ(quick: QuickModel, texts: list[tuple[str, str]]) -> None:
    """No text twice, none that is labelled; with a model the doubtful ones of each cluster."""
    known = lesson(texts, 40)
    for trained in (None, quick.learn(known)):
        order = quick.order(trained, known, range(40, N))
        assert len(order) == len(set(order)) == 50
        assert min(order) >= 40
    assert quick.order(None, known, []) == []


def test_a_copy_of_a_labelled_text_is_not_asked(texts: list[tuple[str, str]]) -> None:
    """Of near-duplicates one is asked, and none if one is labelled."""
    long = " ".join(text for text, _ in texts[:6])
    plain = [long, long + " !", long + " ?", *(text for text, _ in texts[6:40])]
    quick = QuickModel(plain)
    assert len({0, 1, 2} & set(quick.order(None, Lesson.of([]), range(len(plain))))) == 1
    assert not {1, 2} & set(quick.order(None, Lesson.of([(0, "good", False)]), range(1, len(plain))))


def test_another_model_may_doubt(quick: QuickModel, texts: list[tuple[str, str]]) -> None:
    """The order follows the doubt that it is given."""
    sure = quick.order(
        None, lesson(texts, 2), range(2, N), doubt=lambda numbers: (numbers >= 200).astype(float)
    )
    assert sum(number >= 200 for number in sure[:20]) >= 15


def test_a_guess_has_the_text_in_parts(quick: QuickModel, texts: list[tuple[str, str]]) -> None:
    """The parts make up the text, whatever its script; the words that decide have the largest share."""
    trained = quick.learn(lesson(texts, 100))
    assert trained is not None
    for text in ["a great film 😀", "", "שלום great", "\ud800 e\u0301 dull"]:
        guess = guess_of_counts(trained, text)
        assert "".join(part for part, _ in guess.parts) == text
        assert sum(p for _, p in guess.others) == pytest.approx(1)
    guess = guess_of_counts(trained, "the story was superb and it was with a friend")
    assert guess.label == "good"
    assert max(guess.parts, key=lambda part: part[1])[0] == "superb"


def test_labels_for_a_point_are_round_numbers() -> None:
    """The power law says how many; nothing is said where it says none, or far too many."""
    assert _more(PowerLaw(0.0, 3.0, 0.5), 100) == 7  # 30 % error to 29 %
    assert _more(PowerLaw(0.0, 3.0, 0.5), 1000) == 250
    assert _more(PowerLaw(0.2, 0.05, 0.5), 100) is None
    assert _more(PowerLaw(0.1, 0.2, 0.05), 100) is not None
    assert _more(PowerLaw(0.0, 0.0101, 0.001), 100) is None
    assert _more(PowerLaw(0.0, 0.0, 0.5), 100) is None


def test_texts_without_words_are_an_error() -> None:
    """Nothing can be counted in them."""
    with pytest.raises(DataError):
        QuickModel(["", " "])
