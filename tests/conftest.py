"""Fixtures for every test: a real server for the session, and a client on it emptied each time."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from adapters.redis.connect import connect, disconnect
from adapters.redis.embedded import EmbeddedServer
from tests.late_connections import end_late_connections
from tests.patience import be_patient_with_redis
from tests.redis_servers import require_server, server_names

be_patient_with_redis()
end_late_connections()


@pytest.fixture(scope="session", params=server_names())
def redis_server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[EmbeddedServer]:
    """A real server of our own; each xdist worker has its own session and so its own server."""
    found = require_server(request.param)
    directory = tmp_path_factory.mktemp(f"redis-{request.param}")
    # What a test writes need not survive: without a file no busy disk keeps the server from an
    # answer for longer than a client waits. Tests of durability take `durable_url`.
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
def durable_url(redis_server: EmbeddedServer, tmp_path: Path) -> Iterator[str]:
    """The address of a server of the test's own, of the same kind, as production starts it."""
    with EmbeddedServer(tmp_path / "durable", found=redis_server._found) as server:
        yield server.url


@pytest.fixture
async def durable_client(durable_url: str) -> AsyncIterator[Redis]:
    """A client of that server."""
    client = connect(durable_url)
    assert isinstance(client, Redis)
    yield client
    await disconnect(client)


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
