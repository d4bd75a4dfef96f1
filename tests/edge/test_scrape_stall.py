"""A scrape or a pulse of a thousand senders never holds up a send: the loop is free in between."""

import time
from collections.abc import Awaitable, Callable

import pytest
from redis.asyncio import Redis

from tests.scrape_stall import Cost, Crowd, a_crowd, pulsed, scraped

SENDERS = 1_000
LONGEST_US = 5_000  # of the loop's own CPU; about 2,500 were measured
TRIES_MAX = 12  # what holds up the loop does so each time; a neighbour, the collector do not
STEPS, STEPS_TOOK_US = 50_000, 1_700  # and this, on the same machine


def slowness() -> float:
    """Return how many times longer than there a piece of Python takes here and now."""
    return max(1.0, min(_steps_us() for _ in range(5)) / STEPS_TOOK_US)


def _steps_us() -> int:
    began_ns, count = time.thread_time_ns(), 0
    for step in range(STEPS):
        count += step % 7
    return (time.thread_time_ns() - began_ns) // 1_000


@pytest.mark.one_server
@pytest.mark.slow
@pytest.mark.parametrize("portfolios", [1, SENDERS])
async def test_neither_scrape_nor_pulse_stalls_a_send(redis_client: Redis, portfolios: int) -> None:
    crowd = await a_crowd(redis_client, SENDERS, portfolios)
    crowd.work()
    for act in (scraped, pulsed):
        cost, longest_us = await _at_best(crowd, act)
        assert cost.body_bytes > SENDERS
        assert cost.loop.longest_us < longest_us, (act.__name__, cost)


async def _at_best(crowd: Crowd, act: Callable[[Crowd], Awaitable[Cost]]) -> tuple[Cost, float]:
    """Return the first cost that is within what is allowed here and now, or the last one."""
    for _ in range(TRIES_MAX - 1):
        cost, longest_us = await act(crowd), LONGEST_US * slowness()
        if cost.loop.longest_us < longest_us:
            return cost, longest_us
    return await act(crowd), LONGEST_US * slowness()


@pytest.mark.one_server
async def test_a_pulse_is_one_small_command_however_many_senders(redis_client: Redis) -> None:
    crowd = await a_crowd(redis_client, SENDERS, 1)
    crowd.work()
    await pulsed(crowd)
    before = (await redis_client.info("commandstats"))["cmdstat_xadd"]["calls"]
    cost = await pulsed(crowd)  # tells twice: of all that was counted so far, and what came
    after = (await redis_client.info("commandstats"))["cmdstat_xadd"]["calls"]
    assert after - before == 2
    assert cost.body_bytes < 5_000
