"""Rows 1 and 2: what one worker process costs per send, against bare aiohttp in the same rounds."""

from benchmarks import engine_under_test, message
from benchmarks.engine_under_test import Setup
from benchmarks.figures import (
    Better,
    Figure,
    Verdict,
    for_reference,
    measured,
    missing_one,
    ratios,
)
from benchmarks.rig import Rig, RigError, Span, alternate
from benchmarks.rows.bare_client import bare_span

NAME = "worker_cpu"
IN_FLIGHT = 200
SETUP = Setup(senders=message.SENDERS, mps=1_000)
ROWS_PER_CALL = 10_000


async def fill(rig: Rig, rows: int, first: int = 0) -> None:
    """Enqueue `rows` campaign rows about different people, beginning with person `first`."""
    for start in range(first, first + rows, ROWS_PER_CALL):
        end = min(start + ROWS_PER_CALL, first + rows)
        batch = [message.row(index) for index in range(start, end)]
        accepted = await engine_under_test.enqueue(rig.place, batch)
        if accepted != len(batch):
            raise RigError(f"{accepted} of {len(batch)} rows were accepted")


async def engine_span(rig: Rig, *, rows: int, seconds: float) -> Span:
    """Measure one round of the engine: a filled queue, then one worker that empties it."""
    await rig.afresh()
    await engine_under_test.prepare(rig.place, SETUP)
    await fill(rig, rows)
    command = engine_under_test.worker_command(rig.place, concurrency=IN_FLIGHT)
    async with rig.running(command) as worker:
        return await rig.span(worker, seconds=seconds, warm_s=1.5, sends_max=rows * 19 // 20)


async def measure(rig: Rig, *, smoke: bool) -> list[Figure]:
    """Return CPU and sends per second against bare aiohttp, and against the best peer."""
    seconds = 0.5 if smoke else 4
    spans = await alternate(
        1 if smoke else 7,
        {
            "engine": lambda: engine_span(rig, rows=40_000 if smoke else 100_000, seconds=seconds),
            "bare": lambda: bare_span(rig, seconds=seconds, in_flight=IN_FLIGHT),
            "bare_tuned": lambda: bare_span(rig, seconds=seconds, in_flight=IN_FLIGHT, gc="tuned"),
        },
    )
    cost = {name: [span.worker_us_per_send for span in rounds] for name, rounds in spans.items()}
    speed = {name: [span.sends_per_s for span in rounds] for name, rounds in spans.items()}
    share = max(span.core_share for span in spans["engine"])
    return [
        measured("worker_cpu.cpu_ratio", ratios(cost["engine"], cost["bare"])),
        measured(
            "worker_cpu.sends_ratio",
            ratios(speed["engine"], speed["bare"]),
            f"core share of the engine up to {share:.2f}",
        ),
        against_peers(rig, cost["engine"]),
        for_reference(
            "worker_cpu.tuned_ratio",
            "worker CPU per send, against bare aiohttp with a tuned collector",
            "x",
            ratios(cost["engine"], cost["bare_tuned"]),
        ),
        for_reference("worker_cpu.us", "worker CPU per send", "µs/send", cost["engine"]),
        for_reference(
            "worker_cpu.per_s", "one worker process", "sends/s", speed["engine"], better=Better.MORE
        ),
        for_reference(
            "worker_cpu.redis_us",
            "Redis CPU per send while it works",
            "µs/send",
            [span.redis_us_per_send for span in spans["engine"]],
        ),
    ]


def against_peers(rig: Rig, cost_us: list[float]) -> Figure:
    """Return what one core does for the engine and for the best peer of this run in its best round.

    By CPU, since a neighbour who takes the core from a peer for a while would flatter us.
    """
    peers = {
        figure.name: min(figure.rounds)
        for figure in rig.results
        if figure.name in {"peers.saq_us", "peers.taskiq_us"} and figure.rounds
    }
    name = "worker_cpu.peer_ratio"
    if not peers:
        return missing_one(name, Verdict.SKIPPED, "no peer was measured in this run")
    best = min(peers, key=lambda peer: peers[peer])
    return measured(name, [peers[best] / one for one in cost_us], f"against {best}, by CPU")
