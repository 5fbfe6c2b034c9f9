"""csv-like files: what is read is what was written; what is not is an error with its line, or a warning."""

from __future__ import annotations

import contextlib
import csv
import io
import string
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ulmus.corpus.source import Source, read, resolved
from ulmus.errors import DataError, DataWarning

CELLS = st.text(string.printable.replace("\r", "") + 'ä😀\u2028""\n,', max_size=12)


def pairs(path: Path, content: str, **options: object) -> list[tuple[str, object]]:
    """The (text, label) of every record of a file of that content; columns `text` and `label` if none are named."""
    path.write_bytes(content.encode())
    source = Source(path, **{"text": "text", "label": "label", **options})  # type: ignore[arg-type]
    return [(record.text, record.label) for record in read(source)]


def written(rows: list[list[str]], **how: object) -> str:
    """What Python's csv writer makes of rows."""
    file = io.StringIO()
    csv.writer(file, **how).writerows(rows)  # type: ignore[call-overload]
    return file.getvalue()


@given(
    rows=st.lists(st.tuples(CELLS, st.sampled_from(["pos", "neg"])), min_size=1, max_size=8),
    delimiter=st.sampled_from(",;\t|"),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    end=st.sampled_from(["\n", "\r\n"]),
)
def test_what_a_csv_writer_wrote_is_read(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[tuple[str, str]],
    delimiter: str,
    quoting: int,
    end: str,
) -> None:
    """Any cells, any delimiter, any line end: what is read is what was written, where quoting is known to be on."""
    path = tmp_path_factory.mktemp("a") / "a.csv"
    content = written(
        [["label", "text"], *([b, a] for a, b in rows)],
        delimiter=delimiter,
        quoting=quoting,
        lineterminator=end,
    )
    assert pairs(path, content, quoting=True, delimiter=delimiter) == rows


@given(rows=st.lists(st.tuples(CELLS, st.sampled_from(["pos", "neg"])), min_size=1, max_size=8))
def test_a_guess_never_loses_a_row_in_silence(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]]
) -> None:
    """Left to guess, the same file gives the same rows, or an error, or a warning."""
    path = tmp_path_factory.mktemp("a") / "a.csv"
    content = written([["label", "text"], *([b, a] for a, b in rows)])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with contextlib.suppress(DataError, DataWarning):
            assert pairs(path, content) == rows


NAIVE = "label,text\n" + 'pos,"good film\nneg,bad film\npos,nice\n' * 100


def test_a_stray_quotation_mark_swallows_no_rows(tmp_path: Path) -> None:
    """In a file written without quoting they are text; that this was guessed, and from which line, is said."""
    rows = [('"good film', "pos"), ("bad film", "neg"), ("nice", "pos")] * 100
    with pytest.warns(DataWarning, match="line 2: .*--no-quoting"):
        assert pairs(tmp_path / "a.csv", NAIVE) == rows
    assert pairs(tmp_path / "a.csv", NAIVE, quoting=False) == rows
    with pytest.raises(DataError, match="line 2: in the row that starts here"):
        pairs(tmp_path / "a.csv", NAIVE, quoting=True)


def test_two_stray_quotation_marks_swallow_no_rows(tmp_path: Path) -> None:
    """One opens and one closes: a cell of several lines, or two rows. Which has to be said."""
    content = 'label,text\npos,"good film\nneg,bad film"\npos,nice\n'
    with pytest.raises(DataError, match=r"line 2: .*--no-quoting .*--quoting"):
        pairs(tmp_path / "a.csv", content)
    assert pairs(tmp_path / "a.csv", content, quoting=True) == [
        ("good film\nneg,bad film", "pos"),
        ("nice", "pos"),
    ]
    assert len(pairs(tmp_path / "a.csv", content, quoting=False)) == 3


QUOTED = "label,text\n" + 'pos,"so, good"\n' * 9
ASTRAY = {
    "text after a closing mark": (QUOTED + 'neg,"so" bad, really\n', "line 11: in the row that starts here"),
    "a mark inside that is not doubled": (
        QUOTED + 'neg,"he said "no", so"\n',
        "line 11: in the row that starts here",
    ),
    "a cell that is never closed": (QUOTED + 'neg,"so, bad\npos,x\n', "line 11: .*not closed before the end"),
    "a cell too many": (QUOTED + "pos,a,b\n", "line 11: expected 2 columns .* got 3"),
    "a cell too few": (QUOTED + "pos\n", "line 11: expected 2 columns .* got 1"),
    "a text with commas in a file of one column": ("text\nhello, world\n", "line 2: .* --format text"),
    "nothing but empty lines": ("\n\n", "contains none"),
    "a line for Excel": ("sep=;\nlabel;text\npos;a\n", "sep=;, is meant for Excel"),
    "a carriage return": (QUOTED + "pos,a\rb\n", "line 11: a carriage return"),
}


@pytest.mark.parametrize("case", ASTRAY)
def test_a_row_that_cannot_be_right_is_an_error_with_its_line(tmp_path: Path, case: str) -> None:
    """Where other rows need their quotation marks, none is guessed away."""
    content, words = ASTRAY[case]
    with pytest.raises(DataError, match=words):
        pairs(tmp_path / "a.csv", content, **({} if "label" in content else {"label": None}))


@pytest.mark.parametrize("suffix", ["csv", "tsv"])
def test_a_row_beyond_the_sample_is_checked_too(tmp_path: Path, suffix: str) -> None:
    """What was guessed from the first megabyte holds for the whole file, or is an error."""
    sign = {"csv": ",", "tsv": "\t"}[suffix]
    head = f"label{sign}text\n" + f'pos{sign}"so {sign} good ""film"""\n' * 50_000
    for more, words in (
        (f'neg{sign}"he said\nneg{sign}bad\n', "line 50,002: .*not closed"),
        (f'neg{sign}"a" film\n', "line 50,002: in the row that starts here"),
        (f"neg{sign}a{sign}film\n", "line 50,002: expected 2 columns"),
    ):
        with pytest.raises(DataError, match=words):
            pairs(tmp_path / f"a.{suffix}", head + more)


@pytest.mark.parametrize(
    ("later", "expected"),
    [
        ('pos\t"a ""film"" of\nmy"\n', [('a "film" of\nmy', "pos")]),
        ('pos\t"a" film\npos\t"the film"\n', [('"a" film', "pos"), ('"the film"', "pos")]),
    ],
)
def test_quoting_is_guessed_where_the_first_quotation_mark_stands(
    tmp_path: Path, later: str, expected: list[tuple[str, str]]
) -> None:
    """However far into a tab-parted file."""
    content = "label\ttext\n" + "pos\ta plain film\n" * 100_000 + later
    assert pairs(tmp_path / "a.tsv", content)[100_000:] == expected


def test_tabs_leave_quotation_marks_alone_that_nobody_needs(tmp_path: Path) -> None:
    """A text that stands in quotation marks among others that do not was not enclosed by a program."""
    assert pairs(tmp_path / "a.tsv", 'label\ttext\npos\t"Oh no!"\nneg\ta\nneg\tb\n')[0] == ('"Oh no!"', "pos")
    assert pairs(tmp_path / "a.tsv", 'label\ttext\npos\t"Oh no!"\nneg\t"a"\n')[0] == ("Oh no!", "pos")


def test_spaces_before_a_quotation_mark_are_none_of_the_cell(tmp_path: Path) -> None:
    """`good, "pos"` is written by hand, and means pos; it is said."""
    content = 'text,label\n"x, y", "pos"\ngood, "neg"\n'
    with pytest.warns(DataWarning, match="there are spaces before"):
        assert pairs(tmp_path / "a.csv", content) == [("x, y", "pos"), ("good", "neg")]


def test_a_repeated_header_is_no_row(tmp_path: Path) -> None:
    """Files that were put one after the other: it is left out and said; in one column it may be a text."""
    with pytest.warns(DataWarning, match="line 3: repeated header, skipped"):
        assert pairs(tmp_path / "a.csv", "text,label\na,x\ntext,label\nb,y\n") == [("a", "x"), ("b", "y")]
    with pytest.warns(DataWarning, match="line 3: repeated header, read as a text"):
        assert len(pairs(tmp_path / "a.csv", "text\na\ntext\n", label=None)) == 2


def test_empty_lines_are_no_rows(tmp_path: Path) -> None:
    """Before the header, between rows, at the end; in a file of one column they are texts, but the last."""
    content = "\n\ntext,label\n\na,x\n\nb,y\n\n\n"
    assert pairs(tmp_path / "a.csv", content) == [("a", "x"), ("b", "y")]
    assert [text for text, _ in pairs(tmp_path / "a.csv", "\ntext\na\n\nb\n\n", label=None)] == ["a", "", "b"]


def test_old_line_ends(tmp_path: Path) -> None:
    """Carriage returns end lines where nothing else does."""
    assert pairs(tmp_path / "a.csv", "text,label\ra,x\rb,y\r") == [("a", "x"), ("b", "y")]


HEADERS = {
    "a label that is a usual name of a column": ("question,How?\nstatement,So.\nquestion,Why?\n", "no"),
    "the same, once": ("question,How?\nstatement,So.\n", "no"),
    "labels that are numbers of columns": ("1,good film\n0,bad film\n", "no"),
    "usual names": ("label,tweet\npos,a\nneg,b\n", "yes"),
    "numbers of columns, as pandas writes them": ("0,1\npos,a\n", "yes"),
}


@pytest.mark.parametrize("case", HEADERS)
def test_a_header_is_guessed_where_columns_are_numbers(tmp_path: Path, case: str) -> None:
    """It holds usual names, or numbers from 0, that do not come again."""
    content, header = HEADERS[case]
    rows = pairs(tmp_path / "a.csv", content, text="1", label="0")
    assert len(rows) == content.count("\n") - (header == "yes")
    assert resolved(Source(tmp_path / "a.csv", "1", "0")).header == header


def test_what_may_be_a_header_is_said(tmp_path: Path) -> None:
    """Names that are not usual ones are read as data, with a warning."""
    content = "mood,tweet\n" + "pos,a film\nneg,the film\n" * 5
    with pytest.warns(DataWarning, match="'mood', 'tweet', is read as data"):
        assert len(pairs(tmp_path / "a.csv", content, text="1", label="0")) == 11
    assert len(pairs(tmp_path / "a.csv", content, text="1", label="0", header="yes")) == 10


def test_the_delimiter_is_the_one_that_fits_all_rows(tmp_path: Path) -> None:
    """Not the most frequent one of the first row."""
    content = "a good, nice, long film;pos\nbad;neg\n"
    assert pairs(tmp_path / "a.csv", content, text="0", label="1")[1] == ("bad", "neg")


def test_what_was_guessed_can_be_asked_for(tmp_path: Path) -> None:
    """`resolved` fills a source in as `read` guesses it; a path is a source."""
    path = tmp_path / "a.txt"
    path.write_bytes("label;text\npos;ä\n".encode("utf-16"))
    found = resolved(Source(path, label="label", format="csv"))
    assert found == Source(
        path,
        ("text",),
        "label",
        format="csv",
        header="yes",
        delimiter=";",
        quoting=True,
        encoding="utf-16-le",
    )
    assert list(read(found)) == list(read(Source(path, label="label", format="csv")))
    (tmp_path / "b.csv").write_text("text\na\n")
    assert [r.text for r in read(str(tmp_path / "b.csv"))] == ["a"]
    assert resolved(str(tmp_path / "b.csv")).text == ("text",)


def test_an_error_is_no_crash(tmp_path: Path) -> None:
    """No thread is left that could end the process by a signal."""
    path = tmp_path / "a.csv"
    path.write_text("text,label\n" + "a film,pos\n" * 300 + "a,b,c\n" + "a film,neg\n" * 100_000)
    code = f"import ulmus, sys\ntry: list(ulmus.read({str(path)!r}))\nexcept ulmus.UlmusError: sys.exit(1)"
    for _ in range(3):
        assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 1
