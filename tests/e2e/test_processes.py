"""The program as an operator starts it: its first key, its refusals, its end; and the demo."""

import asyncio
import json
import os
import re
import signal
from itertools import islice
from pathlib import Path

import aiohttp
import pytest

from adapters.demo.play import CAMPAIGN_FILE
from engine.model import Gate
from tests.e2e.fleet import START_S, a_process, an_environment
from tests.redis_servers import free_port

pytestmark = [pytest.mark.one_server, pytest.mark.timeout(300)]


async def until_ready(url: str) -> None:
    async with asyncio.timeout(START_S), aiohttp.ClientSession() as session:
        while True:
            try:
                async with session.get(url + "/readyz") as response:
                    if response.ok:
                        return
            except aiohttp.ClientError:
                pass  # it does not listen yet
            await asyncio.sleep(0.05)


@pytest.mark.redis
async def test_it_shows_its_first_key_once_and_ends_in_order(tmp_path: Path) -> None:
    port = free_port()
    environment = an_environment(tmp_path, PENSTOCK_LISTEN=f"127.0.0.1:{port}")
    shown: list[re.Match[bytes] | None] = []
    for _ in range(2):
        process = await a_process(environment, "run")
        await until_ready(f"http://127.0.0.1:{port}")
        process.send_signal(signal.SIGTERM)
        printed, logged = await asyncio.wait_for(process.communicate(), START_S)
        shown.append(re.search(rb"PENSTOCK_API_KEY=(psk_\S+)", printed))
        assert process.returncode == 0, logged
        assert b'"drained"' in logged
        assert b"psk_" not in logged
    assert shown[0] is not None
    assert shown[1] is None
    secret = (tmp_path / "secret.key").stat()
    assert secret.st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("settings", "status", "words"),
    [
        ({"PENSTOCK_WINDOW_SECONDS": "-1"}, 2, b"window_seconds"),
        ({"PENSTOCK_LISTN": "x"}, 2, b"did you mean"),
        ({"PENSTOCK_REDIS_URL": "redis://:hidden-word@127.0.0.1:1"}, 1, b"no answer from Redis"),
    ],
)
async def test_what_is_wrong_at_the_start_is_said_in_a_sentence(
    tmp_path: Path, settings: dict[str, str], status: int, words: bytes
) -> None:
    process = await a_process(an_environment(tmp_path, **settings), "run")
    printed, logged = await asyncio.wait_for(process.communicate(), START_S)
    assert process.returncode == status
    assert words in logged
    assert b"Traceback" not in printed + logged
    assert b"hidden-word" not in printed + logged


# Each gate off in one house, played by the demo's own acts: test_gates. What the demo then says of
# its rule: test_demo_verdict. `make chaos` plays the whole demo with each gate off.
ALL_GATES = "PENSTOCK_TEST_CHAOS_ROUNDS" in os.environ
HALF = 500  # lines: a limit's worth of people, and as many who wait for their places
DEMOS = [
    pytest.param("", 0, marks=pytest.mark.slow),
    *(pytest.param(gate, 1) for gate in (Gate if ALL_GATES else [Gate.QUOTA])),
]


@pytest.mark.redis
@pytest.mark.timeout(150)
@pytest.mark.parametrize(("gates_off", "status"), DEMOS)
async def test_the_demo_is_passed_and_fails_without_a_gate(
    tmp_path: Path, gates_off: str, status: int
) -> None:
    environment = an_environment(tmp_path, PENSTOCK_GATES_OFF=gates_off)
    half = tmp_path / "half.csv"
    with CAMPAIGN_FILE.open(newline="") as rows:
        half.write_text("".join(islice(rows, HALF)), newline="")
    # The whole file is four windows of eight seconds: `make demo`, `make chaos`.
    named = [] if gates_off or ALL_GATES else ["--file", str(half)]
    process = await a_process(environment, "demo", "--json", *named)
    printed, said = await asyncio.wait_for(process.communicate(), 140)
    assert process.returncode == status, said.decode()
    verdict = json.loads(printed)
    assert verdict["passed"] == (status == 0)
    assert re.findall(r"rule (\w+) broken", " ".join(verdict["wrong"])) == [gates_off] * status
    assert verdict["waited_for_quota"] > 0 or gates_off
