"""Row 7: one authentication send through a sender that a campaign of 1,000,000 keeps busy.

From just before the call that enqueues it to its arrival at the sink, whose stamp lies after the
first byte: the figure is an upper bound. The sink answers after 50 ms, as Meta would.
"""

import asyncio
import random
import time

from benchmarks import arrivals, engine_under_test, message
from benchmarks.engine_under_test import Setup
from benchmarks.figures import Figure, for_reference, measured
from benchmarks.rig import Rig, RigError
from benchmarks.rows.worker_cpu import fill

NAME = "single_send"
SINK_LATENCY_MS = 50
CONCURRENCY = 512  # the product's default
FIRST_PERSON = 100_000_000  # nobody of the campaign
ARRIVE_PATIENCE_S = 10.0


async def measure(rig: Rig, *, smoke: bool) -> list[Figure]:
    """Return p99 at 1,000 and at 80 mps, with the medians for reference."""
    figures: list[Figure] = []
    for mps in (1_000, 80):
        waited_ms = await latencies_ms(
            rig, mps=mps, rows=5_000 if smoke else 1_000_000, sends=20 if smoke else 300
        )
        note = f"{len(waited_ms)} sends, slowest {max(waited_ms):.1f} ms"
        figures += [
            measured(f"single_send.p99_{mps}mps_ms", [arrivals.percentile(waited_ms, 99)], note),
            for_reference(
                f"single_send.p50_{mps}mps_ms",
                f"single send through a busy sender of {mps:,} mps, median",
                "ms",
                [arrivals.percentile(waited_ms, 50)],
            ),
        ]
    return figures


async def latencies_ms(rig: Rig, *, mps: int, rows: int, sends: int) -> list[float]:
    """Return how long each single send took to reach the sink."""
    await rig.afresh(latency_ms=SINK_LATENCY_MS, is_capturing=True)
    await engine_under_test.prepare(rig.place, Setup(senders=1, mps=mps))
    await fill(rig, rows)
    command = engine_under_test.worker_command(rig.place, concurrency=CONCURRENCY)
    pauses = random.Random(mps)
    begun_ns: dict[str, int] = {}
    async with rig.running(command) as worker:
        await rig.until_sent(2 * mps, worker)  # the campaign saturates its sender by now
        for index in range(sends):
            to = message.recipient(FIRST_PERSON + index)
            begun_ns[to] = time.monotonic_ns()
            await engine_under_test.send_one(rig.place, sender=message.sender_id(0), to=to)
            await asyncio.sleep(pauses.uniform(0.020, 0.060))
        arrived_ns = await all_arrived(rig, begun_ns)
    return [(arrived_ns[to] - at_ns) / 1e6 for to, at_ns in begun_ns.items()]


async def all_arrived(rig: Rig, begun_ns: dict[str, int]) -> dict[str, int]:
    """Return when each single send arrived; one that never does is an error, not an outlier."""
    deadline_s = time.monotonic() + ARRIVE_PATIENCE_S
    while True:
        arrived_ns = {
            to.removeprefix("+"): at_ns
            for _, to, template, at_ns in await rig.captured()
            if template == message.CODE_TEMPLATE
        }
        lost = begun_ns.keys() - arrived_ns.keys()
        if not lost:
            return arrived_ns
        if time.monotonic() > deadline_s:
            raise RigError(f"{len(lost)} of {len(begun_ns)} single sends never arrived")
        await asyncio.sleep(0.2)
