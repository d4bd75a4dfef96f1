"""A scrape in pieces of a millisecond, so that no send waits for thousands of lines.

The library writes the head of each metric; its lines are written here, as it would write them, for
a fifth of the time: it asks of each line again what is the same for all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple, TypeVar

from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.utils import floatToGoString

from adapters.prometheus.tallies import Spread, Values

VALUES_MAX: Final = 250  # of a piece
SPREADS_MAX: Final = 20  # of a piece; each is a dozen lines
END: Final = b"# EOF\n"  # of OpenMetrics
LE: Final = "le"

Item = TypeVar("Item")


class Table(NamedTuple):
    """A gauge or counter with all its values."""

    name: str
    text: str
    labels: tuple[str, ...]
    values: Mapping[Values, float]


class Piece(NamedTuple):
    """A metric without its samples, and some of its lines."""

    head: Metric
    lines: list[str]


def gauge_pieces(table: Table) -> Iterator[Piece]:
    """Yield a gauge, a piece at a time."""
    yield from _table_pieces(GaugeMetricFamily(table.name, table.text), table.name, table)


def counter_pieces(table: Table) -> Iterator[Piece]:
    """Yield a counter, a piece at a time."""
    head = CounterMetricFamily(table.name, table.text)
    yield from _table_pieces(head, f"{table.name}_total", table)


def histogram_pieces(
    name: str, text: str, labels: tuple[str, ...], spreads: Mapping[Values, Spread], per_second: int
) -> Iterator[Piece]:
    """Yield a histogram, a piece at a time."""
    head = HistogramMetricFamily(name, text)
    for some in _sliced(list(spreads.items()), SPREADS_MAX):
        lines: list[str] = []
        for values, spread in some:
            own = _braced(labels, values)
            buckets = spread.buckets(per_second)
            lines += [
                f"{name}_bucket{_braced((*labels, LE), (*values, bound))} {_number(count)}\n"
                for bound, count in buckets
            ]
            lines.append(f"{name}_count{own} {_number(buckets[-1][1])}\n")
            lines.append(f"{name}_sum{own} {_number(spread.total / per_second)}\n")
        yield Piece(head, lines)


def _table_pieces(head: Metric, name: str, table: Table) -> Iterator[Piece]:
    for some in _sliced(list(table.values.items()), VALUES_MAX):
        yield Piece(
            head,
            [f"{name}{_braced(table.labels, each)} {_number(value)}\n" for each, value in some],
        )


class _Head(CollectorRegistry):
    """What the library encodes: one metric without samples."""

    def __init__(self, metric: Metric) -> None:
        self._metric = metric

    def collect(self) -> Iterator[Metric]:
        yield self._metric


async def encoded(pieces: Iterable[Piece], accept: str) -> tuple[bytes, str]:
    """Return a scrape and its content type; whatever else waits goes on after each piece."""
    encode, content_type = choose_encoder(accept)
    parts: list[bytes] = []
    last = ""
    for head, lines in pieces:
        if head.name != last:
            parts.append(encode(_Head(head)).removesuffix(END))
            last = head.name
        parts.append("".join(lines).encode())
        await asyncio.sleep(0)
    if "openmetrics" in content_type:
        parts.append(END)
    return b"".join(parts), content_type


def _braced(labels: Sequence[str], values: Sequence[str]) -> str:
    r"""Return the labels of a line, in the order of their names.

    >>> _braced(("sender", "code"), ("a", "1")), _braced(("sender",), ('a"b',)), _braced((), ())
    ('{code="1",sender="a"}', '{sender="a\\"b"}', '')
    """
    if not labels:
        return ""
    pairs = [f'{name}="{_escaped(value)}"' for name, value in zip(labels, values, strict=True)]
    return "{" + ",".join(sorted(pairs)) + "}"


def _number(value: float) -> str:
    return str(floatToGoString(value))  # type: ignore[no-untyped-call]  # the library's


def _escaped(value: str) -> str:
    if value.isalnum():
        return value
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def _sliced(items: list[Item], size: int) -> Iterator[list[Item]]:
    """Yield all items in order; one empty slice when there are none, for the head."""
    for at in range(0, max(1, len(items)), size):
        yield items[at : at + size]
