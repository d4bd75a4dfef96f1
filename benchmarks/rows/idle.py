"""Row 9: what a worker and Redis burn while 1,000,000 jobs are parked behind the quota."""

import asyncio
import time

from benchmarks import engine_under_test
from benchmarks.engine_under_test import Setup
from benchmarks.figures import Figure, for_reference, measured
from benchmarks.rig import Rig, RigError
from benchmarks.rows.worker_cpu import fill

NAME = "idle"
CONCURRENCY = 512
PORTFOLIOS = 10
LIMIT = 250  # per portfolio: the smallest tier
REST_S = 5.0
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
    worker_percent: list[float] = []
    redis_percent: list[float] = []
    async with rig.running(command) as worker:
        sends = await rig.until_sent(PORTFOLIOS * LIMIT, worker)
        await until_parked(rig, rows - sends)
        await asyncio.sleep(1 if smoke else REST_S)
        for _ in range(1 if smoke else 3):
            before = (time.monotonic_ns(), worker.cpu_ns(), rig.redis_cpu_ns())
            await asyncio.sleep(1 if smoke else 10)
            after = (time.monotonic_ns(), worker.cpu_ns(), rig.redis_cpu_ns())
            wall_ns, worker_ns, redis_ns = (
                late - early for early, late in zip(before, after, strict=True)
            )
            worker_percent.append(100 * worker_ns / wall_ns)
            redis_percent.append(100 * redis_ns / wall_ns)
        if await rig.sends() != sends:
            raise RigError("sends went on beyond the limit: the engine was not idle")
    both = [one + other for one, other in zip(worker_percent, redis_percent, strict=True)]
    return [
        measured("idle.core_percent", both),
        for_reference("idle.worker_percent", "idle: the worker alone", "%", worker_percent),
        for_reference("idle.redis_percent", "idle: Redis alone", "%", redis_percent),
    ]


async def until_parked(rig: Rig, jobs: int) -> None:
    """Return when that many jobs wait for a place."""
    deadline_s = time.monotonic() + PARK_PATIENCE_S
    while (parked := await engine_under_test.parked(rig.place)) < jobs:
        if time.monotonic() > deadline_s:
            raise RigError(f"{parked} of {jobs} jobs are parked after {PARK_PATIENCE_S:.0f} s")
        await asyncio.sleep(0.5)
