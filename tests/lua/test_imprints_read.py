"""imprints_read: hundreds of slots in a call, in the order in which they were asked for."""

import pytest
from redis.asyncio import Redis

from adapters.redis import keys
from adapters.redis.imprints import AT_ONCE, UNREADABLE, read_imprints
from adapters.redis.scripts import Scripts
from engine.imprints import Imprint
from engine.model import PortfolioId

MANY = [PortfolioId(f"p{number}") for number in range(2 * AT_ONCE + 1)]
NONE = Imprint(0, 0)


@pytest.fixture
async def scripts(redis_client: Redis) -> Scripts:
    found = Scripts(redis_client)
    await found.load()
    return found


async def test_each_slot_tells_its_clock_and_its_sequence(
    redis_client: Redis, scripts: Scripts
) -> None:
    places = (0, 1, AT_ONCE - 1, AT_ONCE, 2 * AT_ONCE)
    for at in places:
        await redis_client.hset(keys.meta(MANY[at]), "state", f"{at}|{at + 1}|7|8")
    found = await read_imprints(redis_client, scripts, MANY)
    assert {at: each for at, each in enumerate(found) if each != NONE} == {
        at: Imprint(at, at + 1) for at in places
    }
    assert await read_imprints(redis_client, scripts, []) == []
    assert await read_imprints(redis_client, scripts, [MANY[1]]) == [Imprint(1, 2)]


async def test_what_cannot_be_read_is_like_no_other(redis_client: Redis, scripts: Scripts) -> None:
    for at, state in enumerate(("", "later|1", "1", "1|x|2|3")):
        await redis_client.hset(keys.meta(MANY[at]), "state", state)
    assert await read_imprints(redis_client, scripts, MANY[:4]) == [UNREADABLE] * 4


async def test_a_server_that_forgot_its_scripts_is_told_them_again(
    redis_client: Redis, scripts: Scripts
) -> None:
    await redis_client.script_flush()
    assert await read_imprints(redis_client, scripts, MANY[:3]) == [NONE] * 3
