"""The rig: a sink, a Redis and a program under measure, each on its core; and their costs per send.

Costs come from the scheduler's clock of each process, sends from the sink's count, both read at
the same two moments (a Span): nobody measures himself, and warm-up is outside. On a shared machine
trust CPU per send and its ratios; sends/s only where `core_share` is near 1.
"""

import asyncio
import shutil
import socket
import tempfile
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

import aiohttp
import msgspec
from redis.asyncio import Redis

from adapters.redis.embedded import EmbeddedServer
from benchmarks import engine_under_test, machine, programs
from benchmarks.engine_under_test import Place
from benchmarks.figures import Figure
from benchmarks.programs import Command, Program

LOOK_EVERY_S = 0.02
Result = TypeVar("Result")
PATIENCE_S = 60.0  # a program that has sent nothing by then will not


class RigError(RuntimeError):
    """The rig could not measure; the figure would be wrong, so there is none."""


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """What happened, and what it cost, between two looks."""

    sends: int
    wall_ns: int
    worker_ns: int
    redis_ns: int
    sink_ns: int

    @property
    def sends_per_s(self) -> float:
        """Sends that reached the sink, per second of wall time."""
        return self.sends / self.wall_ns * 1e9

    @property
    def worker_us_per_send(self) -> float:
        """CPU of the program under measure and its children."""
        return self.worker_ns / self.sends / 1000

    @property
    def redis_us_per_send(self) -> float:
        """CPU of the Redis process: commands, protocol and housekeeping."""
        return self.redis_ns / self.sends / 1000

    @property
    def core_share(self) -> float:
        """How much of its core the program got; well below 1 means idle or disturbed."""
        return self.worker_ns / self.wall_ns

    @property
    def sink_share(self) -> float:
        """How busy the sink was: near 1 it would be the bottleneck."""
        return self.sink_ns / self.wall_ns


class Rig:
    """Everything a row needs; made by `open_rig`."""

    def __init__(self, place: Place, server: EmbeddedServer, sink: Program, log: Path) -> None:
        self.place = place
        self.server = server
        self.sink = sink
        self.log_path = log
        self.sink_port = int(place.graph_url.rpartition(":")[2])
        self.results: list[Figure] = []  # of this run, for rows that compare with earlier ones
        self.redis = Redis.from_url(place.redis_url)
        self._http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60))

    async def close(self) -> None:
        """Close the rig's own connections."""
        await engine_under_test.close(self.place)
        await self._http.close()
        await self.redis.aclose()

    async def afresh(self, *, latency_ms: float = 0, is_capturing: bool = False) -> None:
        """Empty Redis and the sink, and set how the sink answers from now on."""
        await engine_under_test.close(self.place)
        # SYNC: freed in the background, the old keys would still count as memory of the next row.
        await self.redis.execute_command("FLUSHALL", "SYNC")
        await self.redis.execute_command("SCRIPT", "FLUSH", "SYNC")
        await self.reset_sink(latency_ms=latency_ms, is_capturing=is_capturing)

    async def reset_sink(self, *, latency_ms: float = 0, is_capturing: bool = False) -> None:
        """Forget all arrivals, and set how the sink answers from now on."""
        wishes = f"latency_ms={latency_ms}&capture={int(is_capturing)}"
        await self._ask("POST", f"/_reset?{wishes}")

    async def sends(self) -> int:
        """Return how many sends reached the sink since `afresh`."""
        return msgspec.json.decode(await self._ask("GET", "/_count"), type=dict[str, int])["sends"]

    async def stamps_ns(self) -> dict[str, list[int]]:
        """Return all arrivals by phone number id, CLOCK_MONOTONIC."""
        return msgspec.json.decode(await self._ask("GET", "/_stamps"), type=dict[str, list[int]])

    async def captured(self) -> list[tuple[str, str, str, int]]:
        """Return (phone number id, to, template, arrival) of each send since `afresh`."""
        raw = await self._ask("GET", "/_captured")
        return msgspec.json.decode(raw, type=list[tuple[str, str, str, int]])

    @asynccontextmanager
    async def running(
        self, command: Command, *, has_report: bool = False
    ) -> AsyncGenerator[Program, None]:
        """Run the program under measure on the worker's core."""
        async with programs.running(
            command, machine.worker_core(), self.log_path, has_report=has_report
        ) as program:
            yield program

    async def until_sent(self, count: int, program: Program, patience_s: float = PATIENCE_S) -> int:
        """Return the sink's count once it is at least `count`; an ended program is an error."""
        deadline_s = time.monotonic() + patience_s
        while (sends := await self.sends()) < count:
            if not program.is_running:
                raise RigError(f"the program ended early:\n{program.log_tail()}")
            if time.monotonic() > deadline_s:
                raise RigError(f"{sends} of {count} sends after {patience_s:.0f} s")
            await asyncio.sleep(LOOK_EVERY_S)
        return sends

    async def span(
        self, program: Program, *, seconds: float, warm_s: float = 1.0, sends_max: int | None = None
    ) -> Span:
        """Measure `program` for `seconds` after its first send and `warm_s`.

        With `sends_max` the span ends early at that count, so that a queue never runs dry inside.
        """
        await self.until_sent(1, program)
        await asyncio.sleep(warm_s)
        first = await self._look(program)
        deadline_s = time.monotonic() + seconds
        while time.monotonic() < deadline_s and program.is_running:
            if sends_max is not None and await self.sends() >= sends_max:
                break
            await asyncio.sleep(LOOK_EVERY_S)
        last = await self._look(program)
        if not program.is_running:
            raise RigError(f"the program ended early:\n{program.log_tail()}")
        difference = [after - before for before, after in zip(first, last, strict=True)]
        sends, wall_ns, worker_ns, redis_ns, sink_ns = difference
        if sends <= 0:
            raise RigError("nothing was sent in the span")
        return Span(
            sends=sends, wall_ns=wall_ns, worker_ns=worker_ns, redis_ns=redis_ns, sink_ns=sink_ns
        )

    def redis_cpu_ns(self) -> int:
        """Return the CPU time of the Redis process so far."""
        return programs.cpu_ns(self.server.pid)

    async def redis_bytes(self) -> int:
        """Return what Redis holds now, by its own allocator's count."""
        return int((await self.redis.info("memory"))["used_memory"])

    async def _look(self, program: Program) -> tuple[int, int, int, int, int]:
        sends = await self.sends()
        return (
            sends,
            time.monotonic_ns(),
            program.cpu_ns(),
            self.redis_cpu_ns(),
            self.sink.cpu_ns(),
        )

    async def _ask(self, method: str, path: str) -> bytes:
        async with self._http.request(method, self.place.graph_url + path) as response:
            response.raise_for_status()
            return await response.read()


@asynccontextmanager
async def open_rig(*, has_append_only_file: bool = False) -> AsyncGenerator[Rig, None]:
    """Start sink and Redis on the other core; everything is gone on the way out."""
    root = Path(tempfile.mkdtemp(prefix="bench-rig-"))
    log_path = root / "programs.log"
    directives = {"save": '""', "appendonly": "yes" if has_append_only_file else "no"}
    server = EmbeddedServer(root / "redis", directives=directives)
    try:
        with programs.pinned(machine.other_core()):
            server.start()
        sink_command = programs.python("-m", "benchmarks.sink")
        async with programs.running(
            sink_command, machine.other_core(), log_path, has_report=True
        ) as sink:
            place = Place(
                redis_url=server.url,
                graph_url=f"http://127.0.0.1:{await sink.read_line()}",
                data_dir=root,
                api_port=free_port(),
            )
            rig = Rig(place, server, sink, log_path)
            try:
                with programs.pinned(machine.other_core()):
                    yield rig
            finally:
                await rig.close()
    finally:
        server.stop()
        shutil.rmtree(root, ignore_errors=True)


async def alternate(
    rounds: int, contestants: Mapping[str, Callable[[], Awaitable[Result]]]
) -> dict[str, list[Result]]:
    """Run A B A B ..., so that each round's contestants meet the same machine."""
    results: dict[str, list[Result]] = {key: [] for key in contestants}
    for _ in range(rounds):
        for key, measure in contestants.items():
            results[key].append(await measure())
    return results


def free_port() -> int:
    """Return a TCP port that was free a moment ago."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
