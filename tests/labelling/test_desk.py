"""The desk: who gets which text, and that the journal alone can rebuild what was answered."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ulmus.errors import UsageError
from ulmus.labelling.desk import CLAIM_S, EVERY, Desk, Sheet, Taken, checked_name
from ulmus.labelling.journal import Journal, signature

TEXTS = [f"text number {i}" for i in range(12)]


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """The time in seconds."""
        return self.now


def desk_of(
    folder: Path, texts: list[str] | None = None, labels: list[str | None] | None = None, **more: Any
) -> Desk:
    """A desk for these texts, with the journal of this folder."""
    texts = TEXTS if texts is None else texts
    sheet = Sheet.of(texts, labels or [None] * len(texts))
    return Desk(sheet, Journal(folder / "journal.jsonl"), **more)


def key(desk: Desk, who: str) -> str:
    """The signature of the text that this person is offered."""
    offer = desk.next(who)
    assert offer is not None
    return desk.sheet.keys[offer.number]


ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(["label", "label", "skip", "undo", "kill", "kill torn", "wait"]),
        st.sampled_from(["anna", "ben"]),
        st.sampled_from(["good", "bad"]),
    ),
    max_size=40,
)


@settings(max_examples=60)
@given(actions=ACTIONS)
def test_nothing_is_lost_whatever_happens(
    actions: list[tuple[str, str, str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Answers, skips, undos, kills and waits in any order end with the table of a plain list of answers."""
    folder, clock = tmp_path_factory.mktemp("desk"), Clock()
    path, desk = folder / "journal.jsonl", desk_of(folder, clock=clock)
    stacks: dict[str, list[tuple[str, str | None]]] = {"anna": [], "ben": []}
    states: dict[str, list[tuple[str, str | None]]] = {text: [] for text in desk.sheet.keys}
    for do, who, label in actions:
        clock.now += CLAIM_S + 1 if do == "wait" else 1
        if do.startswith("kill"):
            if do == "kill torn":
                path.write_bytes(path.read_bytes() + b'{"do": "label", "text": "00')
            desk = desk_of(folder, clock=clock)
        elif do == "undo":
            expected = stacks[who].pop() if stacks[who] else None
            assert desk.undo(who) == (expected[0] if expected else None)
            if expected:
                mine = states[expected[0]]
                mine.remove(expected)
        elif do in ("label", "skip") and (offer := desk.next(who)) is not None:
            text = desk.sheet.keys[offer.number]
            assert not states[text] or states[text][-1][1] is None  # never one that is labelled
            if do == "label":
                desk.answer(who, text, label)
            else:
                desk.skip(who, text)
            entry = (text, label if do == "label" else None)
            stacks[who].append(entry)
            states[text].append(entry)
    for rebuilt in (desk, desk_of(folder, clock=clock)):
        table = [label for label, _ in rebuilt.table()]
        assert table == [(states[text][-1][1] or "") if states[text] else "" for text in rebuilt.sheet.keys]


def test_two_people_never_have_the_same_text(tmp_path: Path) -> None:
    """A text that somebody is at is nobody else's, until nothing is heard of them for minutes."""
    clock = Clock()
    desk = desk_of(tmp_path, clock=clock)
    people = [f"person {i}" for i in range(12)]
    offers = [key(desk, who) for who in people]
    assert len(set(offers)) == 12
    assert [key(desk, who) for who in people] == offers  # a page that is loaded again shows the same text
    assert desk.next("too late") is None
    clock.now += CLAIM_S - 1
    desk.keep("person 3")
    clock.now += 2
    assert key(desk, "too late") != offers[3]
    with pytest.raises(Taken, match="person 3 is labelling it"):
        desk.answer("too late", offers[3], "good")


def test_eight_people_at_once_label_each_text_once(tmp_path: Path) -> None:
    """Whatever their threads do, every text has one answer, and the journal has just as many lines."""
    desk = desk_of(tmp_path, [f"text {i}" for i in range(80)])

    def work(who: str) -> int:
        done = 0
        while (offer := desk.next(who)) is not None:
            desk.answer(who, desk.sheet.keys[offer.number], who)
            done += 1
        return done

    with ThreadPoolExecutor(8) as pool:
        counts = list(pool.map(work, [f"person {i}" for i in range(8)]))
    assert sum(counts) == 80 == len(Journal(tmp_path / "journal.jsonl").entries)
    assert all(label for label, _ in desk.table())


def test_a_late_answer_counts_unless_somebody_else_was_faster(tmp_path: Path) -> None:
    """An answer after the claim has ended is taken; a second one is refused, the same one again changes nothing."""
    clock = Clock()
    desk = desk_of(tmp_path, clock=clock)
    late = key(desk, "anna")
    clock.now += 2 * CLAIM_S
    desk.answer("anna", late, "good")
    desk.answer("anna", late, "good")
    with pytest.raises(Taken, match="in the meantime"):
        desk.answer("ben", late, "bad")
    assert desk.progress()["labelled"] == 1


def test_undo_goes_back_step_by_step(tmp_path: Path) -> None:
    """Each undo takes back one's own last action and offers that text again, not the one after it."""
    desk = desk_of(tmp_path)
    first = key(desk, "anna")
    desk.answer("anna", first, "good")
    desk.answer("ben", key(desk, "ben"), "bad")
    second = key(desk, "anna")
    desk.skip("anna", second)
    key(desk, "anna")
    assert desk.undo("anna") == second == key(desk, "anna")
    assert desk.undo("anna") == first == key(desk, "anna")
    assert desk.undo("anna") is None
    assert desk.progress() == {
        "asked": 12,
        "labelled": 1,
        "skipped": 0,
        "people": {"ben": 1},
        "classes": {"bad": 1},
    }


def test_skipped_texts_come_last_the_longest_waiting_first(tmp_path: Path) -> None:
    """A skipped text is offered again when nothing else is left."""
    desk = desk_of(tmp_path, TEXTS[:3])
    skipped = [key(desk, "anna")]
    desk.skip("anna", skipped[0])
    desk.answer("anna", key(desk, "anna"), "good")
    skipped.append(key(desk, "anna"))
    desk.skip("anna", skipped[1])
    for text in skipped:
        offer = desk.next("anna")
        assert offer is not None
        assert (desk.sheet.keys[offer.number], offer.skipped) == (text, True)
        desk.answer("anna", text, "bad")
    assert desk.next("anna") is None


def test_the_order_is_followed_and_one_in_five_is_drawn(tmp_path: Path) -> None:
    """Of a hundred texts twenty are drawn at random; the others come in the order that was chosen."""
    desk = desk_of(tmp_path, [f"text {i}" for i in range(300)])
    desk.reorder(range(299, -1, -1))
    chosen = []
    for _ in range(100):
        offer = desk.next("anna")
        assert offer is not None
        chosen += [] if offer.drawn else [offer.number]
        desk.answer("anna", desk.sheet.keys[offer.number], "good")
    assert len(chosen) == 100 - 100 // EVERY
    assert chosen == sorted(chosen, reverse=True)
    assert sum(drawn for _, _, drawn in desk.answers()) == 100 // EVERY


def test_equal_texts_are_asked_once_and_known_ones_never(tmp_path: Path) -> None:
    """Rows with the same text share an answer; a text that has a label somewhere, or is empty, is not asked."""
    desk = desk_of(tmp_path, ["a", "b", " a ", "", "b", "c"], [None, None, None, None, "good", None])
    assert desk.progress()["asked"] == 2
    for _ in range(2):
        desk.answer("anna", key(desk, "anna"), "bad")
    assert desk.next("anna") is None
    assert desk.table() == [
        ("bad", "anna"),
        ("good", ""),
        ("bad", "anna"),
        ("", ""),
        ("good", ""),
        ("bad", "anna"),
    ]
    assert [label for _, label, _ in desk.answers()] == ["good", "bad", "bad"]


def test_rows_may_move_and_go(tmp_path: Path) -> None:
    """Answers belong to texts: the table may be sorted, get new rows and lose some. Another table is refused."""
    desk = desk_of(tmp_path, classes=("good",))
    desk.begin("data.csv", "00")
    for _ in range(12):
        text = key(desk, "anna")
        desk.answer("anna", text, "odd" if signature(TEXTS[3]) == text else "good")
    desk = desk_of(tmp_path, ["a new text", *TEXTS[:2:-1]])
    assert desk.lost() == 3
    assert [label for label, _ in desk.table()] == ["", *["good"] * 8, "odd"]
    with pytest.raises(UsageError, match="none of them is of a text of this file"):
        desk_of(tmp_path, ["another", "table"])


def test_classes_keep_their_order(tmp_path: Path) -> None:
    """Classes come as they were named, then as people added them; an undone one goes; a new session keeps them."""
    desk = desk_of(tmp_path, ["x", "y", "z"], [None, None, "known"], classes=("b", "a"))
    desk.answer("anna", key(desk, "anna"), "new  one")
    assert desk.classes() == ["b", "a", "known", "new one"]
    desk.begin("data.csv", "00")
    desk.undo("anna")
    assert desk.classes() == ["b", "a", "known"]
    assert desk_of(tmp_path, ["x", "y", "z"], [None, None, "known"]).classes() == [
        "b",
        "a",
        "known",
        "new one",
    ]


@pytest.mark.parametrize("name", ["", "  ", "x" * 101, "a\u202eb", "a\x00", "=1+1", "@sum"])
def test_unusable_names_are_refused(name: str, tmp_path: Path) -> None:
    """A class has a name that can be shown, and that no spreadsheet runs."""
    desk = desk_of(tmp_path)
    with pytest.raises(UsageError, match="The name of a class"):
        desk.answer("anna", key(desk, "anna"), name)
    assert checked_name("-1.5", "a class") == "-1.5"
    assert checked_name("می\u200cشود", "a class") == "می\u200cشود"


def test_an_unknown_text_is_refused(tmp_path: Path) -> None:
    """A signature that is not in the table is an error."""
    with pytest.raises(UsageError, match="Reload the page"):
        desk_of(tmp_path).answer("anna", "0" * 16, "good")
