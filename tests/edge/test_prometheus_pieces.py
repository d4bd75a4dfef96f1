"""What is written here is what the library would write, in each format it can write."""

from collections.abc import Iterator

import pytest
from prometheus_client.core import (
    CollectorRegistry,
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.exposition import choose_encoder

from adapters.prometheus import pieces as room
from adapters.prometheus.pieces import (
    Table,
    counter_pieces,
    encoded,
    gauge_pieces,
    histogram_pieces,
)
from adapters.prometheus.tallies import Spread, Values

NASTY = ('a"b', "back\\slash", "two\nlines", "Ünïcode 😀", "", "plain", "x{y}=,z")
NUMBERS = (0, 1, -1, 0.1, 1e6, 12_345_678, 1e21, 0.000001, float("inf"), 3.0)
LABELS = ("sender", "priority", "aa")
FORMATS = (
    "",
    "text/plain; version=0.0.4",
    "text/plain; version=1.0.0; escaping=allow-utf-8",
    "application/openmetrics-text; version=1.0.0",
    "application/openmetrics-text; version=0.0.1",
)


def a_spread(seed: int) -> Spread:
    spread = Spread((10, 2_500, 1_000_000, 86_400_000))
    for value in (seed, 11 * seed, 2_500, 10**7, 10**9):
        spread.observe(value)
    return spread


@pytest.mark.parametrize("accept", FORMATS)
@pytest.mark.parametrize("size", [2, 1_000])
async def test_each_line_is_as_the_library_writes_it(
    accept: str, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "VALUES_MAX", size)
    monkeypatch.setattr(room, "SPREADS_MAX", size)
    values: dict[Values, float] = {
        (one, other, "z"): number
        for one, other, number in zip(NASTY * 2, reversed(NASTY * 2), NUMBERS * 2, strict=False)
    }
    spreads: dict[Values, Spread] = {(each,): a_spread(n) for n, each in enumerate(NASTY, 1)}
    text = 'A help\\text of "two\nlines".'
    written = [
        *counter_pieces(Table("some_counter", text, LABELS, values)),
        *gauge_pieces(Table("some_gauge", text, LABELS, values)),
        *gauge_pieces(Table("bare_gauge", text, (), {(): 5})),
        *gauge_pieces(Table("no_gauge", text, LABELS, {})),
        *histogram_pieces("some_seconds", text, ("sender",), spreads, 1_000),
        *histogram_pieces("bare_seconds", text, (), {(): a_spread(3)}, 1_000_000),
    ]
    body, kind = await encoded(written, accept)
    encode, their_kind = choose_encoder(accept)
    assert (body, kind) == (encode(TheLibrarys(text, values, spreads)), their_kind)


class TheLibrarys(CollectorRegistry):
    """The same, told to the library."""

    def __init__(
        self, text: str, values: dict[Values, float], spreads: dict[Values, Spread]
    ) -> None:
        self._text, self._values, self._spreads = text, values, spreads

    def collect(self) -> Iterator[Metric]:
        text = self._text
        counter = CounterMetricFamily("some_counter", text, labels=LABELS)
        gauge = GaugeMetricFamily("some_gauge", text, labels=LABELS)
        for family in (counter, gauge):
            for values, value in self._values.items():
                family.add_metric(values, value)
        yield counter
        yield gauge
        bare = GaugeMetricFamily("bare_gauge", text)
        bare.add_metric((), 5)
        yield bare
        yield GaugeMetricFamily("no_gauge", text, labels=LABELS)
        for name, labels, spreads, unit in (
            ("some_seconds", ("sender",), self._spreads, 1_000),
            ("bare_seconds", (), {(): a_spread(3)}, 1_000_000),
        ):
            histogram = HistogramMetricFamily(name, text, labels=labels)
            for each, spread in spreads.items():
                histogram.add_metric(each, spread.buckets(unit), spread.total / unit)
            yield histogram
