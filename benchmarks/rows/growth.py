"""Row 10: whether a send costs more when the queue is deep, or shared by many slow senders.

A feeder keeps the queues of different depth where they are, so both enqueue as much as they send.
The queues of few and of many senders are filled before each span instead: a feeder that tops up
5,000 lanes a hundred rows at a time would put one row into a lane a call, which no upload does, and
would measure that. Bare aiohttp runs beside every span and each cost is taken as a share of it:
filling the deep queue takes so long that the machine's mood changes meanwhile.
"""

import asyncio

from benchmarks import engine_under_test, message
from benchmarks.engine_under_test import Setup
from benchmarks.figures import Figure, for_reference, measured, ratios
from benchmarks.rig import Rig, Span
from benchmarks.rows.bare_client import bare_span
from benchmarks.rows.worker_cpu import IN_FLIGHT, fill

NAME = "growth"
SHALLOW, DEEP, DEEP_SMOKE = 1_000, 10_000_000, 10_000
FEW = Setup(senders=message.SENDERS, mps=1_000)
FEED_EVERY_S = 0.005
FEED_MIN = 100  # rows a call, so that feeding costs Redis the same per row everywhere


async def measure(rig: Rig, *, smoke: bool) -> list[Figure]:
    """Return CPU per send (worker + Redis) of the deep queue and of many senders, against few."""
    many = Setup(senders=100 if smoke else 5_000, mps=2)
    deep = DEEP_SMOKE if smoke else DEEP
    shallow = await costs(rig, setup=FEW, depth=SHALLOW, smoke=smoke)
    deep_costs = await costs(rig, setup=FEW, depth=deep, smoke=smoke)
    many_costs = await costs(rig, setup=many, depth=10 * many.senders, smoke=smoke, feeds=False)
    few_costs = await costs(rig, setup=FEW, depth=10 * many.senders, smoke=smoke, feeds=False)
    return [
        measured("growth.queued_ratio", ratios(deep_costs, shallow), f"{deep:,} jobs"),
        measured("growth.senders_ratio", ratios(many_costs, few_costs)),
        for_reference(
            "growth.shallow_ratio",
            "worker + Redis CPU per send at 1,000 queued, against bare aiohttp",
            "x",
            shallow,
        ),
    ]


async def costs(
    rig: Rig, *, setup: Setup, depth: int, smoke: bool, feeds: bool = True
) -> list[float]:
    """Return worker + Redis CPU per send at this depth, as shares of bare aiohttp's."""
    await rig.afresh()
    await engine_under_test.prepare(rig.place, setup)
    await fill(rig, depth)
    seconds = 0.5 if smoke else 3
    fed = depth
    results: list[float] = []
    for _ in range(1 if smoke else 3):
        await rig.reset_sink()
        if feeds:
            span, fed = await fed_span(rig, fed=fed, seconds=seconds)
        else:
            span, fed = await full_span(rig, depth=depth, fed=fed, seconds=seconds)
        bare = await bare_span(rig, seconds=seconds, in_flight=IN_FLIGHT)
        cost_us = span.worker_us_per_send + span.redis_us_per_send
        results.append(cost_us / bare.worker_us_per_send)
    return results


async def fed_span(rig: Rig, *, fed: int, seconds: float) -> tuple[Span, int]:
    """Measure one worker while a feeder replaces what was sent; return how many rows exist now."""
    command = engine_under_test.worker_command(rig.place, concurrency=IN_FLIGHT)
    rows = fed
    is_over = asyncio.Event()

    async def feed() -> None:
        nonlocal rows
        while not is_over.is_set():
            missing = await rig.sends() - (rows - fed)
            if missing >= FEED_MIN:
                await fill(rig, missing, first=rows)
                rows += missing
            await asyncio.sleep(FEED_EVERY_S)

    async with rig.running(command) as worker:
        feeding = asyncio.create_task(feed())
        try:
            span = await rig.span(worker, seconds=seconds, warm_s=1.5)
        finally:
            is_over.set()  # not cancelled: nobody would know which of its last rows were taken
            await feeding
    missing = await rig.sends() - (rows - fed)  # it went on until it was stopped
    await fill(rig, missing, first=rows)
    return span, rows + missing


async def full_span(rig: Rig, *, depth: int, fed: int, seconds: float) -> tuple[Span, int]:
    """Measure one worker that nobody feeds, then fill up again; return how many rows exist now."""
    command = engine_under_test.worker_command(rig.place, concurrency=IN_FLIGHT)
    async with rig.running(command) as worker:
        span = await rig.span(worker, seconds=seconds, warm_s=1.5, sends_max=depth * 19 // 20)
    sent = await rig.sends()
    await fill(rig, sent, first=fed)
    return span, fed + sent
