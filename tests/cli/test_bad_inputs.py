"""Bad inputs and the message each gets; no partial file is left behind.

Files that cannot be used end with exit code 1, calls that cannot be with 2; texts that are merely strange are read.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import resource
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import Result

Run = Callable[..., Result]
HEADER = b"text,label\n"
GOOD = b"a lovely film,good\na dull film,bad\n"


def parquet_without_its_end() -> bytes:
    """The first half of a parquet file."""
    whole = io.BytesIO()
    pq.write_table(pa.table({"text": ["a film"] * 100, "label": ["good"] * 100}), whole)
    return whole.getvalue()[: len(whole.getvalue()) // 2]


# name of the file, its bytes (None: it is not there), more arguments, exit code, what the message says
DATA = {
    "missing file": ("a.csv", None, {}, 1, ["a.csv"]),
    "empty file": ("a.csv", b"", {}, 1, ["a.csv", "empty"]),
    "header only": ("a.csv", HEADER, {}, 1, ["a.csv", "none"]),
    "wrong text column": ("a.csv", HEADER + GOOD, {"--text": "txet"}, 2, ["no column 'txet'", "mean 'text'"]),
    "wrong label column": ("a.csv", HEADER + GOOD, {"--label": "lable"}, 2, ["no column 'lable'", "mean 'label'"]),
    "one class only": ("a.csv", HEADER + b"a film,good\na book,good\n", {}, 1, ["at least two classes", "good"]),
    "no row has a label": ("a.csv", HEADER + b"a film,\na book,\n", {}, 1, ["no row", "column 'label' is empty"]),
    "only empty texts": ("a.csv", HEADER + b"   ,good\n,bad\n", {}, 1, ["only empty"]),
    "invalid UTF-8": ("a.csv", HEADER + b"a film,good\ncaf\xe9,bad\n", {}, 1, ["not utf-8", "line 3", "--encoding"]),
    "unknown encoding": ("a.csv", HEADER + GOOD, {"--encoding": "latin-99"}, 2, ["latin-99"]),
    "duplicate column names": ("a.csv", b"text,text,label\na,b,good\n", {}, 1, ["2 columns named 'text'"]),
    "a row with too many cells": ("a.csv", HEADER + b"a film,good\na,b,c,d\n", {}, 1, ["2 columns"]),
    "truncated parquet": ("a.parquet", parquet_without_its_end(), {}, 1, ["parquet", "truncated or damaged"]),
    "text named parquet": ("a.parquet", HEADER + GOOD, {}, 1, ["parquet"]),
    "lines that are not JSON": ("a.jsonl", b'{"text": "a", "label": "x"}\n{oops\n', {}, 1, ["line 2", "not JSON"]),
    "JSON without the column": ("a.jsonl", b'{"txt": "a", "label": "x"}\n', {}, 2, ["no column 'text'", "'txt'"]),
    "truncated gzip": ("a.csv.gz", gzip.compress(HEADER + GOOD * 999)[:60], {}, 1, ["a.csv.gz"]),
    "text named gzip": ("a.csv.gz", HEADER + GOOD, {}, 1, ["a.csv.gz"]),
    "unknown format": ("a.csv", HEADER + GOOD, {"--format": "xlsx"}, 2, ["--format"]),
    "long delimiter": ("a.csv", HEADER + GOOD, {"--delimiter": "::"}, 2, ["one character"]),
}  # fmt: skip


@pytest.mark.parametrize("case", DATA)
def test_data_that_cannot_be_used(case: str, tmp_path: Path, run: Run) -> None:
    """The message names the file and the remedy; no model, checkpoint or temporary file is left."""
    name, content, more, code, said = DATA[case]
    if content is not None:
        (tmp_path / name).write_bytes(content)
    before = sorted(tmp_path.rglob("*"))
    options = {"--text": "text", "--label": "label", "--out": tmp_path / "m.ulmus", **more}
    arguments = [part for option in options.items() for part in option]
    done = run("train", tmp_path / name, "--quiet", *arguments)
    assert (done.exit_code, done.stdout) == (code, ""), done.stderr
    assert "Traceback" not in done.stderr
    assert all(part in done.stderr for part in said), done.stderr
    assert sorted(tmp_path.rglob("*")) == before


# a text, as a program may send it
TEXTS = {
    "empty": "",
    "whitespace only": " \t \u3000 ",
    "NUL bytes": "a\x00lovely\x00film",
    "lone surrogates": "a \ud800 lovely \udfff film",
    "right to left": "\u202bסרט נפלא\u202c فيلم رائع",
    "combining marks": "e\u0301" + "\u0300" * 500 + " lovely",
    "emoji sequences": "👩‍👩‍👧‍👦 🏳️‍🌈 lovely",
    "control characters": "\x1b[31mlovely\x07\x7f\u0085film",
    "line separators": "a lovely\u2028film\u2029and\x0bmore",
    "1 MB in a single line": "lovely film " * 87_000,
    "1 MB in a single word": "x" * 1_000_000,
}


@pytest.mark.parametrize("case", TEXTS)
def test_an_unusual_text_is_predicted(case: str, classifier: Path, tmp_path: Path, run: Run) -> None:
    """An unusual text gets one prediction, and those before and after it are unchanged."""
    texts = ["a lovely film", TEXTS[case], "a dull film"]
    data = tmp_path / "a.jsonl"
    data.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    done = run("predict", classifier, data, "--text", "text")
    assert done.exit_code == 0, done.stderr
    rows = list(csv.DictReader(done.stdout.splitlines()))
    assert len(rows) == 3
    assert all(float(row["good"]) + float(row["bad"]) == pytest.approx(1, abs=2e-6) for row in rows)
    data.write_text("".join(json.dumps({"text": text}) + "\n" for text in (texts[0], texts[2])))
    alone = list(csv.DictReader(run("predict", classifier, data, "--text", "text").stdout.splitlines()))
    for row, other in zip((rows[0], rows[2]), alone, strict=True):
        assert float(row["good"]) == pytest.approx(float(other["good"]), abs=1e-5)


def test_unusual_texts_can_be_trained_on(corpus: Path, tmp_path: Path, run: Run) -> None:
    """Training works with unusual texts, each present twice under two labels, among ordinary ones."""
    rows = [
        {"text": text, "label": label} for text in TEXTS.values() if len(text) < 10**5 for label in ("a", "b")
    ]
    rows += [{"text": f"a plain film {i}", "label": "ab"[i % 2]} for i in range(20)]
    data = tmp_path / "a.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    done = run(
        *("train", data, "--text", "text", "--label", "label", "--out", tmp_path / "m.ulmus"),
        *("--config", corpus / "tiny.toml", "--quiet"),
    )
    assert done.exit_code == 0, done.stderr


def test_stdin_that_is_not_utf8_names_the_line(classifier: Path, run: Run) -> None:
    """The error for undecodable standard input names the line and a way to convert it."""
    done = run("predict", classifier, stdin=b"a film\ncaf\xe9\n")
    assert done.exit_code == 1
    assert "line 2 of the standard input is not UTF-8" in done.stderr
    assert "iconv" in done.stderr


def test_an_unseen_label_of_the_held_out_set_is_reported_and_left_out(
    corpus: Path, tmp_path: Path, run: Run
) -> None:
    """Held-out texts with an unseen label are reported and left out; if all are, it is an error."""
    valid = tmp_path / "valid.csv"
    arguments = (
        *("train", corpus / "train.csv", "--text", "text", "--label", "label", "--valid", valid),
        *("--out", tmp_path / "m.ulmus", "--config", corpus / "tiny.toml", "--json", "--quiet"),
    )
    valid.write_bytes(HEADER + GOOD + b"a so-so film,mixed\n")
    done = run(*arguments)
    assert done.exit_code == 0, done.stderr
    assert "'mixed' is not among the training labels" in done.stderr
    assert json.loads(done.stdout)["n"] == 2
    (tmp_path / "m.ulmus").unlink()
    valid.write_bytes(HEADER + b"a so-so film,mixed\n")
    done = run(*arguments)
    assert done.exit_code == 1
    assert "none of the labels in" in done.stderr
    assert list(tmp_path.iterdir()) == [valid]


def zip_bomb(_: bytes) -> bytes:
    """A zip with a manifest that unpacks to a thousand times its size."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("manifest.json", b" " * 50_000_000)
    return file.getvalue()


def with_another_member(model: bytes, name: str) -> bytes:
    """The model with a file in it that its manifest does not list."""
    file = io.BytesIO(model)
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr(name, b"cos\nsystem\n(S'echo'\ntR.")
    return file.getvalue()


def changed_byte(model: bytes) -> bytes:
    """The model with one bit of its weights flipped."""
    with zipfile.ZipFile(io.BytesIO(model)) as archive:
        middle = archive.getinfo("weights.safetensors").header_offset + 10_000
    return model[:middle] + bytes([model[middle] ^ 1]) + model[middle + 1 :]


MODELS: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "empty file": (lambda _: b"", "it is empty"),
    "text file": (lambda _: HEADER + GOOD, "not an Ulmus model file"),
    "cut short": (lambda model: model[: len(model) // 2], "truncated"),
    "something appended": (lambda model: model + b"more", "appended"),
    "a changed byte": (changed_byte, "the file was changed"),
    "zip bomb": (zip_bomb, "compressed"),
    "a pickle in it": (lambda model: with_another_member(model, "weights.pkl"), "never opens pickles"),
    "a path in it": (lambda model: with_another_member(model, "../evil"), "other folders"),
    "an unknown member": (lambda model: with_another_member(model, "more.bin"), "does not list"),
}


@pytest.mark.parametrize("case", MODELS)
def test_damaged_and_hostile_model_files_are_refused(
    case: str, classifier: Path, tmp_path: Path, run: Run
) -> None:
    """A damaged or hostile model file gives one message; nothing is predicted or unpacked."""
    damage, said = MODELS[case]
    bad = tmp_path / "bad.ulmus"
    bad.write_bytes(damage(classifier.read_bytes()))
    (tmp_path / "a.txt").write_text("a lovely film\n")
    before = sorted(tmp_path.iterdir())
    for command in (["predict", bad, tmp_path / "a.txt", "-o", tmp_path / "out.csv"], ["info", bad]):
        done = run(*command)
        assert (done.exit_code, done.stdout) == (1, "")
        assert said in done.stderr
        assert "Traceback" not in done.stderr
    assert sorted(tmp_path.iterdir()) == before


@contextmanager
def small_disk(size_bytes: int) -> Iterator[None]:
    """Limit the size of files, which simulates a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_disk_that_fills_while_predicting(classifier: Path, corpus: Path, tmp_path: Path, run: Run) -> None:
    """A disk that fills up while predicting leaves the old output; what the run needs to resume is beside it."""
    out = tmp_path / "out.csv"
    out.write_text("old")
    with small_disk(200):
        done = run("predict", classifier, corpus / "test.csv", "-o", out, "--force")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "Cannot write" in done.stderr
    assert "No partial file was left behind" in done.stderr
    assert (out.read_text(), sorted(tmp_path.iterdir())) == ("old", [tmp_path / ".out.csv.work", out])
    assert run("predict", classifier, corpus / "test.csv", "-o", out, "--force").exit_code == 0
    assert list(tmp_path.iterdir()) == [out]


def test_a_disk_that_fills_when_the_model_is_written(corpus: Path, tmp_path: Path, run: Run) -> None:
    """A disk that fills up while saving leaves no model file, and the run resumes once there is space."""
    out = tmp_path / "m.ulmus"
    arguments = (
        *("train", corpus / "train.csv", "--text", "text", "--label", "label", "--out", out),
        *("--config", corpus / "tiny.toml", "--language-model", "none", "--quiet"),
    )
    with small_disk(8_000):
        done = run(*arguments)
    assert done.exit_code == 1
    assert "Cannot write" in done.stderr
    assert not out.exists()
    assert not list(tmp_path.rglob("*.tmp"))
    assert run(*arguments).exit_code == 0
    assert list(tmp_path.iterdir()) == [out]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_standard_output_is_one_message(classifier: Path, corpus: Path) -> None:
    """`ulmus predict ... > /dev/full` exits with 1 and without a traceback at interpreter shutdown."""
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "ulmus", "predict", str(classifier), str(corpus / "test.csv")],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert "disk is full" in done.stderr
    assert "Exception ignored" not in done.stderr


def test_an_impossible_output_path_is_reported_before_any_work(
    corpus: Path, tmp_path: Path, run: Run
) -> None:
    """An output path below a file, or that is a folder, is refused before any work."""
    (tmp_path / "file").touch()
    (tmp_path / "folder.ulmus").mkdir()
    for out in (tmp_path / "file" / "m.ulmus", tmp_path / "folder.ulmus"):
        done = run("train", corpus / "train.csv", "--text", "text", "--label", "label", "--out", out)
        assert done.exit_code == 1
        assert f"Cannot write {out}" in done.stderr
        assert "labelled texts" not in done.stderr


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_missing_permission_is_reported_before_any_work(corpus: Path, tmp_path: Path, run: Run) -> None:
    """An output in a read-only folder is refused before any work."""
    (tmp_path / "closed").mkdir(mode=0o500)
    done = run("pretrain", corpus / "train.csv", "--out", tmp_path / "closed" / "lm.ulmus")
    assert done.exit_code == 1
    assert "permission denied" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["pretrain", "{data}", "nowhere.csv", "--out", "{out}"], 1, "nowhere.csv"),
        (["pretrain", "{data}", "--text", "txt", "--out", "{out}"], 2, "Did you mean 'text'"),
        (["tune", "nowhere.ulmus", "{data}", "--out", "{out}"], 1, "no model file at nowhere.ulmus"),
        (
            ["train", "{data}", "--label", "label", "--unlabeled", "nowhere.csv", "--out", "{out}"],
            1,
            "nowhere.csv",
        ),
        (
            ["train", "{data}", "--label", "label", "--valid", "nowhere.csv", "--out", "{out}"],
            1,
            "nowhere.csv",
        ),
        (
            ["train", "{data}", "--label", "label", "--language-model", "no.ulmus", "--out", "{out}"],
            1,
            "no.ulmus",
        ),
        (["train", "{data}", "--label", "label", "--device", "tpu", "--out", "{out}"], 2, "tpu"),
        (["evaluate", "nowhere.ulmus", "{data}", "--label", "label"], 1, "no model file at nowhere.ulmus"),
        (["predict", "nowhere.ulmus", "{data}"], 1, "no model file at nowhere.ulmus"),
        (["predict", "nowhere.ulmus", "nowhere.csv"], 1, "nowhere.csv"),
        (["generate", "nowhere.ulmus", "the"], 1, "no model file at nowhere.ulmus"),
        (["tokens", "a", "--model", "nowhere.ulmus"], 1, "no model file at nowhere.ulmus"),
    ],
)
def test_a_missing_file_is_reported_before_any_work(
    arguments: list[str], code: int, said: str, corpus: Path, tmp_path: Path, run: Run
) -> None:
    """Any missing input is reported before any work, and nothing is left behind."""
    filled = [part.format(data=corpus / "train.csv", out=tmp_path / "m.ulmus") for part in arguments]
    done = run(*filled)
    assert (done.exit_code, done.stdout) == (code, "")
    assert said in done.stderr
    assert list(tmp_path.iterdir()) == []
