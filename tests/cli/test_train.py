"""`ulmus train` on real files with tiny models."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from ulmus import bundle

Run = Callable[..., Result]
Reviews = Callable[[int, int], list[list[str]]]
WriteCsv = Callable[..., Path]


def written(out: Path) -> dict[str, Any]:
    """The manifest of a model file."""
    return bundle.read_manifest(out)


@pytest.fixture
def tiny(corpus: Path) -> Path:
    """The config file of the tiny models."""
    return corpus / "tiny.toml"


def test_a_classifier_is_trained_and_compared_with_its_parts(
    corpus: Path, tiny: Path, tmp_path: Path, run: Run
) -> None:
    """The table names language model, word counts and combination; stdout is plain ASCII in a pipe."""
    out = tmp_path / "m.ulmus"
    done = run(
        *("train", corpus / "train.csv", "--text", "text", "--label", "label", "--out", out),
        *("--valid", corpus / "test.csv", "--unlabeled", corpus / "unlabeled.csv", "--config", tiny),
    )
    assert done.exit_code == 0, done.stderr
    assert all(name in done.stdout for name in ("network", "word counts", "combined", "macro F1"))
    assert "scores on 30 held-out texts" in done.stdout
    assert f"Saved {out}" in done.stdout
    assert done.stdout.isascii()
    assert "Training texts: 60 with a label, 0 without" in done.stderr
    assert "60 labelled texts, 2 classes, 40 unlabelled texts" in done.stderr
    assert "\n  good  30   50.0%\n" in done.stderr
    assert done.stdout.splitlines()[-1].startswith(f"Next: ulmus predict {out} FILE -o ")
    assert sorted(written(out)["labels"]) == ["bad", "good"]
    assert not list(tmp_path.glob(".*"))


def test_json_is_one_object_on_stdout(corpus: Path, tiny: Path, tmp_path: Path, run: Run) -> None:
    """--json prints one object with the scores, the confidence interval of the difference, the verdict and the time."""
    done = run(
        *("train", corpus / "train.csv", "--text", "text", "--label", "label", "--out", tmp_path / "m.ulmus"),
        *("--valid", corpus / "test.csv", "--config", tiny, "--json"),
    )
    assert done.exit_code == 0, done.stderr
    report = json.loads(done.stdout)
    assert {"out", "lm", "counts", "combined", "gain", "verdict", "n", "seconds"} <= report.keys()
    assert 0 <= report["combined"]["accuracy"] <= 1
    assert report["gain"]["low"] <= report["gain"]["difference"] <= report["gain"]["high"]


def test_rows_with_an_empty_label_are_unlabelled_texts(
    tiny: Path, tmp_path: Path, run: Run, reviews: Reviews, write_csv: WriteCsv
) -> None:
    """Rows of DATA with an empty label are used as unlabelled texts."""
    rows: list[list[str]] = [*reviews(40, 5), *([text, ""] for text, _ in reviews(20, 6))]
    data = write_csv(tmp_path / "mixed.csv", ["text", "label"], rows)
    done = run("train", data, "--label", "label", "--out", tmp_path / "m.ulmus", "--config", tiny)
    assert done.exit_code == 0, done.stderr
    assert "40 labelled texts, 2 classes, 20 unlabelled texts" in done.stderr


def test_a_folder_of_texts_is_data(tiny: Path, tmp_path: Path, run: Run, reviews: Reviews) -> None:
    """In a folder such as train/pos/1.txt the label is the folder, the split the one above; unsup is unlabelled."""
    for i, (text, label) in enumerate(reviews(40, 7)):
        for split, name in (("train", label), ("test", label), ("train", "unsup")):
            path = tmp_path / "data" / split / name / f"{i}.txt"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    out = tmp_path / "m.ulmus"
    done = run("train", tmp_path / "data", "--split", "train", "--out", out, "--config", tiny)
    assert done.exit_code == 0, done.stderr
    assert "40 with a label, 40 without" in done.stderr
    assert sorted(written(out)["labels"]) == ["bad", "good"]


def test_columns_of_a_file_without_header_have_numbers(
    tiny: Path, tmp_path: Path, run: Run, reviews: Reviews
) -> None:
    """Columns of a file without header are given by number, next to unlabelled plain text."""
    data = tmp_path / "train.csv"
    data.write_text("".join(f'"{label}","{text}"\n' for text, label in reviews(40, 8)))
    (tmp_path / "more.txt").write_text("\n".join(text for text, _ in reviews(10, 9)) + "\n")
    done = run(
        *("train", data, "--no-header", "--text", 1, "--label", 0, "--unlabeled", tmp_path / "more.txt"),
        *("--out", tmp_path / "m.ulmus", "--config", tiny),
    )
    assert done.exit_code == 0, done.stderr
    assert "40 labelled texts, 2 classes, 10 unlabelled texts" in done.stderr
    assert "FILE --no-header -o predictions.csv" in done.stdout


def test_several_text_columns_become_fields(
    tiny: Path, tmp_path: Path, run: Run, reviews: Reviews, write_csv: WriteCsv
) -> None:
    """With --text given twice both columns are read."""
    rows = [["title", text, label] for text, label in reviews(40, 10)]
    data = write_csv(tmp_path / "a.csv", ["head", "body", "label"], rows)
    out = tmp_path / "m.ulmus"
    done = run(
        *("train", data, "--text", "head", "--text", "body", "--label", "label"),
        *("--out", out, "--config", tiny, "--quiet"),
    )
    assert done.exit_code == 0, done.stderr
    assert "xxfld" in bundle.read(out).tokenizer_json


def test_a_whole_run_fits_in_one_config_file(corpus: Path, tmp_path: Path, run: Run) -> None:
    """--config can hold every argument and option; the same seed gives identical weights."""
    options = (
        f'data = "{corpus / "train.csv"}"\ntext = "text"\nlabel = "label"\nquiet = true\nseed = 5\n'
        f'language-model = "none"\nclass-weight = "balanced"\ncombine = "none"\n'
    )
    (tmp_path / "run.toml").write_text(options + (corpus / "tiny.toml").read_text())
    for name in ("a.ulmus", "b.ulmus"):
        done = run("train", "--config", tmp_path / "run.toml", "--out", tmp_path / name)
        assert done.exit_code == 0, done.stderr
    first, second = written(tmp_path / "a.ulmus"), written(tmp_path / "b.ulmus")
    assert first["sha256"] == second["sha256"]
    assert first["combine"] == "none"


def test_settings_of_the_config_file_reach_the_model(classifier: Path) -> None:
    """The settings of [lm] and [classifier] are in the manifest of the model."""
    config = written(classifier)["config"]
    assert config["all_epochs"] == 1
    assert (config["language_model"]["hidden"], config["language_model"]["layers"]) == (12, 1)


def test_a_language_model_file_is_the_start(
    corpus: Path, language_model: Path, tmp_path: Path, run: Run
) -> None:
    """The classifier has the shape of --language-model FILE."""
    (tmp_path / "c.toml").write_text("[classifier]\nall-epochs = 1\n")
    out = tmp_path / "m.ulmus"
    done = run(
        *("train", corpus / "train.csv", "--label", "label", "--out", out, "--quiet"),
        *("--language-model", language_model, "--config", tmp_path / "c.toml"),
    )
    assert done.exit_code == 0, done.stderr
    assert written(out)["config"]["language_model"]["hidden"] == 12


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--size", "base"], "has its own"),
        (["--tokenizer", "char"], "has a word tokenizer, which cannot be changed to char"),
        (["--config", "{corpus}/tiny.toml"], "[lm] configures a new language model"),
    ],
)
def test_a_given_language_model_allows_no_other_shape(
    corpus: Path, language_model: Path, tmp_path: Path, run: Run, arguments: list[str], said: str
) -> None:
    """An option that contradicts --language-model is a usage error, not ignored."""
    done = run(
        *("train", corpus / "train.csv", "--label", "label", "--out", tmp_path / "m.ulmus"),
        *("--language-model", language_model, *(part.format(corpus=corpus) for part in arguments)),
    )
    assert done.exit_code == 2
    assert said in done.stderr


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        ("[lm]\nhiden = 3\n", "[lm]: unknown key 'hiden'. Did you mean 'hidden'?"),
        ("[lm.dropouts]\nweigth = 3\n", "Did you mean 'weight'?"),
        ("[classifier]\nall_epochs = 'many'\n", "all_epochs"),
        ("[model]\nhidden = 3\n", "unknown table [model]"),
        ("sede = 3\n", "Did you mean 'seed'?"),
    ],
)
def test_a_mistake_in_the_config_file_is_reported_before_any_work(
    corpus: Path, tmp_path: Path, run: Run, toml: str, said: str
) -> None:
    """A mistake in the config file is a usage error before any work, and nothing is written."""
    (tmp_path / "bad.toml").write_text(toml)
    done = run(
        *("train", corpus / "train.csv", "--label", "label", "--out", tmp_path / "m.ulmus"),
        *("--config", tmp_path / "bad.toml"),
    )
    assert done.exit_code == 2
    assert said in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["bad.toml"]


@pytest.fixture
def dated(tmp_path: Path, reviews: Reviews, write_csv: WriteCsv) -> Path:
    """220 reviews, one a day, newest first."""
    rows = [[*row, f"{1 + i % 28:02d}.{12 - i // 28:02d}.2021"] for i, row in enumerate(reviews(220, 11))]
    return write_csv(tmp_path / "dated.csv", ["text", "label", "day"], rows)


def test_the_newest_texts_are_held_out(dated: Path, tiny: Path, tmp_path: Path, run: Run) -> None:
    """--time COL: the report says from when on."""
    done = run(
        *("train", dated, "--text", "text", "--label", "label", "--time", "day", "--config", tiny, "--json"),
        *("--out", tmp_path / "m.ulmus", "--language-model", "none"),
    )
    assert done.exit_code == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["split"]["by"] == "time"
    assert report["split"]["since"].startswith("2021-11")
    assert 30 < report["n"] <= 44


def test_times_that_have_no_order_are_refused(dated: Path, tiny: Path, tmp_path: Path, run: Run) -> None:
    """The message shows a value; groups and times are not for one run."""
    given = (
        "train",
        dated,
        "--text",
        "text",
        "--label",
        "label",
        "--config",
        tiny,
        "--out",
        tmp_path / "m.ulmus",
    )
    done = run(*given, "--time", "text")
    assert done.exit_code == 1
    assert "220 of 220 values cannot be ordered" in done.stderr
    done = run(*given, "--time", "day", "--group", "label")
    assert done.exit_code == 2
    assert "Give one of them" in done.stderr


def test_test_texts_are_reported_apart(
    corpus: Path, tiny: Path, tmp_path: Path, run: Run, reviews: Reviews, write_csv: WriteCsv
) -> None:
    """--test FILE changes nothing but the report: the model is the same; copies of training texts are counted."""
    own = reviews(60, 1)
    data = write_csv(tmp_path / "test.csv", ["text", "label"], [*own[:5], *reviews(70, 12)])
    given = ("train", corpus / "train.csv", "--text", "text", "--label", "label", "--config", tiny)
    given = (*given, "--valid", corpus / "test.csv")
    done = run(*given, "--test", data, "--out", tmp_path / "a.ulmus", "--json")
    assert done.exit_code == 0, done.stderr
    report = json.loads(done.stdout)
    assert (report["n"], report["test"]["n"]) == (30, 75)
    assert report["test"]["train"]["texts"] == 90
    assert report["test"]["train"]["equal"] >= 5
    assert "5 of 75 texts are nearly the same as a training text, 5 of them equal to one" in done.stderr
    again = run(*given, "--out", tmp_path / "b.ulmus")
    assert "--test" not in again.stdout
    manifests = [written(tmp_path / name) for name in ("a.ulmus", "b.ulmus")]
    assert manifests[0]["combination"] == manifests[1]["combination"]
    assert manifests[0]["metrics"]["combined"] == manifests[1]["metrics"]["combined"]
    done = run(*given, "--test", data, "--out", tmp_path / "c.ulmus")
    assert "scores on 75 texts of --test" in done.stdout


def test_mistakes_about_test_texts_come_before_the_training(
    corpus: Path, tiny: Path, tmp_path: Path, run: Run, reviews: Reviews, write_csv: WriteCsv
) -> None:
    """A missing column, labels that are no classes, a file that is trained on or chosen by."""
    given = ("train", corpus / "train.csv", "--text", "text", "--label", "label", "--config", tiny)
    given = (*given, "--valid", corpus / "test.csv", "--out", tmp_path / "m.ulmus")
    wrong = write_csv(tmp_path / "wrong.csv", ["words", "label"], reviews(9, 1))
    other = write_csv(tmp_path / "other.csv", ["text", "label"], [["a b", "c"], ["d e", "f"]])
    for path, code, message in (
        (wrong, 2, "text"),
        (other, 1, "none of the labels"),
        (corpus / "train.csv", 2, "is also trained on or chosen by"),
        (corpus / "test.csv", 2, "is also trained on or chosen by"),
    ):
        done = run(*given, "--test", path)
        assert (done.exit_code, message in done.stderr) == (code, True), done.stderr
        assert "Counting words" not in done.stderr


def test_what_makes_an_accuracy_misleading_is_said(
    tiny: Path, tmp_path: Path, run: Run, reviews: Reviews, write_csv: WriteCsv
) -> None:
    """Nine in ten are of one class, and few texts are held out."""
    rows = [[text, "good" if i % 10 else "bad"] for i, (text, _) in enumerate(reviews(220, 13))]
    data = write_csv(tmp_path / "a.csv", ["text", "label"], rows)
    done = run(
        *("train", data, "--text", "text", "--label", "label", "--config", tiny, "--language-model", "none"),
        *("--out", tmp_path / "m.ulmus", "--quiet"),
    )
    assert done.exit_code == 0, done.stderr
    assert "90.9 % of the documents are 'good'" in done.stderr
    assert "only 44 documents were measured on" in done.stderr
    assert "most frequent class" in done.stdout


def test_several_networks_in_one_file(corpus: Path, tiny: Path, tmp_path: Path, run: Run) -> None:
    """--ensemble: `info` lists them, `predict` needs no option."""
    out = tmp_path / "m.ulmus"
    done = run(
        *("train", corpus / "train.csv", "--text", "text", "--label", "label", "--config", tiny),
        *("--language-model", "new", "--ensemble", "directions", "--out", out),
    )
    assert done.exit_code == 0, done.stderr
    assert "Network 1 of 2." in done.stderr
    assert "Network 2 of 2." in done.stderr
    shown = run("info", out).stdout
    rows = dict(line.split("  ", 1) for line in shown.splitlines() if line[0] != " ")
    assert rows["ensemble"].strip() == "directions, 2 networks, averaged"
    assert "backwards" not in rows["network 1"]
    assert rows["network 2"].strip().startswith("LSTM, 1 layers of 12")
    assert "backwards" in rows["network 2"]
    predicted = run("predict", out, "-", stdin="a lovely film\n")
    assert predicted.exit_code == 0, predicted.stderr


def test_mistakes_about_several_networks_come_before_the_training(
    corpus: Path, language_model: Path, tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Usage errors: an unknown choice, a missing or an unfit second language model, two for one network."""
    (tmp_path / "shelf").mkdir()
    shutil.copy(language_model, tmp_path / "shelf" / "zh-tiny.ulmus")
    monkeypatch.setattr("ulmus.installed.OWN", tmp_path / "shelf")
    mine = ("--language-model", language_model)
    for arguments, message in (
        (("--ensemble", "both"), "expected auto, none, directions, tokenizers or seeds:N"),
        (("--ensemble", "seeds:1"), "with N from 2"),
        ((*mine, "--ensemble", "directions"), "a second language model beside your own"),
        ((*mine, *mine, "--ensemble", "directions"), "differ in direction"),
        ((*mine, *mine), "got 2 for none"),
        (("--language-model", "zh-tiny", "--ensemble", "directions"), "Installed: zh-tiny"),
    ):
        done = run(
            *("train", corpus / "train.csv", "--label", "label", "--out", tmp_path / "m.ulmus", *arguments)
        )
        assert (done.exit_code, message in done.stderr) == (2, True), done.stderr
        assert "Counting words" not in done.stderr
