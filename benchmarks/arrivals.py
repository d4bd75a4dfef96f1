"""What stamps of arrivals prove about a rate: how much was achieved, how much was ever exceeded."""

import itertools
from collections.abc import Sequence

SECOND_NS = 1_000_000_000


def most_in_any_second(stamps_ns: Sequence[int]) -> int:
    """Return the most stamps in any half-open sliding second; 0 for none.

    >>> most_in_any_second([0, 500_000_000, 1_000_000_000])
    2
    """
    ordered = sorted(stamps_ns)
    most = first = 0
    for count, stamp_ns in enumerate(ordered, start=1):
        while stamp_ns - ordered[first] >= SECOND_NS:
            first += 1
        most = max(most, count - first)
    return most


def between(stamps_ns: Sequence[int], start_ns: int, end_ns: int) -> list[int]:
    """Return the stamps of the half-open span, in order."""
    return sorted(stamp_ns for stamp_ns in stamps_ns if start_ns <= stamp_ns < end_ns)


def achieved(stamps_ns: Sequence[int], start_ns: int, end_ns: int, limit_per_s: float) -> float:
    """Return arrivals of the span as a share of what the limit allows in it."""
    allowed = limit_per_s * (end_ns - start_ns) / SECOND_NS
    return len(between(stamps_ns, start_ns, end_ns)) / allowed


def longest_silence_ms(stamps_ns: Sequence[int]) -> float:
    """Return the longest gap between two neighbours; 0 for fewer than two."""
    ordered = sorted(stamps_ns)
    gaps_ns = (later - earlier for earlier, later in itertools.pairwise(ordered))
    return max(gaps_ns, default=0) / 1e6


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the smallest value that `percent` of all values do not exceed (nearest rank).

    >>> percentile([4.0, 1.0, 3.0, 2.0], 50)
    2.0
    """
    ordered = sorted(values)
    rank = max(1, -(-len(ordered) * percent // 100))
    return ordered[int(rank) - 1]
