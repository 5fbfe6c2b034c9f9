"""`ulmus pretrain`, `tune` and `generate` on tiny models."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from ulmus import bundle
from ulmus.train.callbacks import JsonLog, RunState

Run = Callable[..., Result]


def test_pretraining_reports_the_perplexity(corpus: Path, tmp_path: Path, run: Run) -> None:
    """Pretraining prints the perplexity; several files are one corpus."""
    out = tmp_path / "lm.ulmus"
    done = run(
        *("pretrain", corpus / "unlabeled.csv", corpus / "train.csv", "--text", "text", "--out", out),
        *("--valid", corpus / "test.csv", "--config", corpus / "lm.toml"),
    )
    assert done.exit_code == 0, done.stderr
    assert "perplexity" in done.stdout
    assert done.stdout.isascii()
    assert bundle.read_manifest(out)["metrics"]["documents"] == 100
    assert not list(tmp_path.glob(".*"))


def test_pretraining_can_start_from_another_model_and_be_stopped_by_a_decay(
    corpus: Path, language_model: Path, tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After Ctrl-C, --decay resumes the run for the given number of steps and saves a model."""
    out, log = tmp_path / "lm.ulmus", tmp_path / "log.jsonl"
    settings = '[lm.schedule]\nname = "constant"\nwarmup_steps = 2\n'
    (tmp_path / "lm.toml").write_text((corpus / "lm.toml").read_text().replace("epochs = 1", "epochs = 99"))
    with (tmp_path / "lm.toml").open("a") as file:
        file.write(settings)
    command = ("pretrain", corpus / "unlabeled.csv", "--start", language_model, "--out", out, "--quiet")
    command += ("--config", tmp_path / "lm.toml", "--log", log, "--work-dir", tmp_path / "work")

    def stop(self: JsonLog, state: RunState) -> None:
        if self.path == log and state.total_steps == 5:
            signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patched:
        patched.setattr(JsonLog, "step_ended", stop)
        stopped = run(*command)
    assert stopped.exit_code == 130, stopped.stderr
    done = run(*command, "--decay", 10)
    assert done.exit_code == 0, done.stderr
    manifest = bundle.read_manifest(out)
    assert manifest["history"][-1]["steps"] == 15
    assert manifest["card"]["started_from"]["tokens_read"] > 0


def test_a_decay_without_a_work_folder_is_a_usage_error(corpus: Path, tmp_path: Path, run: Run) -> None:
    """--decay without --work-dir is a usage error."""
    done = run("pretrain", corpus / "unlabeled.csv", "--out", tmp_path / "lm.ulmus", "--decay", 10)
    assert done.exit_code == 2
    assert "--work-dir" in done.stderr


@pytest.mark.parametrize("cell", ["lstm", "qrnn"])
def test_the_cell_of_the_layers_can_be_chosen(cell: str, corpus: Path, tmp_path: Path, run: Run) -> None:
    """The cell type is stored in the model file, and the model generates text."""
    out = tmp_path / "lm.ulmus"
    done = run(
        *("pretrain", corpus / "unlabeled.csv", "--text", "text", "--out", out),
        *("--cell", cell, "--config", corpus / "lm.toml"),
    )
    assert done.exit_code == 0, done.stderr
    assert bundle.read_manifest(out)["config"]["cell"] == cell
    assert run("generate", out, "the", "--words", "5", "--seed", "0").exit_code == 0


def test_tuning_fine_tunes_a_language_model(
    corpus: Path, language_model: Path, tmp_path: Path, run: Run
) -> None:
    """Fine-tuning prints one JSON object with the perplexity and uses the settings of the config file."""
    (tmp_path / "tune.toml").write_text("[lm]\ntune-epochs = 1\n")
    out = tmp_path / "lm2.ulmus"
    done = run(
        *("tune", language_model, corpus / "train.csv", "--out", out),
        *("--config", tmp_path / "tune.toml", "--json", "--quiet"),
    )
    assert done.exit_code == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["out"] == str(out)
    assert report["perplexity"] > 1
    assert bundle.read_manifest(out)["config"]["tune_epochs"] == 1


def test_the_card_of_a_fine_tuned_model_names_its_texts(corpus: Path, tmp_path: Path, run: Run) -> None:
    """The card of a fine-tuned model has its own texts, the same language, and the original card."""
    first, second = tmp_path / "lm.ulmus", tmp_path / "lm2.ulmus"
    settings = ("--config", corpus / "lm.toml", "--quiet")
    about = ("--language", "xx", "--corpus", "letters", "--licence", "CC0")
    made = run("pretrain", corpus / "train.csv", "--text", "text", "--out", first, *about, *settings)
    assert made.exit_code == 0, made.stderr
    done = run("tune", first, corpus / "train.csv", "--out", second, "--corpus", "reviews", *settings)
    assert done.exit_code == 0, done.stderr
    card = bundle.read_manifest(second)["card"]
    assert (card["language"], card["corpus"]) == ("xx", "reviews")
    assert "licence" not in card
    assert card["files"][0]["file"] == "train.csv"
    assert card["tuned_from"]["licence"] == "CC0"


def test_generated_texts_begin_with_the_prompt(language_model: Path, run: Run) -> None:
    """Samples are separated by an empty line; the same seed gives the same texts."""
    arguments = ("generate", language_model, "the film was", "--words", 5, "--samples", 2, "--seed", 1)
    first, second = run(*arguments), run(*arguments)
    assert first.exit_code == 0, first.stderr
    samples = first.stdout.strip().split("\n\n")
    assert len(samples) == 2
    assert all(sample.lower().startswith("the film was") for sample in samples)
    assert first.stdout == second.stdout


def test_generating_as_json(language_model: Path, run: Run) -> None:
    """--json prints one object with the samples."""
    done = run("generate", language_model, "the film", "--words", 3, "--temperature", 0, "--json")
    assert done.exit_code == 0, done.stderr
    assert len(json.loads(done.stdout)["samples"]) == 1


@pytest.mark.parametrize("command", ["generate", "tune"])
def test_a_classifier_is_not_a_language_model(
    command: str, classifier: Path, corpus: Path, tmp_path: Path, run: Run
) -> None:
    """The error for a classifier says what the file contains."""
    more = [corpus / "train.csv", "--out", tmp_path / "x.ulmus"] if command == "tune" else ["the"]
    done = run(command, classifier, *more)
    assert done.exit_code == 1
    assert "holds a classifier, expected a language-model" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_learning_rate_is_suggested_and_its_curve_drawn(corpus: Path, tmp_path: Path, run: Run) -> None:
    """lr-find suggests a learning rate for a new model and saves the curve as PNG."""
    plot = tmp_path / "curve.png"
    done = run(
        *("lr-find", corpus / "unlabeled.csv", "--config", corpus / "lm.toml", "--steps", 20),
        *("--plot", plot, "--json"),
    )
    assert done.exit_code == 0, done.stderr
    found = json.loads(done.stdout)
    assert 0 < found["suggestion"] < 100
    assert len(found["lrs"]) == len(found["losses"])
    assert plot.read_bytes().startswith(b"\x89PNG")


def test_a_learning_rate_for_tuning_names_its_key(language_model: Path, corpus: Path, run: Run) -> None:
    """lr-find prints the learning rate and the config key it belongs to."""
    done = run("lr-find", corpus / "train.csv", "--model", language_model, "--steps", 12)
    assert done.exit_code == 0, done.stderr
    assert "Suggested peak learning rate: " in done.stdout
    assert "[lm] tune-peak" in done.stdout


def test_a_log_has_one_object_per_line(corpus: Path, tmp_path: Path, run: Run) -> None:
    """The files of --log and --tensorboard remain when the run is over."""
    pytest.importorskip("tensorboard", reason="the extra tensorboard is not installed")
    log = tmp_path / "log.jsonl"
    done = run(
        *("pretrain", corpus / "unlabeled.csv", "--out", tmp_path / "lm.ulmus", "--log", log),
        *("--config", corpus / "lm.toml", "--quiet", "--tensorboard", tmp_path / "board"),
    )
    assert done.exit_code == 0, done.stderr
    assert any(path.name.startswith("events.out.tfevents") for path in (tmp_path / "board").iterdir())
    events = [json.loads(line)["event"] for line in log.read_text().splitlines()]
    assert events[0] == "stage"
    assert "epoch" in events


def test_the_card_says_what_a_model_was_made_from(corpus: Path, tmp_path: Path, run: Run) -> None:
    """The card has the user's entries, the files, the scores and three generated samples."""
    out = tmp_path / "lm.ulmus"
    done = run(
        *(
            "pretrain",
            corpus / "unlabeled.csv",
            "--text",
            "text",
            "--out",
            out,
            "--config",
            corpus / "lm.toml",
        ),
        *("--language", "en", "--corpus", "film reviews", "--licence", "CC0-1.0", "--quiet"),
    )
    assert done.exit_code == 0, done.stderr
    card = bundle.read_manifest(out)["card"]
    assert (card["language"], card["corpus"], card["licence"]) == ("en", "film reviews", "CC0-1.0")
    assert card["files"] == [{"file": "unlabeled.csv", "bytes": (corpus / "unlabeled.csv").stat().st_size}]
    assert card["tokens_read"] > 0
    assert card["bits_per_byte"] > 0
    assert len(card["samples"]) == 3
    assert card["machine"].endswith("threads")


def test_the_card_has_the_command_but_not_the_home_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command in the card is the list of its arguments as given, with ~ for the home folder."""
    from ulmus.tasks.circumstances import command

    monkeypatch.setenv("HOME", "/home/ada")
    for program in ("/opt/x/bin/ulmus", "/opt/x/ulmus/__main__.py"):
        monkeypatch.setattr(
            "sys.argv", [program, "pretrain", "a b.txt", "/home/ada/c.txt", "--out=/home/ada/d.ulmus"]
        )
        assert command() == ["ulmus", "pretrain", "a b.txt", "~/c.txt", "--out=~/d.ulmus"]
    monkeypatch.setattr("sys.argv", ["train.py"])
    assert command() == "Python"


def test_bf16_weights_halve_the_file_and_keep_the_perplexity(corpus: Path, tmp_path: Path, run: Run) -> None:
    """bf16 weights halve the file; the perplexity is equal to three digits."""
    files = {weights: tmp_path / f"{weights}.ulmus" for weights in ("float32", "bf16")}
    for weights, out in files.items():
        done = run(
            *("pretrain", corpus / "unlabeled.csv", "--text", "text", "--out", out, "--weights", weights),
            *("--config", corpus / "lm.toml", "--quiet"),
        )
        assert done.exit_code == 0, done.stderr
    from ulmus.tasks.language_model.model import LanguageModel

    texts = ["the film was lovely", "a dull film"] * 20
    exact, short = (LanguageModel.load(path).perplexity(texts) for path in files.values())
    assert short == pytest.approx(exact, rel=2e-3)
    tensors = {weights: bundle.read(path).tensors for weights, path in files.items()}
    assert {type(t).__name__ for t in tensors["bf16"].values() if len(t.shape) > 1} == {"BFloat16"}


def test_installed_models_are_listed_and_used_by_name(
    language_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    """Installed models are listed and can be used by name; a damaged one is reported."""
    assert "No language model is installed" in run("models").stdout
    monkeypatch.setattr("ulmus.installed.OWN", tmp_path)
    (tmp_path / "xx-tiny.ulmus").write_bytes(language_model.read_bytes())
    (tmp_path / "xx-broken.ulmus").write_bytes(language_model.read_bytes()[:100])
    listed = run("models")
    assert listed.exit_code == 0, listed.stderr
    assert "xx-tiny" in listed.stdout
    assert "xx-broken" not in listed.stdout
    assert "xx-broken.ulmus" in listed.stderr
    assert set(json.loads(run("models", "--json").stdout)["xx-tiny"]) >= {"path", "card", "metrics"}
    for command in (["info"], ["tokens", "a film", "--model"], ["generate", "--words", "3", "--seed", "0"]):
        done = run(*command, "xx-tiny")
        assert done.exit_code == 0, done.stderr
    missing = run("generate", "xx-tinny")
    assert missing.exit_code == 1
    assert "xx-tiny" in missing.stderr


def test_a_language_model_is_distilled_from_a_folder(
    corpus: Path, language_model: Path, make_checkpoint: Callable[..., Path], tmp_path: Path, run: Run
) -> None:
    """`distil` reports the similarity, `info` names the teacher; a folder without a model is an error."""
    out, folder = tmp_path / "better.ulmus", make_checkpoint("BertModel")
    (tmp_path / "distil.toml").write_text("[distillation]\nepochs = 2\nlongest = 100\n")
    command = ("distil", language_model, corpus / "unlabeled.csv", "--text", "text", "--out", out)
    done = run(
        *command,
        *("--teacher", folder, "--config", tmp_path / "distil.toml", "--device", "cpu", "--json", "--quiet"),
    )
    assert done.exit_code == 0, done.stderr
    report = json.loads(done.stdout)
    assert -1 <= report["distilled"]["similarity"] <= 1
    assert report["distilled"]["passages"] > 0
    assert folder.name in run("info", out).stdout
    (tmp_path / "empty").mkdir()
    wrong = run(*command, "--teacher", tmp_path / "empty")
    assert wrong.exit_code == 1
    assert "config.json" in wrong.stderr


def test_a_transformer_is_adapted_and_starts_a_classifier(
    corpus: Path, make_checkpoint: Callable[..., Path], tmp_path: Path, run: Run
) -> None:
    """`tune` takes a folder; `info` shows the perplexity before and after; `train --encoder` takes the file."""
    out, model = tmp_path / "adapted.ulmus", tmp_path / "model.ulmus"
    (tmp_path / "tune.toml").write_text("[adaptation]\nepochs = 1\n")
    folder = make_checkpoint("BertModel")
    done = run(
        *("tune", folder, corpus / "unlabeled.csv", "--text", "text", "--out", out),
        *("--config", tmp_path / "tune.toml", "--corpus", "films", "--device", "cpu", "--json"),
    )
    assert done.exit_code == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["perplexity"] < report["perplexity_before"]
    assert "tied to the embeddings" in done.stderr
    shown = run("info", out).stdout
    assert "perplexity of masked tokens" in shown
    assert folder.name in shown
    again = run(
        "tune", out, corpus / "unlabeled.csv", "--text", "text", "--out", tmp_path / "more.ulmus", "--quiet"
    )
    assert again.exit_code == 0, again.stderr
    (tmp_path / "train.toml").write_text("[classifier]\nmost_epochs = 1\n")
    trained = run(
        *(
            "train",
            corpus / "train.csv",
            "--text",
            "text",
            "--label",
            "label",
            "--encoder",
            out,
            "--out",
            model,
        ),
        *("--device", "cpu", "--quiet"),
        *("--config", tmp_path / "train.toml"),
    )
    assert trained.exit_code == 0, trained.stderr
    assert bundle.read_manifest(model)["transformer"] == bundle.read_manifest(out)["transformer"]
