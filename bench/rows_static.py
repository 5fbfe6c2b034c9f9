"""The static vectors of `probe.py`: `python rows_static.py TEXTS.json FEATURES.npy`; the last line printed is JSON.

WordLlama as it is installed, 256 dimensions, weights and tokenizer from its wheel: the mean of the vectors of a text's
tokens, the first 512 of them. Knows nothing of Ulmus. Runs in an environment of its own.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np

MOST = 512  # tokens of a text


def main() -> None:
    """What the command line asks for."""
    import wordllama

    texts = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    # (it looks for the tokenizer of its wheel in a cache only)
    here = Path(wordllama.__file__).parent
    model = wordllama.WordLlama.load(cache_dir=here, disable_download=True)
    model.tokenizer.enable_truncation(MOST)
    began = time.process_time()
    features = model.embed(texts)
    took = time.process_time() - began
    np.save(sys.argv[2], features)
    model.tokenizer.no_padding()
    tokens = sum(len(one.ids) for one in model.tokenizer.encode_batch(texts))
    print(json.dumps({"cpu_s": took, "tokens": tokens}))


if __name__ == "__main__":
    main()
