"""The compose file's own services, started here as it says: a message goes through all of them."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from tests.architecture.source_tree import ROOT
from tests.redis_servers import free_port, free_row

pytestmark = pytest.mark.one_server

COMPOSE = ROOT / "deploy/compose/compose.yml"
LOOK_EVERY_S, PATIENCE_S = 0.1, 90.0


class Laptop:
    """Runs services of the compose file as processes, on ports and in directories of their own."""

    def __init__(self, directory: Path, redis_url: str) -> None:
        self.services: dict[str, dict[str, Any]] = yaml.safe_load(COMPOSE.read_text())["services"]
        self.ports = {port: str(free_port()) for port in ("8080", "8090")}
        self.ports["9108"] = str(free_row(2))  # of two processes
        self.directory = directory
        self.changed = {
            "redis://redis:6379/0": redis_url,
            "0.0.0.0": "127.0.0.1",
            "/etc/penstock": str(directory),
            **self.ports,
        }
        world = (COMPOSE.parent / "world.json").read_text()
        (directory / "world.json").write_text(self.moved(world))

    def moved(self, text: str) -> str:
        """Return a text with this machine's ports and paths in the place of the containers'."""
        for old, moved in self.changed.items():
            text = text.replace(old, moved)
        return text

    async def start(self, name: str) -> asyncio.subprocess.Process:
        """Start a service: `penstock` is the program under test."""
        service = self.services[name]
        program = Path(sys.executable).parent
        words = [*service.get("entrypoint", ["penstock"]), *service["command"]]
        given = {key: self.moved(value) for key, value in service.get("environment", {}).items()}
        environment = {"PATH": f"{program}:{os.environ['PATH']}", "HOME": str(self.directory)}
        environment |= {"PENSTOCK_DATA_DIR": str(self.directory / "penstock")} | given
        if name == "setup":
            environment["PENSTOCK_URL"] = self.api
        with (self.directory / f"{name}.log").open("wb") as log:
            return await asyncio.create_subprocess_exec(
                *[self.moved(str(word)) for word in words],
                env=environment,
                cwd=self.directory,
                stdout=log,
                stderr=log,
            )

    def log(self, name: str) -> str:
        """Return what a service wrote."""
        return (self.directory / f"{name}.log").read_text()

    @property
    def api(self) -> str:
        """Return where the API is."""
        return f"http://127.0.0.1:{self.ports['8080']}"


@asynccontextmanager
async def running(
    laptop: Laptop, *names: str
) -> AsyncGenerator[dict[str, asyncio.subprocess.Process]]:
    """Run services; stop them in the other order."""
    processes: dict[str, asyncio.subprocess.Process] = {}
    try:
        for name in names:
            processes[name] = await laptop.start(name)
        yield processes
    finally:
        for process in reversed(processes.values()):
            if process.returncode is None:
                process.terminate()
            await asyncio.wait_for(process.wait(), PATIENCE_S)


async def until_ready(session: aiohttp.ClientSession, laptop: Laptop, url: str, name: str) -> None:
    try:
        async with asyncio.timeout(PATIENCE_S):
            while not await is_ready(session, url):
                await asyncio.sleep(LOOK_EVERY_S)
    except TimeoutError:
        raise AssertionError(laptop.log(name)) from None


async def is_ready(session: aiohttp.ClientSession, url: str) -> bool:
    try:
        async with session.get(url + "/readyz") as response:
            return response.ok
    except aiohttp.ClientError:
        return False


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.usefixtures("redis_client")
async def test_the_services_of_the_compose_file_send_a_message(
    server_url: str, tmp_path: Path
) -> None:
    laptop = Laptop(tmp_path, server_url)
    key = laptop.services["api"]["environment"]["PENSTOCK_API_KEY"]
    template = {
        "name": "order_update",
        "language": {"code": "en_US"},
        "components": [{"type": "body", "parameters": [{"type": "text", "text": "A-17"}]}],
    }
    job = {
        "sender": "106540352242922",
        "to": "+16505551234",
        "message": {"type": "template", "template": template},
    }
    headers = {"Authorization": f"Bearer {key}"}
    async with (
        running(laptop, "sandbox", "api", "worker") as processes,
        aiohttp.ClientSession(headers=headers) as session,
    ):
        await until_ready(session, laptop, laptop.api, "api")
        for place in range(2):
            url = f"http://127.0.0.1:{int(laptop.ports['9108']) + place}"
            await until_ready(session, laptop, url, "worker")
        setup = await laptop.start("setup")
        assert await asyncio.wait_for(setup.wait(), PATIENCE_S) == 0, laptop.log("setup")
        async with session.post(f"{laptop.api}/v1/jobs", json=job) as response:
            answer = await response.json()
            assert answer["accepted"] == 1, json.dumps(answer)
        await until_delivered(session, laptop, answer["results"][0]["id"])
        assert {name for name, each in processes.items() if each.returncode is not None} == set()


async def until_delivered(session: aiohttp.ClientSession, laptop: Laptop, job: str) -> None:
    """Wait until the simulator's webhook has told that it arrived."""
    shown: dict[str, Any] = {}
    try:
        async with asyncio.timeout(PATIENCE_S):
            while shown.get("delivery") not in {"delivered", "read"}:
                await asyncio.sleep(LOOK_EVERY_S)
                async with session.get(f"{laptop.api}/v1/jobs/{job}") as response:
                    shown = await response.json()
    except TimeoutError:
        raise AssertionError((shown, laptop.log("api"), laptop.log("worker"))) from None
