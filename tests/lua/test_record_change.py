"""record_change: a record is written by who read it last, and in turn where a rule asks for all."""

from __future__ import annotations

import pytest
from redis.asyncio import Redis

from adapters.redis.scripts import Call, Scripts

KIND = "ps:registry:senders"
TURN = "ps:{ps:registry:senders}:turn"


async def change(
    client: Redis, before: bytes, after: bytes, turn: bytes = b"", name: str = "a"
) -> tuple[int, bytes]:
    call = Call("record_change", KIND, [name, before, after, turn])
    [(is_done, told)] = await Scripts(client).run([call])
    return is_done, told


async def state(client: Redis) -> tuple[object, object]:
    return await client.hgetall(KIND), await client.get(TURN)


async def test_who_knows_it_as_it_is_changes_it(redis_client: Redis) -> None:
    assert await change(redis_client, b"", b"1") == (1, b"0")
    assert await change(redis_client, b"1", b"2") == (1, b"0")
    assert await state(redis_client) == ({b"a": b"2"}, None)
    assert await change(redis_client, b"2", b"") == (1, b"0")
    assert await state(redis_client) == ({}, None)


@pytest.mark.parametrize("before", [b"", b"1", b"22"])
@pytest.mark.parametrize("after", [b"", b"3"])
async def test_who_knows_an_older_one_is_told_the_newest(
    redis_client: Redis, before: bytes, after: bytes
) -> None:
    await change(redis_client, b"", b"2")
    assert await change(redis_client, before, after) == (0, b"2")
    assert await state(redis_client) == ({b"a": b"2"}, None)


async def test_what_is_no_more_is_told_as_nothing(redis_client: Redis) -> None:
    assert await change(redis_client, b"1", b"2") == (0, b"")
    assert await state(redis_client) == ({}, None)


async def test_who_would_write_the_same_is_told_that_another_did(redis_client: Redis) -> None:
    """Of two who count one up, one must look again."""
    await change(redis_client, b"", b"1")
    assert await change(redis_client, b"1", b"2") == (1, b"0")
    assert await change(redis_client, b"1", b"2") == (0, b"2")


async def test_what_stays_as_it_is_takes_no_turn(redis_client: Redis) -> None:
    await change(redis_client, b"", b"1", b"0")
    assert await change(redis_client, b"1", b"1", b"1") == (1, b"1")
    assert await change(redis_client, b"", b"", b"1", name="b") == (1, b"1")
    assert await change(redis_client, b"1", b"1", b"0") == (0, b"1")


async def test_a_turn_is_taken_by_one(redis_client: Redis) -> None:
    assert await change(redis_client, b"", b"1", b"0") == (1, b"1")
    assert await change(redis_client, b"", b"1", b"0", name="b") == (0, b"")
    assert await change(redis_client, b"", b"1", b"1", name="b") == (1, b"2")
    assert await change(redis_client, b"1", b"2") == (1, b"2")  # without a rule: no turn
    assert await state(redis_client) == ({b"a": b"2", b"b": b"1"}, b"2")
