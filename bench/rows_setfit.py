"""SetFit's side of `transformers_peers.py`: `python rows_setfit.py setfit TASK.json FOLDER SEED SETTINGS`.

SetFit with its defaults: one epoch of contrastive pairs, batches of 16, learning rate 2e-5, then logistic regression;
256 tokens, mean pooling as the checkpoint says. SETTINGS is a JSON object: `iterations`, how many pairs of each kind
are made of each text; null is its default sampling, all pairs, with the rarer kind repeated. SetFit takes no pairs of
texts: they are joined with [SEP]. Knows nothing of Ulmus. Runs in an environment of its own.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any


def tuned(task: dict[str, Any], folder: str, seed: int, settings: dict[str, Any]) -> dict[str, Any]:
    """Contrastive training and its regression; predictions for the texts to test on."""
    from datasets import Dataset
    from setfit import SetFitModel, Trainer, TrainingArguments

    began = time.perf_counter(), time.process_time()
    model = SetFitModel.from_pretrained(folder, device="cpu")
    model.model_body.max_seq_length = 256
    texts = [" [SEP] ".join(text) for text in task["texts"]]
    with tempfile.TemporaryDirectory() as out:
        arguments = TrainingArguments(
            out,
            seed=seed,
            num_iterations=settings["iterations"],
            report_to="none",
            save_strategy="no",
            show_progress_bar=False,
        )
        data = Dataset.from_dict({"text": texts, "label": task["labels"]})
        Trainer(model, arguments, train_dataset=data).train()
    minutes = (time.perf_counter() - began[0]) / 60, (time.process_time() - began[1]) / 60
    predicted = list(map(str, model.predict([" [SEP] ".join(text) for text in task["test"]])))
    return {"predicted": predicted, "minutes": round(minutes[0], 3), "cpu_minutes": round(minutes[1], 3)}


def main() -> None:
    """What the command line asks for."""
    _, task, folder, seed, settings = sys.argv[1:]
    given = json.loads(Path(task).read_text(encoding="utf-8"))
    print(json.dumps(tuned(given, folder, int(seed), json.loads(settings))))


if __name__ == "__main__":
    main()
