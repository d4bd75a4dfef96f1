"""The whole house in one process: API, worker and folding, with Meta's simulator outside."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from random import Random
from typing import Any
from unittest.mock import patch

import aiohttp
import msgspec
from aiohttp import ClientHandlerType, ClientRequest, ClientResponse
from aiohttp.payload import Payload

from adapters.clock import Clock
from adapters.house import exporting
from adapters.house.api_side import open_api
from adapters.house.shared import House, open_house
from adapters.house.worker_side import open_worker
from adapters.sandbox.report import Report
from adapters.sandbox.scenario import World
from adapters.sandbox.server import Sandbox
from adapters.settings import Settings, load_settings
from tests.redis_servers import free_port

KEY, APP_SECRET = "admin-key-of-the-test", "app-secret-of-the-test"
SENDER, WABA, PORTFOLIO = "106540352242922", "waba-1", "portfolio-1"
ENDS = ("accepted", "failed", "expired", "cancelled", "suppressed", "unknown")
LOOK_EVERY_S, PATIENCE_S = 0.05, 30.0
EXPORT_EVERY_S = 0.25  # production's 5 s are only waited for: of a log, of dead letters
Furnish = Callable[["Whole"], Awaitable[None]]


@dataclass
class Whole:
    """A running house and its judge."""

    house: House
    sandbox: Sandbox
    session: aiohttp.ClientSession
    url: str
    graph_url: str
    clock: Clock = field(default_factory=Clock)

    async def call(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        """Return the JSON of an answer that must be a yes."""
        async with self.session.request(method, self.url + path, json=body) as response:
            content: dict[str, Any] = await response.json(content_type=None)
            assert response.ok, content
            return content

    async def upload(self, campaign: str, rows: str | bytes) -> dict[str, Any]:
        """Upload a CSV; again, as the API wants it, when it was stopped on its way by a stall."""
        path = f"{self.url}/v1/campaigns/{campaign}/recipients"
        headers, before = {"Content-Type": "text/csv"}, 0
        while True:
            async with self.session.post(path, data=rows, headers=headers) as response:
                content: dict[str, Any] = await response.json(content_type=None)
            if content.get("stopped") != "ledger_away":
                break
            before += content["accepted"]  # they are duplicates now
        if before:
            content["accepted"] += before
            content["duplicates"] -= before
        return content

    async def control(self, method: str, path: str, body: object = None) -> None:
        """Change something in the simulated world."""
        address = f"{self.graph_url}/_sandbox/{path}"
        async with self.session.request(method, address, json=body) as response:
            assert response.ok, await response.text()

    async def judge(self, what: str) -> Any:  # noqa: ANN401 (JSON)
        """Return what the simulator says, as JSON."""
        async with self.session.get(f"{self.graph_url}/_sandbox/{what}") as response:
            return await response.json(content_type=None)

    async def completed(self, campaign: str) -> dict[str, Any]:
        """Wait until a campaign is over."""
        return await self.until(campaign, lambda status: status["state"] == "completed")

    async def until(self, campaign: str, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Wait until something holds of a campaign's status."""
        async with asyncio.timeout(30):
            while True:
                status = await self.call("GET", f"/v1/campaigns/{campaign}")
                if holds(status):
                    return status
                await asyncio.sleep(LOOK_EVERY_S)

    def report(self) -> Report:
        """Return what the judge says."""
        return self.sandbox.report()


async def asking_again(request: ClientRequest, send: ClientHandlerType) -> ClientResponse:
    """Ask again, as the API wants it, while the ledger is away or keys may be revoked unheard.

    So it is after a stall of the machine. A body that comes in pieces is sent once.
    """
    loop = asyncio.get_running_loop()
    until_s = loop.time() + PATIENCE_S
    while True:
        response = await send(request)
        is_away = response.status == HTTPStatus.SERVICE_UNAVAILABLE
        is_spent = isinstance(request.body, Payload) and request.body.consumed
        if not is_away or is_spent or loop.time() > until_s:
            return response
        if b'"ledger_away"' not in await response.read():
            return response
        await asyncio.sleep(LOOK_EVERY_S)


def a_session(key: str = KEY, **headers: str) -> aiohttp.ClientSession:
    """Return who calls the API with a key, and asks again while the ledger is away."""
    given = {"Authorization": f"Bearer {key}", **headers}
    return aiohttp.ClientSession(headers=given, middlewares=[asking_again])


def a_message(*texts: str, name: str = "offer") -> dict[str, Any]:
    """Return a template message."""
    parameters = [{"type": "text", "text": text} for text in texts]
    body = {"type": "body", "parameters": parameters}
    template = {"name": name, "language": {"code": "en_US"}, "components": [body]}
    return {"type": "template", "template": template}


def a_world(**changes: object) -> World:
    """Return a world of one portfolio, one number and two templates."""
    text = {"type": "BODY", "text": "Hi {{1}}, you are welcome."}
    plan: dict[str, Any] = {
        "portfolios": [{"id": PORTFOLIO, "limit": 40}],
        "wabas": [{"id": WABA, "portfolio_id": PORTFOLIO}],
        "senders": [
            {
                "phone_number_id": SENDER,
                "waba_id": WABA,
                "portfolio_id": PORTFOLIO,
                "display_phone_number": "+1 555 0100",
                "token": "token-of-the-test",
            }
        ],
        "templates": [
            {"waba": WABA, "name": "offer", "components": [text]},
            {"waba": WABA, "name": "update", "category": "UTILITY", "components": [text]},
        ],
        "window_ms": 2_000,
        "keep_messages_max": 10_000,
    }
    return World.load(plan | changes)


def a_sandbox(plan: World, port: int) -> Sandbox:
    """Make a simulated Meta that signs its webhooks and posts them to our API at `port`."""
    webhook = msgspec.structs.replace(
        plan.webhook, url=f"http://127.0.0.1:{port}/webhooks/meta", app_secret=APP_SECRET
    )
    world = msgspec.structs.replace(plan, webhook=webhook)
    return Sandbox(world, now_ms=Clock().now_ms, rng=Random(1))


async def furnish_one(whole: Whole) -> None:
    """Do what an operator does once."""
    portfolio = {"messaging_limit": 40}
    await whole.call("PUT", f"/v1/portfolios/{PORTFOLIO}", portfolio)
    sender = {
        "portfolio_id": PORTFOLIO,
        "waba_id": WABA,
        "display_phone_number": "+1 555 0100",
        "access_token": "token-of-the-test",
    }
    await whole.call("PUT", f"/v1/senders/{SENDER}", sender)
    await whole.call("POST", f"/v1/wabas/{WABA}/templates/import", {})
    campaign = {"id": "c1", "name": "Autumn", "senders": [SENDER]}
    await whole.call("POST", "/v1/campaigns", campaign | {"message": a_message("{{name}}")})


@contextmanager
def in_haste() -> Generator[None]:
    """Export the outcome log sooner than production does."""
    with patch.object(exporting, "EXPORT_EVERY_S", EXPORT_EVERY_S):
        yield


async def nobody(_whole: Whole) -> None:
    """Leave the house as it is."""


@asynccontextmanager
async def a_whole_house(
    redis_url: str,
    directory: Path,
    world: World | None = None,
    *,
    furnish: Furnish = furnish_one,
    **settings: object,
) -> AsyncGenerator[Whole]:
    """Run the house against a simulated Meta, furnished as an operator would."""
    port = free_port()
    plan = world or a_world()
    sandbox = a_sandbox(plan, port)
    graph_url = await sandbox.start()
    flags: dict[str, object] = {
        "graph_url": graph_url,
        "listen": f"127.0.0.1:{port}",
        "data_dir": str(directory),
        "api_key": KEY,
        "meta_app_secret": APP_SECRET,
        "window_seconds": plan.window_ms / 1_000,
        "concurrency": 64,
    }
    try:
        made: Settings = load_settings(flags | settings, environment={}, directory=directory)
        with in_haste():
            async with (
                open_house(made, redis_url) as house,
                open_api(house),
                open_worker(house, is_alone=False),
                a_session() as session,
            ):
                whole = Whole(house, sandbox, session, f"http://127.0.0.1:{port}", graph_url)
                await furnish(whole)
                yield whole
    finally:
        await sandbox.stop()


def rows(count: int, first: int = 0) -> str:
    """Return a CSV of as many different people."""
    lines = [f"+49151{n:08},Name {n}" for n in range(first, first + count)]
    return "\n".join(["to,name", *lines])
