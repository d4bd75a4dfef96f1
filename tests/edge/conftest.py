"""What tests of the Cloud API client share, and tests of a road to Redis that is cut."""

from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from adapters.meta.client import build_session
from adapters.redis.connect import connect, disconnect
from adapters.redis.embedded import EmbeddedServer
from tests.edge.meta_graph import Desk, FakeGraph
from tests.tcp_proxy import TcpProxy


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    """Give a client on a fake Graph of its own."""
    async with FakeGraph() as graph, build_session() as session:
        yield Desk(graph, session)


@pytest.fixture
async def proxy(redis_server: EmbeddedServer, redis_client: Redis) -> AsyncIterator[TcpProxy]:
    """Give a road to the server that can be cut."""
    assert await redis_client.ping()
    async with TcpProxy(redis_server.url.removeprefix("unix://")) as running:
        yield running


@pytest.fixture
async def through_proxy(proxy: TcpProxy) -> AsyncIterator[Redis]:
    """Give a client on that road."""
    client = connect(f"redis://127.0.0.1:{proxy.port}")
    assert isinstance(client, Redis)
    await client.ping()  # the handshake's replies are not the ones to lose
    yield client
    await disconnect(client)
