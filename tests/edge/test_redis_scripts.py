"""What a server was given stays there: it is given to it once, and again when it forgot."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.asyncio import Redis

from adapters.redis.connect import connect, disconnect
from adapters.redis.scripts import KEPT, Scripts


async def given(client: Redis) -> dict[str, int]:
    """Load, and return how many scripts and functions the server was given for it."""
    await client.config_resetstat()
    await Scripts(client).load()
    stats: Any = await client.info("commandstats")
    names = {"scripts": "cmdstat_script|load", "functions": "cmdstat_function|load"}
    return {
        what: stats[name]["calls"] - stats[name]["rejected_calls"] if name in stats else 0
        for what, name in names.items()
    }


@pytest.fixture
async def empty_client(redis_client: Redis) -> Redis:
    """A client on a server that knows nothing of ours."""
    await redis_client.script_flush()
    await redis_client.function_flush()
    return redis_client


async def test_a_server_is_given_what_it_has_not(empty_client: Redis) -> None:
    first = await given(empty_client)
    assert first["functions"] == len(KEPT)
    assert first["scripts"] > len(KEPT)
    assert await given(empty_client) == {"scripts": 0, "functions": 0}
    await empty_client.script_flush()
    assert await given(empty_client) == first | {"functions": 0}
    await empty_client.function_flush()
    assert await given(empty_client) == first | {"scripts": 0}


async def test_one_script_that_is_missing_is_given_alone(empty_client: Redis) -> None:
    await Scripts(empty_client).load()
    libraries: Any = await empty_client.function_list()
    await empty_client.function_delete(libraries[0][1].decode())
    assert await given(empty_client) == {"scripts": 0, "functions": 1}


@pytest.fixture
async def guest(empty_client: Redis, server_url: str) -> AsyncIterator[Redis]:
    """A user who may load functions and not list them."""
    rules = ("on", ">pw", "~*", "&*", "+@all", "-function|list")
    await empty_client.execute_command("ACL", "SETUSER", "guest", *rules)
    client = connect(server_url.replace("unix://", "unix://guest:pw@"))
    assert isinstance(client, Redis)
    yield client
    await disconnect(client)
    await empty_client.acl_deluser("guest")


async def test_who_may_not_look_gives_the_functions_again(guest: Redis) -> None:
    assert (await given(guest))["functions"] == len(KEPT)
    assert await given(guest) == {"scripts": 0, "functions": len(KEPT)}
