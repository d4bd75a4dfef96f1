"""What is lost between a client and its server: nothing is repeated, no answer is another's."""

import asyncio
from typing import Any

import pytest
import redis.exceptions
from redis.asyncio import Redis

from tests.tcp_proxy import Loss, TcpProxy


def hurry(client: Redis) -> None:
    """Have the connections that are open wait a short time for a reply: the next is to be lost."""
    pool: Any = client.connection_pool
    for connection in pool._get_free_connections():
        connection.socket_timeout = 0.2


@pytest.mark.parametrize(
    ("loss", "error"),
    [
        pytest.param(Loss.SILENCE, redis.exceptions.TimeoutError, id="silence"),
        pytest.param(Loss.CUT, redis.exceptions.ConnectionError, id="cut"),
    ],
)
async def test_a_command_whose_reply_is_lost_runs_once(
    proxy: TcpProxy,
    through_proxy: Redis,
    redis_client: Redis,
    loss: Loss,
    error: type[redis.exceptions.RedisError],
) -> None:
    proxy.lose_reply_to(b"INCR", loss)
    hurry(through_proxy)
    with pytest.raises(error):
        await through_proxy.incr("jobs")
    assert await redis_client.get("jobs") == b"1"
    assert proxy.times_sent(b"INCR") == 1


async def test_a_pipeline_whose_reply_is_lost_runs_once(
    proxy: TcpProxy, through_proxy: Redis, redis_client: Redis
) -> None:
    proxy.lose_reply_to(b"XADD")
    hurry(through_proxy)
    pipeline = through_proxy.pipeline(transaction=False)
    pipeline.xadd("log", {"a": "1"})
    pipeline.xadd("log", {"a": "2"})
    with pytest.raises(redis.exceptions.TimeoutError):
        await pipeline.execute()
    assert await redis_client.xlen("log") == 2


async def test_after_a_lost_reply_the_next_answer_is_its_own(
    proxy: TcpProxy, through_proxy: Redis
) -> None:
    await through_proxy.mset({"a": "1", "b": "2"})
    proxy.lose_reply()
    hurry(through_proxy)
    with pytest.raises(redis.exceptions.TimeoutError):
        await through_proxy.get("a")
    assert await through_proxy.get("b") == b"2"


@pytest.mark.parametrize("turns", range(8))
async def test_a_cancelled_command_ends_and_leaves_no_stray_answer(
    proxy: TcpProxy, through_proxy: Redis, turns: int
) -> None:
    await through_proxy.mset({"a": "1", "b": "2"})
    proxy.freeze()
    waiting = asyncio.ensure_future(through_proxy.get("a"))
    for _ in range(turns):  # cancelled at every step of a command, also as its write ends
        await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    proxy.thaw()
    assert await through_proxy.get("b") == b"2"


async def test_the_server_may_go_and_come_back(proxy: TcpProxy, through_proxy: Redis) -> None:
    await proxy.refuse()
    with pytest.raises(redis.exceptions.ConnectionError):
        await through_proxy.ping()
    await proxy.accept()
    assert await through_proxy.ping()
