"""How long a scrape and a pulse of many senders hold up the loop: `python -m tests.scrape_stall`.

Stretches are CPU time of the loop's own thread: the wall of a shared machine tells of neighbours.
"""

import asyncio
import sys
import tempfile
import time
from asyncio.events import Handle
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from redis.asyncio import Redis

from adapters.clock import Clock
from adapters.house.waking import WakingLedger
from adapters.house.watching import build_metrics
from adapters.house.worker_side import tune_collector
from adapters.prometheus.metrics import Metrics
from adapters.redis.attendance import Attendance
from adapters.redis.connect import connect, disconnect
from adapters.redis.dead_letters import DeadLetters
from adapters.redis.embedded import EmbeddedServer
from adapters.redis.pulses import PULSES, PulseTeller
from engine.directory import Directory, Portfolio, Sender
from engine.events import JobsClaimed, JobsEnqueued, JobsSettled, Journey
from engine.facts import Fact, Source, of_sender
from engine.model import Gate, Lane, PortfolioId, Priority, SenderId, WabaId
from engine.outcomes import Accepted, Outcome, Retry
from engine.ports import Batch, Refusals
from engine.terms import Terms
from tests.builders import a_claimed, a_portfolio, a_row, a_sender, a_source

CODES = (131000, 131026, 130429)
KEEP_MS = 86_400_000


@dataclass
class Stretches:
    """How long the loop was busy, and without a pause."""

    longest_us: int = 0
    total_us: int = 0
    steps: int = 0


@contextmanager
def watched_loop() -> Generator[Stretches]:
    """Time every step that asyncio's own loop takes while this is open."""
    seen = Stretches()
    run = Handle._run

    def timed(handle: Handle) -> None:
        began_ns = time.thread_time_ns()
        run(handle)
        took_us = (time.thread_time_ns() - began_ns) // 1_000
        seen.steps += 1
        seen.total_us += took_us
        seen.longest_us = max(seen.longest_us, took_us)

    Handle._run = timed  # type: ignore[method-assign,assignment]
    try:
        yield seen
    finally:
        Handle._run = run  # type: ignore[method-assign]


@dataclass
class Crowd:
    """A process that has sent for many senders, on a real server."""

    client: Redis
    clock: Clock
    ledger: WakingLedger
    metrics: Metrics
    senders: list[SenderId]

    def work(self) -> None:
        """Count what a busy second of all senders would be."""
        ends: list[Outcome] = [Accepted("wamid"), *(Retry(code, 0, "x") for code in CODES)]
        for sender in self.senders:
            portfolio = self.metrics._directory.senders[sender].portfolio_id
            for priority in (Priority.MARKETING, Priority.AUTHENTICATION):
                lane = Lane("direct:api", sender, "", priority)
                journeys: list[Journey] = [
                    (a_claimed(lane=lane), end, 1_000, 40_000) for end in ends
                ]
                self.metrics(JobsSettled(portfolio, journeys, [], 900))
                self.metrics(JobsEnqueued(portfolio, lane, 5, 1, 0))
            refusals = [Refusals(sender, gate, 3) for gate in (Gate.QUOTA, Gate.RATE, Gate.PAIR)]
            self.metrics(JobsClaimed(portfolio, [], refusals, "", 500))


async def a_crowd(client: Redis, senders: int, portfolios: int) -> Crowd:
    """Furnish a ledger with senders that have something to do at two priorities."""
    clock = Clock()
    ledger = WakingLedger(client, Terms(), clock.now_ms, clock.now_us, keep_days=1)
    await ledger.load()
    directory = Directory()
    names = [PortfolioId(f"portfolio-{number}") for number in range(portfolios)]
    for number, name in enumerate(names):
        directory.portfolios[name] = Portfolio(name, 250, number=number + 1)
        await ledger.put_portfolio(name, a_portfolio(250))
        await ledger.put_source(name, "direct:api", a_source())
    crowd: list[SenderId] = []
    for number in range(senders):
        name, sender = names[number % portfolios], SenderId(str(10**14 + number))
        crowd.append(sender)
        alias = f"shop-{number}"
        directory.senders[sender] = Sender(sender, name, WabaId("w"), "+15550100", alias=alias)
        fact = of_sender(sender, "quality")
        directory.facts[fact] = Fact(fact, "GREEN", 1, Source.REFRESH)
        await ledger.put_sender(name, sender, a_sender())
        for priority in (Priority.MARKETING, Priority.AUTHENTICATION):
            lane = Lane("direct:api", sender, "", priority)
            rows = [a_row(number * 2 + 1), a_row(number * 2 + 2)]
            await ledger.enqueue([Batch(name, lane, rows)])
    outside = (
        Attendance(client, clock.now_ms),
        DeadLetters(client, clock.now_ms, keep_ms=KEEP_MS),
    )
    metrics = build_metrics(directory, ledger, clock, 512, client, *outside)
    return Crowd(client, clock, ledger, metrics, crowd)


@dataclass
class Cost:
    """What one scrape or pulse costs."""

    loop: Stretches
    wall_ms: float
    body_bytes: int
    redis_ms: float  # CPU of the server
    redis_longest_us: int  # one command or script: everybody waits behind it


async def cost_of(client: Redis, act: Callable[[], Awaitable[int]]) -> Cost:
    """Do it, and return what it cost here and in Redis; it returns how many bytes it made."""
    await client.config_set("slowlog-log-slower-than", 0)
    await client.config_set("slowlog-max-len", 100_000)
    await client.slowlog_reset()
    before_ms = await _redis_cpu_ms(client)
    with watched_loop() as loop:
        await asyncio.sleep(0)  # what comes now is a step that is timed
        began = time.perf_counter()
        size = await act()
        wall_ms = (time.perf_counter() - began) * 1_000
    redis_ms = await _redis_cpu_ms(client) - before_ms
    took: list[int] = [each["duration"] for each in await client.slowlog_get(100_000)]
    return Cost(loop, wall_ms, size, redis_ms, max(took, default=0))


async def _redis_cpu_ms(client: Redis) -> float:
    told: dict[str, Any] = await client.info("cpu")
    return 1_000 * float(told["used_cpu_user"] + told["used_cpu_sys"])


async def scraped(crowd: Crowd) -> Cost:
    """Scrape once, with nothing cached."""
    crowd.metrics._standings._taken_at_ms = 0

    async def scrape() -> int:
        return len((await crowd.metrics.render("text/plain"))[0])

    return await cost_of(crowd.client, scrape)


async def pulsed(crowd: Crowd) -> Cost:
    """Tell one pulse of all senders."""
    teller = PulseTeller(crowd.client, crowd.clock.now_ms)
    await teller.tell(crowd.metrics.messages, crowd.metrics.errors, crowd.metrics.sent())
    crowd.work()

    async def tell() -> int:
        await teller.tell(crowd.metrics.messages, crowd.metrics.errors, crowd.metrics.sent())
        newest: Any = await crowd.client.xrevrange(PULSES, count=1)
        return len(newest[0][1][b"b"])

    return await cost_of(crowd.client, tell)


@contextmanager
def a_server() -> Generator[EmbeddedServer]:
    """Run a server of our own."""
    with (
        tempfile.TemporaryDirectory() as directory,
        EmbeddedServer(Path(directory), appendfsync="no") as server,
    ):
        yield server


def _line(what: str, cost: Cost) -> str:
    loop = cost.loop
    return (
        f"{what:23} loop: longest {loop.longest_us / 1000:5.2f} ms of"
        f" {loop.total_us / 1000:6.1f} ms in {loop.steps:6,} steps;"
        f" {cost.body_bytes:9,} B in {cost.wall_ms:5.0f} ms;"
        f" Redis: {cost.redis_ms:5.1f} ms, longest {cost.redis_longest_us / 1000:4.2f} ms"
    )


async def _main(senders: int) -> None:
    for portfolios in (1, senders):
        with a_server() as server:
            client = connect(server.url)
            assert isinstance(client, Redis)
            crowd = await a_crowd(client, senders, portfolios)
            crowd.work()
            tune_collector()  # as a worker does: its full collections are rare and find little
            for act in (scraped, scraped, pulsed, pulsed):
                cost = await act(crowd)
                what = f"{act.__name__}: {senders} in {portfolios}"
                sys.stdout.write(_line(what, cost) + "\n")
            await disconnect(client)


if __name__ == "__main__":
    asyncio.run(_main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000))
