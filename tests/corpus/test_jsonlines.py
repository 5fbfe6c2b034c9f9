"""JSON: arrangements, columns that not every row has, and what is no JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ulmus.corpus.source import Record, Source, read
from ulmus.corpus.streams import LARGEST_DOCUMENT
from ulmus.errors import DataError, DataWarning, UsageError


def records(
    path: Path, content: str, text: str | tuple[str, ...] = (), label: str | None = None
) -> list[Record]:
    """The records of a JSON file with this content."""
    path.write_text(content)
    return list(read(Source(path, text, label)))


@pytest.mark.parametrize("position", [0, 1, 2])
def test_a_column_that_one_row_lacks(tmp_path: Path, position: int) -> None:
    """The columns of a file are those of all its rows, in whichever row one is missing; there it is no value."""
    rows = [{"label": f"{i}", "text": f"t{i}"} for i in range(3)]
    for name, expected in (("label", None), ("text", "")):
        some = [
            row if i != position else {k: v for k, v in row.items() if k != name}
            for i, row in enumerate(rows)
        ]
        for content in ("\n".join(map(json.dumps, some)), json.dumps(some), json.dumps(some, indent=1)):
            found = records(tmp_path / "a.json", content, "text", "label")
            assert getattr(found[position], name) == expected
            assert [record for i, record in enumerate(found) if i != position] == [
                Record(row["text"], row["label"]) for i, row in enumerate(rows) if i != position
            ]


def test_the_usual_column_of_a_later_row(tmp_path: Path) -> None:
    """When no column is named, a row that lacks the text does not make another column of it."""
    content = '{"title": "a"}\n{"title": "b", "text": "c"}\n'
    assert [record.text for record in records(tmp_path / "a.jsonl", content)] == ["", "c"]


def test_a_column_that_no_row_has(tmp_path: Path) -> None:
    """A wrong name is an error that lists the columns of all rows."""
    with pytest.raises(UsageError, match=r"no column 'lable'. Did you mean 'label'.* 'text', 'label', 'z'"):
        records(tmp_path / "a.jsonl", '{"text": "a"}\n{"text": "b", "label": "x", "z": 1}\n', "text", "lable")


def test_fields_in_objects(tmp_path: Path) -> None:
    """A dotted name finds a field in an object, unless a field itself has that name."""
    content = '{"data": {"text": "a", "by": {"id": 7}}, "data.x": "y", "x": {"label": "no"}}\n'
    assert records(tmp_path / "a.jsonl", content, "data.text", "data.by.id") == [Record("a", "7")]
    assert records(tmp_path / "a.jsonl", content, "data.x", "x.label") == [Record("y", "no")]


def test_one_object_is_one_row_where_its_fields_are_values(tmp_path: Path) -> None:
    """A file of a single row is a row: with a list of labels, or with its text in an object."""
    content = '{"text": "a", "labels": ["x", "y"]}'
    assert records(tmp_path / "a.json", content, "text", "labels") == [Record("a", ("x", "y"))]
    assert records(tmp_path / "a.json", '{"data": {"text": "a"}}', "data.text") == [Record("a")]
    assert records(tmp_path / "a.json", '{\n "text": "a"\n}') == [Record("a")]


def test_a_list_of_objects_in_an_object(tmp_path: Path) -> None:
    """The only list of objects in a file's only object is its rows, which is said; a field of a row is none."""
    content = json.dumps({"version": 1, "rows": [{"label": "x"}, {"text": "a", "label": "y"}]})
    for wanted in (("text", "label"), ((), "label")):
        with pytest.warns(DataWarning, match="reading the objects in 'rows' as rows"):
            assert records(tmp_path / "a.json", content, *wanted) == [Record("", "x"), Record("a", "y")]
    content = json.dumps({"text": "a", "entities": [{"from": 1}]})
    assert records(tmp_path / "a.json", content) == [Record("a")]
    with pytest.raises(UsageError, match="no column 'text'"):
        records(tmp_path / "a.json", json.dumps({"a": [{"text": "x"}], "b": [{"text": "y"}]}), "text")


def test_a_thousand_columns(tmp_path: Path) -> None:
    """A column is found however many others there are."""
    rows = [{f"{i}": i for i in range(2000)}, {"text": "a", "wanted": "b"}]
    content = "\n".join(map(json.dumps, rows))
    assert records(tmp_path / "a.jsonl", content, label="wanted") == [Record("", None), Record("a", "b")]


def test_an_empty_array(tmp_path: Path) -> None:
    """An array without objects holds no texts."""
    for content in ("[]", "[ ]\n"):
        with pytest.raises(DataError, match="contains none"):
            records(tmp_path / "a.json", content)


def test_numbers_and_lists_of_labels(tmp_path: Path) -> None:
    """Labels may be numbers in one row and texts in the next; a list is several, an empty one none of them."""
    content = '{"text": "a", "y": 1}\n{"text": "b", "y": "1"}\n{"text": "c", "y": [1, "z"]}\n{"text": "d", "y": []}\n'
    assert [r.label for r in records(tmp_path / "a.jsonl", content, "text", "y")] == [
        "1",
        "1",
        ("1", "z"),
        (),
    ]


GOOD = '{"text": "good", "label": "x"}'
DEEP = '{"text": ' + "[" * 5000 + "]" * 5000 + "}"
BAD = {
    "not json": ('{"text" "a"}', "is not JSON"),
    "truncated": ('{"text": "a', "is not JSON"),
    "nested too deep": (DEEP, "nested too deep"),
    "no object": ("3", "is a int"),
    "a key twice": ('{"text": "a", "label": "x", "text": "b"}', "duplicate key 'text'"),
    "an object": ('{"text": {"en": "a"}, "label": "x"}', "got an object .*Name a field of it"),
    "a list": ('{"text": ["a", "b"], "label": "x"}', "got a list"),
    "out of range": ('{"text": "a", "label": 1e999}', "'label', got a number out of range"),
    "infinity": ('{"text": "a", "label": -Infinity}', "'label', got a number out of range"),
    "list in a list": ('{"text": "a", "label": [["x"]]}', "got a list"),
    "null in a list": ('{"text": "a", "label": ["x", null]}', "got null in a list"),
    "digits without end": ('{"text": "a", "label": ' + "1" * 5000 + "}", "is not JSON"),
}


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("arrangement", ["lines", "array", "objects"])
def test_a_bad_row_is_named(tmp_path: Path, name: str, arrangement: str) -> None:
    """Whatever is wrong with a row, the error names the file and the row."""
    bad, words = BAD[name]
    content, where = {
        "lines": (f"{GOOD}\n\n{bad}\n", "line 3"),
        "array": (f"[{GOOD},\n{bad}]", "object 2"),
        "objects": (f'{{\n"text": "good", "label": "x"}}\n{bad}', "object 2"),
    }[arrangement]
    if name == "truncated" and arrangement != "lines":
        content = content.rstrip("]")
    with pytest.raises(DataError, match=rf"(?s)a\.json, {where}\b.*{words}"):
        records(tmp_path / "a.json", content, "text", "label")


@pytest.mark.parametrize("position", [0, 1, 2])
@pytest.mark.parametrize("wanted", [("text", "label"), ((), None)])
def test_a_bad_row_anywhere(
    tmp_path: Path, position: int, wanted: tuple[str | tuple[()], str | None]
) -> None:
    """A damaged row is an error at the beginning, in the middle and at the end."""
    rows = [GOOD] * 3
    rows[position] = '{"text": '
    for content in ("\n".join(rows), f"[{','.join(rows)}]"):
        with pytest.raises(DataError, match="is not JSON"):
            records(tmp_path / "a.json", content, *wanted)


@pytest.mark.parametrize(
    "content", [f"[{GOOD}", f"[{GOOD},", f"[{GOOD},]", f"[{GOOD} {GOOD}]", f"[{GOOD}]]", "["]
)
def test_a_damaged_array(tmp_path: Path, content: str) -> None:
    """An array that is cut off, or goes on after its end, is an error and not fewer rows."""
    with pytest.raises(DataError, match=r"a\.json"):
        records(tmp_path / "a.json", content)


def test_values_across_blocks(tmp_path: Path) -> None:
    """Objects, escapes and numbers come through wherever the blocks that are read at a time end."""
    rows = [{"text": "\u2028ä\ud83d\ude00" * i, "label": f"{i}"} for i in range(600)]
    assert records(tmp_path / "a.json", json.dumps(rows), "text", "label") == [
        Record(row["text"].encode("utf-16", "surrogatepass").decode("utf-16"), row["label"]) for row in rows
    ]
    assert len((tmp_path / "a.json").read_bytes()) > 1 << 20


@pytest.mark.parametrize("end", ["\n", ""])
def test_a_giant_object(tmp_path: Path, end: str) -> None:
    """A text larger than one may be is an error that says how to write the table, in each arrangement."""
    giant = "a" * (LARGEST_DOCUMENT + 1)
    for content in (f'{GOOD}\n{{"text": "{giant}"}}{end}', f'[{GOOD},\n{{"text": "{giant}"}}]{end}'):
        with pytest.raises(DataError, match=r"(line|object) 2: a text may have at most 16 MB"):
            records(tmp_path / "a.json", content)
    with pytest.raises(DataError, match="Save the table as jsonl"):
        records(tmp_path / "a.json", f'{{"text": {{"0": "{giant}"}}}}{end}')
