"""Who labels which text next, and what was answered: the state of a labelling, which its journal can always rebuild.

How: the unit is the distinct text, whatever the number of its rows. A text is offered to one person at a time: the
claim ends with the answer, or when nothing was heard of its owner for some minutes. Every action is in the journal
before it counts, and the state is what replaying the journal gives. Of the texts that are offered one in `EVERY` is
drawn at random: accuracy measured on those holds for all texts, while chosen ones are harder than most. The others come
in the order that a model chose; without one, at random. Skipped texts come last.
Costs: milliseconds, whatever the number of texts. Knows no page and no model. May be used by several threads.
"""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

from ulmus.errors import UsageError
from ulmus.labelling.journal import Action, Journal, Start, signature
from ulmus.terminal import printable

__all__ = ["CLAIM_S", "EVERY", "Desk", "Offer", "Sheet", "Taken", "checked_name"]

CLAIM_S = 300.0  # a text is kept for somebody who is not heard of for so long
EVERY = 5  # one text in so many is drawn at random
LONGEST = 100  # characters of a class or a person's name
_FORMULA = "=+-@＝＋－＠"  # with which a spreadsheet begins a formula


class Taken(UsageError):  # noqa: N818 - that it is taken is the error
    """Somebody has labelled the text in the meantime, or is at it."""


class Offer(NamedTuple):
    """A text to be labelled."""

    number: int
    drawn: bool  # at random
    skipped: bool  # somebody could not decide


@dataclass(frozen=True)
class Sheet:
    """The texts of a table: N different ones, in the order of their first rows."""

    texts: tuple[str, ...]
    keys: tuple[str, ...]  # signatures
    given: tuple[str | None, ...]  # labels that the table already has
    rows: tuple[int, ...]  # for each row of the table the number of its text
    first: tuple[int, ...]  # for each text the first row that has it

    @classmethod
    def of(cls, texts: Sequence[str], labels: Sequence[str | None]) -> Sheet:
        """The sheet of the rows of a table: a text, and its label or None, each."""
        numbers: dict[str, int] = {}
        different, given, rows, first = list[str](), list[str | None](), list[int](), list[int]()
        for row, (text, label) in enumerate(zip(texts, labels, strict=True)):
            number = numbers.setdefault(signature(text), len(numbers))
            if number == len(different):
                different.append(text)
                given.append(label)
                first.append(row)
            elif given[number] is None:
                given[number] = label
            rows.append(number)
        return cls(tuple(different), tuple(numbers), tuple(given), tuple(rows), tuple(first))

    def asked(self) -> Iterator[int]:
        """Numbers of the texts that somebody is to label: not empty, and without a label in the table."""
        return (
            i for i, text in enumerate(self.texts) if self.given[i] is None and not text.isspace() and text
        )


class Desk:
    """The state of a labelling. Every method may be called by any thread.

    `classes` are offered in this order, before those that the journal and the table know. Raises UsageError if the
    journal has answers and none of them is of a text of this sheet.
    """

    def __init__(
        self,
        sheet: Sheet,
        journal: Journal,
        *,
        classes: Iterable[str] = (),
        seed: int = 0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.sheet = sheet
        self._journal, self._clock, self._lock = journal, clock, threading.RLock()
        self._number = {key: i for i, key in enumerate(sheet.keys)}
        self._live: dict[str, list[Action]] = {}  # of each text, what has not been taken back
        self._history: dict[str, list[Action]] = {}  # the same of each person
        self._claims: dict[int, tuple[str, float, bool]] = {}  # text -> who, until when, drawn at random
        self._asked = list(sheet.asked())
        self._shuffled = random.Random(seed).sample(self._asked, len(self._asked))
        self._order: Sequence[int] = ()
        self._offered: list[str] = list(dict.fromkeys(classes))
        for entry in journal.entries:
            if isinstance(entry, Start):
                self._offered += [name for name in entry.classes if name not in self._offered]
            else:
                self._apply(entry)
        self._check_texts()

    def number(self, key: str) -> int:
        """The number of the text with this signature. Raises UsageError: there is none."""
        if key not in self._number:
            raise UsageError("This text is not in the table. Reload the page.")
        return self._number[key]

    def begin(self, data: str, digest: str) -> None:
        """Write into the journal that a session with these texts and classes begins. Raises StorageError."""
        with self._lock:
            self._journal.append(Start(data, len(self.sheet.keys), digest, tuple(self.classes()), _now()))

    def next(self, who: str) -> Offer | None:
        """The text that this person labels next, which is kept for them; None if nothing is left for them."""
        who = checked_name(who, "a person")
        with self._lock:
            now = self._clock()
            self._claims = {i: claim for i, claim in self._claims.items() if claim[1] > now}
            mine = next((i for i, claim in self._claims.items() if claim[0] == who), None)
            drawn = self._claims[mine][2] if mine is not None else False
            if mine is None:
                mine, drawn = self._chosen()
            if mine is None:
                return None
            self._claims[mine] = (who, now + CLAIM_S, drawn)
            return Offer(mine, drawn, self._state(mine) is not None)

    def answer(self, who: str, key: str, label: str) -> None:
        """Label the text of this signature. The same answer again changes nothing.

        Raises UsageError (unknown text, unusable name), Taken, StorageError (then it does not count).
        """
        who = checked_name(who, "a person")
        label = label if label in self.classes() else checked_name(label, "a class")
        with self._lock:
            before = self._state(self.number(key))
            if before is not None and (before.do, before.who, before.label) == ("label", who, label):
                return
            self._act("label", who, key, label)

    def skip(self, who: str, key: str) -> None:
        """Put the text of this signature behind all others. Raises as `answer`."""
        who = checked_name(who, "a person")
        with self._lock:
            self._act("skip", who, key)

    def undo(self, who: str) -> str | None:
        """Take back the last thing that this person did; the text is theirs again. None if there is nothing.

        Raises StorageError.
        """
        with self._lock:
            last, who = self.last(who), checked_name(who, "a person")
            if last is None:
                return None
            number = self._number[last.text]
            self._write(Action("undo", last.text, who, row=self.sheet.first[number], at=_now()))
            self._release(who)
            if number not in self._claims and not self._labelled(number):
                self._claims[number] = (who, self._clock() + CLAIM_S, last.drawn)
            return last.text

    def keep(self, who: str) -> None:
        """The person is still there: their claim is renewed."""
        who = checked_name(who, "a person")
        with self._lock:
            for number, (owner, _, drawn) in self._claims.items():
                if owner == who:
                    self._claims[number] = (who, self._clock() + CLAIM_S, drawn)

    def reorder(self, order: Sequence[int]) -> None:
        """Texts in the order in which they are to be labelled, as a model chose them."""
        with self._lock:
            self._order = order

    def answers(self) -> list[tuple[int, str, bool]]:
        """All labelled texts as (number, label, drawn at random): those of the table, then answers in their order."""
        with self._lock:
            given = [(i, label, False) for i, label in enumerate(self.sheet.given) if label is not None]
            states = [(number, live[-1]) for number, live in self._touched()]
            return given + [(i, one.label, one.drawn) for i, one in states if one.do == "label"]

    def open_texts(self) -> list[int]:
        """Texts that nobody has labelled or skipped."""
        with self._lock:
            return [i for i in self._asked if self._state(i) is None]

    def table(self) -> list[tuple[str, str]]:
        """(label, who) of each row of the table; empty where there is none."""
        with self._lock:
            found = [self._answered(i) for i in range(len(self.sheet.keys))]
            return [(found[i][0] or self.sheet.given[i] or "", found[i][1]) for i in self.sheet.rows]

    def classes(self) -> list[str]:
        """The classes that are offered, in a fixed order: named ones, those of the table, those that people added."""
        with self._lock:
            used = dict.fromkeys(self._offered)
            used |= dict.fromkeys(label for label in self.sheet.given if label is not None)
            used |= dict.fromkeys(label for _, label, _ in self.answers())
            return list(used)

    def progress(self) -> dict[str, object]:
        """How many texts are asked for, labelled and skipped, and how many each person and each class has."""
        with self._lock:
            states = [live[-1] for _, live in self._touched()]
            labelled = [state for state in states if state.do == "label"]
            return {
                "asked": len(self._asked),
                "labelled": len(labelled),
                "skipped": len(states) - len(labelled),
                "people": dict(Counter(state.who for state in labelled).most_common()),
                "classes": dict(Counter(state.label for state in labelled)),
            }

    def last(self, who: str) -> Action | None:
        """What this person did last and has not taken back, to a text that is in the table."""
        who = checked_name(who, "a person")
        with self._lock:
            mine = reversed(self._history.get(who, ()))
            return next((action for action in mine if action.text in self._number), None)

    def lost(self) -> int:
        """Answers of texts that the table does not have (any more)."""
        with self._lock:
            return sum(bool(live) and key not in self._number for key, live in self._live.items())

    def _chosen(self) -> tuple[int | None, bool]:
        """The next text that is nobody's, and whether it was drawn at random."""
        before = [live[-1].drawn for _, live in self._touched()]
        before += [claim[2] for claim in self._claims.values()]
        random_one = EVERY * sum(before) <= len(before)
        for number in () if random_one else self._order:
            if self._free(number):
                return number, False
        for number in self._shuffled:
            if self._free(number):
                return number, True
        skipped = [(self._state(i), i) for i in self._asked if i not in self._claims]
        oldest = min(
            ((state.at, i, state.drawn) for state, i in skipped if state is not None and state.do == "skip"),
            default=None,
        )
        return (None, False) if oldest is None else oldest[1:]

    def _touched(self) -> Iterator[tuple[int, list[Action]]]:
        """Texts without a label in the table that somebody labelled or skipped, in the order of the last action."""
        for key, live in self._live.items():
            number = self._number.get(key)
            if live and number is not None and self.sheet.given[number] is None:
                yield number, live

    def _free(self, number: int) -> bool:
        return number not in self._claims and self._state(number) is None and self.sheet.given[number] is None

    def _act(self, do: str, who: str, key: str, label: str = "") -> None:
        number = self.number(key)
        self._check_free(number, who)
        drawn = self._claims[number][2] if number in self._claims else False
        self._write(Action(do, key, who, label, drawn, self.sheet.first[number], _now()))
        self._claims.pop(number, None)

    def _check_free(self, number: int, who: str) -> None:
        """Raise Taken if the text is labelled, or somebody else is at it."""
        owner = self._claims.get(number, (who, 0.0, False))
        if self._labelled(number) or self.sheet.given[number] is not None:
            raise Taken("This text has been labelled in the meantime.")
        if owner[0] != who and owner[1] > self._clock():
            raise Taken(f"This text took you long, and {owner[0]} is labelling it now.")

    def _write(self, action: Action) -> None:
        self._journal.append(action)
        self._apply(action)

    def _apply(self, action: Action) -> None:
        live, mine = self._live.setdefault(action.text, []), self._history.setdefault(action.who, [])
        if action.do != "undo":
            self._live[action.text] = self._live.pop(action.text)  # answers are in their order
            live.append(action)
            mine.append(action)
            return
        undone = next((one for one in reversed(mine) if one.text == action.text), None)
        if undone is not None:
            for actions in (live, mine):
                actions[:] = [one for one in actions if one is not undone]

    def _state(self, number: int) -> Action | None:
        live = self._live.get(self.sheet.keys[number])
        return live[-1] if live else None

    def _labelled(self, number: int) -> bool:
        state = self._state(number)
        return state is not None and state.do == "label"

    def _answered(self, number: int) -> tuple[str | None, str]:
        """The label that a person gave a text, and who it was."""
        state = self._state(number)
        if state is None or state.do != "label" or self.sheet.given[number] is not None:
            return None, ""
        return state.label, state.who

    def _release(self, who: str) -> None:
        self._claims = {i: claim for i, claim in self._claims.items() if claim[0] != who}

    def _check_texts(self) -> None:
        answered = [key for key, live in self._live.items() if live]
        if answered and not any(key in self._number for key in answered):
            raise UsageError(
                f"{self._journal.path} has {len(answered):,} answers, and none of them is of a text of this file. "
                "Give the file and --text column that they were given for, or another -o."
            )


def checked_name(name: str, of: str) -> str:
    """The name without white space at both ends. Raises UsageError: one that cannot be a class, or a person."""
    name = " ".join(name.split())
    if not 0 < len(name) <= LONGEST or printable(name) != name:
        raise UsageError(f"The name of {of} has 1 to {LONGEST} printable characters.")
    if name[0] in _FORMULA and len(name) > 1 and not name[1:].replace(".", "", 1).isdecimal():
        raise UsageError(
            f"The name of {of} may not begin with {name[0]}: spreadsheets run that as a formula."
        )
    return name


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
