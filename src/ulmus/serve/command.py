"""`ulmus-runtime FILE`, the command of the small package: texts on standard input, one a line -> JSON objects.

A pair of texts is a JSON list of two on its line. `ulmus-runtime serve FILE` answers over HTTP, as `ulmus serve`,
but reads no files of texts. Exit codes: 0 done, 1 failed, 2 usage error, 130 stopped by Ctrl-C.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

from ulmus.errors import UlmusError, UsageError
from ulmus.serve.limits import Limits
from ulmus.serve.runtime import Runtime, load

__all__ = ["main"]


def main() -> None:
    """Predict each line. Exits with the code of an error, after its message on stderr."""
    try:
        if sys.argv[1:2] == ["serve"]:
            _serve(sys.argv[2:])
            return
        if len(sys.argv) != 2:
            raise UsageError(
                "usage: ulmus-runtime FILE < TEXTS   (one text, or one JSON list of two, a line), or "
                "ulmus-runtime serve FILE [--port N]"
            )
        model = load(sys.argv[1])
        for line in sys.stdin:
            text = line.rstrip("\n")
            sys.stdout.write(
                json.dumps(_answer(model, _pair(text) if model.pairs else text), ensure_ascii=False)
            )
            sys.stdout.write("\n")
            sys.stdout.flush()
    except UlmusError as error:
        sys.stderr.write(f"Error: {error}\n")
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)


def _serve(arguments: list[str]) -> None:
    """Answer requests until told to stop. Raises what loading and listening raise."""
    from ulmus.serve.app import application
    from ulmus.serve.listening import LOOPBACK, listen, log_to_stderr, run
    from ulmus.serve.local import token_of
    from ulmus.serve.predictor import Predictor

    parser = argparse.ArgumentParser("ulmus-runtime serve", description="Predictions over HTTP.")
    parser.add_argument("file", help="a file that `ulmus export` wrote")
    parser.add_argument("--host", default=LOOPBACK, help="address to listen on")
    parser.add_argument("--port", type=int, default=8000, help="0: any free one")
    parser.add_argument("--allow-host", action="append", default=[], help="name of the server; repeatable")
    parser.add_argument("--token-file", type=Path, help="by default the token in ULMUS_TOKEN, if set")
    parser.add_argument("--threads", type=int, default=0, help="cores; 0: all of them")
    for item in fields(Limits):
        name = f"--max-{item.name.replace('_', '-')}"
        parser.add_argument(name, dest=item.name, type=type(item.default), default=item.default)
    given = vars(parser.parse_args(arguments))
    limits = Limits(**{item.name: given[item.name] for item in fields(Limits)})
    token = token_of(given["token_file"])
    hosts = tuple(name.lower() for name in given["allow_host"])
    with listen(given["host"], given["port"]) as listener:
        model = Predictor.of(load(given["file"], threads=given["threads"]))
        app = application(model, limits, token=token, hosts=hosts)
        log_to_stderr()
        run(app, listener, lambda url: print(f"serving at {url}", file=sys.stderr, flush=True))  # noqa: T201


def _answer(model: Runtime, text: Any) -> dict[str, Any]:
    """The prediction for one text, and the probability of each class."""
    if model.objective.numeric:
        return {"prediction": model.predict([text])[0]}
    outputs = model.predict_proba([text])
    (label,) = model.objective.named(model.objective.decide(outputs, model.threshold), model.classes)
    return {
        "label": label,
        "probabilities": dict(zip(map(str, model.classes), outputs[0].tolist(), strict=True)),
    }


def _pair(line: str) -> tuple[Any, ...]:
    try:
        return tuple(json.loads(line))
    except (ValueError, TypeError) as error:
        raise UsageError(
            f"this model takes pairs of texts: expected a JSON list of two, got {line[:60]!r}"
        ) from error
