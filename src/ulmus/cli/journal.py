"""One output file that a kill at any moment cannot damage: a journal beside it, renamed when it is complete.

    .OUT.work/run.json    which run this is: the command, digests of the model and of the texts
    .OUT.work/rows        the output as it grows; every second what is written is synced ...
    .OUT.work/state.json  ... and then replaced as a whole: how many rows and bytes are certain

How: the same command cuts `rows` after the last certain row and continues there, at the beginning of a batch, so that
it ends with the bytes of a run that nobody stopped. Costs: two syncs a second. Knows no format and no model.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from ulmus.cli import outputs
from ulmus.cli.failures import advise
from ulmus.errors import DataError, UsageError

__all__ = ["Journal", "as_they_are", "journal"]

EVERY_S = 1.0  # seconds of work that a kill can cost
Finish = Callable[[Path, Path], None]  # makes the output of the rows: (rows, output)


@dataclass(frozen=True)
class _State:
    """What is certain: so many rows in so many bytes, what the command counts, whether the rows are complete."""

    rows: int = 0
    size_bytes: int = 0
    found: dict[str, Any] = field(default_factory=dict)
    complete: bool = False


class Journal:
    """The rows written so far; `file` is open for appending after `rows` of them."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "rows"
        self._at = folder / "state.json"
        self._saved = self._state = _read(self._at, self.path)
        self._saved_s = time.monotonic()
        self.file: BinaryIO = self.path.open("r+b" if self._state.rows else "w+b")
        self.file.truncate(self._state.size_bytes)
        self.file.seek(0, os.SEEK_END)

    @property
    def rows(self) -> int:
        """The rows that are written."""
        return self._state.rows

    @property
    def found(self) -> dict[str, Any]:
        """What was counted in them, as it was given to `written`."""
        return self._state.found

    @property
    def complete(self) -> bool:
        """Whether they are all."""
        return self._state.complete

    def written(self, rows: int, found: dict[str, Any], *, complete: bool = False) -> None:
        """Note that the file now holds `rows` whole rows; once a second, and when complete, make them certain."""
        self.file.flush()
        self._state = _State(rows, self.file.tell(), found, complete)
        if complete or time.monotonic() - self._saved_s >= EVERY_S:
            self.save()

    def save(self) -> None:
        """Sync the rows, then say how many there are. Raises StorageError."""
        from ulmus.storage import whole_file

        if self._state != self._saved:
            os.fsync(self.file.fileno())
            with whole_file(self._at) as file:
                file.write(json.dumps(asdict(self._state)).encode())
            self._saved, self._saved_s = self._state, time.monotonic()


def as_they_are(rows: Path, output: Path) -> None:
    """The rows are the output: the same file under a second name, so that a kill while renaming loses nothing."""
    try:
        output.hardlink_to(rows)
    except OSError:  # a file system without links
        shutil.copyfile(rows, output)


@contextmanager
def journal(
    out: Path, options: Any, inputs: Sequence[Path], *, finish: Finish, again: bool = True
) -> Iterator[Journal]:
    """The journal of `out`, which appears when the block ends without an error; after a kill the same run continues.

    finish: makes the output of the rows, `as_they_are` or in another format. again: whether the same texts can be read
    again; otherwise nothing is kept. Raises ConfigError if another run was stopped, StorageError.
    """
    from ulmus.storage import locked_folder, put_in_place, storage_error

    out = out.resolve()
    folder = outputs.beside(out, "work")
    with locked_folder(folder):
        if not again:
            shutil.rmtree(folder, ignore_errors=True)
        started = (folder / "state.json").exists()
        outputs.enter(
            folder, outputs.identity(options, inputs), started=started, own=True, what="predictions"
        )
        folder.chmod(0o700)
        try:
            made = Journal(folder)
            with made.file:
                yield from _kept(made, folder, again=again)
            whole = folder / "output"
            whole.unlink(missing_ok=True)
            finish(made.path, whole)
        except OSError as error:
            raise storage_error(out, error) from error
        put_in_place(whole, out)
        shutil.rmtree(folder, ignore_errors=True)


def _kept(made: Journal, folder: Path, *, again: bool) -> Iterator[Journal]:
    """Save what is written whatever stops the block, unless no run can use it."""
    advise(lambda: _how_to_resume(made, folder) if again else "")
    try:
        yield made
    except BaseException as error:
        useless = isinstance(error, (DataError, UsageError)) or not (again and made.rows)
        if useless:
            shutil.rmtree(folder, ignore_errors=True)
        else:
            with suppress(Exception):  # the first error is the one to report
                made.save()
        raise


def _how_to_resume(made: Journal, folder: Path) -> str:
    if not made.rows:
        return "Nothing was written yet: the same command starts from the beginning."
    return f"{made.rows:,} predictions are kept in {folder}: run the same command again to resume."


def _read(path: Path, rows: Path) -> _State:
    """The state on the disk; an empty one if there is none, or if the rows that it speaks of are not there."""
    with suppress(OSError, ValueError, TypeError):
        state = _State(**json.loads(path.read_bytes()))
        if rows.stat().st_size >= state.size_bytes:
            return state
    return _State()
