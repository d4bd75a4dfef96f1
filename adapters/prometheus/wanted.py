"""How many workers the limits can keep busy: what an autoscaler should follow, never a queue."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import ceil
from typing import Final

from engine.books import Depth
from engine.model import Gate, JobState
from engine.pulses import Pulse

FULL_SHARE: Final = 0.8  # of a worker's concurrency and speed; the rest is for bursts
WORKER_MPS: Final = 5_000  # half of what one process was measured to write; benchmarks/README.md
LEAVES_SOON: Final = frozenset({JobState.QUEUED, JobState.IN_FLIGHT, Gate.RATE})


def permitted_mps(depths: Iterable[Depth]) -> int:
    """Return how many messages a second may leave now: the rates of senders with work that may go.

    Jobs behind a closed gate (a full window, a paused campaign) need no worker, however many.
    """
    return sum(
        depth.rate_mps
        for depth in depths
        if any(jobs and word in LEAVES_SOON for (_, word), jobs in depth.jobs.items())
    )


def wanted_workers(mps: float, latency_s: float, concurrency: int) -> int:
    """Return how many workers `mps` messages a second keep busy; one at least.

    A worker holds `concurrency` messages at once, each for `latency_s`, and writes no more than
    WORKER_MPS however quick the answers are.

    >>> wanted_workers(0, 0.1, 512), wanted_workers(80, 0.2, 512)
    (1, 1)
    >>> wanted_workers(10_000, 0.25, 512), wanted_workers(10_000, 0.001, 512)
    (7, 3)
    """
    of_one = min(concurrency / max(latency_s, 1e-6), float(WORKER_MPS)) * FULL_SHARE
    return max(1, ceil(mps / of_one))


class Latency:
    """The time of a Graph call over the last pulses of all workers; the last known while none is.

    >>> latency = Latency()
    >>> latency.follow([Pulse(9, 1, calls=3, calls_us=600_000), Pulse(9, 1, calls=1)])
    0.15
    >>> latency.follow([])
    0.15
    """

    def __init__(self) -> None:
        self.seconds = 0.0  # nothing was sent yet: then only WORKER_MPS bounds a worker

    def follow(self, pulses: Sequence[Pulse]) -> float:
        """Return it, in seconds."""
        calls = sum(each.calls for each in pulses)
        if calls:
            self.seconds = sum(each.calls_us for each in pulses) / calls / 1_000_000
        return self.seconds
