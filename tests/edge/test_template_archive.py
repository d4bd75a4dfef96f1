"""The sets of templates that imports replaced, in memory and on a real server."""

import pytest
from redis.asyncio import Redis

from adapters.memory.archive import MemoryArchive
from adapters.redis.lane_templates import read_template
from adapters.redis.template_archive import KEPT_MAX, TemplateArchive
from engine.model import PortfolioId, WabaId
from engine.template_desk import Archive
from tests.front_desk import a_template

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


async def test_a_lane_that_is_not_there_has_no_template(redis_client: Redis) -> None:
    assert await read_template(redis_client, PortfolioId("p"), 1) == ""
