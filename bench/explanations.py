"""Do explanations find the words that decide? Deletion and insertion curves, against random words and other methods.

    python bench/explanations.py train [--minutes 3] [--model FILE]
    python bench/explanations.py run   [--texts 200] [--model FILE]    rows to bench/results/explanations.jsonl
    python bench/explanations.py table

The model: SST-2, 1,000 labels, all other training sentences unlabelled. The texts: the last of the development set.
A method orders the words of a text by their share in the class that is predicted. *Deletion* removes them in this order
(a tenth at a time), *insertion* adds them to nothing: the mean probability of that class along the way, which is to be
low and high. `gap` is insertion less deletion. Words are removed from the text, or (`replaced`) each becomes one that
no tokenizer knows: so no method is measured only by the operation that it uses itself (Petsiuk et al. 2018, RISE).
Methods: words at random; the longest first; the word counts' exact shares; *occlusion* (one word left out), *unknown*
(one word replaced), *prefixes* (what a word changes beside those before it, and beside those after it), *orders* (four
random orders, two of them reversed: Shapley values by sampling), *gradients* (integrated gradients, 16 steps from the
embedding of xxunk), and *four places*, which is `explain`. Needs $ULMUS_DATA (default ../shared/data).
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import splits

ROWS = Path(__file__).parent / "results" / "explanations.jsonl"
UNKNOWN = "\ufffd"
TENTHS = np.arange(11) / 10
STEPS = 16  # of integrated gradients
Curve = Callable[[Sequence[int]], str]


def train(minutes: float, path: Path) -> None:
    """The model that is explained."""
    from ulmus import TextClassifier

    split = splits.load("sst2")
    texts, labels = splits.drawn(split, 1_000, 0)
    model = TextClassifier(minutes=minutes).fit(
        [text[0] for text in texts], labels, unlabeled=[text[0] for text in split.pool[0]]
    )
    model.save(path)


class Part:
    """One part of a model, asked about texts; every text once."""

    def __init__(self, model: Any, part: str) -> None:
        self.model, self.part = model, part
        alone = dataclasses.replace(model.fitted_, mixed=False)
        self.explained = model if part == "combined" else type(model).of(alone, precision="float32")
        self.known: dict[str, float] = {}

    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        """The log odds (V,) of the second class."""
        if new := [text for text in dict.fromkeys(texts) if text not in self.known]:
            proba = np.clip(self.model.outputs(new, part=self.part)[:, 1], 1e-6, 1 - 1e-6)
            self.known.update(zip(new, np.log(proba) - np.log1p(-proba), strict=True))
        return np.array([self.known[text] for text in texts])


class Sentence:
    """A text and its words."""

    def __init__(self, text: str, seed: int) -> None:
        from ulmus.text.words import words_of_text

        self.text, self.words = text, words_of_text(text)
        self.rng = np.random.default_rng(seed)

    def __len__(self) -> int:
        return len(self.words)

    def of(self, chosen: Sequence[int], *, replaced: bool = False) -> str:
        """The chosen words in their order; the others are left out, or `replaced`."""
        kept, parts = set(chosen), []
        for i, word in enumerate(self.words):
            if i in kept:
                parts.append(" " * word.space + word.text)
            elif replaced:
                parts.append(" " * word.space + UNKNOWN)
        return "".join(parts).strip()


def shares_at_random(part: Part, one: Sentence) -> np.ndarray:  # noqa: ARG001
    return one.rng.normal(size=len(one))


def longest(part: Part, one: Sentence) -> np.ndarray:
    sign = np.sign(part([one.text])[0]) or 1
    return sign * np.array([len(word.text) for word in one.words], float)


def counted(part: Part, one: Sentence) -> np.ndarray:
    starts = np.array([word.start for word in one.words], np.int64)
    return part.model.counts_.model_.shares(one.text, starts)[0][:, 1]


def occlusion(part: Part, one: Sentence) -> np.ndarray:
    every = range(len(one))
    return part([one.of(every)]) - part([one.of([j for j in every if j != i]) for i in every])


def unknown(part: Part, one: Sentence) -> np.ndarray:
    every = range(len(one))
    return part([one.of(every)]) - part([one.of([j for j in every if j != i], replaced=True) for i in every])


def prefixes(part: Part, one: Sentence) -> np.ndarray:
    n = len(one)
    before = part([one.of(range(i)) for i in range(n + 1)])
    after = part([one.of(range(i, n)) for i in range(n + 1)])
    return (np.diff(before) - np.diff(after)) / 2


def orders(part: Part, one: Sentence) -> np.ndarray:
    shares = np.zeros(len(one))
    drawn = [one.rng.permutation(len(one)) for _ in range(2)]
    for order in (*drawn, *(order[::-1] for order in drawn)):
        shares[order] += np.diff(part([one.of(order[:k]) for k in range(len(one) + 1)]))
    return shares / 4


def gradients(part: Part, one: Sentence) -> np.ndarray:
    """Integrated gradients (Sundararajan et al. 2017) of the network's log odds; those of a word's tokens are added."""
    import torch

    from ulmus.models import awd_lstm

    network, tokenizer = part.model.network_.eval(), part.model.tokenizer_
    aligned = tokenizer.encode_words([one.words])[0]
    ids = torch.tensor([list(aligned.ids)])
    table = network.encoder.embedding.detach()
    given, start = table[ids], table[torch.zeros_like(ids)]
    start[:, 0] = given[:, 0]  # xxbos stays
    along = ((torch.arange(STEPS) + 0.5) / STEPS)[:, None, None]
    points = (start + along * (given - start)).requires_grad_()
    own, awd_lstm.embedding_dropout = awd_lstm.embedding_dropout, lambda *_: points
    try:
        length = ids.shape[1]
        features = network.encoder.features(
            ids.expand(STEPS, -1), torch.full((STEPS,), length), max_len=length + 1
        )
        logits = network.head(features).float()
        (slope,) = torch.autograd.grad((logits[:, 1] - logits[:, 0]).sum(), points)
    finally:
        awd_lstm.embedding_dropout = own
    share = ((given - start) * slope.mean(0)).sum(-1)[0].numpy()
    ends = np.array(aligned.last) + 1
    return np.array([share[a:b].sum() for a, b in zip([1, *ends[:-1]], ends, strict=True)])


def four_places(part: Part, one: Sentence) -> np.ndarray:
    (found,) = part.explained.explain([one.text], unit="word")
    return found.scores[:, 1]


METHODS: dict[str, Callable[[Part, Sentence], np.ndarray]] = {
    "random": shares_at_random,
    "longest words": longest,
    "word counts": counted,
    "occlusion": occlusion,
    "unknown": unknown,
    "prefixes": prefixes,
    "orders": orders,
    "gradients": gradients,
    "four places": four_places,
}
PARTS = {
    "lm": tuple(METHODS),
    "combined": ("random", "longest words", "word counts", "occlusion", "four places"),
}


def run(count: int, path: Path) -> None:
    """Measure what is not in the file yet, of the network alone and of the whole prediction."""
    from ulmus import TextClassifier

    model = TextClassifier.load(path, precision="float32")
    texts = [text[0] for text in splits.load("sst2").test[0][-count:]]
    done = {(row["part"], row["method"]) for row in _rows()}
    with ROWS.open("a", encoding="utf-8") as file:
        for name, methods in PARTS.items():
            part = Part(model, name)
            for method in methods:
                if (name, method) in done:
                    continue
                for row in measured(part, method, texts):
                    print(row, flush=True)
                    file.write(json.dumps(row) + "\n")
                    file.flush()


def _rows() -> list[dict[str, Any]]:
    lines = ROWS.read_text(encoding="utf-8").splitlines() if ROWS.exists() else []
    return [json.loads(line) for line in lines]


def measured(part: Part, name: str, texts: Sequence[str]) -> Iterator[dict[str, Any]]:
    """One row a way of removing words."""
    sentences = [Sentence(text, seed) for seed, text in enumerate(texts)]
    began, part.known = time.process_time(), {}
    ordered = []
    for one in sentences:
        sign = 1 if part([one.text])[0] >= 0 else -1
        shares = METHODS[name](part, one)
        ordered.append((one, sign, np.argsort(-sign * shares, kind="stable").tolist()))
    row = {"part": part.part, "method": name, "texts": len(texts)}
    row["weight"] = round(part.model.combination_.weight, 2)
    row["cpu_ms"] = round(1000 * (time.process_time() - began) / len(texts), 1)
    for way in ("removed", "replaced"):
        curves = np.array([curve(part, *given, replaced=way == "replaced") for given in ordered])
        gap = curves[:, 1] - curves[:, 0]
        yield row | {
            "words": way,
            "deletion": round(100 * float(curves[:, 0].mean()), 2),
            "insertion": round(100 * float(curves[:, 1].mean()), 2),
            "gap": round(100 * float(gap.mean()), 2),
            "error": round(100 * float(gap.std(ddof=1) / len(gap) ** 0.5), 2),
        }


def curve(part: Part, one: Sentence, sign: int, order: list[int], *, replaced: bool) -> tuple[float, float]:
    """The mean probability of the predicted class while words are deleted, and while they are inserted."""
    at = [round(tenth * len(one)) for tenth in TENTHS]
    deleted = part([one.of(order[k:], replaced=replaced) for k in at])
    inserted = part([one.of(order[:k], replaced=replaced) for k in at])
    return tuple(float((1 / (1 + np.exp(-sign * odds))).mean()) for odds in (deleted, inserted))  # type: ignore[return-value]


def table() -> None:
    """Markdown of what is measured."""
    print("| part, words | method | deletion | insertion | gap | CPU ms a text |\n|---|---|---|---|---|---|")
    parts = {"lm": "network", "combined": "prediction"}
    for row in sorted(_rows(), key=lambda row: (row["part"] != "lm", row["words"] != "removed")):
        numbers = f"{row['deletion']:.1f} | {row['insertion']:.1f} | {row['gap']:.1f} ± {row['error']:.1f}"
        print(f"| {parts[row['part']]}, {row['words']} | {row['method']} | {numbers} | {row['cpu_ms']:.0f} |")


def main() -> None:
    """Train, measure, or show what was measured."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("what", choices=("train", "run", "table"))
    parser.add_argument("--minutes", type=float, default=3)
    parser.add_argument("--texts", type=int, default=200)
    parser.add_argument("--model", type=Path, default=Path("explanations.ulmus"))
    options = parser.parse_args()
    if options.what == "train":
        train(options.minutes, options.model)
    elif options.what == "run":
        run(options.texts, options.model)
    else:
        table()


if __name__ == "__main__":
    main()
