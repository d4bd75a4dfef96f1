"""The examples run as they are, through the whole house and a simulated Meta."""

import asyncio
import importlib.util
import re
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType

import pytest

from adapters.client.asynchronous import AsyncClient
from adapters.client.sync import Client
from tests.architecture.source_tree import ROOT
from tests.e2e.whole_house import KEY, SENDER, a_whole_house, rows

PYTHON = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)

pytestmark = [pytest.mark.usefixtures("redis_client"), pytest.mark.one_server]


def example(name: str) -> ModuleType:
    """Return an example as a module."""
    spec = importlib.util.spec_from_file_location(name, ROOT / f"docs/examples/{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


async def test_a_campaign_scheduler_sends_its_people_once(
    server_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scheduler = example("campaign_scheduler")
    scheduler.LOOK_EVERY_S = 0.05  # type: ignore[attr-defined]  # a module made at run time
    people = tmp_path / "people.csv"
    people.write_text(rows(30) + "\n0151,Nobody\n", encoding="utf-8")
    async with a_whole_house(server_url, tmp_path) as whole:
        with Client(whole.url, KEY) as client:
            for _ in range(2):  # and once more after a crash: nothing is sent twice
                ended = await asyncio.to_thread(scheduler.run, client, SENDER, people, "autumn")
                assert (ended.state, ended.counts.accepted) == ("completed", 30)
        assert whole.report().accepted == 30
    printed = capsys.readouterr().out
    assert "30 taken, 0 known, 1 refused" in printed
    assert "0 taken, 30 known, 1 refused" in printed


async def test_the_lines_of_the_readme_run(
    server_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (block,) = [each for each in PYTHON.findall(readme) if "adapters.client" in each]
    (tmp_path / "people.csv").write_text("to,first_name\n+4915112345678,Ada\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PENSTOCK_API_KEY", KEY)
    async with a_whole_house(server_url, tmp_path) as whole:
        program = block.replace("http://127.0.0.1:8080", whole.url).replace("autumn_", "")
        await asyncio.to_thread(exec, program, {})
        async with asyncio.timeout(30):
            while not whole.report().accepted:
                await asyncio.sleep(0.02)
    assert "Counts(" in capsys.readouterr().out


async def test_a_journey_node_sends_at_once_and_an_event_twice_is_one_message(
    server_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    node = example("journey_node")
    async with a_whole_house(server_url, tmp_path) as whole, AsyncClient(whole.url, KEY) as client:
        now = datetime.now(UTC)
        one = await node.on_order(client, SENDER, "+4915112345678", "Ada", "4711", now)
        two = await node.on_order(client, SENDER, "+4915112345678", "Ada", "4711", now)
        assert one.id == two.id
        assert await node.on_order(client, SENDER, "0151", "Ada", "4712", now) is None
        async with asyncio.timeout(30):
            while (await client.job(one.id)).state != "accepted":
                await asyncio.sleep(0.02)
        assert whole.report().accepted == 1
        steps = [step.transition for step in (await client.job(one.id)).history]
        assert (steps[0], "accepted" in steps) == ("enqueued", True)
    assert "/to: no_country_code" in capsys.readouterr().out
