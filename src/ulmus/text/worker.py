"""A helper process of `parallel`: texts come in on the standard input, ids or counts go out on the standard output.

The first message says what to do: {"tokenizer": JSON} encodes, {"config": ...} counts. Then each message is a JSON list
of texts; an empty one asks for the counts. A reply begins with `+`, or with `!` and an error message. Ctrl-C is left to
the parent: a helper ends when its input ends. Knows no files.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from ulmus.errors import UlmusError
from ulmus.text import saved
from ulmus.text.parallel import receive, send
from ulmus.text.tokenizer import Counting, Tokenizer, TokenizerConfig

__all__ = ["serve"]


def serve() -> None:
    """Answer messages until the input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    source, out = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # nothing printed may mix with the messages
    setup = receive(source)
    if setup is None:
        return
    answer = _answerer(json.loads(setup))
    while (message := receive(source)) is not None:
        try:
            reply = b"+" + answer(json.loads(message.decode("utf-8", "surrogatepass")) if message else None)
        except UlmusError as error:
            reply = b"!" + str(error).encode("utf-8", "replace")
        send(out, reply)


def _answerer(setup: dict[str, Any]) -> Callable[[list[str] | None], bytes]:
    if "tokenizer" in setup:
        tokenizer = Tokenizer.from_json(setup["tokenizer"])
        return lambda texts: _packed(tokenizer, texts or [])
    counting = Counting(saved.build(TokenizerConfig, setup["config"]))

    def count(texts: list[str] | None) -> bytes:
        if texts is None:
            return json.dumps(counting.total(), ensure_ascii=False).encode("utf-8", "surrogatepass")
        counting.add(texts)
        return b""

    return count


def _packed(tokenizer: Tokenizer, texts: list[str]) -> bytes:
    """The number of texts and the bytes of an id, the length of each text (all int64), and all ids."""
    ids = tokenizer.encode_batch(texts)
    dtype = np.dtype(np.uint16 if len(tokenizer) <= 65_535 else np.int32)  # (half as much to send, mostly)
    sizes = np.array([len(ids), dtype.itemsize, *map(len, ids)], np.int64)
    return sizes.tobytes() + np.concatenate([np.zeros(0, np.int32), *ids]).astype(dtype).tobytes()
