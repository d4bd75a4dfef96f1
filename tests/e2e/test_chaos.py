"""Things die while a campaign runs: nothing is lost, nothing is sent twice, no rule is broken."""

import asyncio
import csv
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from random import Random

import aiohttp
import pytest

from adapters.redis.embedded import EmbeddedServer
from tests.e2e.fleet import (
    API,
    CONCURRENCY,
    LOOK_EVERY_S,
    PATIENCE_S,
    Fleet,
    Status,
    a_busy_world,
    a_fleet,
    add_campaign,
    assert_campaign_over,
    assert_judges_content,
)
from tests.e2e.whole_house import rows
from tests.redis_servers import free_port, require_server
from tests.tcp_proxy import TcpProxy

pytestmark = [pytest.mark.redis, pytest.mark.timeout(180)]

ROWS = 200
BEGUN = 40  # accepted when the trouble starts


@pytest.fixture(autouse=True)
def _needs_a_server() -> None:
    require_server("embedded")


async def begin(fleet: Fleet, count: int = ROWS) -> None:
    """Start a campaign and wait until it is well under way."""
    uploaded = await fleet.upload("c1", rows(count))
    assert uploaded["accepted"] == count, uploaded
    await fleet.call("POST", "/v1/campaigns/c1/start")
    await fleet.until("c1", lambda status: status["counts"]["accepted"] >= BEGUN)


def is_over(status: Status) -> bool:
    return bool(status["state"] == "completed")


async def was_in_doubt(fleet: Fleet) -> bool:
    """Return whether the end of one that nobody knows was in doubt before."""
    async with fleet.session.get(f"{fleet.url}/v1/campaigns/c1/results.csv") as response:
        lines = list(csv.DictReader((await response.text()).splitlines()))
    job = next(each["job"] for each in lines if each["state"] == "unknown")
    history = (await fleet.call("GET", f"/v1/jobs/{job}"))["history"]
    return "in_doubt" in {each["transition"] for each in history}


async def test_a_worker_that_is_killed_leaves_at_most_its_claims_in_doubt(tmp_path: Path) -> None:
    slow = {"kind": "latency", "delay_ms": 500}
    deaf = a_busy_world(webhook={"loss_rate": 1.0}, faults=[slow])  # only the leases tell
    async with a_fleet(tmp_path, workers=0, world=deaf) as fleet:
        # Answers that a stall holds up leave no doubts of their own.
        fleet.environment |= {"PENSTOCK_SEND_TIMEOUT_SECONDS": "4", "PENSTOCK_LEASE_SECONDS": "14"}
        await asyncio.gather(fleet.start("worker-0"), fleet.start("worker-1"))
        await begin(fleet)
        await fleet.kill("worker-0")
        status = await fleet.until("c1", is_over)
        assert 0 < status["counts"]["unknown"] <= CONCURRENCY
        assert await was_in_doubt(fleet)
        assert fleet.report().duplicates == 0
        await assert_judges_content(fleet, status, ROWS)


async def test_four_workers_share_the_work_and_one_is_drained_meanwhile(tmp_path: Path) -> None:
    async with a_fleet(tmp_path, workers=4) as fleet:
        await begin(fleet)
        written = await fleet.terminate("worker-3")
        assert '"drained"' in written
        assert '"doubted": 0' in written.replace(":0", ": 0"), written
        status = await fleet.until("c1", is_over)
        assert status["counts"]["accepted"] == ROWS
        assert fleet.report().duplicates == 0
        await assert_judges_content(fleet, status, ROWS)


async def test_the_api_is_killed_and_the_workers_go_on_without_it(tmp_path: Path) -> None:
    async with a_fleet(tmp_path) as fleet:
        await begin(fleet)
        await fleet.kill(API)
        before = fleet.report().accepted
        async with asyncio.timeout(PATIENCE_S):
            while fleet.report().accepted < before + BEGUN:
                await asyncio.sleep(LOOK_EVERY_S)
        await fleet.start(API)
        status = await fleet.until("c1", is_over)
        assert fleet.report().duplicates == 0
        await assert_judges_content(fleet, status, ROWS)


async def test_redis_is_killed_and_finds_everything_in_its_file(tmp_path: Path) -> None:
    async with a_fleet(tmp_path) as fleet:
        await begin(fleet)
        await fleet.kill_redis()
        status = await fleet.until("c1", is_over)
        assert fleet.report().duplicates == 0
        await assert_judges_content(fleet, status, ROWS)


async def test_connections_are_cut_and_refused_for_a_while(tmp_path: Path) -> None:
    port = free_port()
    server = EmbeddedServer(tmp_path / "redis", tcp_port=port)
    async with TcpProxy(("127.0.0.1", port)) as proxy:

        def through_the_proxy(started: EmbeddedServer) -> str:
            return (started.tcp_url or "").replace(str(port), str(proxy.port))

        async with a_fleet(tmp_path, redis_url=through_the_proxy, server=server) as fleet:
            await begin(fleet)
            proxy.cut()
            await fleet.until("c1", lambda status: status["counts"]["accepted"] >= 2 * BEGUN)
            await proxy.refuse()
            await fleet.until_none_is_ready()
            await proxy.accept()
            status = await fleet.until("c1", is_over)
            assert fleet.report().duplicates == 0
            await assert_judges_content(fleet, status, ROWS)


async def test_an_upload_that_dies_with_its_api_is_sent_again_and_nothing_twice(
    tmp_path: Path,
) -> None:
    lines = rows(20_000).splitlines(keepends=True)
    lines[-1] += "\n"
    half = asyncio.Event()

    async def a_slow_file() -> AsyncIterator[bytes]:
        yield "".join(lines[:10_001]).encode()
        await half.wait()

    async with a_fleet(tmp_path, workers=0, world=a_busy_world(faults=[])) as fleet:
        upload = asyncio.create_task(fleet.upload("c1", a_slow_file()))
        before = await fleet.until("c1", lambda status: status["enqueued"] > 1_000)
        await fleet.kill(API)
        half.set()
        with pytest.raises(aiohttp.ClientError):
            await upload
        await fleet.start(API)
        again = await fleet.upload("c1", "".join(lines))
        status = await fleet.until("c1", lambda _: True)
        assert again["accepted"] + again["duplicates"] == status["enqueued"] == 20_000
        assert again["duplicates"] >= before["enqueued"]
        assert await fleet.audit() == []


# --- the long form: `make chaos`, PENSTOCK_CHAOS_ROUNDS=50 for a night -------------------------

ROUNDS = int(os.environ.get("PENSTOCK_TEST_CHAOS_ROUNDS", "6"))
SEED = int(os.environ.get("PENSTOCK_TEST_CHAOS_SEED", "1"))
ROUND_ROWS = 120
FAULTS = [
    {"kind": "latency", "delay_ms": 50, "spread_ms": 200},
    {"kind": "silence", "rate": 0.01},
    {"kind": "reset", "rate": 0.01},
    {"kind": "server_error", "rate": 0.01, "is_accepted": True},
    {"kind": "error", "rate": 0.02, "code": 131016},
    {"kind": "late_error", "rate": 0.01, "code": 131026, "delay_ms": 50},
]
WEBHOOKS = {"late_rate": 0.1, "double_rate": 0.1, "reorder_rate": 0.1, "loss_rate": 0.05}


class Troubles:
    """What a night brings; after each of them everything that should run runs again."""

    def __init__(self, fleet: Fleet, proxy: TcpProxy, rng: Random) -> None:
        self._fleet = fleet
        self._proxy = proxy
        self._rng = rng

    async def strike(self) -> str:
        """Let one thing go wrong; return its name."""
        troubles: list[Callable[[], Awaitable[None]]] = [
            *(self.worker_killed, self.worker_replaced, self.api_killed, self.redis_killed),
            *(self.connections_cut, self.network_frozen),
        ]
        trouble = self._rng.choice(troubles)
        await trouble()
        return trouble.__name__

    async def worker_killed(self) -> None:
        name = self._a_worker()
        await self._fleet.kill(name)
        await self._fleet.start(name)

    async def worker_replaced(self) -> None:
        name = self._a_worker()
        await self._fleet.terminate(name)
        await self._fleet.start(name)

    async def api_killed(self) -> None:
        await self._fleet.kill(API)
        await self._fleet.start(API)

    async def redis_killed(self) -> None:
        await self._fleet.kill_redis()

    async def connections_cut(self) -> None:
        self._proxy.cut()

    async def network_frozen(self) -> None:
        self._proxy.freeze()
        await asyncio.sleep(self._rng.uniform(0.2, 3.0))
        self._proxy.thaw()

    def _a_worker(self) -> str:
        return self._rng.choice([name for name in self._fleet.running if name != API])


async def play_round(fleet: Fleet, troubles: Troubles, name: str, first: int) -> str:
    """Send one more campaign into the trouble; every other one may be repeated after a doubt."""
    is_utility = first // ROUND_ROWS % 2 == 1
    await add_campaign(fleet, name, template="update" if is_utility else "offer")
    await fleet.insist(lambda: fleet.upload(name, rows(ROUND_ROWS, first)))
    await fleet.call("POST", f"/v1/campaigns/{name}/start")
    await fleet.until(name, lambda status: status["counts"]["accepted"] > 0)
    return await troubles.strike()


@pytest.mark.slow
@pytest.mark.timeout(60 + 40 * ROUNDS)
async def test_a_night_of_troubles(tmp_path: Path) -> None:
    port = free_port()
    server = EmbeddedServer(tmp_path / "redis", tcp_port=port)
    world = a_busy_world(faults=FAULTS, webhook=WEBHOOKS)
    async with TcpProxy(("127.0.0.1", port)) as proxy:

        def through_the_proxy(started: EmbeddedServer) -> str:
            return (started.tcp_url or "").replace(str(port), str(proxy.port))

        opened = a_fleet(tmp_path, 3, world, redis_url=through_the_proxy, server=server)
        async with opened as fleet:
            troubles = Troubles(fleet, proxy, Random(SEED))
            names = [f"night-{number}" for number in range(ROUNDS)]
            struck = [
                await play_round(fleet, troubles, name, ROUND_ROWS * number)
                for number, name in enumerate(names)
            ]
            ends = [await fleet.until(name, is_over) for name in names]
            print(struck, [status["counts"] for status in ends], fleet.report())  # noqa: T201
            for status in ends:
                assert_campaign_over(status, ROUND_ROWS)
            report = fleet.report()
            assert report.clean, report.violations
            assert report.duplicates <= await fleet.repeats()
            assert await fleet.audit() == []
