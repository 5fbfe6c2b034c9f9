"""Files of tagged tokens in columns, as in the shared tasks of CoNLL: one token a line, sentences end at a blank line.

The first column is the token, the last one its tag; columns are separated by tabs if the line has one, else by white
space. `-DOCSTART-` lines are skipped. Streams: memory for one sentence. Knows no scheme of tags.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ulmus.corpus.streams import lines, open_text
from ulmus.errors import DataError

__all__ = ["read_conll"]

DOCUMENT = "-DOCSTART-"


def read_conll(path: Path, encoding: str = "auto") -> Iterator[tuple[int, list[str], list[str]]]:
    """Per sentence: the number of its first line (from 1), its tokens, and their tags.

    Raises DataError for a line with one column, or with another number of columns than the lines before.
    """
    tokens: list[str] = []
    tags: list[str] = []
    first = width = 0
    with open_text(path, encoding) as stream:
        rows = (row for line in lines(stream, path) for row in line.rstrip("\r\n").split("\r"))
        for number, row in enumerate(rows, 1):
            columns = row.split("\t") if "\t" in row else row.split()
            if not row.strip(" \t") or columns[0] == DOCUMENT:
                if tokens:
                    yield first, tokens, tags
                tokens, tags = [], []
                continue
            width = width or len(columns)
            _check(columns, width, f"{path}, line {number:,}")
            first = first if tokens else number
            tokens.append(columns[0].strip(" ") or columns[0])
            tags.append(columns[-1].strip())
    if tokens:
        yield first, tokens, tags


def _check(columns: list[str], width: int, where: str) -> None:
    if len(columns) < 2 or not columns[0]:
        raise DataError(
            f"{where} is {' '.join(columns)!r:.60}. Expected a token and its tag, separated by a tab or a space, and a "
            "blank line after each sentence."
        )
    if len(columns) != width:
        raise DataError(
            f"{where} has {len(columns)} columns, the lines before have {width}. Give each line the same columns."
        )
