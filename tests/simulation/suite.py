"""Many seeds together: all must hold, and together they must have met all that can happen."""

from __future__ import annotations

import os
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from adapters.memory.ledger import MemoryLedger
from tests.simulation import fortnight, histories

R = TypeVar("R")

SHARE_MIN = 0.999  # of the limit, while an admissible job waits
GAP_MAX_MS = 100  # from a place's end to its next use, for 95 of 100

FORTNIGHTS_MEET = frozenset(
    {
        *("debt", "doubt", "repeat", "repeat_allowed", "rescue", "unknown", "ended_unknown"),
        *("lost_claim", "lost_settle", "lost_receive", "crash_in_flight", "crash_after_claim"),
        *("drain", "quick_retry", "foreign", "undelivered", "settled_by_status"),
        *("transient", "throttled", "pair", "rejected", "unwritten", "coded"),
        *("evening", "held_by_night"),
        *("closed_template", "closed_ban", "closed_restriction", "closed_token", "closed_pause"),
        *("quality_RED", "quality_YELLOW", "old_news", "asked_template", "new_token"),
        *("answer_closed_account", "answer_closed_sender"),
    }
)
HISTORIES_MEET = frozenset(
    {
        *("debt", "repeated", "cancelled_repeat", "unknown", "doubted"),
        *("reask", "lost_claim", "late_delivery", "refused", "shut"),
        *("closed_account", "closed_template", "reask_held_back"),
    }
)


@dataclass(slots=True)
class Report:
    """What a row of seeds showed."""

    faults: list[str] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)
    share: float = 1.0  # the lowest
    gap_ms: int = 0  # the longest
    sent: int = 0

    def require(self, wanted: Iterable[str]) -> None:
        """Add a fault for all that should have happened and did not."""
        missing = sorted(set(wanted) - self.seen)
        if missing:
            self.faults.append(f"never reached: {', '.join(missing)}; more seeds are needed")


def run_fortnights(seeds: range, workers: int = 1) -> Report:
    """Live through one fortnight a seed."""
    report = Report()
    verdicts = _each(partial(fortnight.live_through, factory=MemoryLedger), seeds, workers)
    for verdict in verdicts:
        replay = f"python -m tests.simulation --fortnights 1 --seed {verdict.seed}"
        report.faults += [f"{breach}  (replay: {replay})" for breach in verdict.breaches[:5]]
        if verdict.share < SHARE_MIN or verdict.gap_ms > GAP_MAX_MS:
            idle = f"I7: {verdict.share:.5f} of the limit, {verdict.gap_ms} ms idle"
            report.faults.append(f"{idle}  (replay: {replay})")
        report.seen |= verdict.seen
        report.share = min(report.share, verdict.share)
        report.gap_ms = max(report.gap_ms, verdict.gap_ms)
        report.sent += verdict.sent
    report.require(FORTNIGHTS_MEET if len(seeds) > 1 else ())
    return report


def run_histories(seeds: range, workers: int = 1) -> Report:
    """Run one random history a seed."""
    report = Report()
    judges = _each(partial(histories.run, factory=MemoryLedger), seeds, workers)
    for seed, judge in zip(seeds, judges, strict=True):
        replay = f"python -m tests.simulation --histories 1 --seed {seed}"
        report.faults += [f"{breach}  (replay: {replay})" for breach in judge.breaches[:5]]
        report.seen |= judge.seen
    report.require(HISTORIES_MEET if len(seeds) > 1 else ())
    return report


def _each(run: partial[R], seeds: range, workers: int) -> list[R]:
    if workers == 1 or len(seeds) == 1:
        return [run(seed) for seed in seeds]
    with ProcessPoolExecutor(min(workers, os.cpu_count() or 1)) as processes:
        return list(processes.map(run, seeds, chunksize=max(1, len(seeds) // 100)))
