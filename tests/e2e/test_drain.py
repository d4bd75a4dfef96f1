"""A worker that is told to stop while Meta is slow, or while Redis is away: as a real process."""

import asyncio
import json
import signal
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

import pytest

from adapters.redis.embedded import EmbeddedServer
from tests.e2e.fleet import CONCURRENCY, LOOK_EVERY_S, PATIENCE_S, Fleet, a_busy_world, a_fleet
from tests.e2e.whole_house import rows
from tests.tcp_proxy import TcpProxy

pytestmark = [pytest.mark.redis, pytest.mark.one_server, pytest.mark.slow, pytest.mark.timeout(180)]

WORKER, ROWS = "worker", 80
MANY = CONCURRENCY // 4  # under way at once, also where a busy machine lets few leave in time
SLOW_MS = 4_000  # of an answer of Meta
STATUS_MS = 9_000  # a status that came before the answer would settle what the worker has
DRAIN_S = 10  # of production's 25
MOST_S = DRAIN_S + 10  # the end of the process itself, on a busy machine


@asynccontextmanager
async def a_worker_with_slow_sends(
    directory: Path, proxy_to: TcpProxy | None = None, server: EmbeddedServer | None = None
) -> AsyncGenerator[Fleet]:
    """Give an API and a worker of whose messages many are written and not answered yet."""
    slow = [{"kind": "latency", "delay_ms": SLOW_MS}]
    late = {"sent_after_ms": STATUS_MS, "delivered_after_ms": STATUS_MS}
    world = a_busy_world(faults=slow, webhook=late)
    haste = {"adapters.house.worker_side.DRAIN_MS": DRAIN_S * 1_000}
    async with a_fleet(directory, 0, world, server=server, haste=haste) as fleet:
        fleet.environment |= {
            "PENSTOCK_SEND_TIMEOUT_SECONDS": "9",
            "PENSTOCK_LEASE_SECONDS": "19",
        }
        if proxy_to is not None:
            fleet.environment["PENSTOCK_REDIS_URL"] = f"redis://127.0.0.1:{proxy_to.port}"
        await fleet.start(WORKER)
        await fleet.upload("c1", rows(ROWS))
        await fleet.call("POST", "/v1/campaigns/c1/start")
        async with asyncio.timeout(PATIENCE_S):
            while await in_flight(fleet) < MANY:
                await asyncio.sleep(LOOK_EVERY_S)
        yield fleet


async def in_flight(fleet: Fleet) -> int:
    counts: dict[str, int] = (await fleet.call("GET", "/v1/campaigns/c1"))["counts"]
    return counts.get("in_flight", 0)


async def ended(fleet: Fleet, began: float) -> dict[str, Any]:
    """Wait for a worker that was told to stop; return its line of the drain."""
    running = fleet.running.pop(WORKER)
    status = await asyncio.wait_for(running.process.wait(), MOST_S)
    written = running.log.read_text()
    assert status == 0, written
    assert monotonic() - began <= MOST_S
    lines = [json.loads(line) for line in written.splitlines() if line.startswith("{")]
    [drained] = [line for line in lines if line["event"] == "drained"]
    return dict(drained)


def tell_to_stop(fleet: Fleet) -> float:
    """Do as a deploy does; return when."""
    fleet.running[WORKER].process.send_signal(signal.SIGTERM)
    return monotonic()


async def counts_of(fleet: Fleet) -> dict[str, Any]:
    return dict((await fleet.call("GET", "/v1/campaigns/c1"))["counts"])


async def test_slow_answers_of_meta_are_waited_for_and_nothing_is_in_doubt(tmp_path: Path) -> None:
    async with a_worker_with_slow_sends(tmp_path) as fleet:
        drained = await ended(fleet, tell_to_stop(fleet))
        assert (drained["doubted"], drained["unrecorded"]) == (0, 0)
        counts = await counts_of(fleet)
        assert (counts["in_flight"], counts["in_doubt"]) == (0, 0)
        assert MANY <= counts["accepted"] < ROWS
        assert await fleet.audit() == []
        assert fleet.report().clean


async def test_a_redis_that_comes_back_during_the_drain_gets_every_outcome(tmp_path: Path) -> None:
    with EmbeddedServer(tmp_path / "redis") as server:
        async with (
            TcpProxy(urlsplit(server.url).path) as proxy,
            a_worker_with_slow_sends(tmp_path, proxy, server) as fleet,
        ):
            await proxy.refuse()
            began = tell_to_stop(fleet)
            await asyncio.sleep(SLOW_MS / 1_000 + 0.5)  # Meta has answered, nobody could record it
            assert (await counts_of(fleet))["in_flight"] > 0
            await proxy.accept()
            drained = await ended(fleet, began)
            assert (drained["doubted"], drained["unrecorded"]) == (0, 0)
            counts = await counts_of(fleet)
            assert (counts["in_flight"], counts["in_doubt"]) == (0, 0)
            assert await fleet.audit() == []
            assert fleet.report().clean


async def test_without_redis_a_drain_ends_in_time_and_what_was_sent_is_settled_later(
    tmp_path: Path,
) -> None:
    with EmbeddedServer(tmp_path / "redis") as server:
        async with (
            TcpProxy(urlsplit(server.url).path) as proxy,
            a_worker_with_slow_sends(tmp_path, proxy, server) as fleet,
        ):
            await proxy.refuse()
            drained = await ended(fleet, tell_to_stop(fleet))
            assert drained["unrecorded"] >= MANY
            fleet.environment["PENSTOCK_REDIS_URL"] = server.url
            await fleet.start(WORKER)  # it settles by webhooks what the other could not record
            status = await fleet.until("c1", lambda its: its["state"] == "completed")
            accepted, unknown = status["counts"]["accepted"], status["counts"]["unknown"]
            assert accepted + unknown == ROWS
            # What was claimed and not begun could not be given back: nobody knows that any more.
            assert accepted == fleet.report().accepted
            assert fleet.report().duplicates == 0
            assert await fleet.audit() == []
            assert fleet.report().clean
