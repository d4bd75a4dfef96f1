"""`/readyz` is 503 whenever the ledger cannot be worked with, says why, and heals by itself."""

import asyncio
from collections.abc import AsyncIterator
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from redis.asyncio import Redis

from tests.e2e.whole_house import Whole, a_whole_house
from tests.redis_servers import free_port
from tests.tcp_proxy import TcpProxy

FULL = (("CONFIG", "SET", "maxmemory", "1mb"), ("CONFIG", "SET", "maxmemory", "0"))
LONELY = (
    ("CONFIG", "SET", "min-replicas-to-write", "1"),
    ("CONFIG", "SET", "min-replicas-to-write", "0"),
)
READ_ONLY = (("REPLICAOF", "127.0.0.1", "PORT"), ("REPLICAOF", "NO", "ONE"))
PATIENCE_S = 15.0


@pytest.fixture
async def operator(redis_client: Redis) -> AsyncIterator[Redis]:
    """Somebody who changes the server, and leaves it as it was."""
    yield redis_client
    for _, back in (FULL, LONELY, READ_ONLY):
        await redis_client.execute_command(*back)


async def asked(whole: Whole, path: str = "/readyz") -> tuple[int, dict[str, Any]]:
    async with whole.session.get(whole.url + path) as response:
        return response.status, await response.json()


async def until_ready(whole: Whole) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while (await asked(whole))[0] != HTTPStatus.OK:
            await asyncio.sleep(0.05)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        pytest.param(FULL, "memory", id="full"),
        pytest.param(LONELY, "NOREPLICAS", id="too few replicas"),
        pytest.param(READ_ONLY, "read only", id="read-only"),
    ],
)
async def test_a_redis_that_takes_no_writes_makes_it_unready(
    server_url: str, tmp_path: Path, operator: Redis, change: tuple[Any, Any], word: str
) -> None:
    forth, back = change
    words = [str(free_port()) if each == "PORT" else each for each in forth]
    async with a_whole_house(server_url, tmp_path) as whole:
        assert await asked(whole) == (HTTPStatus.OK, {"status": "ready"})
        await operator.execute_command(*words)
        status, answer = await asked(whole)
        assert status == HTTPStatus.SERVICE_UNAVAILABLE
        assert "takes no writes" in answer["objections"][0]
        assert word in answer["objections"][0]
        assert (await asked(whole, "/healthz"))[0] == HTTPStatus.OK
        await operator.execute_command(*back)
        await until_ready(whole)


async def test_a_redis_that_is_away_makes_it_unready_and_nothing_dead(
    server_url: str, tmp_path: Path, redis_client: Redis
) -> None:
    del redis_client
    async with (
        TcpProxy(urlsplit(server_url).path) as proxy,
        a_whole_house(f"redis://127.0.0.1:{proxy.port}", tmp_path) as whole,
    ):
        assert (await asked(whole))[0] == HTTPStatus.OK
        await proxy.refuse()
        status, answer = await asked(whole)
        assert (status, answer["status"]) == (HTTPStatus.SERVICE_UNAVAILABLE, "not ready")
        assert "does not answer" in answer["objections"][0]
        assert (await asked(whole, "/healthz"))[0] == HTTPStatus.OK
        await proxy.accept()
        await until_ready(whole)


async def test_scripts_that_are_missing_are_loaded_again_by_asking(
    server_url: str, tmp_path: Path, redis_client: Redis
) -> None:
    async with a_whole_house(server_url, tmp_path) as whole:
        await redis_client.script_flush()
        await redis_client.function_flush()
        assert (await asked(whole))[0] == HTTPStatus.OK


async def test_one_that_drains_says_so(
    server_url: str, tmp_path: Path, redis_client: Redis
) -> None:
    del redis_client
    async with a_whole_house(server_url, tmp_path) as whole:
        whole.house.is_draining = True
        assert (await asked(whole))[1]["objections"] == ["draining"]
