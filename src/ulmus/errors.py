"""Every error Ulmus raises on purpose; each message says what was expected, what came, and what to do.

    UlmusError                     exit code 1; catch this one to catch them all
    ├── UsageError (ValueError)    exit code 2: an option, a column name or a parameter that cannot be
    │   └── ConfigError            exit code 2: a TOML file or a config value that cannot be
    ├── DataError (ValueError)     the texts or labels cannot be used: missing, empty, undecodable, one class
    ├── BundleError                a model file is damaged, hostile, or made by a newer version
    ├── VocabMismatch (ValueError) weights and tokenizer have different vocabularies
    ├── MissingExtra (ImportError) an optional package is not installed; the message holds the pip command
    └── StorageError               the disk is full, or the place may not be written
    DataWarning (UserWarning)      texts were read, but perhaps not as they were meant; the command line prints it

`exit_code` is what the command line ends with. All of them hold one string, so they cross process borders
(pickle) unharmed. Knows nothing of the rest of the package.
"""

from __future__ import annotations

from typing import ClassVar

__all__ = [
    "BundleError",
    "ConfigError",
    "DataError",
    "DataWarning",
    "MissingExtra",
    "StorageError",
    "UlmusError",
    "UsageError",
    "VocabMismatch",
]


class UlmusError(Exception):
    """Something went wrong that the message explains: no traceback is needed to act on it."""

    exit_code: ClassVar[int] = 1


class UsageError(UlmusError, ValueError):
    """What was asked for cannot be: a bad option, a wrong column, a value out of range."""

    exit_code: ClassVar[int] = 2


class ConfigError(UsageError):
    """A config file or value is not what its dataclass declares."""


class DataError(UlmusError, ValueError):
    """The data cannot be used: missing file, empty file, invalid UTF-8, one class only."""


class DataWarning(UserWarning):
    """Texts or labels were read by a guess that may be wrong, or some were left out; the message says which."""


class BundleError(UlmusError):
    """A model file is damaged, hostile, incomplete, or made by a newer version. Nothing in it was run."""


class VocabMismatch(UlmusError, ValueError):  # noqa: N818 - the mismatch is the error
    """Weights belong to another vocabulary than the tokenizer's; the message gives both fingerprints."""


class MissingExtra(UlmusError, ImportError):  # noqa: N818 - what is missing is the error
    """An optional package is needed and not installed."""

    @classmethod
    def of(cls, extra: str, package: str, purpose: str) -> MissingExtra:
        """The error for `package` from `extra`, e.g. `MissingExtra.of("serve", "onnxruntime", "serving")`."""
        return cls(f"{purpose} needs {package}, which is not installed. Run: pip install 'ulmus[{extra}]'")


class StorageError(UlmusError):
    """Writing failed: the disk is full or permission is missing. Nothing half-written was left behind."""
