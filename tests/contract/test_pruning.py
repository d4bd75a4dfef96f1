"""What is over is forgotten by both ledgers alike, and a house does not grow for ever."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from redis.asyncio import Redis

from adapters.memory.ledger import MemoryLedger
from adapters.memory.prune import MemoryPruner
from adapters.memory.registry import MemoryRegistry
from adapters.redis.keys import tag
from adapters.redis.ledger import RedisLedger
from adapters.redis.pruning import RedisPruner
from engine.directory import Campaign, Journey
from engine.model import Category, JobKey, PortfolioId, Priority, SourceState
from engine.outcomes import Accepted
from engine.ports import Ask, Batch, Settlement
from engine.pruning import SOURCE_KEPT_MS, Pruner, Pruning
from engine.quota import DAY_MS
from tests.builders import (
    SENDER,
    TEMPLATE,
    a_lane,
    a_portfolio,
    a_recipient,
    a_row,
    a_sender,
    a_source,
    a_template,
)
from tests.contract.small_world import START_MS, short_terms

P = PortfolioId("acme")
KEEP_DAYS = 1
Either = MemoryLedger | RedisLedger


def a_campaign(name: str, state: SourceState = SourceState.RUNNING) -> Campaign:
    """A campaign of the portfolio."""
    return Campaign(
        name,
        name,
        P,
        (SENDER,),
        {},
        (),
        (TEMPLATE,),
        Category.MARKETING,
        Priority.MARKETING,
        1,
        state,
        created_at_ms=START_MS,
    )


class World:
    """One ledger, what prunes it, and a registry."""

    def __init__(self, kind: str, client: Redis) -> None:
        self.client = client
        self.now_ms = START_MS
        self.wishes = 0
        self.registry = MemoryRegistry()
        self.ledger: Either
        self.pruner: Pruner
        self.memory = MemoryLedger(short_terms(), self.clock)
        if kind == "memory":
            self.ledger = self.memory
            self.pruner = MemoryPruner(self.memory, KEEP_DAYS * DAY_MS)
        else:
            redis = RedisLedger(
                client, short_terms(), self.clock, tolerance_ms=0, keep_days=KEEP_DAYS
            )
            self.ledger = redis
            self.pruner = RedisPruner(client, redis.scripts, redis.calls, self.clock)
        self.pruning = Pruning(self.pruner, self.registry, self.clock)

    def clock(self) -> int:
        return self.now_ms

    async def furnish(self) -> None:
        """Make a world in which everything may be sent."""
        await self.ledger.put_portfolio(P, a_portfolio(-1))
        await self.ledger.put_sender(P, SENDER, a_sender(throughput_mps=1_000))
        await self.ledger.put_template(P, TEMPLATE, a_template())

    async def send(self, source: str, person: int = 1) -> JobKey:
        """Queue one job of a source and have it accepted."""
        row = a_row(person, dedupe=a_recipient(person))
        (queued,) = await self.ledger.enqueue([Batch(P, a_lane(source=source), [row])])
        self.wishes += 1
        (answer,) = await self.ledger.claim([Ask(P, "w", self.wishes, 100, 100)])
        settlements = [Settlement(job.key, job.attempt, Accepted("wamid")) for job in answer.jobs]
        await self.ledger.settle(P, settlements)
        return JobKey(queued.lane, queued.first)

    async def a_day(self, forgotten: set[int]) -> list[Campaign]:
        """Let a day pass; ends of these lanes go, as they do by themselves; then prune."""
        self.now_ms += DAY_MS
        await self.ledger.rescue(P)  # leases run out, and their claims are forgotten
        slot, _ = self.memory.slot(P)
        slot.done = {key: done for key, done in slot.done.items() if key.lane not in forgotten}
        for lane in forgotten:
            await self.client.delete(f"{tag(P)}done:{lane}:0")
        return await self.pruning.step(P)


@pytest.fixture(params=["memory", "redis"])
async def world(request: pytest.FixtureRequest, redis_client: Redis) -> World:
    world = World(request.param, redis_client)
    await world.furnish()
    return world


async def days_until(world: World, days: int, lanes: set[int]) -> list[Campaign]:
    """Let days pass; return the campaigns that were forgotten."""
    gone: list[Campaign] = []
    for _ in range(days):
        gone += await world.a_day(lanes)
    return gone


async def test_a_lane_goes_and_its_number_stays_its_own(world: World) -> None:
    first = await world.send("journey:a")
    await days_until(world, 2, {first.lane})
    assert await world.ledger.job(P, first) is None
    again = await world.send("journey:a", person=2)
    assert again.lane == first.lane + 1
    assert (await world.ledger.counts(P, "journey:a")).enqueued == 2, "its books went on"
    assert await world.ledger.job(P, first) is None


async def test_a_campaign_goes_with_its_record_when_it_is_long_over(world: World) -> None:
    await world.registry.put(a_campaign("old"))
    job = await world.send("campaign:old")
    kept_days = SOURCE_KEPT_MS // DAY_MS
    assert await days_until(world, 2 + kept_days - 1, {job.lane}) == []
    assert [each.id for each in await days_until(world, 1, set())] == ["old"]
    assert world.registry.directory.campaigns == {}
    again = await world.send("campaign:old")
    assert again.lane == job.lane + 1, "whoever creates it anew begins with empty books"
    assert (await world.ledger.counts(P, "campaign:old")).enqueued == 1


async def test_a_campaign_that_was_cancelled_without_rows_goes(world: World) -> None:
    for name, state in (("empty", SourceState.CANCELLED), ("draft", SourceState.DRAFT)):
        await world.registry.put(a_campaign(name, state))
        await world.ledger.put_source(P, f"campaign:{name}", a_source(state=state))
    gone = await days_until(world, SOURCE_KEPT_MS // DAY_MS, set())
    assert [each.id for each in gone] == ["empty"]
    assert list(world.registry.directory.campaigns) == ["draft"]


async def test_a_journey_that_somebody_described_keeps_its_books(world: World) -> None:
    await world.registry.put(Journey("a", "a", P))
    job = await world.send("journey:a")
    await days_until(world, 3 + SOURCE_KEPT_MS // DAY_MS, {job.lane})
    assert (await world.ledger.counts(P, "journey:a")).enqueued == 1
    assert await world.pruner.idle_sources(P, world.now_ms - SOURCE_KEPT_MS, 9) == []


async def size(client: Redis) -> Counter[str]:
    """Return how many members each kind of key has, all its keys together."""
    sizes: Counter[str] = Counter()
    wide: Any = client  # redis-py answers bytes or texts: as bytes here
    async for key in wide.scan_iter(match=tag(P) + "*", count=1_000):
        name = key.decode().removeprefix(tag(P))
        kind = (await wide.type(key)).decode()
        length = {"hash": "hlen", "zset": "zcard", "set": "scard", "list": "llen"}.get(kind)
        if length:  # the log has its own bound
            sizes[name.partition(":")[0]] += await getattr(wide, length)(key)
    return sizes


@pytest.mark.parametrize("a_day", [8])
@pytest.mark.timeout(120)
async def test_a_house_that_makes_sources_every_day_does_not_grow_for_ever(
    redis_client: Redis, a_day: int
) -> None:
    world = World("redis", redis_client)
    await world.furnish()
    lanes: dict[int, set[int]] = {}
    sizes: dict[int, Counter[str]] = {}
    for day in range(90):
        lanes[day] = set()
        for number in range(a_day):
            kind, name = ("campaign", "journey")[number % 2], f"{day}-{number}"
            if kind == "campaign":
                await world.registry.put(a_campaign(name))
            job = await world.send(f"{kind}:{name}", person=day * a_day + number)
            lanes[day].add(job.lane)
        await world.a_day(lanes.get(day - 1, set()))
        if day in {10, 45, 89}:
            sizes[day] = await size(redis_client)
    # A lane goes a day after its ends went, which is a day after they came; a source 30 days later.
    days_of_lanes, days_of_sources = 3, 3 + SOURCE_KEPT_MS // DAY_MS + 1
    assert sizes[89]["numbers"] <= a_day * days_of_lanes
    assert sizes[89]["idle_sources"] <= a_day * days_of_sources
    assert len(world.registry.directory.campaigns) <= a_day // 2 * days_of_sources
    assert await redis_client.hget(tag(P) + "meta", "lanes") == str(90 * a_day).encode()
    assert sizes[89].total() <= sizes[45].total(), (sizes[45], sizes[89])
    assert sizes[45].total() > sizes[10].total(), "before that it grows: they are kept for a while"
