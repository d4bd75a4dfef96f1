"""`/readyz` on a Redis Cluster: each primary that holds something of ours must take writes."""

import asyncio
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from adapters.redis import writing
from adapters.redis.connect import connect, disconnect
from adapters.redis.embedded import EmbeddedServer
from tests.e2e.whole_house import Whole, a_whole_house
from tests.redis_cluster import cluster_url, redis_cluster

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.redis]

PATIENCE_S = 15.0


async def asked(whole: Whole) -> tuple[int, dict[str, Any]]:
    async with whole.session.get(whole.url + "/readyz") as response:
        return response.status, await response.json()


async def until_ready(whole: Whole) -> None:
    """Ask until the answer is another one: it holds for a second."""
    async with asyncio.timeout(PATIENCE_S):
        while (await asked(whole))[0] != HTTPStatus.OK:
            await asyncio.sleep(0.05)


async def until_named(whole: Whole, node: str) -> str:
    """Wait for the words about a node; a script of ours may be refused before they come."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            status, answer = await asked(whole)
            for each in answer.get("objections", ()):
                if node in each:
                    assert status == HTTPStatus.SERVICE_UNAVAILABLE
                    return str(each)
            await asyncio.sleep(0.05)


async def configure(server: EmbeddedServer, replicas: str) -> None:
    client = connect(server.url)
    assert isinstance(client, Redis)
    await client.config_set("min-replicas-to-write", replicas)
    await disconnect(client)


async def writes(server: EmbeddedServer) -> list[tuple[str, int]]:
    """Return what was written to ask a node, and until when each is kept: a write moves that."""
    client = connect(server.url)
    assert isinstance(client, Redis)
    found = await client.keys("ps:written*")
    names = sorted(name if isinstance(name, str) else name.decode() for name in found)
    kept = [(name, int(await client.pexpiretime(name))) for name in names]
    await disconnect(client)
    return kept


async def test_any_node_that_takes_no_writes_makes_it_unready_and_is_named(tmp_path: Path) -> None:
    with redis_cluster(tmp_path) as servers:
        async with a_whole_house(cluster_url(servers), tmp_path / "house") as whole:
            await until_ready(whole)
            for server in servers:
                await configure(server, replicas="1")
                said = await until_named(whole, (server.tcp_url or "").rpartition("@")[2])
                assert "takes no writes" in said
                assert "NOREPLICAS" in said
                await configure(server, replicas="0")
                await until_ready(whole)


async def test_who_asks_often_asks_the_nodes_once_a_second(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "HOLDS_MS", 3_600_000)
    with redis_cluster(tmp_path) as servers:
        async with a_whole_house(cluster_url(servers), tmp_path / "house") as whole:
            await until_ready(whole)
            written = [await writes(server) for server in servers]
            assert all(written)
            assert [(await asked(whole))[0] for _ in range(3)] == [HTTPStatus.OK] * 3
            assert [await writes(server) for server in servers] == written
