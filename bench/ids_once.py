"""What it saves that texts become ids once in a `fit`: one store for language model and classifier, or one for each.

    python bench/ids_once.py [--texts 20000] [--repeats 3]

Film reviews of $ULMUS_DATA (default ../shared/data), a word vocabulary of 20,000, a work folder. Prints CPU seconds of
all processes, medians over alternating repeats, and their ratio. About three minutes on 2 cores.
"""

import argparse
import os
import resource
import statistics
import tempfile
from itertools import islice
from pathlib import Path

from ulmus import Source, TokenizerConfig, read
from ulmus.tasks.ids import RunTexts

DATA = Path(os.environ.get("ULMUS_DATA", "../shared/data"))


def cpu_s() -> float:
    """CPU seconds of this process and of those that it started."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def ids(texts: list[str], stores: int) -> float:
    """CPU seconds for a tokenizer and the ids of all texts, which `stores` parts of a fit make for themselves."""
    began = cpu_s()
    with tempfile.TemporaryDirectory() as folder:
        for number in range(stores):
            own = RunTexts(texts, Path(folder), name=f"ids-{number}")
            own.ids(own.tokenizer(TokenizerConfig(max_size=20_000)))
    return cpu_s() - began


def main() -> None:
    """Alternate both ways and print their medians."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--texts", type=int, default=20_000)
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    source = Source(DATA / "imdb" / "train.csv.zst", "text")
    texts = [record.text for record in islice(read(source), given.texts)]
    taken: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(given.repeats):
        for stores, seconds in taken.items():
            seconds.append(ids(texts, stores))
    once, twice = (statistics.median(seconds) for seconds in taken.values())
    print(f"{len(texts):,} texts: once {once:.1f} CPU s, twice {twice:.1f} CPU s, ratio {once / twice:.2f}")


if __name__ == "__main__":
    main()
