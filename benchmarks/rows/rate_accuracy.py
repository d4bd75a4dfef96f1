"""Row 8: four processes share one sender's rate; one of them is killed midway.

The sink stamps arrivals. Judged from WARM_S after the first of them to the end, so the moment of
the kill is inside.
"""

import asyncio
import time
from contextlib import AsyncExitStack

import msgspec

from benchmarks import arrivals, engine_under_test, message
from benchmarks.engine_under_test import Setup
from benchmarks.figures import Figure, for_reference, measured
from benchmarks.rig import Rig
from benchmarks.rows.worker_cpu import fill

NAME = "rate_accuracy"
PROCESSES = 4
CONCURRENCY = 128
SINK_LATENCY_MS = 50
WARM_S = 2.0


class Accuracy(msgspec.Struct, frozen=True, kw_only=True):
    """What one run at one rate proved, as shares of the limit."""

    achieved: float
    arrivals_max: float
    slots_max: float
    silence_ms: float


async def measure(rig: Rig, *, smoke: bool) -> list[Figure]:
    """Return the worse of both rates for each promise."""
    seconds = 4 if smoke else 60
    by_mps = {mps: await accuracy(rig, mps=mps, seconds=seconds) for mps in (1_000, 80)}
    note = "; ".join(
        f"{mps} mps: achieved {one.achieved:.3f}, arrivals {one.arrivals_max:.3f}, "
        f"slots {one.slots_max:.3f}"
        for mps, one in by_mps.items()
    )
    runs = list(by_mps.values())
    return [
        measured("rate_accuracy.achieved", [min(one.achieved for one in runs)], note),
        measured("rate_accuracy.slots_max", [max(one.slots_max for one in runs)], note),
        measured("rate_accuracy.arrivals_max", [max(one.arrivals_max for one in runs)], note),
        for_reference(
            "rate_accuracy.silence_ms",
            "longest silence of a sender of 1,000 mps, kill included",
            "ms",
            [by_mps[1_000].silence_ms],
        ),
    ]


async def accuracy(rig: Rig, *, mps: int, seconds: float) -> Accuracy:
    """Run the four processes for `seconds` after the warm-up and read the stamps."""
    await rig.afresh(latency_ms=SINK_LATENCY_MS)
    await engine_under_test.prepare(rig.place, Setup(senders=1, mps=mps))
    await fill(rig, int(mps * (seconds + WARM_S + 20)))
    command = engine_under_test.worker_command(rig.place, concurrency=CONCURRENCY, notes_slots=True)
    async with AsyncExitStack() as stack:
        workers = [await stack.enter_async_context(rig.running(command)) for _ in range(PROCESSES)]
        await rig.until_sent(1, workers[0])
        await asyncio.sleep(WARM_S)
        start_ns = time.monotonic_ns()
        await asyncio.sleep(seconds / 2)
        workers[0].kill()
        await asyncio.sleep(seconds / 2)
        end_ns = time.monotonic_ns()
        stamps_ns = (await rig.stamps_ns())[message.sender_id(0)]
        slots_us = await engine_under_test.reserved_times_us(rig.place, message.sender_id(0))
    inside = arrivals.between(stamps_ns, start_ns, end_ns)
    return Accuracy(
        achieved=arrivals.achieved(inside, start_ns, end_ns, mps),
        arrivals_max=arrivals.most_in_any_second(inside) / mps,
        slots_max=arrivals.most_in_any_second([at * 1_000 for at in slots_us]) / mps,
        silence_ms=arrivals.longest_silence_ms(inside),
    )
