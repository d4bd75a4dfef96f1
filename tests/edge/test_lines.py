"""Lines: connections kept at hand for scripts, never one that is not whole."""

import asyncio
from typing import Any

import pytest
import redis.exceptions
from redis.asyncio import Redis

from adapters.redis.connect import connect, disconnect
from adapters.redis.lines import LINES_MAX, Lines, lines_of
from tests.tcp_proxy import Loss, TcpProxy

pytestmark = pytest.mark.one_server


async def _id(lines: Lines) -> int:
    found: int = await lines.call("CLIENT", "ID")
    return found


async def test_a_line_is_taken_again(redis_client: Redis) -> None:
    lines = Lines(redis_client)
    assert await _id(lines) == await _id(lines)


async def test_no_two_commands_share_a_line(redis_client: Redis) -> None:
    lines = Lines(redis_client)
    ids = await asyncio.gather(*[_id(lines) for _ in range(3 * LINES_MAX)])
    assert len(set(ids)) == 3 * LINES_MAX
    pool: Any = redis_client.connection_pool
    await asyncio.gather(*[redis_client.ping() for _ in range(pool.max_connections)])
    assert await _id(lines) in ids


async def test_an_error_of_a_command_keeps_its_line(redis_client: Redis) -> None:
    lines = Lines(redis_client)
    before = await _id(lines)
    with pytest.raises(redis.exceptions.ResponseError):
        await lines.call("FCALL", "nothing", 0)
    assert await _id(lines) == before


async def test_a_line_that_the_server_closed_is_noticed_before_anything_is_sent(
    redis_client: Redis,
) -> None:
    lines = Lines(redis_client)
    before = await _id(lines)
    await redis_client.client_kill_filter(_id=str(before))
    async with asyncio.timeout(30):
        while await redis_client.client_list(client_id=[str(before)]):
            await asyncio.sleep(0)
    assert await _id(lines) != before


@pytest.mark.parametrize("loss", [Loss.SILENCE, Loss.CUT])
async def test_a_command_whose_reply_is_lost_runs_once_and_its_line_is_used_no_more(
    proxy: TcpProxy, through_proxy: Redis, redis_client: Redis, loss: Loss
) -> None:
    lines = Lines(through_proxy)
    assert await lines.call("INCR", "runs") == 1
    proxy.lose_reply_to(b"INCR", loss)
    [line] = lines._idle
    line.socket_timeout = 0.3  # of that reply alone
    with pytest.raises((redis.exceptions.ConnectionError, redis.exceptions.TimeoutError)):
        await lines.call("INCR", "runs")
    assert await redis_client.get("runs") == b"2"
    assert await lines.call("INCR", "runs") == 3


async def test_a_cancelled_command_leaves_no_reply_to_the_next(redis_client: Redis) -> None:
    lines = Lines(redis_client)
    await _id(lines)
    waiting = asyncio.create_task(lines.call("BLPOP", "empty", 0))
    async with asyncio.timeout(30):
        while not (await _blocked(redis_client)):
            await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await redis_client.rpush("empty", "late")
    assert await lines.call("ECHO", "mine") == b"mine"


async def _blocked(client: Redis) -> int:
    found: Any = await client.info("clients")
    return int(found["blocked_clients"])


async def test_those_who_share_a_client_share_its_lines(redis_client: Redis) -> None:
    ids = {await _id(lines_of(redis_client)) for _ in range(3)}
    assert len(ids) == 1


async def test_a_small_pool_is_left_to_all_others(server_url: str) -> None:
    client = connect(server_url, connections=1)
    assert isinstance(client, Redis)
    lines = Lines(client)
    assert await _id(lines)
    assert await client.ping()
    await disconnect(client)
