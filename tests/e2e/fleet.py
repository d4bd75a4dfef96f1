"""Penstock as it is deployed: one API process, several workers, a Redis, and Meta's simulator."""

import asyncio
import json
import os
import re
import signal
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any

import aiohttp

from adapters.clock import Clock
from adapters.redis.connect import connect, disconnect
from adapters.redis.embedded import EmbeddedServer
from adapters.redis.ledger import RedisLedger
from adapters.sandbox.report import Report
from adapters.sandbox.scenario import World
from adapters.sandbox.server import Sandbox
from engine.model import PortfolioId
from engine.terms import Terms
from tests.e2e.hasty import HASTE
from tests.e2e.whole_house import (
    APP_SECRET,
    ENDS,
    KEY,
    PORTFOLIO,
    SENDER,
    WABA,
    a_message,
    a_sandbox,
    a_session,
    a_world,
)
from tests.redis_servers import free_port

PROGRAM = (sys.executable, "-m", "adapters.main")
HASTY = (sys.executable, "-m", "tests.e2e.hasty")
ROOT = Path(__file__).parents[2]
LOOK_EVERY_S = 0.05
START_S, STOP_S, PATIENCE_S = 60.0, 60.0, 90.0
CONCURRENCY, LEASE_S = 32, 11
LIMIT, WINDOW_S, GUARD_S = 100, 2.0, 1.2  # Meta's statuses tell whole seconds: a guard below lies
API = "api"
NO_REDIS = re.compile(
    r"cannot start: (no answer from Redis|Redis does not answer|Timeout)[^\n]*\s*\Z"
)

Status = dict[str, Any]


def an_environment(directory: Path, **settings: str) -> dict[str, str]:
    """Return an environment without the settings of whoever runs the tests."""
    kept = {name: value for name, value in os.environ.items() if "PENSTOCK" not in name}
    return kept | {"PENSTOCK_DATA_DIR": str(directory)} | settings


async def a_process(environment: dict[str, str], *arguments: str) -> asyncio.subprocess.Process:
    """Start the program with its words in pipes."""
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(
        *PROGRAM, *arguments, env=environment, cwd=ROOT, stdout=pipe, stderr=pipe
    )


@dataclass
class Running:
    """One process, where it listens, and where its words go."""

    process: asyncio.subprocess.Process
    url: str
    log: Path


@dataclass
class Fleet:
    """Processes that share one ledger, and their judge."""

    sandbox: Sandbox
    server: EmbeddedServer
    directory: Path
    environment: dict[str, str]
    session: aiohttp.ClientSession
    url: str
    running: dict[str, Running] = field(default_factory=dict[str, Running])
    repeats_before: int = 0  # what processes had counted that are gone

    # -- processes -------------------------------------------------------------------------------

    async def start(self, name: str) -> None:
        """Start the API or a worker and wait until it is ready.

        Who finds no Redis at its start ends, and is started again by whoever runs it.
        """
        url = self.url if name == API else f"http://127.0.0.1:{free_port()}"
        log = self.directory / f"{name}.log"
        process = await self._run(name, url, log)
        async with asyncio.timeout(START_S):
            while not await self._is_ready(url):
                if process.returncode is not None:
                    assert NO_REDIS.search(log.read_text()), log.read_text()
                    process = await self._run(name, url, log)
                await asyncio.sleep(LOOK_EVERY_S)

    async def _run(self, name: str, url: str, log: Path) -> asyncio.subprocess.Process:
        listen = url.removeprefix("http://")
        words = ["serve"] if name == API else ["worker", "--metrics-listen", listen]
        program = HASTY if HASTE in self.environment else PROGRAM
        with log.open("ab") as written:
            process = await asyncio.create_subprocess_exec(
                *(*program, *words), env=self.environment, cwd=ROOT, stdout=written, stderr=written
            )
        self.running[name] = Running(process, url, log)
        return process

    async def kill(self, name: str) -> None:
        """End a process as a crash would."""
        self.repeats_before += await self._repeats_of(self.running[name])
        process = self.running.pop(name).process
        process.kill()
        await process.wait()

    async def terminate(self, name: str) -> str:
        """End a process as a deploy would; return what it wrote in its life."""
        self.repeats_before += await self._repeats_of(self.running[name])
        running = self.running.pop(name)
        running.process.send_signal(signal.SIGTERM)
        status = await asyncio.wait_for(running.process.wait(), STOP_S)
        written = running.log.read_text()
        assert status == 0, written
        return written

    async def close(self) -> None:
        """End what still runs."""
        for name, running in list(self.running.items()):
            if running.process.returncode is not None:
                continue
            try:
                await self.terminate(name)
            except aiohttp.ClientError:  # it never came to listening
                running.process.kill()
                await running.process.wait()

    async def until_none_is_ready(self) -> None:
        """Wait until every process has noticed that it cannot work."""
        async with asyncio.timeout(PATIENCE_S):
            for running in self.running.values():
                while await self._is_ready(running.url):
                    await asyncio.sleep(LOOK_EVERY_S)

    async def _is_ready(self, url: str) -> bool:
        try:
            async with self.session.get(url + "/readyz") as response:
                return response.ok
        except aiohttp.ClientError:
            return False

    # -- Redis -----------------------------------------------------------------------------------

    async def kill_redis(self) -> None:
        """End the server as a crash would, and start it again on its append-only file."""
        os.kill(self.server.pid, signal.SIGKILL)
        async with asyncio.timeout(START_S):
            while not self.server.revive():
                await asyncio.sleep(LOOK_EVERY_S)

    # -- the API ---------------------------------------------------------------------------------

    async def call(self, method: str, path: str, body: object = None) -> Status:
        """Return the JSON of an answer that must be a yes, asked for until it is one."""
        return await self.insist(lambda: self._once(method, path, body))

    async def _once(self, method: str, path: str, body: object) -> Status:
        async with self.session.request(method, self.url + path, json=body) as response:
            content: Status = await response.json(content_type=None)
            is_away = response.status == HTTPStatus.SERVICE_UNAVAILABLE
            assert response.ok or is_away, content
            return content

    async def insist(self, ask: Callable[[], Awaitable[Status]]) -> Status:
        """Ask again, as the API wants it, while the ledger or the API itself is away."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                try:
                    answer = await ask()
                except aiohttp.ClientError:
                    answer = {"status": HTTPStatus.SERVICE_UNAVAILABLE}
                if answer.get("status") != HTTPStatus.SERVICE_UNAVAILABLE:
                    return answer
                await asyncio.sleep(LOOK_EVERY_S)

    async def upload(self, campaign: str, rows: object) -> Status:
        """Upload a CSV."""
        path = f"{self.url}/v1/campaigns/{campaign}/recipients"
        headers = {"Content-Type": "text/csv"}
        async with self.session.post(path, data=rows, headers=headers) as response:
            content: Status = await response.json(content_type=None)
            return content

    async def until(self, campaign: str, holds: Callable[[Status], bool]) -> Status:
        """Wait until something holds of a campaign, however often the API is away meanwhile."""
        status: Status = {}
        try:
            async with asyncio.timeout(PATIENCE_S):
                while True:
                    status = await self._status(campaign) or status
                    if status and holds(status):
                        return status
                    await asyncio.sleep(LOOK_EVERY_S)
        except TimeoutError:
            raise AssertionError(f"not in {PATIENCE_S:g} s: {status}") from None

    async def _status(self, campaign: str) -> Status:
        try:
            async with self.session.get(f"{self.url}/v1/campaigns/{campaign}") as response:
                content: Status = await response.json(content_type=None)
                return content if response.ok else {}
        except aiohttp.ClientError:
            return {}

    # -- the judges ------------------------------------------------------------------------------

    def report(self) -> Report:
        """Return what the simulator saw."""
        return self.sandbox.report()

    async def repeats(self) -> int:
        """Return how many writes our own metrics call repeats."""
        alive = [await self._repeats_of(each) for each in self.running.values()]
        return self.repeats_before + sum(alive)

    async def _repeats_of(self, running: Running) -> int:
        async with self.session.get(running.url + "/metrics") as response:
            text = await response.text()
        lines = re.findall(
            r'^penstock_retries_total\{.*reason="repeat".*\} ([\d.]+)', text, re.MULTILINE
        )
        return round(sum(map(float, lines)))

    async def audit(self) -> list[str]:
        """Recount the ledger from its raw keys."""
        client = connect(self.server.url)
        try:
            terms = Terms(window_ms=round(WINDOW_S * 1_000), guard_ms=round(GUARD_S * 1_000))
            ledger = RedisLedger(client, terms, Clock().now_ms)
            await ledger.load()
            return await ledger.audit(PortfolioId(PORTFOLIO))
        finally:
            await disconnect(client)


def a_busy_world(**changes: object) -> World:
    """Return a world with a limit that is soon full, where answers take their time."""
    plan: dict[str, object] = {
        "portfolios": [{"id": PORTFOLIO, "limit": LIMIT}],
        "window_ms": round(WINDOW_S * 1_000),
        # Processes that share two cores arrive in bunches; the send times are not judged by that.
        "rules": {"rate_tolerance": 1.3, "grace_ms": 1_000},
        "faults": [{"kind": "latency", "delay_ms": 100, "spread_ms": 100}],
    }
    return a_world(**(plan | changes))


@asynccontextmanager
async def a_fleet(
    directory: Path,
    workers: int = 2,
    world: World | None = None,
    redis_url: Callable[[EmbeddedServer], str] = lambda server: server.url,
    server: EmbeddedServer | None = None,
    haste: Mapping[str, float] | None = None,
) -> AsyncGenerator[Fleet]:
    """Run the processes against a simulated Meta, furnished with one campaign `c1`.

    `haste` are deadlines of production's that are shorter here, see tests/e2e/hasty.py.
    """
    port = free_port()
    sandbox = a_sandbox(world or a_busy_world(), port)
    with server or EmbeddedServer(directory / "redis") as started:
        environment = an_environment(
            directory,
            PENSTOCK_REDIS_URL=redis_url(started),
            PENSTOCK_GRAPH_URL=await sandbox.start(),
            PENSTOCK_LISTEN=f"127.0.0.1:{port}",
            PENSTOCK_API_KEY=KEY,
            PENSTOCK_META_APP_SECRET=APP_SECRET,
            PENSTOCK_WINDOW_SECONDS=f"{WINDOW_S:g}",
            PENSTOCK_GUARD_SECONDS=f"{GUARD_S:g}",
            PENSTOCK_CONCURRENCY=str(CONCURRENCY),
            PENSTOCK_SEND_TIMEOUT_SECONDS="1",
            PENSTOCK_LEASE_SECONDS=str(LEASE_S),
            PENSTOCK_DOUBT_SECONDS="1",
        )
        if haste:
            environment[HASTE] = json.dumps(haste)
        async with a_session() as session:
            url = f"http://127.0.0.1:{port}"
            fleet = Fleet(sandbox, started, directory, environment, session, url)
            try:
                await fleet.start(API)
                await furnish_fleet(fleet)
                names = [f"worker-{number}" for number in range(workers)]
                await asyncio.gather(*map(fleet.start, names))
                yield fleet
            finally:
                try:
                    await fleet.close()
                finally:
                    await sandbox.stop()


async def furnish_fleet(fleet: Fleet) -> None:
    """Do what an operator does once."""
    await fleet.call("PUT", f"/v1/portfolios/{PORTFOLIO}", {"messaging_limit": LIMIT})
    sender = {
        "portfolio_id": PORTFOLIO,
        "waba_id": WABA,
        "display_phone_number": "+1 555 0100",
        "access_token": "token-of-the-test",
    }
    await fleet.call("PUT", f"/v1/senders/{SENDER}", sender)
    await fleet.call("POST", f"/v1/wabas/{WABA}/templates/import", {})
    await add_campaign(fleet, "c1")


async def add_campaign(fleet: Fleet, name: str, template: str = "offer", **more: object) -> None:
    """Create a campaign."""
    message = a_message("{{name}}", name=template)
    campaign = {"id": name, "name": name, "senders": [SENDER], "message": message}
    await fleet.call("POST", "/v1/campaigns", campaign | more)


def ended(status: Status) -> int:
    """Return how many jobs of a campaign have ended."""
    return sum(status["counts"][state] for state in ENDS)


def assert_campaign_over(status: Status, rows: int) -> None:
    """Hold a finished campaign's books against its rows: each ended once."""
    assert ended(status) == status["enqueued"] == rows, status["counts"]


async def assert_judges_content(fleet: Fleet, status: Status, rows: int) -> None:
    """Hold a finished campaign against both judges: Meta's simulator and our own audit."""
    counts, report = status["counts"], fleet.report()
    assert report.clean, report.violations
    assert_campaign_over(status, rows)
    assert counts["accepted"] + counts["unknown"] == rows, counts
    assert counts["unknown"] <= CONCURRENCY, counts
    copies = report.accepted - report.duplicates
    assert counts["accepted"] <= copies <= rows, (counts, report.accepted, report.duplicates)
    assert report.duplicates <= await fleet.repeats()
    assert report.windows[PORTFOLIO].fullest <= LIMIT
    assert await fleet.audit() == []
