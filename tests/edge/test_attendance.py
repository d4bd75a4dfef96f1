"""Workers are counted while they say that they are there."""

import pytest
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from adapters.redis.attendance import FORGOTTEN_MS, GONE_MS, WORKERS, Attendance
from engine.errors import LedgerAwayError

NOW_MS = 1_780_000_000_000


async def test_who_works_is_counted_until_it_goes_or_falls_silent(redis_client: Redis) -> None:
    now_ms = NOW_MS
    attendance = Attendance(redis_client, lambda: now_ms)
    assert await attendance.count() == 0
    for worker in ("a", "b", "b", "c"):
        await attendance.come(worker)
    assert await attendance.count() == 3
    await attendance.leave("a")
    now_ms += GONE_MS
    await attendance.come("b")
    assert await attendance.count() == 2
    now_ms += 1
    assert await attendance.count() == 1
    now_ms += FORGOTTEN_MS
    await attendance.come("d")
    assert await redis_client.zcard(WORKERS) == 1


async def test_a_server_that_is_away_is_said_so() -> None:
    client = Redis(port=1, retry=Retry(NoBackoff(), 0))
    with pytest.raises(LedgerAwayError):
        await Attendance(client, lambda: NOW_MS).count()
    await client.aclose()
