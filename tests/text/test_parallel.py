"""Several processes come to what one comes to, tell what went wrong, and leave nothing behind."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ulmus.errors import DataError, UlmusError
from ulmus.text import parallel
from ulmus.text.parallel import batches
from ulmus.text.tokenizer import Tokenizer, TokenizerConfig

TEXTS = [f"Text {k}: the Élan of ПРИВЕТ \udcff no no no {k % 7} sooooo<br />good" for k in range(300)] + [
    "",
    " ",
]


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Helpers start after a few texts, and get a few at a time."""
    monkeypatch.setattr(parallel, "ALONE", 500)
    monkeypatch.setattr(parallel, "BATCH", 40)
    monkeypatch.setattr(parallel, "_cores", lambda: 2)


def started(monkeypatch: pytest.MonkeyPatch) -> list[subprocess.Popen[bytes]]:
    """The helper processes started from now on."""
    processes, real = [], subprocess.Popen

    def start(*arguments: object, **settings: object) -> subprocess.Popen[bytes]:
        processes.append(real(*arguments, **settings))
        return processes[-1]

    monkeypatch.setattr(subprocess, "Popen", start)
    return processes


@pytest.mark.parametrize("kind", ["word", "char"])
def test_helpers_count_and_cut_as_one_process_does(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same vocabulary, the same ids in the same order, odd characters and empty texts among them."""
    processes = started(monkeypatch)
    config = TokenizerConfig(kind=kind, min_freq=1)
    tokenizer = Tokenizer.train(TEXTS, config)
    cut = [ids for batch in tokenizer.encode_all(TEXTS) for ids in batch]
    assert len(processes) == 4
    assert all(process.poll() == 0 for process in processes)
    monkeypatch.setattr(parallel, "ALONE", 10**9)
    alone = Tokenizer.train(TEXTS, config)
    assert alone.fingerprint == tokenizer.fingerprint
    for mine, theirs in zip(cut, alone.encode_batch(TEXTS), strict=True):
        assert np.array_equal(mine, theirs)


def test_few_texts_start_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """A start costs more than they do."""
    processes = started(monkeypatch)
    Tokenizer.train(TEXTS[:5], TokenizerConfig(min_freq=1))
    assert not processes


def test_one_core_does_all_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is won by a second process there."""
    monkeypatch.setattr(parallel, "_cores", lambda: 1)
    processes = started(monkeypatch)
    Tokenizer.train(TEXTS, TokenizerConfig(min_freq=1))
    assert not processes


def test_what_is_no_text_is_refused_wherever_it_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error of the helper is the error of the call, and no process is left."""
    processes = started(monkeypatch)
    with pytest.raises(DataError, match="expected texts"):
        Tokenizer.train([*TEXTS, 7, *TEXTS])  # type: ignore[list-item]
    assert processes
    assert all(process.poll() is not None for process in processes)


def test_a_helper_that_dies_is_told_about(monkeypatch: pytest.MonkeyPatch) -> None:
    """With what to look at, instead of a hang."""
    monkeypatch.setattr(parallel, "_START", "import sys; sys.exit(3)")
    with pytest.raises(UlmusError, match=r"ended unexpectedly \(exit code 3\).*memory"):
        Tokenizer.train(TEXTS)


def test_a_caller_that_stops_early_leaves_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """As after Ctrl-C in the middle of a corpus."""
    tokenizer = Tokenizer.train(TEXTS[:5], TokenizerConfig(min_freq=1))
    processes = started(monkeypatch)
    cutting = tokenizer.encode_all(TEXTS * 5)
    for _ in range(4):
        next(cutting)
    cutting.close()
    assert processes
    assert all(process.poll() is not None for process in processes)


def test_a_script_without_a_main_guard_may_cut_many_texts() -> None:
    """Helpers do not run the user's script again."""
    code = (
        "from ulmus.text import parallel; parallel.ALONE = 100; parallel._cores = lambda: 2\n"
        "from ulmus import Tokenizer\nprint('once', len(Tokenizer.train(['a b c d e f'] * 3000)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split()[0] == "once"
    assert done.stdout.count("once") == 1


@given(st.lists(st.text(max_size=30), max_size=50))
def test_batches_hold_all_texts_in_order(texts: list[str]) -> None:
    """None is empty."""
    made = list(batches(texts))
    assert [text for batch in made for text in batch] == texts
    assert all(made)
