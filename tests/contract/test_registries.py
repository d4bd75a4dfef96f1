"""Both registries do the same, whoever reads, changes, adds and forgets their records."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from random import Random
from typing import Any, cast

import pytest
from redis.asyncio import Redis, RedisCluster

from adapters.memory.registry import MemoryRegistry
from adapters.redis.registry import RedisRegistry
from adapters.redis.seal import Seal
from engine.directory import Portfolio, Registry, Sender
from engine.model import PortfolioId, SenderId, WabaId

Pair = tuple[Registry, Registry]
P = PortfolioId("p1")
SEVERAL = 8


class RefusedError(Exception):
    """A rule of a test refuses."""


def a_sender(number: int = 1, **changes: Any) -> Sender:  # noqa: ANN401 (`replace` checks them)
    return replace(Sender(SenderId(str(number)), P, WabaId("w1"), "+1 555 0100"), **changes)


@pytest.fixture(params=["memory", "redis"])
def pair(request: pytest.FixtureRequest, redis_client: Redis) -> Pair:
    """Two processes' registries of one deployment; in memory there is one process."""
    if request.param == "memory":
        registry = MemoryRegistry()
        return registry, registry
    seal = Seal("the seal of this test")
    return RedisRegistry(redis_client, seal), RedisRegistry(redis_client, seal)


async def known_to(registry: Registry) -> dict[str, Sender]:
    await registry.refresh()
    return dict(registry.directory.senders)


async def test_a_change_is_asked_with_the_record_as_it_is(pair: Pair) -> None:
    here, there = pair
    await there.put(a_sender())
    seen: list[Sender | None] = []

    def named(known: Sender | None) -> Sender:
        seen.append(known)
        return replace(known or a_sender(), alias="shop")

    made: Sender = await here.change(Sender, "1", named)
    assert seen == [a_sender()]
    assert made == a_sender(alias="shop")
    assert await known_to(here) == await known_to(there) == {"1": made}


async def test_a_change_makes_what_was_not_there_and_forgets_what_was(pair: Pair) -> None:
    here, there = pair
    assert await here.change(Sender, "1", lambda known: known or a_sender()) == a_sender()
    assert await known_to(there) == {"1": a_sender()}
    await there.change(Sender, "1", lambda _known: None)
    assert await known_to(here) == {}
    assert await here.change(Sender, "1", lambda known: known) is None


async def test_what_does_not_change_stays_the_same_object(pair: Pair) -> None:
    here, _ = pair
    await here.put(a_sender())
    before = (await known_to(here))["1"]
    await here.change(Sender, "1", lambda known: replace(known or a_sender()))
    assert (await known_to(here))["1"] is before


async def test_who_refuses_changes_nothing(pair: Pair) -> None:
    here, there = pair
    await here.put(a_sender())

    def refuses(_known: Sender | None) -> Sender:
        raise RefusedError

    with pytest.raises(RefusedError):
        await there.change(Sender, "1", refuses)
    assert await known_to(here) == await known_to(there) == {"1": a_sender()}


async def test_a_new_portfolio_gets_its_number_and_keeps_it(pair: Pair) -> None:
    here, there = pair
    made = await here.change(Portfolio, P, lambda known: known or Portfolio(P, 250))
    changed = await there.change(
        Portfolio, P, lambda known: replace(known or Portfolio(P, 0), messaging_limit=1_000)
    )
    assert made is not None
    assert made.number > 0
    assert changed == replace(made, messaging_limit=1_000)


async def test_of_several_records_those_that_are_new_are_added(pair: Pair) -> None:
    here, there = pair
    await here.put(a_sender(1, alias="known"))
    await there.add_all([a_sender(1), a_sender(2)])
    expected = {"1": a_sender(1, alias="known"), "2": a_sender(2)}
    assert await known_to(here) == await known_to(there) == expected


async def test_what_many_change_at_once_is_all_changed(pair: Pair) -> None:
    async def count(registry: Registry, rng: Random) -> None:
        for _ in range(SEVERAL):
            number = str(rng.randrange(3))

            def counted(known: Sender | None, number: str = number) -> Sender:
                known = known or a_sender(int(number), throughput=0)
                return replace(known, throughput=known.throughput + 1)

            await registry.change(Sender, number, counted)

    await asyncio.gather(*(count(each, Random(at)) for at, each in enumerate(pair * 2)))
    for registry in pair:
        known = await known_to(registry)
        assert sum(each.throughput for each in known.values()) == 4 * SEVERAL


async def test_a_rule_about_all_records_holds_however_many_add_at_once(pair: Pair) -> None:
    await add_up_to_three(pair)


async def test_a_rule_holds_in_a_cluster_too(cluster: RedisCluster) -> None:
    seal = Seal("the seal of this test")
    await add_up_to_three((RedisRegistry(cluster, seal), RedisRegistry(cluster, seal)))


async def add_up_to_three(pair: Pair) -> None:
    """Have each look how many there are before it adds one; three is the most."""

    async def add(registry: Registry, number: int) -> bool:
        def added(known: Sender | None) -> Sender:
            if known is None and len(registry.directory.senders) >= 3:
                raise RefusedError
            return known or a_sender(number)

        try:
            await registry.change(Sender, str(number), added, alone=True)
        except RefusedError:
            return False
        return True

    for start in (0, 100):
        several = [add(pair[at % 2], start + at) for at in range(SEVERAL)]
        done = await asyncio.gather(*several)
        assert sum(done) == (3 if start == 0 else 0)
    for registry in pair:
        assert len(await known_to(registry)) == 3


async def test_a_rule_sees_what_its_writer_has_not_told_yet(redis_client: Redis) -> None:
    """Between a record and its name in the log of changes others may look."""
    here, there = (RedisRegistry(redis_client, Seal("a")) for _ in range(2))
    await there.refresh()
    dies = cast("Any", here)._changes

    async def note(_kind: str, _names: list[str]) -> None:
        raise asyncio.CancelledError

    dies.note = note
    with pytest.raises(asyncio.CancelledError):
        await here.change(Sender, "1", lambda known: known or a_sender(), alone=True)
    seen: list[int] = []

    def added(known: Sender | None) -> Sender:
        seen.append(len(there.directory.senders))
        return known or a_sender(2)

    await there.change(Sender, "2", added, alone=True)
    assert seen == [1]
