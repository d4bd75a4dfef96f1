"""Is the sink ever the bottleneck? Load it with a hand-written client until its core is full."""

import msgspec

from benchmarks import programs
from benchmarks.figures import Better, Figure, for_reference
from benchmarks.floor import FloorReport
from benchmarks.rig import Rig

NAME = "sink_capacity"


async def measure(rig: Rig, *, smoke: bool) -> list[Figure]:
    """Return what the sink can answer per second on its core, and the client's own floor."""
    await rig.afresh()
    capacity: list[float] = []
    reached: list[float] = []
    floor_us: list[float] = []
    for _ in range(1 if smoke else 3):
        sink_ns, sends = rig.sink.cpu_ns(), await rig.sends()
        report = await ask(rig, seconds=0.5 if smoke else 2)
        sink_ns, sends = rig.sink.cpu_ns() - sink_ns, await rig.sends() - sends
        capacity.append(sends / sink_ns * 1e9)
        reached.append(report.requests_per_s)
        floor_us.append(report.cpu_us_per_request)
        await rig.afresh()
    return [
        for_reference(
            "sink_capacity.per_s",
            "sink: requests per second of its CPU, 128 connections, no pipelining",
            "/s",
            capacity,
            better=Better.MORE,
        ),
        for_reference(
            "sink_capacity.reached_per_s",
            "sink: reached by the hand-written client on the other core",
            "/s",
            reached,
            better=Better.MORE,
        ),
        for_reference(
            "sink_capacity.client_floor_us",
            "hand-written asyncio.Protocol client, CPU per request",
            "µs",
            floor_us,
            note="the floor under any HTTP client in Python; it parses nothing",
        ),
    ]


async def ask(rig: Rig, seconds: float) -> FloorReport:
    """Run the hand-written client once."""
    command = programs.python(
        "-m", "benchmarks.floor", "--port", str(rig.sink_port), "--seconds", str(seconds)
    )
    async with rig.running(command, has_report=True) as client:
        return msgspec.json.decode(await client.read_line(seconds + 15), type=FloorReport)
