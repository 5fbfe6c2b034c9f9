"""fastai's side of `compare.py`: `python rows_fastai.py ROW DATA_FOLDER` prints one JSON line.

Everything as the library has it by default: its rules and tokenizer, its AWD_LSTM configuration (400/1152/3), Adam,
loss, regularisation, batches, `predict`. Knows nothing of Ulmus: its inputs are plain files. Each row imports what it
measures, so that `import` measures nothing else.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import measure
import numpy as np

HIDDEN = 1152  # fastai's width of the middle layers


def text(folder: Path) -> None:
    """Raw texts to ids on disk: its rules and spaCy in one process a core, its vocabulary, one array of ids."""
    from fastai.text.all import Numericalize, make_vocab, tokenize_texts

    raw = measure.texts(folder, "texts.jsonl")
    with tempfile.TemporaryDirectory() as out:
        started = time.perf_counter()
        tokens = tokenize_texts(raw, n_workers=os.cpu_count())
        vocabulary = make_vocab(Counter(token for document in tokens for token in document))
        number = Numericalize(vocabulary)
        ids = [np.asarray(number(document), np.int32) for document in tokens]
        np.save(Path(out) / "ids.npy", np.concatenate(ids))
        np.save(Path(out) / "lengths.npy", np.array([len(document) for document in ids]))
        took = time.perf_counter() - started
    count, size = sum(map(len, ids)), sum(len(one.encode()) for one in raw)
    measure.report(size / took / 1e6, "MB/s", tokens_per_s=count / took, tokens=count, seconds=took)


class _Training:
    """The training step of its TextLearner: forward, loss, activation regularisation, backward, Adam."""

    def __init__(self, model: Any) -> None:
        from fastai.text.all import Adam, CrossEntropyLossFlat

        self.model, self.loss = model.to(measure.device()).train(), CrossEntropyLossFlat()
        self.optimizer = Adam(list(model.parameters()), lr=1e-4, wd=0.01)

    def __call__(self, x: Any, y: Any) -> None:
        """One step on a batch; the state is carried by the model itself."""
        predicted, raw, out = [o[-1] if isinstance(o, (list, tuple)) else o for o in self.model(x)]
        loss = self.loss(predicted, y)
        loss = loss + 2.0 * out.float().pow(2).mean()
        if len(raw) > 1:
            loss = loss + (raw[:, 1:] - raw[:, :-1]).float().pow(2).mean()
        loss.backward()
        self.optimizer.step()
        self.optimizer.zero_grad()


def lm_step(folder: Path) -> None:
    """A step of the language model, 64 streams of 72 tokens, 30,000 words, full softmax, float32."""
    import torch
    from fastai.text.all import AWD_LSTM, get_language_model

    ids = torch.from_numpy(np.load(folder / "lm.npy")).to(measure.device())
    train = _Training(get_language_model(AWD_LSTM, measure.VOCABULARY))
    windows = iter(range(0, ids.shape[1] - measure.STEPS, measure.STEPS))

    def step() -> None:
        at = next(windows)
        train(ids[:, at : at + measure.STEPS], ids[:, at + 1 : at + measure.STEPS + 1])

    told = measure.settings(folder)
    took = measure.median_s(step, times=told["steps"], warm=told["warm"])
    flops = 3 * (measure.encoder_flops(hidden=HIDDEN) + measure.softmax_flops())
    rate = measure.BATCH * measure.STEPS / took
    measure.report(rate, "tokens/s", flops_per_s=rate * flops, limit="float32")


def classifier_step(folder: Path) -> None:
    """A step of the whole classifier, 32 documents of 288 tokens, two classes, float32."""
    import torch
    from fastai.text.all import AWD_LSTM, get_text_classifier

    arrays = (np.load(folder / f"{name}.npy") for name in ("block", "block_labels"))
    ids, labels = (torch.from_numpy(array).to(measure.device()) for array in arrays)
    train = _Training(get_text_classifier(AWD_LSTM, measure.VOCABULARY, 2))

    def step() -> None:
        train.model.reset()
        train(ids, labels)

    told = measure.settings(folder)
    took = measure.median_s(step, times=told["steps"], warm=told["warm"])
    rate = len(ids) / took
    flops = 3 * measure.LENGTH * measure.encoder_flops(hidden=HIDDEN)
    measure.report(rate, "docs/s", flops_per_s=rate * flops, limit="float32")


def classifier_lengths(folder: Path) -> None:
    """An epoch of the whole classifier on reviews as long as they are, its batches of 32, its pieces of 72."""
    from fastai.text.all import AWD_LSTM, Pad_Chunk, SortedDL, TensorCategory, TensorText, get_text_classifier

    ids, lengths = np.load(folder / "docs.npy"), np.load(folder / "docs_lengths.npy")
    documents = np.split(ids, np.cumsum(lengths)[:-1])
    labels = np.load(folder / "docs_labels.npy")
    data = [(TensorText(one), TensorCategory(int(k))) for one, k in zip(documents, labels, strict=True)]
    np.random.seed(0)  # noqa: NPY002  (its batches are drawn with that)
    loader = SortedDL(
        data, bs=32, shuffle=True, drop_last=False, before_batch=Pad_Chunk(seq_len=72), num_workers=0
    )
    train = _Training(get_text_classifier(AWD_LSTM, measure.VOCABULARY, 2))
    started, read = time.perf_counter(), 0
    for x, y in loader:
        train(x.as_subclass(_tensor()), y.as_subclass(_tensor()))
        read += len(x)
    took = time.perf_counter() - started
    measure.report(read / took, "docs/s", seconds=took)


def _tensor() -> Any:
    from torch import Tensor

    return Tensor


def _frame(folder: Path) -> tuple[Any, list[str]]:
    """A few labelled reviews as its loaders want them, and the vocabulary of 30,000 words."""
    import pandas as pd

    raw = measure.texts(folder, "predict.jsonl")[:64]
    frame = pd.DataFrame({"text": raw, "label": [k % 2 for k in range(len(raw))]})
    return frame, measure.texts(folder, "vocabulary.jsonl")


def _classifier(folder: Path) -> Any:
    """An untrained classifier that takes raw texts."""
    from fastai.text.all import AWD_LSTM, TextDataLoaders, text_classifier_learner

    frame, words = _frame(folder)
    loaders = TextDataLoaders.from_df(frame, text_col="text", label_col="label", text_vocab=words, seed=0)
    return text_classifier_learner(loaders, AWD_LSTM, pretrained=False)


def predict_one(folder: Path) -> None:
    """One review at a time, raw text in, probabilities out: `Learner.predict`."""
    learner = _classifier(folder)
    raw = measure.share(measure.texts(folder, "predict.jsonl")[: measure.settings(folder)["singles"]])
    some = iter(raw)
    with learner.no_bar(), learner.no_logging():
        took = measure.median_s(lambda: learner.predict(next(some)), times=len(raw) - 2, warm=2)
    measure.report(1000 * took, "ms")


def predict_many(folder: Path) -> None:
    """Many reviews, raw texts in, probabilities out: `Learner.get_preds` of a `test_dl`."""
    learner = _classifier(folder)
    raw = measure.share(measure.texts(folder, "predict.jsonl"))
    with learner.no_bar(), learner.no_logging():
        learner.get_preds(dl=learner.dls.test_dl(raw[:4]))
        took = measure.seconds(lambda: learner.get_preds(dl=learner.dls.test_dl(raw)))
    measure.report(len(raw) / took, "docs/s", seconds=took)


def generate(folder: Path) -> None:
    """Eight times 200 tokens: one sample is written and counted eightfold, as it writes one at a time."""
    from fastai.text.all import AWD_LSTM, TextDataLoaders, language_model_learner

    frame, words = _frame(folder)
    loaders = TextDataLoaders.from_df(frame, text_col="text", is_lm=True, text_vocab=words, bs=4, seed=0)
    learner = language_model_learner(loaders, AWD_LSTM, pretrained=False)
    told = measure.settings(folder)["words"]
    with learner.no_bar(), learner.no_logging():
        learner.predict("I liked", n_words=2, no_bar=True)
        took = measure.seconds(
            lambda: learner.predict("I liked this movie because", n_words=told, temperature=0.75, no_bar=True)
        )
    note = f"one sample of {told} tokens measured; eight take eight times as long"
    measure.report(told / took, "tokens/s", seconds=8 * took, note=note)


def importing(folder: Path) -> None:  # noqa: ARG001
    """CPU seconds of `from fastai.text.all import *` in a fresh interpreter."""
    command = [sys.executable, "-c", "from fastai.text.all import *"]
    took = measure.median_cpu_s(command, times=3)
    measure.report(took, "CPU s", peak_mb=measure.children_mb())


ROWS = {
    "text": text,
    "lm-step": lm_step,
    "classifier-step": classifier_step,
    "classifier-lengths": classifier_lengths,
    "predict-one": predict_one,
    "predict-many": predict_many,
    "import": importing,
    "generate": generate,
}

if __name__ == "__main__":
    if sys.argv[1] != "import":
        measure.all_cores()
    ROWS[sys.argv[1]](Path(sys.argv[2]))
