"""The summary of labelled texts."""

from __future__ import annotations

from rich.cells import cell_len

from ulmus.cli.summary import class_counts, labelled_texts


def test_texts_and_classes_are_counted() -> None:
    """The most frequent class is first; empty, repeated and contradictory texts are reported if there are any."""
    lines = labelled_texts("Training texts", ["a", "b", "a ", "", "c"], ["x", "y", "y", "x", "y"], 7)
    assert lines == [
        "Training texts: 5 with a label, 7 without, 1 empty, 1 repeated, 1 with different labels.",
        "Classes: 2",
        "  y  3   60.0%",
        "  x  2   40.0%",
    ]
    assert (
        labelled_texts("Training texts", ["a", "b"], ["x", "y"], 0)[0]
        == "Training texts: 2 with a label, 0 without."
    )


def test_every_label_of_a_text_is_counted() -> None:
    """Shares are of the texts, so with multi-label data they may add up to more than 100 %."""
    lines = labelled_texts("Training texts", ["a", "b"], [("x", "y"), ("x",)], 0)
    assert lines[1:] == ["Classes: 2", "  x  2  100.0%", "  y  1   50.0%"]


def test_columns_are_aligned_in_every_script() -> None:
    """Wide characters count twice, long names are shortened, control characters are shown."""
    lines = class_counts([("日本語", 1_000), ("ok", 2), ("\x1b[2J", 3), ("n" * 100, 4)], 2_000)
    assert len({cell_len(line) for line in lines}) == 1
    assert "\x1b" not in "".join(lines)


def test_twenty_classes_are_shown() -> None:
    """Twenty classes are listed, and the number of the others."""
    lines = class_counts([(f"c{i}", 100 - i) for i in range(30)], 1_000)
    assert len(lines) == 21
    assert lines[-1] == "  and 10 more classes with 71 to 80 texts each"
    lines = class_counts([(f"c{i}", 1) for i in range(30)], 1_000)
    assert len(lines) == 6
    assert lines[-1] == "  and 25 more classes with 1 text each"
