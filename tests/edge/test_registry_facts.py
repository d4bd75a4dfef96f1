"""Facts on a real server: they outlast their process, and the newest wins over all processes."""

import asyncio
from random import Random

import pytest
from redis.asyncio import Redis

from adapters.redis.registry import RedisRegistry
from adapters.redis.seal import Seal
from engine.facts import Fact, Source, of_account, of_sender

NAME = of_account("1022", "restriction")


def a_registry(client: Redis) -> RedisRegistry:
    return RedisRegistry(client, Seal("the seal of this test"))


def a_fact(at_ms: int, value: str = "", until_ms: int = 0, name: str = NAME) -> Fact:
    return Fact(name, value or str(at_ms), at_ms, Source.WEBHOOK, until_ms, "why")


async def test_older_news_lose_also_after_a_restart_and_in_another_process(
    redis_client: Redis,
) -> None:
    assert (await a_registry(redis_client).tell(a_fact(10))).value == "10"
    after = a_registry(redis_client)  # which knows nothing yet
    assert (await after.tell(a_fact(5))).value == "10"
    assert after.directory.facts[NAME] == a_fact(10)
    third = a_registry(redis_client)
    await third.refresh()
    assert third.directory.facts == {NAME: a_fact(10)}


async def test_the_same_news_again_write_nothing(redis_client: Redis) -> None:
    registry, told = a_registry(redis_client), list[int]()
    registry.changed = lambda: told.append(1)
    for at_ms in (5, 6, 6, 4):
        await registry.tell(a_fact(at_ms, "RED"))
    assert len(told) == 1
    assert (await registry.tell(a_fact(5, "GREEN"))).value == "RED"  # said again at 6


@pytest.mark.parametrize("seed", range(5))
async def test_processes_that_are_told_at_once_agree_on_the_newest(
    redis_client: Redis, seed: int
) -> None:
    rng = Random(seed)
    registries = [a_registry(redis_client) for _ in range(4)]
    names = [NAME, of_sender("1065", "quality")]
    news = [a_fact(rng.randrange(1, 50), name=rng.choice(names)) for _ in range(60)]
    await asyncio.gather(*(rng.choice(registries).tell(fact) for fact in news))
    for registry in registries:
        await registry.refresh()
    newest = {name: max(each.at_ms for each in news if each.id == name) for name in names}
    for registry in registries:
        assert {name: fact.at_ms for name, fact in registry.directory.facts.items()} == newest


async def test_only_the_newest_takes_room(redis_client: Redis) -> None:
    registry = a_registry(redis_client)
    for at_ms in range(1, 30):
        await registry.tell(a_fact(at_ms))
    assert await redis_client.zcard(f"ps:registry:news:{NAME}") == 1
