"""Rests on a real server: the later end holds, what is over goes, failures are counted once."""

from redis.asyncio import Redis

from adapters.redis.rests import RedisRests
from engine.model import PortfolioId, RecipientKey
from engine.resting import END_MS, Miss, Reason

P1, P2 = PortfolioId("p1"), PortfolioId("p2")
DAY_MS = 86_400_000
NOW_MS = 1_800_000_000_000 // (30 * DAY_MS) * 30 * DAY_MS  # where one epoch follows another


def a_reason(number: int, code: int = 131049) -> Reason:
    return Reason(RecipientKey(number.to_bytes(8, "big")), code)


async def test_the_later_end_holds_until_it_is_over(redis_client: Redis) -> None:
    rests = RedisRests(redis_client)
    await rests.begin(P1, {a_reason(1): 70, a_reason(2): 50})
    await rests.begin(P1, {a_reason(1): 60, a_reason(3): 80})
    everybody = [a_reason(number) for number in range(5)]
    assert await rests.known(P1, everybody) == {a_reason(1): 70, a_reason(2): 50, a_reason(3): 80}
    assert await rests.known(P2, everybody) == {}
    assert await rests.over(P1, 49) == {}
    assert await rests.over(P1, 75) == {a_reason(1): 70, a_reason(2): 50}
    await rests.begin(P1, {a_reason(2): 90})  # again, before it was forgotten
    await rests.end(P1, 70)
    assert await rests.known(P1, everybody) == {a_reason(2): 90, a_reason(3): 80}
    await rests.cut_short(P1, [a_reason(3), a_reason(4)])
    assert await rests.over(P1, 10) == {a_reason(3): END_MS}


async def test_of_many_that_end_together_none_is_left_behind(redis_client: Redis) -> None:
    rests = RedisRests(redis_client)
    await rests.begin(P1, {a_reason(number): 5 for number in range(1_100)} | {a_reason(0): 4})
    over = await rests.over(P1, 9)
    assert (len(over), max(over.values())) == (1_100, 5)
    await rests.end(P1, 5)
    assert await redis_client.dbsize() == 0


async def test_failures_count_within_their_time_over_the_end_of_an_epoch(
    redis_client: Redis,
) -> None:
    rests, within_ms = RedisRests(redis_client), 30 * DAY_MS

    async def count(at_ms: int, person: int = 1, code: int = 131026) -> int:
        return await rests.count(P1, Miss(a_reason(person, code), at_ms), within_ms)

    assert await count(NOW_MS - 31 * DAY_MS) == 1
    assert await count(NOW_MS - 1) == 1 + 0
    assert await count(NOW_MS) == 2
    assert await count(NOW_MS) == 2  # the same one again
    assert await count(NOW_MS, person=2) == 1
    assert await count(NOW_MS, code=131027) == 1
    assert await count(NOW_MS + 29 * DAY_MS) == 3
    assert await count(NOW_MS + 31 * DAY_MS) == 2
    for name in await redis_client.keys("ps:registry:misses:*"):
        assert 0 < await redis_client.pttl(name) <= 2 * within_ms
