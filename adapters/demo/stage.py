"""The demo's two processes, started as an operator would: Meta's simulator and Penstock."""

from __future__ import annotations

import asyncio
import json
import os
import re
import secrets
import socket
import sys
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Final

import aiohttp

from adapters.clock import Clock
from adapters.demo.cast import GRACE_MS, gates_world

WINDOW_S: Final = 8.0  # instead of a day, so that four windows pass in half a minute
LIMIT: Final = 250  # TIER_250
START_S: Final = 60.0
STOP_S: Final = 20.0
LOOK_EVERY_S: Final = 0.2
SENDER, WABA, PORTFOLIO = "106540352242922", "102290129340398", "demo-portfolio"
CAMPAIGN, OFFER, UPDATE = "demo", "autumn_offer", "order_update"


class DemoError(Exception):
    """The demo could not be played; the message says why."""


@dataclass(slots=True)
class Stage:
    """The two processes: Meta's simulator and Penstock itself."""

    graph_url: str
    api_url: str
    session: aiohttp.ClientSession
    clock: Clock = field(default_factory=Clock)

    async def call(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        """Return the JSON answer of Penstock's API; any refusal ends the demo."""
        async with self.session.request(method, self.api_url + path, json=body) as response:
            return await _answer(response)

    async def upload(self, campaign: str, rows: bytes | BinaryIO) -> dict[str, Any]:
        """Upload a campaign's recipients, as CSV."""
        path = f"{self.api_url}/v1/campaigns/{campaign}/recipients"
        headers = {"Content-Type": "text/csv"}
        async with self.session.post(path, data=rows, headers=headers) as response:
            return await _answer(response)

    async def control(self, method: str, path: str, body: object = None) -> None:
        """Change something in the simulated world; a refusal ends the demo."""
        address = f"{self.graph_url}/_sandbox/{path}"
        async with self.session.request(method, address, json=body) as response:
            await _answer(response)

    async def judge(self, what: str) -> Any:  # noqa: ANN401 (JSON)
        """Return what the simulator says."""
        async with self.session.get(f"{self.graph_url}/_sandbox/{what}") as response:
            return await response.json(content_type=None)


@asynccontextmanager
async def open_stage() -> AsyncGenerator[Stage]:
    """Start the simulator and Penstock as the operator would, in a directory of their own."""
    with tempfile.TemporaryDirectory(prefix="penstock-demo-") as name:
        directory = Path(name)
        key, secret = secrets.token_urlsafe(24), secrets.token_urlsafe(24)
        port = _free_port()
        scenario = directory / "world.json"
        webhook_url = f"http://127.0.0.1:{port}/webhooks/meta"
        scenario.write_text(json.dumps(_world(webhook_url, secret)), encoding="utf-8")
        environment = _environment(directory, port, key, secret)
        sandbox = await _spawn(["sandbox", "--scenario", str(scenario), "--port", "0"], environment)
        try:
            graph_url = await _url_of(sandbox)
            environment["PENSTOCK_GRAPH_URL"] = graph_url
            with (directory / "penstock.log").open("wb") as log:
                engine = await _spawn(["run"], environment, log.fileno())
                try:
                    headers = {"Authorization": f"Bearer {key}"}
                    async with aiohttp.ClientSession(headers=headers) as session:
                        stage = Stage(graph_url, f"http://127.0.0.1:{port}", session)
                        await _until_ready(stage, engine, directory / "penstock.log")
                        yield stage
                finally:
                    await _stop(engine)
        finally:
            await _stop(sandbox)


def _world(webhook_url: str, secret: str) -> dict[str, Any]:
    """Return the scenario: what the campaign needs, and beside it what the gates' acts need."""
    gates = gates_world()
    return {
        **{name: part + gates.get(name, []) for name, part in _campaign_world().items()},
        "faults": gates["faults"],
        "window_ms": round(WINDOW_S * 1_000),
        # As Meta: the limit counts deliveries.
        "rules": {"delivery_moves_mark": True, "grace_ms": GRACE_MS},
        "webhook": {"url": webhook_url, "app_secret": secret},
        "keep_messages_max": 100_000,
    }


def _campaign_world() -> dict[str, list[Any]]:
    """Return one portfolio at TIER_250, one number, two templates."""
    offer = "Hi {{1}}, your autumn code is {{2}}, valid until Sunday."
    update = "Your order {{1}} is on its way."
    return {
        "portfolios": [{"id": PORTFOLIO, "limit": LIMIT}],
        "wabas": [{"id": WABA, "portfolio_id": PORTFOLIO}],
        "senders": [
            {
                "phone_number_id": SENDER,
                "waba_id": WABA,
                "portfolio_id": PORTFOLIO,
                "display_phone_number": "+1 555 010 0100",
                "token": "demo-access-token",
            }
        ],
        "templates": [
            {"waba": WABA, "name": OFFER, "components": [{"type": "BODY", "text": offer}]},
            {
                "waba": WABA,
                "name": UPDATE,
                "category": "UTILITY",
                "components": [{"type": "BODY", "text": update}],
            },
        ],
    }


def _environment(directory: Path, port: int, key: str, secret: str) -> dict[str, str]:
    """Return the settings as an operator would write them; only switched-off gates pass through."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("PENSTOCK_") or name == "PENSTOCK_GATES_OFF"
    }
    return kept | {
        "PENSTOCK_DATA_DIR": str(directory / "penstock"),
        "PENSTOCK_LISTEN": f"127.0.0.1:{port}",
        "PENSTOCK_API_KEY": key,
        "PENSTOCK_META_APP_SECRET": secret,
        "PENSTOCK_WINDOW_SECONDS": f"{WINDOW_S:g}",
    }


async def _spawn(
    arguments: list[str], environment: dict[str, str], output: int = asyncio.subprocess.PIPE
) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "adapters.main", *arguments),
        env=environment,
        stdout=output,
        stderr=None if output == asyncio.subprocess.PIPE else output,
    )


async def _url_of(sandbox: asyncio.subprocess.Process) -> str:
    assert sandbox.stdout is not None
    async with asyncio.timeout(START_S):
        line = (await sandbox.stdout.readline()).decode()
    found = re.search(r"http://[\w.]+:\d+", line)
    if found is None:
        raise DemoError(f"the simulator did not start: {line}")
    return found.group()


async def _until_ready(stage: Stage, engine: asyncio.subprocess.Process, log: Path) -> None:
    for _ in range(round(START_S / LOOK_EVERY_S)):
        if engine.returncode is not None:
            break
        try:
            async with stage.session.get(stage.api_url + "/readyz") as response:
                if response.ok:
                    return
        except aiohttp.ClientError:
            pass  # not listening yet
        await asyncio.sleep(LOOK_EVERY_S)
    text = log.read_text(encoding="utf-8")  # noqa: ASYNC240 (nothing else runs any more)
    raise DemoError(f"Penstock did not start:\n{text[-3_000:]}")


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
        try:
            await asyncio.wait_for(process.wait(), STOP_S)
        except TimeoutError:
            process.kill()
            await process.wait()


async def _answer(response: aiohttp.ClientResponse) -> dict[str, Any]:
    content: dict[str, Any] = await response.json(content_type=None)
    if not response.ok:
        raise DemoError(f"{response.method} {response.url.path}: {json.dumps(content)[:500]}")
    return content


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
