"""The plain scripts of `transformers_peers.py`: `python rows_transformers.py PEER TASK.json FOLDER SEED SETTINGS`.

PEER is `trainer`, a plain `transformers.Trainer` with its defaults (learning rate 5e-5, batches of 8, linear decay,
AdamW, dynamic padding), or `frozen`, mean-pooled vectors of the frozen encoder and a regression of scikit-learn. Both
truncate to 256 tokens. SETTINGS is a JSON object: `epochs`, `rate`, `curve`: how often to test on the way. TASK.json
holds texts (one or two each), labels and the texts to test on; the last line printed is JSON. Knows nothing of Ulmus.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import regression

MAX_LENGTH = 256


class Clock:
    """Wall and CPU seconds, without those that are spent testing."""

    def __init__(self) -> None:
        self._at, self.wall_s, self.cpu_s = self._now(), 0.0, 0.0

    def stop(self) -> None:
        """What comes now does not count."""
        wall, cpu = self._now()
        self.wall_s, self.cpu_s = self.wall_s + wall - self._at[0], self.cpu_s + cpu - self._at[1]

    def go(self) -> None:
        """What comes now counts again."""
        self._at = self._now()

    def told(self) -> dict[str, float]:
        """Minutes so far; the clock must be stopped."""
        return {"minutes": round(self.wall_s / 60, 3), "cpu_minutes": round(self.cpu_s / 60, 3)}

    def _now(self) -> tuple[float, float]:
        return time.perf_counter(), time.process_time()


def encoded(tokenizer: Any, texts: list[list[str]]) -> Any:
    """Ids of texts or of pairs."""
    columns = [list(column) for column in zip(*texts, strict=True)]
    return tokenizer(*columns, truncation=True, max_length=MAX_LENGTH)


def examples(tokenizer: Any, texts: list[list[str]], labels: list[Any] | None = None) -> list[dict[str, Any]]:
    """A data set as Trainer takes it."""
    ids = encoded(tokenizer, texts)
    rows = [{key: ids[key][i] for key in ids} for i in range(len(texts))]
    if labels is not None:
        rows = [row | {"labels": label} for row, label in zip(rows, labels, strict=True)]
    return rows


def trainer(task: dict[str, Any], folder: str, seed: int, settings: dict[str, Any]) -> dict[str, Any]:
    """Fine-tune the whole model, predict the texts to test on."""
    from transformers import AutoModelForSequenceClassification, AutoTokenizer, Trainer, set_seed

    clock = Clock()
    set_seed(seed)
    classes = sorted(set(task["labels"])) if task["measure"] == "accuracy" else []
    numbers = [classes.index(label) for label in task["labels"]] if classes else task["labels"]
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=len(classes) or 1)
    train = examples(tokenizer, task["texts"], numbers)
    clock.stop()
    test = examples(tokenizer, task["test"])

    def predicted() -> list[Any]:
        logits = run.predict(test).predictions
        return [classes[k] for k in logits.argmax(1)] if classes else logits[:, 0].tolist()

    curve: list[dict[str, Any]] = []
    every = settings["epochs"] * -(-len(numbers) // 8) // settings["curve"] if settings.get("curve") else 0
    with tempfile.TemporaryDirectory() as out:
        clock.go()
        run = Trainer(
            model,
            arguments(out, seed, settings),
            train_dataset=train,
            processing_class=tokenizer,
            callbacks=[
                testing(clock, every, lambda: curve.append({"predicted": predicted()} | clock.told()))
            ],
        )
        run.train()
        clock.stop()
        return {"predicted": predicted(), "curve": curve} | clock.told()


def arguments(out: str, seed: int, settings: dict[str, Any]) -> Any:
    """Trainer's defaults, without its progress bars and checkpoints."""
    from transformers import TrainingArguments

    return TrainingArguments(
        out,
        num_train_epochs=settings["epochs"],
        learning_rate=settings["rate"],
        per_device_eval_batch_size=32,
        seed=seed,
        use_cpu=True,
        report_to="none",
        save_strategy="no",
        disable_tqdm=True,
    )


def testing(clock: Clock, every: int, test: Callable[[], None]) -> Any:
    """A callback that tests after each `every` steps (0: never) while the clock stands still."""
    from transformers import TrainerCallback

    class Testing(TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **more: Any) -> None:  # noqa: ARG002
            if every and state.global_step % every == 0:
                clock.stop()
                test()
                more["model"].train()
                clock.go()

    return Testing()


def pooled(folder: str, columns: list[list[str]]) -> list[np.ndarray]:
    """Mean-pooled vectors (N, 384) of each column of texts, normalised as the checkpoint's authors do."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder).eval()

    def vectors(texts: list[str]) -> np.ndarray:
        found = np.empty((len(texts), model.config.hidden_size), np.float32)
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
        for at in range(0, len(texts), 32):
            mine = order[at : at + 32]
            batch = tokenizer(
                [texts[i] for i in mine], truncation=True, max_length=MAX_LENGTH, padding=True,
                return_tensors="pt",
            )  # fmt: skip
            hidden = model(**batch).last_hidden_state
            mask = batch["attention_mask"][..., None]
            mean = (hidden * mask).sum(1) / mask.sum(1)
            found[mine] = torch.nn.functional.normalize(mean).float().numpy()
        return found

    with torch.inference_mode():
        return [vectors(column) for column in columns]


def frozen(task: dict[str, Any], folder: str, seed: int, settings: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG001
    """Frozen features; of two texts u and v: u, v, |u - v|, u * v. The penalty by cross-validation."""
    import torch
    import transformers  # noqa: F401 (importing does not count)

    torch.set_grad_enabled(False)

    def features(texts: list[list[str]]) -> np.ndarray:
        parts = pooled(folder, [list(column) for column in zip(*texts, strict=True)])
        if len(parts) == 1:
            return parts[0]
        u, v = parts
        return np.hstack([u, v, abs(u - v), u * v])

    clock = Clock()
    x = features(task["texts"])
    if task["measure"] == "accuracy":
        predict = regression.classifier(x, task["labels"], seed)
    else:
        predict = regression.regressor(x, task["labels"])
    clock.stop()
    return {"predicted": predict(features(task["test"])).tolist()} | clock.told()


def main() -> None:
    """What the command line asks for."""
    peer, task, folder, seed, settings = sys.argv[1:]
    work = {"trainer": trainer, "frozen": frozen}[peer]
    given = json.loads(Path(task).read_text(encoding="utf-8"))
    print(json.dumps(work(given, folder, int(seed), json.loads(settings))))


if __name__ == "__main__":
    main()
