"""What a deployment burns of portfolios in which nothing happens: worker, API process and Redis."""

import asyncio

from benchmarks import engine_under_test
from benchmarks.engine_under_test import Setup
from benchmarks.figures import Figure, for_reference
from benchmarks.rig import Rig
from benchmarks.rows.idle import LIMIT, rounds, sums

NAME = "idle_portfolios"
CONCURRENCY = 512
MANY = (1, 300, 1_000)  # portfolios of one number, each with a campaign that runs and has no rows
REST_S = 100.0  # who kept up the portfolios until now is forgotten, and each log has had its turn


async def measure(rig: Rig, *, smoke: bool) -> list[Figure]:
    """Return all together for each number of portfolios; where they are many, also each."""
    figures: list[Figure] = []
    for portfolios in MANY[:1] if smoke else MANY:
        await rig.afresh()
        setup = Setup(senders=portfolios, mps=80, portfolios=portfolios, messaging_limit=LIMIT)
        await engine_under_test.prepare(rig.place, setup)
        await engine_under_test.close(rig.place)
        figures += await _measured(rig, portfolios, smoke=smoke)
    return figures


async def _measured(rig: Rig, portfolios: int, *, smoke: bool) -> list[Figure]:
    worker = engine_under_test.worker_command(rig.place, concurrency=CONCURRENCY)
    api = engine_under_test.api_command(rig.place)
    async with rig.running(worker) as sending, rig.running(api) as serving:
        await asyncio.sleep(2 if smoke else REST_S)
        costs = await rounds(rig, [sending, serving], smoke=smoke)
    words = f"{portfolios:,} idle portfolios" if portfolios > 1 else "one idle portfolio"
    name = f"{NAME}.of_{portfolios}"
    together = for_reference(
        f"{name}_percent", f"{words}: worker, API process and Redis", "% of a core", sums(costs)
    )
    if portfolios < max(MANY):
        return [together]
    parts = ("worker", "api", "redis")
    return [
        together,
        *(
            for_reference(f"{name}_{part}_percent", f"{words}: {part} alone", "%", cost)
            for part, cost in zip(parts, costs, strict=True)
        ),
    ]
