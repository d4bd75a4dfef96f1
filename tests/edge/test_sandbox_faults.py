"""Every fault of the sandbox happens as described, and the same seed gives the same faults."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
import pytest_asyncio

from adapters.sandbox import scenario
from adapters.sandbox.faults import Faults, Lottery
from adapters.sandbox.scenario import Fault
from adapters.sandbox.server import Sandbox

Json = Any  # what a decoded answer is
DATA = Path(__file__).parents[1] / "data" / "sandbox"
NUMBER = "100200"
pytestmark = pytest.mark.asyncio


class Play:
    """A sandbox with faults, over real HTTP."""

    def __init__(self) -> None:
        self.session = aiohttp.ClientSession()
        self.now_ms = 1_800_000_000_000

    async def start(self, *faults: Fault, **changes: Json) -> None:
        world = scenario.load(DATA / "plain.json")
        world = msgspec.structs.replace(world, faults=list(faults), **changes)
        self.sandbox = Sandbox(world, now_ms=lambda: self.now_ms, rng=random.Random(3))
        self.url = await self.sandbox.start()

    def post(self, number: int = 0) -> Json:
        url = f"{self.url}/v25.0/{NUMBER}/messages"
        headers = {"Authorization": "Bearer token-a"}
        return self.session.post(url, json=offer(number), headers=headers)

    async def code(self, number: int = 0) -> int:
        async with self.post(number) as answer:
            body = await answer.json()
            return body["error"]["code"] if answer.status != 200 else 0


def offer(number: int) -> dict[str, Any]:
    body = {"type": "body", "parameters": [{"type": "text", "text": "Ann"}]}
    return {
        "messaging_product": "whatsapp",
        "to": f"+4479000{number:05d}",
        "type": "template",
        "template": {"name": "offer", "language": {"code": "en_US"}, "components": [body]},
    }


@pytest_asyncio.fixture
async def play() -> AsyncIterator[Play]:
    play = Play()
    yield play
    await play.session.close()
    await play.sandbox.stop()


async def test_any_code_can_be_answered_with_its_http_status(play: Play) -> None:
    await play.start(Fault("error", code=131000))
    async with play.post() as answer:
        assert answer.status == 500
        assert (await answer.json())["error"]["code"] == 131000
    report = play.sandbox.report()
    assert (report.accepted, report.faults, report.windows["acme"].used) == (0, {"error": 1}, 0)
    assert report.clean


async def test_a_throttle_can_be_429_and_say_when(play: Play) -> None:
    await play.start(Fault("error", code=130429, status=429, retry_after_s=2))
    async with play.post() as answer:
        assert (answer.status, answer.headers["Retry-After"]) == (429, "2")


async def test_an_accounts_code_can_last(play: Play) -> None:
    await play.start(Fault("error", code=80007, lasts_ms=5_000, times_max=1))
    assert await play.code(0) == 80007
    assert await play.code(1) == 80007  # in flight
    play.now_ms += 1_001
    assert await play.code(2) == 80007
    assert list(play.sandbox.report().violations) == ["account"]
    play.now_ms += 4_000
    assert await play.code(3) == 0


async def test_a_stop_that_an_error_told_is_remembered(play: Play) -> None:
    await play.start(Fault("error", code=131050, times_max=1))
    assert await play.code() == 131050
    play.now_ms += 1_001
    assert await play.code() == 131050
    assert list(play.sandbox.report().violations) == ["suppression"]


async def test_silence_accepts_and_closes_the_socket(play: Play) -> None:
    await play.start(Fault("silence"))
    with pytest.raises(aiohttp.ClientError):
        await play.post()
    assert play.sandbox.report().accepted == 1


async def test_silence_can_outlast_the_clients_patience(play: Play) -> None:
    await play.start(Fault("silence", delay_ms=60_000))
    waiting = asyncio.create_task(play.post())
    while not play.sandbox.report().accepted:
        assert not waiting.done()
        await asyncio.sleep(0.01)
    assert not (await asyncio.wait([waiting], timeout=0.1))[0]
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert play.sandbox.report().accepted == 1


async def test_a_reset_comes_before_the_body_is_read(play: Play) -> None:
    await play.start(Fault("reset"))
    with pytest.raises(aiohttp.ClientError):
        await play.post()
    report = play.sandbox.report()
    assert report.accepted == 0
    assert report.faults["reset"] >= 1


async def test_a_broken_gateway_shows_a_page(play: Play) -> None:
    await play.start(Fault("server_error", status=503))
    async with play.post() as answer:
        assert (answer.status, answer.content_type) == (503, "text/html")
        assert (await answer.read()).startswith(b"<html>")
    assert play.sandbox.report().accepted == 0


async def test_a_broken_gateway_can_hide_an_accepted_message(play: Play) -> None:
    await play.start(Fault("server_error", is_accepted=True))
    async with play.post() as answer:
        assert answer.status == 502
    assert play.sandbox.report().accepted == 1


async def test_half_an_answer_is_a_200_that_does_not_decode(play: Play) -> None:
    await play.start(Fault("truncated"))
    async with play.post() as answer:
        assert answer.status == 200
        with pytest.raises(msgspec.DecodeError):
            msgspec.json.decode(await answer.read())
    assert play.sandbox.report().accepted == 1


async def test_an_answer_can_take_its_time(play: Play) -> None:
    await play.start(Fault("latency", delay_ms=60, spread_ms=20))
    began = time.monotonic()
    assert await play.code() == 0
    assert time.monotonic() - began >= 0.06


async def test_a_fault_concerns_only_whom_it_names(play: Play) -> None:
    await play.start(Fault("error", code=131016, recipients=["+447900000001"]))
    assert [await play.code(0), await play.code(1)] == [0, 131016]


async def test_a_fault_has_its_time_and_number(play: Play) -> None:
    await play.start(Fault("error", code=2, from_ms=1_000, until_ms=2_000, times_max=1))
    assert await play.code(0) == 0
    play.now_ms += 1_000
    assert [await play.code(1), await play.code(2)] == [2, 0]
    play.now_ms += 1_000
    assert await play.code(3) == 0


async def test_faults_can_be_changed_while_it_plays(play: Play) -> None:
    await play.start()
    assert await play.code(0) == 0
    body = {"faults": [{"kind": "error", "code": 131016}]}
    async with play.session.post(f"{play.url}/_sandbox/faults", json=body) as answer:
        assert answer.status == 200
    assert await play.code(1) == 131016


async def test_usage_headers_come_where_they_are_wanted(play: Play) -> None:
    await play.start(has_usage_headers=True)
    async with play.post() as answer:
        assert "call_count" in answer.headers["x-app-usage"]


async def test_what_was_accepted_can_be_looked_at(play: Play) -> None:
    await play.start(keep_messages_max=2)
    for i in range(3):
        await play.code(i)
    async with play.session.get(f"{play.url}/_sandbox/messages") as answer:
        messages = await answer.json()
    assert [each["recipient"] for each in messages] == ["447900000001", "447900000002"]


async def test_the_same_seed_strikes_the_same_people_in_any_order(play: Play) -> None:
    await play.start()
    sends = [play.sandbox.send(NUMBER, offer(i)).send for i in range(80)]
    people = [send for send in sends if send is not None]

    def struck(order: list[Any], seed: int) -> set[str]:
        faults = Faults([Fault("error", rate=0.3)], Lottery(random.Random(seed)), 0)
        return {send.recipient for send in order if faults.strike(send, 0)}

    assert struck(people, 1) == struck(people[::-1], 1)
    assert struck(people, 1) != struck(people, 2)
    assert 0.1 < len(struck(people, 1)) / len(people) < 0.5


async def test_the_faulty_example_plays(play: Play) -> None:
    world = scenario.load(DATA / "faulty.json")
    play.sandbox = Sandbox(world, now_ms=lambda: play.now_ms, rng=random.Random(3))
    answers = [play.sandbox.send(NUMBER, offer(i)) for i in range(100) if _calm(play, i)]
    assert {answer.status for answer in answers} >= {200}


def _calm(play: Play, _number: int) -> bool:
    """Move the clock so that nothing is too fast."""
    play.now_ms += 20
    return True
