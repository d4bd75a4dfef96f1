"""Workers side by side: each on its own port, started again when it dies, drained together."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from adapters.house.supervisor import DRAIN_S
from adapters.redis.embedded import STOP_TIMEOUT_MS
from tests.e2e.fleet import START_S, a_process, an_environment
from tests.redis_servers import free_row

LOOK_EVERY_S = 0.05
# The embedded server is asked to go, then made to: on a busy disk its last fsync takes long.
STOP_S = DRAIN_S + 2 * STOP_TIMEOUT_MS / 1_000
PROGRAM = """
import asyncio, json, os, sys
from adapters.house.supervisor import Patience, Supervisor
from adapters.logs import configure_logs
configure_logs("json")
commands, patience = json.loads(sys.argv[1]), Patience(**json.loads(sys.argv[2]))
sys.exit(0 if asyncio.run(Supervisor(commands, os.environ, patience).run()) else 1)
"""
WAITS = """
import signal, sys
signal.signal(15, lambda *_: sys.exit(0))
print("up", flush=True)
while True:
    signal.pause()
"""
DEAF = WAITS.replace("lambda *_: sys.exit(0)", "signal.SIG_IGN")
FAILS = "raise SystemExit(3)"
Line = dict[str, Any]


@asynccontextmanager
async def stopped_at_last(
    process: asyncio.subprocess.Process,
) -> AsyncGenerator[asyncio.subprocess.Process]:
    """Give a process; whatever the test did, it and those it started have ended afterwards."""
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()  # it takes its children and the embedded server with it
        try:
            await asyncio.wait_for(process.communicate(), STOP_S)  # until nobody holds its pipes
        except TimeoutError:
            if process.returncode is None:
                process.kill()
                await process.wait()


@asynccontextmanager
async def supervised(*codes: str, **patience: float) -> AsyncGenerator[asyncio.subprocess.Process]:
    """Run commands under a supervisor."""
    commands = json.dumps([[sys.executable, "-c", code] for code in codes])
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", PROGRAM, commands, json.dumps(patience)), stdout=pipe, stderr=pipe
    )
    async with stopped_at_last(process):
        yield process


async def lines_until(process: asyncio.subprocess.Process, event: str, times: int) -> list[Line]:
    """Read log lines until an event was told so many times."""
    assert process.stderr is not None
    lines: list[Line] = []
    async with asyncio.timeout(START_S):
        while sum(line["event"] == event for line in lines) < times:
            raw = await process.stderr.readline()
            assert raw, lines
            lines.append(json.loads(raw))
    return lines


async def ended(process: asyncio.subprocess.Process) -> tuple[int, list[Line]]:
    """Return how it ended, and the rest of its log."""
    _, logged = await asyncio.wait_for(process.communicate(), STOP_S)
    assert process.returncode is not None
    return process.returncode, [json.loads(line) for line in logged.splitlines()]


async def test_who_dies_is_started_again_with_growing_pauses() -> None:
    async with supervised(WAITS, FAILS, soon_s=0.05, latest_s=0.2) as process:
        lines = await lines_until(process, "process_ended", 4)
        deaths = [line for line in lines if line["event"] == "process_ended"]
        assert {(line["process"], line["status"]) for line in deaths} == {(1, 3)}
        assert [line["again_in_s"] for line in deaths] == [0.05, 0.1, 0.2, 0.2]
        process.terminate()
        status, _ = await ended(process)
        assert status == 0  # the one that ran ended in order


async def test_who_lived_long_enough_is_started_soon() -> None:
    async with supervised(FAILS, soon_s=0.05, latest_s=1, settled_s=0.0) as process:
        lines = await lines_until(process, "process_ended", 3)
        pauses = [line["again_in_s"] for line in lines if line["event"] == "process_ended"]
        assert pauses == [0.05, 0.05, 0.05]
        process.terminate()
        assert (await ended(process))[0] == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_all_and_who_does_not_hear_is_killed(number: signal.Signals) -> None:
    async with supervised(WAITS, DEAF, drain_s=0.5) as process:
        assert process.stdout is not None
        for _ in range(2):
            await asyncio.wait_for(process.stdout.readline(), START_S)  # both listen to signals now
        process.send_signal(number)
        status, lines = await ended(process)
        assert status == 1
        assert [line["process"] for line in lines if line["event"] == "process_killed"] == [1]


async def test_who_had_not_begun_when_all_were_told_to_stop_ended_in_order() -> None:
    async with supervised(
        WAITS, "print('up', flush=True); import time; time.sleep(600)"
    ) as process:
        assert process.stdout is not None
        for _ in range(2):
            await asyncio.wait_for(process.stdout.readline(), START_S)
        process.terminate()
        status, lines = await ended(process)
        assert status == 0
        assert [line for line in lines if line["event"] == "process_killed"] == []


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells of a parent")
async def test_when_the_supervisor_itself_is_killed_all_end_in_order(tmp_path: Path) -> None:
    """Or the next one would find their ports taken, and nobody would look after them."""
    gone = tmp_path / "gone"
    tells = WAITS.replace("sys.exit(0)", f"(open({str(gone)!r}, 'w').close(), sys.exit(0))")
    async with supervised(tells, soon_s=0.05) as process:
        assert process.stdout is not None
        await asyncio.wait_for(process.stdout.readline(), START_S)
        process.kill()
        async with asyncio.timeout(START_S):
            while not gone.exists():
                await asyncio.sleep(LOOK_EVERY_S)


async def until(session: aiohttp.ClientSession, url: str, word: str) -> None:
    async with asyncio.timeout(START_S):
        while True:
            try:
                async with session.get(url) as response:
                    if word in await response.text():
                        return
            except aiohttp.ClientError:
                pass  # it does not listen yet
            await asyncio.sleep(LOOK_EVERY_S)


@pytest.mark.redis
@pytest.mark.slow
@pytest.mark.timeout(300)  # on a machine with nothing to give each Python takes 20 s to begin
async def test_each_worker_is_scraped_on_its_own_port_and_comes_back(tmp_path: Path) -> None:
    port = free_row(2)
    environment = an_environment(tmp_path, PENSTOCK_METRICS_LISTEN=f"127.0.0.1:{port}")
    process = await a_process(environment, "worker", "--processes", "2")
    async with stopped_at_last(process):
        urls = [f"http://127.0.0.1:{port + place}" for place in range(2)]
        async with aiohttp.ClientSession() as session:
            for url in urls:
                await until(session, f"{url}/readyz", '"ready"')
                await until(session, f"{url}/metrics", "penstock_speaker")
            started = [
                line
                for line in await lines_until(process, "process_started", 2)
                if line["event"] == "process_started"
            ]
            os.kill(next(line["pid"] for line in started if line["process"] == 1), signal.SIGKILL)
            [death] = [
                line
                for line in await lines_until(process, "process_ended", 1)
                if line["event"] == "process_ended"
            ]
            assert (death["process"], death["status"]) == (1, -signal.SIGKILL)
            await until(session, f"{urls[1]}/readyz", '"ready"')
            await until(session, f"{urls[0]}/readyz", '"ready"')
        process.send_signal(signal.SIGTERM)
        status, lines = await ended(process)
        assert status == 0, lines
        assert [line["event"] for line in lines].count("drained") == 2
        assert lines[-1]["event"] == "ledger_stopped"
