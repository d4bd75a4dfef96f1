"""Row 9: what a worker and Redis burn while 1,000,000 jobs are parked behind the quota."""

import asyncio
import time
from collections.abc import Sequence

from benchmarks import engine_under_test
from benchmarks.engine_under_test import Setup
from benchmarks.figures import Figure, for_reference, measured
from benchmarks.programs import Program
from benchmarks.rig import Rig, RigError
from benchmarks.rows.worker_cpu import fill

NAME = "idle"
CONCURRENCY = 512
PORTFOLIOS = 10
LIMIT = 250  # per portfolio: the smallest tier
REST_S = 120.0
"""Leases of half a minute run out, and a minute after its last message each number is told to be
silent, because the sink sends no webhooks; of a thousand numbers that is half a minute's work."""
ROUND_S = 10.0
PARK_PATIENCE_S = 120.0


async def measure(rig: Rig, *, smoke: bool) -> list[Figure]:
    """Return worker and Redis together in percent of a core, once nothing moves any more."""
    setup = Setup(
        senders=20 if smoke else 1_000, mps=80, portfolios=PORTFOLIOS, messaging_limit=LIMIT
    )
    await rig.afresh()
    await engine_under_test.prepare(rig.place, setup)
    rows = 5_000 if smoke else 1_000_000
    await fill(rig, rows)
    command = engine_under_test.worker_command(rig.place, concurrency=CONCURRENCY)
    async with rig.running(command) as worker:
        sends = await rig.until_sent(PORTFOLIOS * LIMIT, worker)
        await until_parked(rig, rows - sends)
        await engine_under_test.close(rig.place)  # what it keeps up is not the engine's under test
        await asyncio.sleep(1 if smoke else REST_S)
        costs = await rounds(rig, [worker], smoke=smoke)
        if await rig.sends() != sends:
            raise RigError("sends went on beyond the limit: the engine was not idle")
    [worker_percent, redis_percent] = costs
    return [
        measured("idle.core_percent", sums(costs)),
        for_reference("idle.worker_percent", "idle: the worker alone", "%", worker_percent),
        for_reference("idle.redis_percent", "idle: Redis alone", "%", redis_percent),
    ]


async def rounds(rig: Rig, idlers: Sequence[Program], *, smoke: bool) -> list[list[float]]:
    """Return what each program burns in each round, in percent of a core; Redis comes last."""
    costs: list[list[float]] = [[] for _ in (*idlers, "redis")]
    for _ in range(1 if smoke else 3):
        before = _spent(rig, idlers)
        await asyncio.sleep(1 if smoke else ROUND_S)
        wall_ns, *spent_ns = (
            late - early for early, late in zip(before, _spent(rig, idlers), strict=True)
        )
        for cost, ns in zip(costs, spent_ns, strict=True):
            cost.append(100 * ns / wall_ns)
    return costs


def sums(costs: Sequence[Sequence[float]]) -> list[float]:
    """Return what all burn together in each round."""
    return [sum(each) for each in zip(*costs, strict=True)]


def _spent(rig: Rig, idlers: Sequence[Program]) -> list[int]:
    return [time.monotonic_ns(), *(each.cpu_ns() for each in idlers), rig.redis_cpu_ns()]


async def until_parked(rig: Rig, jobs: int) -> None:
    """Return when that many jobs wait for a place."""
    deadline_s = time.monotonic() + PARK_PATIENCE_S
    while (parked := await engine_under_test.parked(rig.place)) < jobs:
        if time.monotonic() > deadline_s:
            raise RigError(f"{parked} of {jobs} jobs are parked after {PARK_PATIENCE_S:.0f} s")
        await asyncio.sleep(0.5)
