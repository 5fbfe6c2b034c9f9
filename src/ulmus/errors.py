"""Every error Ulmus raises on purpose; each message says what was expected, what came, and what to do.

    UlmusError                     exit code 1; catch this one to catch them all
    ├── UsageError (ValueError)    exit code 2: an invalid option, column name or parameter
    │   └── ConfigError            exit code 2: an invalid TOML file or config value
    ├── DataError (ValueError)     the texts or labels cannot be used: missing, empty, undecodable, one class
    ├── BundleError                a model file is damaged, hostile, or made by a newer version
    ├── VocabMismatch (ValueError) weights and tokenizer have different vocabularies
    ├── MissingExtra (ImportError) an optional package is not installed; the message gives the pip command
    └── StorageError               the disk is full, or the path is not writable
    DataWarning (UserWarning)      texts were read, but perhaps not as intended; shown by the command line

`exit_code` is the exit status of the command line. Every error holds one string, so it survives pickling between
processes. Knows nothing of the rest of the package.
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
    """Base of all errors; the message alone says what to do, no traceback needed."""

    exit_code: ClassVar[int] = 1


class UsageError(UlmusError, ValueError):
    """A usage error: a bad option, a wrong column, a value out of range."""

    exit_code: ClassVar[int] = 2


class ConfigError(UsageError):
    """A config file or value does not match its dataclass."""


class DataError(UlmusError, ValueError):
    """The data cannot be used: missing file, empty file, invalid UTF-8, one class only."""


class DataWarning(UserWarning):
    """Texts or labels were read on a guess that may be wrong, or some were skipped; the message says which."""


class BundleError(UlmusError):
    """A model file is damaged, hostile, incomplete, or made by a newer version. Nothing in it was run."""


class VocabMismatch(UlmusError, ValueError):  # noqa: N818 - the mismatch is the error
    """The weights were trained with another vocabulary than the tokenizer's; the message gives both fingerprints."""


class MissingExtra(UlmusError, ImportError):  # noqa: N818 - what is missing is the error
    """A required optional package is not installed."""

    @classmethod
    def of(cls, extra: str, package: str, purpose: str) -> MissingExtra:
        """The error for `package` from `extra`, e.g. `MissingExtra.of("serve", "onnxruntime", "serving")`."""
        return cls(f"{purpose} needs {package}, which is not installed. Run: pip install 'ulmus[{extra}]'")


class StorageError(UlmusError):
    """Writing failed: the disk is full or permission is denied. No partial file was left behind."""
