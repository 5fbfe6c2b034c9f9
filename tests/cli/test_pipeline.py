"""`ulmus pipeline` with tiny random models."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
from typer.testing import Result

from ulmus.cli import pipeline as command
from ulmus.cli.pipeline import TASKS, PipelineOptions

Run = Callable[..., Result]
Make = Callable[..., Path]


def rows(done: Result) -> list[dict[str, Any]]:
    """The lines of JSON on stdout, after checking that the command succeeded."""
    assert done.exit_code == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture(scope="session")
def masked(make_checkpoint: Make) -> Path:
    return make_checkpoint("BertForMaskedLM")


def test_every_task_is_listed() -> None:
    """The command knows exactly the tasks of the library, and the help lists them."""
    from ulmus.tasks.pipelines.checkpoint import TASKS as KNOWN

    hint = get_type_hints(PipelineOptions)["task"]
    assert list(get_args(hint)) == list(TASKS) == list(KNOWN)


@pytest.mark.parametrize("task", TASKS)
def test_options_of_a_task_are_parameters_of_its_function(task: str) -> None:
    """Every option is accepted by the function of its task."""
    import inspect

    from ulmus import pipelines
    from ulmus.tasks.language_model.generation import Sampling

    taken = inspect.signature(getattr(pipelines, task.replace("-", "_"))).parameters
    accepted = {*taken, *(inspect.signature(Sampling).parameters if "how" in taken else ())}
    assert set(TASKS[task]) <= accepted


def test_texts_come_from_arguments_stdin_or_a_file(
    masked: Path, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The three ways give the same lines, numbered from 0, also in several batches."""
    monkeypatch.setattr(command, "_BATCH", 2)
    texts = ["a [MASK] film", "[MASK] lives in Paris", "the [MASK]"]
    start = ("pipeline", "fill-mask", "--model", masked, "--top-k", 2)
    from_arguments = rows(run(*start, *texts))
    assert [row["row"] for row in from_arguments] == [0, 1, 2]
    assert [len(row["masks"][0]) for row in from_arguments] == [2, 2, 2]
    lines = "\n".join(texts)
    (tmp_path / "texts.txt").write_text(lines)
    (tmp_path / "texts.jsonl").write_text("\n".join(json.dumps({"id": 1, "review": text}) for text in texts))
    for other in (
        run(*start, stdin=lines),
        run(*start, "-", stdin=lines),
        run(*start, "--file", tmp_path / "texts.txt"),
        run(*start, "--file", tmp_path / "texts.jsonl", "--text", "review"),
    ):
        assert [row["masks"][0][0]["token"] for row in rows(other)] == [
            row["masks"][0][0]["token"] for row in from_arguments
        ]


def test_json_is_one_object(masked: Path, run: Run) -> None:
    """With --json all results are in one object."""
    done = run("pipeline", "feature-extraction", "--model", masked, "--json", "a film", "london")
    (result,) = rows(done)
    assert (result["task"], result["n"]) == ("feature-extraction", 2)
    assert [len(row["features"]) for row in result["results"]] == [16, 16]


def test_options_reach_the_task(make_checkpoint: Make, run: Run) -> None:
    """Each task with options of its own takes them from the command line."""
    nli = make_checkpoint("BertForSequenceClassification", id2label={0: "contradiction", 1: "entailment"})
    done = run(
        *("pipeline", "zero-shot-classification", "--model", nli, "--class", "film", "--class", "paris"),
        *("--template", "the {} .", "--multi-label", "a great film"),
    )
    assert set(rows(done)[0]["scores"]) == {"film", "paris"}
    qa = make_checkpoint("BertForQuestionAnswering")
    done = run("pipeline", "question-answering", "--model", qa, "--question", "who ?", "John lives in Paris")
    assert rows(done)[0]["answer"] in "John lives in Paris"
    t5 = make_checkpoint("T5ForConditionalGeneration")
    assert list(rows(run("pipeline", "summarization", "--model", t5, "--words", 4, "a film"))[0]) == [
        "row",
        "summary",
    ]
    done = run("pipeline", "translation", "--model", t5, "--source", "en", "--target", "de", "a film")
    assert (done.exit_code, done.stdout) == (2, "")
    assert "one pair of languages" in done.stderr


def test_own_language_models_write(language_model: Path, run: Run) -> None:
    """text-generation takes a model file of our own, with the options of `generate`."""
    start = (
        "pipeline",
        "text-generation",
        "--model",
        language_model,
        "--words",
        4,
        "--seed",
        1,
        "--samples",
        2,
    )
    one, two = rows(run(*start, "the film", "a story"))
    assert [len(one["texts"]), len(two["texts"])] == [2, 2]
    assert one["texts"][0].startswith("the film")
    done = run("generate", language_model, "the film", "--words", 4, "--seed", 1, "--samples", 2, "--json")
    assert json.loads(done.stdout)["samples"] == one["texts"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["ner", "--question", "who?", "a"], "--question is an option of question-answering, not of ner"),
        (["ner", "--class", "x", "a"], "--class is an option of zero-shot-classification"),
        (["question-answering", "a"], "question-answering needs --question"),
        (["zero-shot-classification", "a"], "zero-shot-classification needs --class"),
        (["ner", "--text", "a", "b"], "--text names a column of --file"),
        (["ner", "--file", "x.csv", "b"], "not both"),
        (["ner", "{here}"], "is a file: read its texts with --file"),
        (["ner", "--file", "/nonexistent.csv"], "/nonexistent.csv"),
    ],
)
def test_usage_errors_say_what_to_do(run: Run, arguments: list[str], message: str) -> None:
    """A wrong combination is told before any model is opened."""
    given = [argument.replace("{here}", __file__) for argument in arguments]
    done = run("pipeline", *given, "--model", "/nonexistent")
    assert done.exit_code in (1, 2)
    assert message in re.sub(r"\s+", " ", done.stderr)
    assert done.stdout == ""


def test_an_unknown_task_is_a_usage_error(run: Run) -> None:
    """The tasks are listed."""
    done = run("pipeline", "image-classification", "--model", "x", "a")
    assert done.exit_code == 2
    assert "zero-shot-classification" in done.stderr


def test_a_folder_that_is_none_fails(run: Run, tmp_path: Path, masked: Path) -> None:
    """A missing, an empty and another task's folder are errors with exit code 1 and one message."""
    for folder, message in (
        ("bert-base-uncased", "downloads nothing"),
        (tmp_path, "is empty"),
        (masked, "needs a"),
    ):
        done = run("pipeline", "ner", "--model", folder, "a film")
        assert (done.exit_code, done.stdout) == (1, "")
        assert message in done.stderr
        assert "Traceback" not in done.stderr


def test_the_network_is_not_asked(masked: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing tries to connect, even where the environment does not forbid it (sockets are blocked in all tests)."""
    for name in [name for name in os.environ if name.startswith(("HF_", "TRANSFORMERS_"))]:
        monkeypatch.delenv(name)
    import huggingface_hub

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    assert rows(run("pipeline", "feature-extraction", "--model", masked, "a film"))
