"""What the suites share: a cluster of three nodes, and the guard of tests/lua for all histories."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from redis.asyncio import RedisCluster

from adapters.redis.connect import connect, disconnect
from tests.lua.guarded import guarded_scripts
from tests.redis_cluster import cluster_url, redis_cluster


@pytest.fixture(autouse=True, scope="module")
def _guarded() -> Iterator[None]:
    with guarded_scripts():
        yield


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[RedisCluster]:
    """A client of three nodes that have formed a cluster."""
    with redis_cluster(tmp_path) as servers:
        client = connect(cluster_url(servers))
        assert isinstance(client, RedisCluster)
        yield client
        await disconnect(client)
