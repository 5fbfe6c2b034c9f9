"""How much one request may ask for, and how much a server does at a time. Knows no request."""

from __future__ import annotations

from dataclasses import dataclass

from ulmus.config import check_range

__all__ = ["Limits"]


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The limits of a server. Raises ConfigError for one out of range."""

    characters: int = 100_000  # of one text
    texts: int = 1_000  # of one request
    rows: int = 100_000  # of one file
    explained: int = 20_000  # characters of a text to explain, which costs some hundred predictions
    size_bytes: int = 32 << 20  # of a request's body
    requests: int = 64  # answered or waiting at a time; of explanations, an eighth
    seconds: float = 30.0  # for a request, or for each part of a file, until 503
    body_seconds: float = 20.0  # for the body of a request to arrive

    def __post_init__(self) -> None:
        check_range(self, "characters texts rows explained size_bytes requests", 1, 1 << 40)
        check_range(self, "seconds body_seconds", 0.01, 86_400)

    @property
    def explanations(self) -> int:
        """Explanations at a time, with those that wait."""
        return max(self.requests // 8, 1)
