"""Fixtures for every test: a real server for the session, and a client on it emptied each time."""

from collections.abc import AsyncIterator, Iterator

import pytest
from redis.asyncio import Redis

from adapters.redis.connect import connect, disconnect
from adapters.redis.embedded import EmbeddedServer
from tests.redis_servers import require_server, server_names


@pytest.fixture(scope="session", params=server_names())
def redis_server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[EmbeddedServer]:
    """A real server of our own; each xdist worker has its own session and so its own server."""
    found = require_server(request.param)
    directory = tmp_path_factory.mktemp(f"redis-{request.param}")
    # What a test writes need not survive: without a file no busy disk keeps the server from an
    # answer for longer than a client waits. Tests of durability start servers of their own.
    with EmbeddedServer(directory, found=found, directives={"appendonly": "no"}) as server:
        yield server


@pytest.fixture
def server_url(redis_server: EmbeddedServer) -> str:
    """The address of the real server, emptied only by `redis_client`."""
    return redis_server.url


@pytest.fixture
async def redis_client(server_url: str) -> AsyncIterator[Redis]:
    """A client as production makes it, on a server with no key.

    It keeps the scripts, as production's does: they are named by their text.
    """
    client = connect(server_url)
    assert isinstance(client, Redis)
    await client.flushall()
    yield client
    await disconnect(client)


@pytest.fixture
async def append_only_file(redis_client: Redis) -> AsyncIterator[None]:
    """The server keeps a file meanwhile, as a ledger's does: usually tests go without."""
    await redis_client.config_set("appendonly", "yes")
    yield
    await redis_client.config_set("appendonly", "no")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark what uses the real server, and leave out what need not be tried on each of them."""
    first, left_out = server_names()[0], list[pytest.Item]()
    for item in items:
        if isinstance(item, pytest.Function) and "redis_server" in item.fixturenames:
            item.add_marker(pytest.mark.redis)
            server = item.callspec.params.get("redis_server", first)
            if server != first and item.get_closest_marker("one_server"):
                left_out.append(item)
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in set(left_out)]
