"""A scrape in pieces of a millisecond, so that no send waits for thousands of lines."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple, TypeVar

from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.exposition import choose_encoder

from adapters.prometheus.tallies import Spread, Values

VALUES_MAX: Final = 100  # of a piece
SPREADS_MAX: Final = 8  # of a piece; each is a dozen lines
END: Final = b"# EOF\n"  # of OpenMetrics

Item = TypeVar("Item")


class Table(NamedTuple):
    """A gauge or counter with all its values."""

    name: str
    text: str
    labels: tuple[str, ...]
    values: Mapping[Values, float]


def gauge_pieces(table: Table) -> Iterator[Metric]:
    """Yield a gauge, a piece at a time."""
    for values in _sliced(list(table.values.items()), VALUES_MAX):
        gauge = GaugeMetricFamily(table.name, table.text, labels=table.labels)
        for labels, value in values:
            gauge.add_metric(labels, value)
        yield gauge


def counter_pieces(table: Table) -> Iterator[Metric]:
    """Yield a counter, a piece at a time."""
    for values in _sliced(list(table.values.items()), VALUES_MAX):
        counter = CounterMetricFamily(table.name, table.text, labels=table.labels)
        for labels, value in values:
            counter.add_metric(labels, value)
        yield counter


def histogram_pieces(
    name: str, text: str, labels: tuple[str, ...], spreads: Mapping[Values, Spread], per_second: int
) -> Iterator[Metric]:
    """Yield a histogram, a piece at a time."""
    for some in _sliced(list(spreads.items()), SPREADS_MAX):
        histogram = HistogramMetricFamily(name, text, labels=labels)
        for values, spread in some:
            histogram.add_metric(values, spread.buckets(per_second), spread.total / per_second)
        yield histogram


class _Piece(CollectorRegistry):
    """What the library encodes: one piece."""

    def __init__(self, metric: Metric) -> None:
        self._metric = metric

    def collect(self) -> Iterator[Metric]:
        yield self._metric


async def encoded(pieces: Iterable[Metric], accept: str) -> tuple[bytes, str]:
    """Return a scrape and its content type; whatever else waits goes on after each piece."""
    encode, content_type = choose_encoder(accept)
    parts: list[bytes] = []
    last = ""
    for metric in pieces:
        part = encode(_Piece(metric)).removesuffix(END)
        if metric.name == last:
            part = _without_head(part)
        parts.append(part)
        last = metric.name
        await asyncio.sleep(0)
    if "openmetrics" in content_type:
        parts.append(END)
    return b"".join(parts), content_type


def _without_head(part: bytes) -> bytes:
    """Return the lines of a metric without its help and type, which stand above its first piece."""
    while part.startswith(b"# "):
        part = part[part.index(b"\n") + 1 :]
    return part


def _sliced(items: list[Item], size: int) -> Iterator[list[Item]]:
    """Yield all items in order; one empty slice when there are none, for the head."""
    for at in range(0, max(1, len(items)), size):
        yield items[at : at + size]
