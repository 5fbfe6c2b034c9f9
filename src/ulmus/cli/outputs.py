"""Output files: checked before the work, written under a temporary name, renamed when complete.

`claim` reports at once, not after an hour of training, that a file cannot or must not be written; `writing` leaves
either the complete new file or the old one; `work_folder` keeps the checkpoints of a run next to its output and
detects those of a different run.
Cost: one empty file created and removed. Knows no model and no text.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from ulmus.cli import guard
from ulmus.cli.failures import advise
from ulmus.cli.options import RunOptions
from ulmus.cli.settings import read
from ulmus.cli.show import note, rank, several
from ulmus.errors import ConfigError, DataError, UsageError

if TYPE_CHECKING:
    from ulmus.train.callbacks import Callback
    from ulmus.train.processes import Processes

_RUN = "run.json"
_CHECKPOINTS = ("*.checkpoint*", "*.safetensors", "*.ulmus")
# options that may change when a run is resumed
_NOT_IDENTITY = {
    "out",
    "output",
    "processes",
    "ray",
    "json",
    "debug",
    "quiet",
    "tensorboard",
    "work_dir",
    "config",
    "log",
    "report",
    "minutes",
    "decay",
    "force",
    "language",
    "corpus",
    "licence",
    "weights",
}


def claim(path: Path, options: Any, kind: guard.Kind) -> Path:
    """The path, after checking that it may and can be written.

    options: those of the command, with all its other files and `force`; without `force` only a file of the same
    kind is replaced. Raises UsageError (wrong suffix, an input, a file of another kind), StorageError (permission).
    """
    from ulmus.storage import check_writable

    if is_device(path):
        return path
    if kind.suffixes and path.suffix not in kind.suffixes:
        raise UsageError(
            f"{path}: expected a name ending in {' or '.join(kind.suffixes)}. Rename the output."
        )
    guard.check_separate(path, options)
    guard.check_replaceable(path, kind, force=options.force)
    check_writable(path)
    return path


def claim_model(options: RunOptions, kind: str) -> Path:
    """Check `--out`, `--log`, `--tensorboard` and `--work-dir` of a run that trains a model; the path of `--out`.

    kind: "classifier", "regressor", "language-model", "tagger" or "transformer". A model file is renamed into place, so
    `--out` cannot be a pipe or a device. Raises UsageError and StorageError as `claim` does.
    """
    if is_device(options.out):
        raise UsageError(f"--out {options.out} is a device, not a file. Give a file name ending in .ulmus.")
    if options.log is not None:
        claim(options.log, options, guard.LOG)
    if options.tensorboard is not None:
        guard.check_separate(options.tensorboard, options)
    claim_report(options)
    if options.work_dir is not None:
        guard.check_separate(options.work_dir, options)
        guard.check_work_folder(options.work_dir, _RUN, force=options.force)
    return claim(options.out, options, guard.model(kind))


def callbacks(options: RunOptions) -> list[Callback]:
    """What `--log` and `--tensorboard` write while training. Raises MissingExtra."""
    from ulmus.train.callbacks import JsonLog
    from ulmus.train.tensorboard import TensorBoard

    logs: list[Callback] = [JsonLog(options.log)] if options.log else []
    return logs + ([TensorBoard(options.tensorboard)] if options.tensorboard else [])


def claim_report(options: Any) -> None:
    """Check `--report`, if the command has it and it is given. Raises UsageError and StorageError as `claim` does."""
    if (path := getattr(options, "report", None)) is not None:
        claim(path, options, guard.REPORT)


@contextmanager
def writing(path: Path) -> Iterator[TextIO]:
    """A UTF-8 file that is renamed to `path` if the block succeeds, and removed if it does not.

    Raises StorageError if it cannot be written.
    """
    from ulmus.storage import storage_error, whole_file

    if not is_device(path):
        with whole_file(path.resolve()) as binary:
            file = io.TextIOWrapper(binary, encoding="utf-8", errors="backslashreplace", newline="")
            yield file
            file.detach()  # flushes; `whole_file` syncs, closes and renames
        return
    try:
        with path.open("w", encoding="utf-8", errors="backslashreplace", newline="") as device:
            yield device
    except OSError as error:
        raise storage_error(path, error) from error


@contextmanager
def work_folder(options: RunOptions, inputs: Sequence[Path]) -> Iterator[Path]:
    """The folder of the run's checkpoints. The default, next to `--out`, is removed when the block succeeds.

    The processes of one run share the folder: the first one locks, creates and removes it.
    Raises ConfigError if the folder holds the checkpoints of a different run, which cannot be resumed as this one,
    and StorageError if another run is using it.
    """
    from ulmus.storage import locked_folder

    own, folder = options.work_dir is None, options.work_dir or beside(options.out, "work")
    with contextlib.ExitStack() as until_done:
        with _first_before_others():
            if not rank():
                until_done.enter_context(locked_folder(folder))
                enter(folder, identity(options, inputs), started=_started(folder), own=own)
        advise(lambda: _how_to_resume(folder, own))
        yield from _kept_folder(folder, own and not rank())


def _kept_folder(folder: Path, remove: bool) -> Iterator[Path]:
    try:
        yield folder
    except Exception:
        if remove and not _started(folder):
            shutil.rmtree(folder, ignore_errors=True)
        raise
    with _first_before_others():  # the first process has saved the model
        pass
    if several():
        _processes().wait()  # and does not end, with what it holds for the others, before they know it
    if remove:
        shutil.rmtree(folder, ignore_errors=True)


def _first_before_others() -> contextlib.AbstractContextManager[None]:
    """A block that the other processes enter when the first one has left it; no torch for one process."""
    return _processes().first_before_others() if several() else contextlib.nullcontext()


def _processes() -> Processes:
    from ulmus.train.processes import processes

    return processes()


def is_device(path: Path) -> bool:
    """Whether the path is a pipe or device, such as /dev/stdout, which cannot be replaced by renaming."""
    return path.exists() and not path.is_file() and not path.is_dir()


def enter(folder: Path, run: dict[str, Any], *, started: bool, own: bool, what: str = "checkpoints") -> None:
    """Make `folder` that of the run with this `identity`; with `started` it holds `what` that is resumed.

    own: the folder belongs to the command, so that one without results is emptied for another run.
    Raises ConfigError if it holds those of another run, StorageError if it cannot be written.
    """
    before = _read_identity(folder)
    if before is not None and before != run:
        if own and not started:
            shutil.rmtree(folder)
        else:
            changed = sorted(key for key in {*before, *run} if before.get(key) != run.get(key))
            other = "another --work-dir" if what == "checkpoints" else "the output another name"
            raise ConfigError(
                f"{folder} contains the {what} of another run (it differs in: {', '.join(changed)}). "
                f"Finish that run with its own command, delete the folder, or give {other}."
            )
    elif before is not None and started:
        note(f"Resuming from the {what} in {folder}.")
    from ulmus.storage import storage_error, whole_file

    try:
        folder.mkdir(parents=True, exist_ok=True)
        with whole_file(folder / _RUN) as file:
            file.write(json.dumps(run, indent=1).encode())
    except OSError as error:
        raise storage_error(folder, error) from error


def identity(options: Any, inputs: Sequence[Path]) -> dict[str, Any]:
    """What identifies a run: its options, the tables of the config file, and digests of its input files."""
    run = {key: value for key, value in dataclasses.asdict(options).items() if key not in _NOT_IDENTITY}
    config = getattr(options, "config", None)
    content = read(config) if config else {}
    run["tables of the config file"] = {
        key: value for key, value in content.items() if isinstance(value, dict)
    }
    run["input files"] = {str(path): _stamp(path) for path in inputs}
    return dict(json.loads(json.dumps(run, default=str)))


def _stamp(path: Path) -> str:
    """The digest of a file or folder; an empty string for a pipe or device, which can be read only once."""
    from ulmus.data.store import content_key

    if is_device(path):
        return ""
    with contextlib.suppress(DataError):
        return content_key("", files=[path])
    return ""


def _read_identity(folder: Path) -> dict[str, Any] | None:
    try:
        return dict(json.loads((folder / _RUN).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def _started(folder: Path) -> bool:
    """Whether the folder holds weights of a checkpoint or of a finished stage."""
    return any(any(folder.rglob(pattern)) for pattern in _CHECKPOINTS)


def _how_to_resume(folder: Path, own: bool) -> str:
    if _started(folder):
        return f"Checkpoints are in {folder}: run the same command again to resume."
    if own:
        shutil.rmtree(folder, ignore_errors=True)
    return "No checkpoint was saved yet: the same command starts from the beginning."


def beside(path: Path, purpose: str) -> Path:
    """A hidden name beside `path`."""
    return path.with_name(f".{path.name}.{purpose}")
