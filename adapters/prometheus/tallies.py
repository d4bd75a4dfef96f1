"""What metrics are counted in: plain integers under few labels, however many things there are."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Sequence
from typing import Final

from engine.directory import Directory

OTHER: Final = "other"  # the label of all that are too many for labels of their own
UNKNOWN: Final = "unknown"
SEVERAL: Final = "several"  # jobs kept aside of a source with several senders
SENDERS_MAX: Final = 1_000  # senders with a label of their own
PORTFOLIOS_MAX: Final = 1_000  # portfolios with a label of their own
SERIES_MAX: Final = 20_000  # of one counter in one process

Values = tuple[str, ...]
Gauge = dict[Values, float]


class Tally(dict[Values, int]):
    """Counts by label values; beyond SERIES_MAX what is new is counted together."""

    def add(self, labels: Values, by: int = 1) -> None:
        """Count."""
        known = self.get(labels)
        if known is None:
            if len(self) >= SERIES_MAX:
                labels = (OTHER,) * len(labels)
            known = self.get(labels, 0)
        self[labels] = known + by


class Spread:
    """A histogram of integers; its bounds are in the unit of what is observed."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[int]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0

    def observe(self, value: int) -> None:
        """Count one value; a bound is inside its bucket."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def buckets(self, per_second: int) -> list[tuple[str, float]]:
        """Return Prometheus's cumulative buckets in seconds."""
        names = [str(bound / per_second) for bound in self.bounds] + ["+Inf"]
        sums: list[tuple[str, float]] = []
        running = 0
        for name, count in zip(names, self.counts, strict=True):
            running += count
            sums.append((name, running))
        return sums

    def quantile(self, share: float) -> int:
        """Return the bound below which `share` of the values lie."""
        wanted, running = share * sum(self.counts), 0
        for bound, count in zip((*self.bounds, self.bounds[-1]), self.counts, strict=True):
            running += count
            if running >= wanted:
                return bound
        return self.bounds[-1]


class _First:
    """Which names have a label of their own: the first ones in order, the same in each process."""

    def __init__(self) -> None:
        self._first: frozenset[str] = frozenset()
        self._first_of = 0

    def has(self, name: str, names: Collection[str], most: int) -> bool:
        """Return whether `name` is among the first `most` of `names`."""
        if len(names) <= most:
            return name in names
        if self._first_of != len(names):
            self._first_of = len(names)
            self._first = frozenset(sorted(names)[:most])
        return name in self._first


class Labels:
    """The label of a sender: its alias, else its id; `other` for those above SENDERS_MAX."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self._first = _First()

    def __call__(self, sender: str) -> str:
        """Return the label of a sender."""
        known = self._directory.senders.get(sender)
        if known is None:
            return UNKNOWN if sender else SEVERAL
        if not self._first.has(sender, self._directory.senders.keys(), SENDERS_MAX):
            return OTHER
        return known.alias or sender


class PortfolioLabels:
    """The label of a portfolio: its id; `other` for those above PORTFOLIOS_MAX."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self._first = _First()

    def __call__(self, portfolio: str) -> str:
        """Return the label of a portfolio."""
        known = self._directory.portfolios.keys()
        return portfolio if self._first.has(portfolio, known, PORTFOLIOS_MAX) else OTHER


def add_to(values: Gauge, labels: Values, by: float) -> None:
    """Add to the value under some labels; several things may share them."""
    values[labels] = values.get(labels, 0) + by
