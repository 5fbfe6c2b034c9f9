"""Predictions from exported Ulmus models, without torch: `load(path).predict(texts)`."""

from __future__ import annotations

from ulmus_runtime.errors import UlmusError
from ulmus_runtime.serve.runtime import Runtime, load

__all__ = ["Runtime", "UlmusError", "load"]
