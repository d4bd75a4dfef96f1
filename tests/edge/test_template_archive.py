"""The sets of templates that imports replaced, in memory and on a real server."""

import pytest
from redis.asyncio import Redis

from adapters.memory.archive import MemoryArchive
from adapters.redis.lane_templates import read_template
from adapters.redis.ledger import RedisLedger
from adapters.redis.template_archive import KEPT_MAX, TemplateArchive
from engine.model import PortfolioId, WabaId
from engine.ports import Batch
from engine.template_ports import Archive
from engine.terms import Terms
from tests.builders import LANE, a_lane, a_portfolio, a_row, a_sender
from tests.front_desk import a_template
from tests.virtual_time import START_MS

WABA, OTHER = WabaId("w1"), WabaId("w2")


@pytest.mark.parametrize("kind", ["memory", "redis"])
async def test_the_last_sets_are_kept_and_come_back_as_they_were(
    redis_client: Redis, kind: str
) -> None:
    archive: Archive = MemoryArchive() if kind == "memory" else TemplateArchive(redis_client)
    for at_ms in range(1, KEPT_MAX + 3):
        await archive.keep(WABA, at_ms, [a_template(f"set_{at_ms}"), a_template("ü")])
    assert await archive.moments(WABA) == list(range(KEPT_MAX + 2, 2, -1))
    assert await archive.read(WABA, KEPT_MAX + 2) == [
        a_template(f"set_{KEPT_MAX + 2}"),
        a_template("ü"),
    ]
    assert await archive.read(WABA, 1) is None
    assert await archive.moments(OTHER) == []


async def test_a_lane_tells_its_template(redis_client: Redis) -> None:
    portfolio = PortfolioId("p")
    assert await read_template(redis_client, portfolio, 1) == ""
    ledger = RedisLedger(redis_client, Terms(), lambda: START_MS)
    await ledger.load()
    await ledger.put_portfolio(portfolio, a_portfolio())
    await ledger.put_sender(portfolio, LANE.sender, a_sender())
    lane = a_lane(template="W/other/en")
    (done,) = await ledger.enqueue([Batch(portfolio, lane, [a_row()])])
    assert await read_template(redis_client, portfolio, done.lane) == "W/other/en"
