"""Predict, fork, predict, as with gunicorn's preload and multiprocessing's fork."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ulmus.text.tokenizer import Tokenizer, TokenizerConfig

PROGRAM = """if True:
    import os, sys, time
    import torch
    from ulmus import TextClassifier
    torch.set_num_threads(2)
    model = TextClassifier.load(sys.argv[1], precision=sys.argv[2], device="cpu")
    texts = ["the wave and the oak " * 60] * 64
    before = model.predict_proba(texts)
    a, b = torch.randn(2, 600, 600)
    a @ b  # surely with both threads
    child = os.fork()
    if child == 0:
        a @ b
        after = model.predict_proba(texts)
        loaded = TextClassifier.load(sys.argv[1], precision=sys.argv[2], device="cpu").predict_proba(texts)
        close = abs(after - before).max() < 1e-5 and abs(loaded - before).max() < 1e-5
        os._exit(0 if close and torch.get_num_threads() == 1 else 3)
    _, status = os.waitpid(child, 0)
    assert abs(model.predict_proba(texts) - before).max() == 0 and torch.get_num_threads() == 2
    sys.exit(os.waitstatus_to_exitcode(status))
"""
forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")


@forks
@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_a_forked_process_predicts_the_same_as_its_parent(
    classifier: Any, tmp_path: Path, precision: str
) -> None:
    """The child computes with one thread, because threads do not survive a fork; the parent keeps its own."""
    classifier.save(tmp_path / "m.ulmus")
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    command = [sys.executable, "-c", PROGRAM, tmp_path / "m.ulmus", precision]
    with subprocess.Popen(command, env=environment, start_new_session=True) as process:
        try:
            assert process.wait(timeout=120) == 0
        finally:
            if process.poll() is None:
                os.killpg(process.pid, 9)


@forks
def test_a_process_forked_while_a_thread_tokenizes_tokenizes_too() -> None:
    """The lock that the thread held would never be released in the child."""
    tokenizer = Tokenizer.train(["a b c"], TokenizerConfig(min_freq=1))
    expected = tokenizer.encode("a b c").tolist()
    with tokenizer._lock:
        child = os.fork()
        if child == 0:
            os._exit(0 if tokenizer.encode("a b c").tolist() == expected else 3)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert tokenizer.encode("a b c").tolist() == expected
