"""Several processes and one deployment: a sum over them is true, also while they die and stop."""

import asyncio
import re
from collections import Counter
from pathlib import Path

import pytest
from redis.asyncio import Redis

from adapters.redis.connect import connect, disconnect
from adapters.redis.speaker import SPEAKER as SPEAKER_KEY
from tests.e2e.fleet import API, LIMIT, LOOK_EVERY_S, PATIENCE_S, Fleet, a_fleet
from tests.e2e.whole_house import PORTFOLIO, rows

pytestmark = [pytest.mark.redis, pytest.mark.one_server, pytest.mark.slow, pytest.mark.timeout(240)]

LINE = re.compile(r"^(penstock_\w+(?:\{.*\})?) (\S+)$", re.MULTILINE)
WORKERS, SPEAKER = "penstock_workers", "penstock_speaker"
LIMITS = f'penstock_quota_limit{{portfolio="{PORTFOLIO}"}}'
ROWS = 300
HOLD_MS = 3_500  # of production's 5,000; each says it every second


async def scraped(fleet: Fleet, name: str) -> dict[str, float]:
    """Return what one process tells."""
    async with fleet.session.get(fleet.running[name].url + "/metrics") as response:
        return {line: float(value) for line, value in LINE.findall(await response.text())}


async def told_by(fleet: Fleet) -> dict[str, dict[str, float]]:
    """Return what each process tells."""
    return {name: await scraped(fleet, name) for name in sorted(fleet.running)}


async def until_one_speaks(fleet: Fleet, *names: str) -> str:
    """Return which of these processes speaks, as soon as there is one and no other beside it."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            told = await told_by(fleet)
            speakers = [name for name, its in told.items() if its[SPEAKER]]
            whole = [name for name, its in told.items() if WORKERS in its and LIMITS in its]
            assert {name for name, its in told.items() if WORKERS in its or LIMITS in its} <= set(
                speakers
            )
            if len(speakers) == 1 and speakers[0] in names and whole == speakers:
                return speakers[0]  # a ledger that is slow to answer leaves its gauges out
            await asyncio.sleep(LOOK_EVERY_S)


async def speaker_pid(fleet: Fleet) -> int | None:
    """Return the process of which Redis says that it speaks."""
    client = connect(fleet.server.url)
    assert isinstance(client, Redis)
    try:
        held = await client.get(SPEAKER_KEY)
        return int(held.decode().rsplit("-", 2)[1]) if isinstance(held, bytes) else None
    finally:
        await disconnect(client)


def depth(told: dict[str, float]) -> float:
    return sum(value for line, value in told.items() if line.startswith("penstock_queue_depth"))


async def until_sums_are_true(fleet: Fleet) -> None:
    """Scrape all until a sum over them is what is so; it is never more, as told twice it would."""
    so = (2, LIMIT, 1, ROWS)
    async with asyncio.timeout(PATIENCE_S):
        while True:
            told = await told_by(fleet)
            sums = sum(map(Counter, told.values()), Counter[str]())
            depths = sum(map(depth, told.values()))
            found = (sums[WORKERS], sums[LIMITS], sums[SPEAKER], depths)
            assert all(one <= other for one, other in zip(found, so, strict=True)), found
            if found == so:
                return  # a ledger that is slow to answer leaves its gauges out
            await asyncio.sleep(LOOK_EVERY_S)


async def test_a_sum_over_processes_is_true_and_another_speaks_when_one_dies(
    tmp_path: Path,
) -> None:
    haste = {"adapters.redis.speaker.HOLD_MS": HOLD_MS}
    async with a_fleet(tmp_path, haste=haste) as fleet:
        assert await until_one_speaks(fleet, API) == API
        await fleet.upload("c1", rows(ROWS))  # a draft: nothing of it moves
        await asyncio.sleep(HOLD_MS / 1_000)  # none of the others begins beside it meanwhile
        await until_sums_are_true(fleet)

        await fleet.kill(API)
        heir = await until_one_speaks(fleet, "worker-0", "worker-1")
        async with asyncio.timeout(PATIENCE_S):
            while depth(await scraped(fleet, heir)) != ROWS:
                await asyncio.sleep(LOOK_EVERY_S)

        pid = fleet.running[heir].process.pid
        assert await speaker_pid(fleet) == pid
        await fleet.terminate(heir)
        assert await speaker_pid(fleet) != pid, "who stops in order lets another speak at once"
        [other] = {"worker-0", "worker-1"} - {heir}
        await until_one_speaks(fleet, other)

        await fleet.start(API)
        await until_one_speaks(fleet, API)
