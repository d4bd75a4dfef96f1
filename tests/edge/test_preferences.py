"""Preferences on a real server: the newest holds, of one moment the stop, over all processes."""

import asyncio
from random import Random

import pytest
from redis.asyncio import Redis

from adapters.redis.preferences import RedisPreferences
from engine.model import PortfolioId, RecipientKey

P1 = PortfolioId("p1")
ANNA, BEN = RecipientKey(b"anna\x00\xff12"), RecipientKey(b"ben\x00\xff123")


async def test_the_newest_holds_and_of_one_moment_the_stop(redis_client: Redis) -> None:
    choices = RedisPreferences(redis_client)
    told = [(5, True), (4, False), (5, False), (9, False), (9, True), (8, False)]
    seen = [await choices.tell(P1, ANNA, at_ms, stops=stops) for at_ms, stops in told]
    assert seen == [(5, True), (5, True), (5, True), (9, False), (9, True), (9, True)]
    assert await choices.known(P1, [ANNA, BEN]) == {ANNA: (9, True)}
    assert await choices.known(PortfolioId("p2"), [ANNA]) == {}


@pytest.mark.parametrize("seed", range(3))
async def test_whatever_the_order_the_newest_is_known(redis_client: Redis, seed: int) -> None:
    rng = Random(seed)
    told = [(1_800_000_000_000 + rng.randrange(9), rng.random() < 0.5) for _ in range(50)]
    choices = [RedisPreferences(redis_client) for _ in range(3)]
    await asyncio.gather(
        *(rng.choice(choices).tell(P1, ANNA, at_ms, stops=stops) for at_ms, stops in told)
    )
    assert await choices[0].known(P1, [ANNA]) == {ANNA: max(told)}
