"""What is looked at for many portfolios at once, on a Redis Cluster of three nodes."""

from __future__ import annotations

import pytest
from redis.asyncio import RedisCluster

from adapters.redis import keys
from adapters.redis.imprints import read_imprints
from adapters.redis.log_news import logs_with_news
from adapters.redis.scripts import Scripts
from engine.imprints import Imprint
from engine.model import PortfolioId

MANY = [PortfolioId(f"portfolio-{number}") for number in range(250)]

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.redis]


async def test_each_node_is_asked_for_its_own(cluster: RedisCluster) -> None:
    for at, portfolio in enumerate(MANY[::25]):
        await cluster.hset(keys.meta(portfolio), "state", f"{at}|{at + 1}|0|0")
        await cluster.xadd(keys.log(portfolio), {"enqueued": "0|1|1"}, id="5-0")
    found = await read_imprints(cluster, Scripts(cluster), MANY)
    assert [each for each in found if each.sequence] == [Imprint(at, at + 1) for at in range(10)]
    begin = dict.fromkeys(MANY, b"0-0")
    assert await logs_with_news(cluster, begin) == set(MANY[::25])
    assert await logs_with_news(cluster, dict.fromkeys(MANY, b"5-0")) == set()
