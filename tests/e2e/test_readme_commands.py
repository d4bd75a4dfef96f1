"""The commands of the README do what it says, line by line, against a simulated Meta."""

import asyncio
import json
import os
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from adapters.sandbox.scenario import World
from tests.architecture.source_tree import ROOT
from tests.e2e.fleet import an_environment
from tests.e2e.whole_house import KEY, Whole, a_whole_house, nobody

BLOCK = re.compile(
    r"^then, with `PENSTOCK_API_KEY` set to that key:\n```\n(.*?)^```", re.MULTILINE | re.DOTALL
)
SENDER, WABA, TOKEN = "106540352242922", "102290129340398", "token-of-the-readme"
LINES_MIN = 15
PEOPLE = "to,first_name\n+4915112345678,Ada\n+4915112345679,Grace\n"
ENDS = "completed", "cancelled"

pytestmark = [
    pytest.mark.usefixtures("redis_client"),
    pytest.mark.one_server,
    pytest.mark.slow,
]


def lines() -> list[str]:
    """Return the commands of the block, one a line of what a shell runs."""
    (block,) = BLOCK.findall((ROOT / "README.md").read_text(encoding="utf-8"))
    return [line.split("   #")[0].strip() for line in block.splitlines()]


def a_world() -> World:
    named = {"type": "BODY", "text": "Hi {{1}}, you are welcome."}
    offers = [{"waba": WABA, "name": "autumn_offer", "components": [named]}]
    orders = [{"waba": WABA, "name": "order_update", "category": "UTILITY", "components": [named]}]
    return World.load(
        {
            "portfolios": [{"id": "acme", "limit": 2_000}],
            "wabas": [{"id": WABA, "portfolio_id": "acme"}],
            "senders": [
                {
                    "phone_number_id": SENDER,
                    "waba_id": WABA,
                    "portfolio_id": "acme",
                    "display_phone_number": "+1 555 078 3881",
                    "token": TOKEN,
                }
            ],
            "templates": offers + orders,
            "window_ms": 60_000,
        }
    )


async def type_line(whole: Whole, line: str, directory: Path) -> str:
    """Run one line as a shell would; return what it printed."""
    environment = an_environment(directory, PENSTOCK_URL=whole.url, PENSTOCK_API_KEY=KEY)
    folders = [str(Path(sys.executable).parent), environment.get("PATH", "")]
    process = await asyncio.create_subprocess_exec(
        *("/bin/sh", "-c", line),
        env=environment | {"PATH": os.pathsep.join(folders)},
        cwd=directory,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    printed, _ = await process.communicate(f"{TOKEN}\n".encode())
    assert process.returncode == 0, f"{line}\n{printed.decode()}"
    return printed.decode()


async def typed(whole: Whole, words: str, directory: Path) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(await type_line(whole, f"{words} --json", directory))
    return answer


def put_files(directory: Path) -> None:
    """Write what the lines read."""
    (directory / "people.csv").write_text(PEOPLE, encoding="utf-8")
    parameters = [{"type": "text", "text": "dear {{first_name}}"}]
    template = {
        "name": "autumn_offer",
        "language": {"code": "en_US"},
        "components": [{"type": "body", "parameters": parameters}],
    }
    message = {"type": "template", "template": template}
    (directory / "new.json").write_text(json.dumps(message), encoding="utf-8")


@pytest.mark.timeout(120)
async def test_every_line_runs_and_the_campaign_is_sent(server_url: str, tmp_path: Path) -> None:
    put_files(tmp_path)
    said: dict[str, str] = {}
    async with a_whole_house(server_url, tmp_path, a_world(), furnish=nobody) as whole:
        for line in lines():
            assert line.startswith("penstock "), line
            said[line] = await type_line(whole, line, tmp_path)
        status = await whole.until("spring", lambda its: its["state"] in ENDS)
        assert (status["counts"]["accepted"], status["counts"]["suppressed"]) == (2, 0)
        stopped = await typed(whole, "penstock suppression show +16505551234", tmp_path)
        stops = [each["category"] for each in stopped["suppressions"]]
        assert stops == ["all"]  # who is erased is not written to again
        sender = await typed(whole, f"penstock sender show {SENDER}", tmp_path)
        assert "complaints" in sender["closed_by"][0]["detail"]
        night = await typed(whole, "penstock campaign status night", tmp_path)
        assert night["state"] == "draft"
    assert len(said) >= LINES_MIN
    results = (tmp_path / "spring.csv").read_text(encoding="utf-8")
    assert results.startswith("to,job,state")
    assert len(results.splitlines()) == len(PEOPLE.splitlines())
