"""Counts for Prometheus: requests, their time, texts, batches, memory. Needs the extra `serve`. Knows no text."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from ulmus.errors import MissingExtra
from ulmus.serve.lane import Lane

__all__ = ["Meter"]

METHODS = ("GET", "POST", "HEAD", "OPTIONS", "PUT", "PATCH", "DELETE")
SIZES = (1, 2, 4, 8, 16, 32, 64)


class Meter:
    """The counts of one server. Raises MissingExtra."""

    def __init__(self) -> None:
        try:
            import prometheus_client as prometheus
        except ImportError as error:
            raise MissingExtra.of("serve", "prometheus-client", "A server") from error
        self._registry = prometheus.CollectorRegistry()
        own = self._registry
        self._requests = prometheus.Counter(
            "ulmus_requests", "Requests answered.", ["path", "method", "status"], registry=own
        )
        self._seconds = prometheus.Histogram(
            "ulmus_request_seconds",
            "Time from the head of a request to the end of its answer.",
            ["path"],
            registry=own,
        )
        self._texts = prometheus.Counter(
            "ulmus_texts", "Texts predicted or explained.", ["lane"], registry=own
        )
        self._batches = prometheus.Histogram(
            "ulmus_batch_texts", "Texts worked through together.", ["lane"], buckets=SIZES, registry=own
        )
        self._inside = prometheus.Gauge(
            "ulmus_requests_inside", "Requests at work or waiting for it.", ["lane"], registry=own
        )
        self._write = prometheus.generate_latest
        prometheus.ProcessCollector(registry=self._registry)

    def watch(self, lanes: Mapping[str, Lane]) -> None:
        """Report how many requests are in each lane."""
        for name, lane in lanes.items():
            self._inside.labels(name).set_function(partial(getattr, lane, "inside"))

    def answered(self, method: str, path: str, status: int, seconds: float) -> None:
        """Count a request; status 0: the client went away."""
        self._requests.labels(path, method if method in METHODS else "other", str(status)).inc()
        self._seconds.labels(path).observe(seconds)

    def batch(self, lane: str, texts: int) -> None:
        """Count a batch."""
        self._texts.labels(lane).inc(texts)
        self._batches.labels(lane).observe(texts)

    def text(self) -> bytes:
        """All counts in Prometheus' text format."""
        return bytes(self._write(self._registry))
