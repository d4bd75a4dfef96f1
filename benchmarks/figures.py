"""What a benchmark says: figures, each held against its line of the budget table."""

import statistics
import time
from collections.abc import Sequence
from enum import StrEnum

import msgspec


class Better(StrEnum):
    """Which side of the budget is the good one."""

    LESS = "at most"
    MORE = "at least"


class Verdict(StrEnum):
    """Where a figure lies."""

    WITHIN_BUDGET = "within budget"
    WITHIN_FLOOR = "past budget, within floor"
    BELOW_FLOOR = "BELOW THE FLOOR"
    NOT_BUILT = "not built yet"
    SKIPPED = "skipped"
    FAILED = "failed"
    FOR_REFERENCE = "for reference"


class Budget(msgspec.Struct, frozen=True):
    """One promise: what is to be reached, and what at the least."""

    words: str
    unit: str
    better: Better
    budget: float
    floor: float | None


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """One measured number, or the reason why there is none."""

    name: str
    words: str
    unit: str
    value: float | None
    verdict: Verdict
    budget: float | None = None
    floor: float | None = None
    better: Better = Better.LESS
    rounds: tuple[float, ...] = ()
    note: str = ""
    measured_at: str = ""


# One core of a 2-core machine. A floor of None: the table gives none.
BUDGETS: dict[str, Budget] = {
    "worker_cpu.cpu_ratio": Budget(
        "worker CPU per send, against bare aiohttp", "x", Better.LESS, 1.10, 1.30
    ),
    "worker_cpu.sends_ratio": Budget(
        "sends/s of one worker, against bare aiohttp", "x", Better.MORE, 0.95, 0.80
    ),
    "worker_cpu.peer_ratio": Budget(
        "sends/s of one worker, against the best Python peer", "x", Better.MORE, 3.5, None
    ),
    "redis_cpu.batch_100_us": Budget(
        "Redis CPU per send, claim + settle, batch 100", "µs", Better.LESS, 12, 30
    ),
    "redis_cpu.batch_8_us": Budget(
        "Redis CPU per send, claim + settle, batch 8", "µs", Better.LESS, 20, 30
    ),
    "redis_cpu.status_us": Budget("Redis CPU per status, batch 100", "µs", Better.LESS, 5, 30),
    "webhooks.sends_ratio": Budget(
        "statuses/s of one API process, against sends/s of one worker", "x", Better.MORE, 3, None
    ),
    "enqueue.in_process_per_s": Budget(
        "bulk enqueue, in process", "jobs/s", Better.MORE, 250_000, 100_000
    ),
    "enqueue.http_per_s": Budget(
        "bulk enqueue, HTTP NDJSON", "jobs/s", Better.MORE, 60_000, 25_000
    ),
    "memory.queued_job_bytes": Budget(
        "Redis memory per queued campaign job", "B", Better.LESS, 160, 250
    ),
    "memory.window_recipient_bytes": Budget(
        "Redis memory per recipient in the window", "B", Better.LESS, 115, 150
    ),
    "single_send.p99_1000mps_ms": Budget(
        "single send through a busy sender of 1,000 mps, p99", "ms", Better.LESS, 25, 250
    ),
    "single_send.p99_80mps_ms": Budget(
        "single send through a busy sender of 80 mps, p99", "ms", Better.LESS, 40, 250
    ),
    "rate_accuracy.achieved": Budget(
        "rate achieved, 4 processes, one killed midway", "x limit", Better.MORE, 0.99, 0.95
    ),
    "rate_accuracy.slots_max": Budget(
        "most reserved slots in any sliding second", "x limit", Better.LESS, 1.0, 1.0
    ),
    "rate_accuracy.arrivals_max": Budget(
        "most arrivals in any sliding second", "x limit", Better.LESS, 1.02, 1.05
    ),
    "idle.core_percent": Budget(
        "idle cost, 1,000,000 parked jobs, 1,000 senders", "% of a core", Better.LESS, 1, 5
    ),
    "growth.queued_ratio": Budget(
        "CPU per send at the deepest queue, against 1,000 jobs", "x", Better.LESS, 1.15, 2
    ),
    "growth.senders_ratio": Budget(
        "CPU per send with 5,000 senders of 2 mps, against 16", "x", Better.LESS, 2, 2
    ),
}


def judge(value: float, budget: Budget) -> Verdict:
    """Return where `value` lies; the budget and the floor themselves are still good.

    >>> judge(1.2, Budget("", "x", Better.LESS, 1.10, 1.30))
    <Verdict.WITHIN_FLOOR: 'past budget, within floor'>
    """
    sign = 1 if budget.better is Better.LESS else -1
    if value * sign <= budget.budget * sign:
        return Verdict.WITHIN_BUDGET
    if budget.floor is not None and value * sign <= budget.floor * sign:
        return Verdict.WITHIN_FLOOR
    return Verdict.BELOW_FLOOR


def measured(name: str, rounds: Sequence[float], note: str = "") -> Figure:
    """Return the median of `rounds` as the budgeted figure `name`, judged."""
    budget, value = BUDGETS[name], statistics.median(rounds)
    return Figure(
        name=name,
        words=budget.words,
        unit=budget.unit,
        value=value,
        verdict=judge(value, budget),
        budget=budget.budget,
        floor=budget.floor,
        better=budget.better,
        rounds=tuple(rounds),
        note=note,
        measured_at=now(),
    )


def for_reference(
    name: str,
    words: str,
    unit: str,
    rounds: Sequence[float],
    *,
    better: Better = Better.LESS,
    note: str = "",
) -> Figure:
    """Return the median of `rounds` as a figure that no budget speaks of."""
    return Figure(
        name=name,
        words=words,
        unit=unit,
        value=statistics.median(rounds),
        verdict=Verdict.FOR_REFERENCE,
        better=better,
        rounds=tuple(rounds),
        note=note,
        measured_at=now(),
    )


def missing(row: str, verdict: Verdict, why: str) -> list[Figure]:
    """Return every budgeted figure of `row` without a number, for the reason `why`."""
    return [missing_one(name, verdict, why) for name in BUDGETS if name.startswith(row + ".")] or [
        Figure(
            name=row, words=row, unit="", value=None, verdict=verdict, note=why, measured_at=now()
        )
    ]


def missing_one(name: str, verdict: Verdict, why: str) -> Figure:
    """Return the budgeted figure `name` without a number."""
    budget = BUDGETS[name]
    return Figure(
        name=name,
        words=budget.words,
        unit=budget.unit,
        value=None,
        verdict=verdict,
        budget=budget.budget,
        floor=budget.floor,
        better=budget.better,
        note=why,
        measured_at=now(),
    )


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    """Return ours / theirs round by round: neighbours in time share the machine's mood.

    >>> ratios([2, 3], [1, 2])
    [2.0, 1.5]
    """
    return [our / their for our, their in zip(ours, theirs, strict=True)]


def now() -> str:
    """Return the wall clock as RFC 3339 UTC."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
