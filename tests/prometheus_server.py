"""A real Prometheus that scrapes us every second and evaluates our rules."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from tests.prometheus_tools import require_tool
from tests.redis_servers import free_port

START_S, LOOK_EVERY_S = 60.0, 0.1


@dataclass
class Prometheus:
    """A running server."""

    url: str
    session: aiohttp.ClientSession

    async def query(self, expression: str) -> list[dict[str, Any]]:
        """Return an instant query's samples; a refusal fails the test."""
        async with self.session.get(
            self.url + "/api/v1/query", params={"query": expression}
        ) as response:
            answer = await response.json()
            assert answer["status"] == "success", (expression, answer)
            samples: list[dict[str, Any]] = answer["data"]["result"]
            return samples


@asynccontextmanager
async def a_prometheus(
    directory: Path, targets: list[str], rules: Path
) -> AsyncGenerator[Prometheus]:
    """Start one, and stop it afterwards."""
    program = require_tool("prometheus")
    config = directory / "prometheus.json"  # JSON is YAML
    scrape = {"job_name": "penstock", "static_configs": [{"targets": targets}]}
    every = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    content = {"global": every, "rule_files": [str(rules)], "scrape_configs": [scrape]}
    config.write_text(json.dumps(content))
    address = f"127.0.0.1:{free_port()}"
    with (directory / "prometheus.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            program,
            f"--config.file={config}",
            f"--storage.tsdb.path={directory / 'tsdb'}",
            f"--web.listen-address={address}",
            stdout=log,
            stderr=log,
        )
    try:
        async with aiohttp.ClientSession() as session:
            async with asyncio.timeout(START_S):
                while not await _is_ready(session, address):
                    assert process.returncode is None, (directory / "prometheus.log").read_text()
                    await asyncio.sleep(LOOK_EVERY_S)
            yield Prometheus(f"http://{address}", session)
    finally:
        process.terminate()
        await process.wait()


async def _is_ready(session: aiohttp.ClientSession, address: str) -> bool:
    try:
        async with session.get(f"http://{address}/-/ready") as response:
            return response.ok
    except aiohttp.ClientError:
        return False
