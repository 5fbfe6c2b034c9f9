"""What a notebook shows: tables of texts and predictions, plots, progress in one output of a cell."""

from __future__ import annotations

import re
import sys
import types

import numpy as np
import pytest

from ulmus import notebook
from ulmus.data.label_batches import LabelBatches
from ulmus.data.lm_batches import LMBatches
from ulmus.data.store import IdStore
from ulmus.errors import UsageError
from ulmus.evaluation.listing import Listing
from ulmus.tasks.classifier.config import ClassifierConfig
from ulmus.tasks.classifier.model import TextClassifier
from ulmus.tasks.language_model.config import LMConfig
from ulmus.tasks.progress import ProgressTexts
from ulmus.terminal import Live
from ulmus.text.tokenizer import Tokenizer, TokenizerConfig
from ulmus.train.callbacks import Progress

HOSTILE = "<script>alert(1)</script> \u202ereversed & a film"
TEXTS = ["a fine film", "a dull film", HOSTILE, "a film of a friend"] * 10
LABELS = ["good", "bad", "<b>", "good"] * 10


class Output:
    """The output of a cell, as a notebook keeps it: what it showed, from first to last."""

    def __init__(self) -> None:
        self.shown: list[str] = []

    def update(self, data: dict[str, str], *, raw: bool) -> None:
        """Replace it."""
        assert raw
        self.shown.append(data["text/plain"])


@pytest.fixture
def cell(monkeypatch: pytest.MonkeyPatch) -> list[Output]:
    """The outputs of a cell of a notebook whose kernel this process is."""
    outputs: list[Output] = []

    def display(data: dict[str, str], *, raw: bool, display_id: bool) -> Output:
        assert raw
        assert display_id
        outputs.append(Output())
        outputs[-1].shown.append(data["text/plain"])
        return outputs[-1]

    kernel = types.ModuleType("IPython")
    kernel.get_ipython = lambda: types.SimpleNamespace(kernel=object())  # type: ignore[attr-defined]
    shown = types.ModuleType("IPython.display")
    shown.display = display  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", kernel)
    monkeypatch.setitem(sys.modules, "IPython.display", shown)
    return outputs


@pytest.fixture(scope="module")
def model() -> TextClassifier:
    """A tiny classifier whose classes and texts are hostile."""
    words = LMConfig(
        tokenizer=TokenizerConfig(min_freq=1, max_size=60), embedding=4, hidden=4, layers=1, epochs=1
    )
    config = ClassifierConfig(language_model=words, all_epochs=1)
    made = TextClassifier(language_model="none", config=config, device="cpu", verbose=False)
    return made.fit(TEXTS, LABELS, valid=([f"{text} seen twice" for text in TEXTS[:8]], LABELS[:8]))


def tags(html: str) -> set[str]:
    """The names of the elements of a page."""
    return set(re.findall(r"<(\w+)", html))


def test_results_are_a_table_of_texts_labels_and_predictions(model: TextClassifier) -> None:
    """In a notebook everything is escaped; elsewhere it is aligned text; `to_dicts` has the values."""
    shown = notebook.show_results(model, TEXTS, LABELS, rows=4)
    rows = shown.to_dicts()
    assert [row["text"] for row in rows] == TEXTS[:4]
    assert [row["label"] for row in rows] == LABELS[:4]
    assert [row["prediction"] for row in rows] == model.predict(TEXTS[:4]).tolist()
    assert all((row[""] == "wrong") == (row["label"] != row["prediction"]) for row in rows)
    html = shown._repr_html_()
    assert "script" not in tags(html)
    assert "&lt;script&gt;" in html
    assert "\u202e" not in html
    assert "\u202e" not in repr(shown)


def test_the_highest_losses_come_first(model: TextClassifier) -> None:
    """The loss is the negative logarithm of the probability of the label."""
    wrong = ["bad", *LABELS[1:]]
    rows = notebook.top_losses(model, TEXTS, wrong, rows=3).to_dicts()
    losses = [row["loss"] for row in rows]
    assert losses == sorted(losses, reverse=True)
    proba = model.predict_proba(TEXTS)
    own = -np.log(proba[np.arange(len(TEXTS)), [list(model.classes_).index(label) for label in wrong]])
    assert losses == pytest.approx(sorted(own, reverse=True)[:3], rel=1e-6)
    with pytest.raises(UsageError, match="each text needs a label"):
        notebook.top_losses(model, TEXTS, LABELS[:3])


def test_a_batch_shows_texts_and_targets(model: TextClassifier) -> None:
    """Of documents with classes, and of a language model, whose target is the text one token later."""
    tokenizer = Tokenizer.train(TEXTS, TokenizerConfig(min_freq=1))
    store = IdStore.from_arrays(tokenizer.encode_batch(TEXTS[:5]))
    batches = LabelBatches(store, np.array([0, 1, 1, 0, 0]), batch_size=5)
    shown = notebook.show_batch(batches, tokenizer, classes=["good", "bad"])
    order = batches.batch(0).index
    assert [row["text"] for row in shown.to_dicts()] == [tokenizer.decode(store[int(i)]) for i in order]
    assert [row["target"] for row in shown.to_dicts()] == [("good", "bad")[(0, 1, 1, 0, 0)[i]] for i in order]
    several = LabelBatches(store, np.array([[1.0, 1.0]] * 5, np.float32), batch_size=5)
    assert notebook.show_batch(several, tokenizer, classes=["a", "b"]).rows[0][2] == ("a", "b")
    words = LMBatches(IdStore.from_arrays(tokenizer.encode_batch(TEXTS)), batch_size=2, bptt=6)
    assert notebook.show_batch(words, tokenizer).columns == ("input", "target")
    with pytest.raises(UsageError, match="there are 1 batches, got 1"):
        notebook.show_batch(batches, tokenizer, number=1)


def test_models_show_what_they_are(model: TextClassifier) -> None:
    """Scores of all parts on the held-out texts; nothing of them before a fit; classes are escaped."""
    html = model._repr_html_()
    assert tags(html) <= {"style", "div", "p", "b", "table", "thead", "tbody", "tr", "td", "th", "span"}
    assert "&lt;b&gt;" in html
    for word in ("fitted", "word counts", "network", "accuracy", "40 labelled"):
        assert word in html
    assert "not fitted" in TextClassifier()._repr_html_()


def test_the_history_is_a_figure(model: TextClassifier) -> None:
    """A line per stage and set; a model without a network has none."""
    figure = notebook.plot_history(model)
    (axes,) = figure.axes
    assert axes.get_ylabel() == "loss in nats"
    assert len(axes.lines) >= 1
    with pytest.raises(UsageError, match="no epochs"):
        notebook.plot_history(types.SimpleNamespace(history_=[]))


def test_a_long_text_is_shortened_for_show_only() -> None:
    """A megabyte of one word makes no megabyte of HTML; `rows` has it whole."""
    shown = Listing("Texts", ("text", "n"), (("x" * 1_000_000, 1),))
    assert len(shown._repr_html_()) < 5_000
    assert len(repr(shown)) < 500
    assert len(shown.to_dicts()[0]["text"]) == 1_000_000


def test_progress_is_one_output_that_is_updated(
    cell: list[Output], capsys: pytest.CaptureFixture[str]
) -> None:
    """Lines that stay, and the current one under them, which is gone in the end; stderr stays empty."""
    line = Live()
    for i in range(3):
        line.show(f"step {i}")
    line.keep("epoch 1\x1b[31m")
    line.show("step 3")
    line.end()
    (output,) = cell
    assert output.shown[0] == "step 0"
    assert output.shown[-2:] == ["epoch 1\\x1b[31m\nstep 3", "epoch 1\\x1b[31m"]
    assert capsys.readouterr().err == ""


def test_training_and_long_passes_use_it(
    cell: list[Output],
    model: TextClassifier,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Nothing goes to the red output of stderr."""
    monkeypatch.setattr("ulmus.tasks.progress.CHECK_EVERY", 1)
    monkeypatch.setattr(Live, "due", lambda self: True)
    assert list(ProgressTexts(TEXTS).reporting("reading")) == TEXTS
    assert cell[0].shown[-1] == ""
    shown = Progress(every_s=0)
    state = types.SimpleNamespace(
        stage=types.SimpleNamespace(name="head", epochs=1, minutes=None), stage_index=0, stages=1, elapsed_s=1.0,
        total_count=10, total_steps=0, pct=0.5, lr=0.1, epoch=0, step=1, steps=2, loss=lambda: 1.0,
    )  # fmt: skip
    shown._shown_s = -1e9
    shown.stage_started(state)
    shown._shown_s = -1e9
    shown.step_ended(state)
    shown.epoch_ended(state, {"epoch": 1, "train_loss": 1.0, "loss": 2.0, "seconds": 3.0})
    shown.run_ended()
    assert "head epoch 1/1 step 1/2 50%" in cell[1].shown[0]
    assert cell[1].shown[-1].startswith("head epoch 1  train loss 1.000")
    assert capsys.readouterr().err == ""


def test_elsewhere_nothing_is_a_notebook() -> None:
    """Neither a terminal's IPython, which has no kernel, nor a plain process."""
    from ulmus.terminal import in_notebook

    assert in_notebook() is None
