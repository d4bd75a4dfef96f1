"""Arrivals: what stamps prove about a rate."""

import pytest

from benchmarks import arrivals

SECOND = arrivals.SECOND_NS


@pytest.mark.parametrize(
    ("stamps_ns", "expected"),
    [
        pytest.param([], 0, id="nothing arrived"),
        pytest.param([5], 1, id="one"),
        pytest.param([0, SECOND], 1, id="a second is half-open"),
        pytest.param([0, SECOND - 1], 2, id="just inside a second"),
        pytest.param([SECOND - 1, 0], 2, id="order does not matter"),
        pytest.param(
            [SECOND * 9 // 10, SECOND * 95 // 100, SECOND * 11 // 10], 3, id="across a full second"
        ),
    ],
)
def test_the_busiest_second_slides(stamps_ns: list[int], expected: int) -> None:
    assert arrivals.most_in_any_second(stamps_ns) == expected


def test_an_even_pace_never_exceeds_itself() -> None:
    stamps_ns = [index * SECOND // 80 for index in range(80 * 5)]
    assert arrivals.most_in_any_second(stamps_ns) == 80
    assert arrivals.achieved(stamps_ns, 0, 5 * SECOND, 80) == pytest.approx(1.0)


def test_two_bursts_at_the_edge_of_a_second_are_convicted() -> None:
    stamps_ns = [SECOND - 1] * 80 + [SECOND + 1] * 80
    assert arrivals.most_in_any_second(stamps_ns) == 160


def test_only_the_span_counts_as_achieved() -> None:
    stamps_ns = [0, SECOND, SECOND + 5, 2 * SECOND]
    assert arrivals.achieved(stamps_ns, SECOND, 2 * SECOND, 4) == pytest.approx(0.5)


def test_the_longest_silence_is_between_neighbours() -> None:
    assert arrivals.longest_silence_ms([9_000_000, 1_000_000, 2_000_000]) == pytest.approx(7.0)
    assert arrivals.longest_silence_ms([1]) == 0


@pytest.mark.parametrize(("percent", "expected"), [(0, 1), (50, 50), (99, 99), (100, 100)])
def test_a_percentile_is_a_value_that_occurred(percent: float, expected: float) -> None:
    assert arrivals.percentile(list(range(100, 0, -1)), percent) == expected
