"""The same POST again under one Idempotency-Key is done once and answered alike."""

import asyncio
from collections.abc import AsyncIterator
from typing import NoReturn, cast

import pytest
from redis.asyncio import Redis

from adapters.api.answered import HARMLESS_MS
from adapters.redis.answers import PREFIX, RedisAnswers
from adapters.redis.seal import Seal
from engine.errors import ProviderAwayError, ProviderRefusedError
from tests.front_desk import ADMIN, SEND, SENDER, WABA, Desk, a_campaign, a_desk

PAUSE, RESUME = f"/v1/senders/{SENDER}/pause", f"/v1/senders/{SENDER}/resume"
TEST = f"/v1/wabas/{WABA}/templates/offer/en_US/test"
KEYED = {"Idempotency-Key": "once"}
PERSON = "+4915112345678"


@pytest.fixture(params=["redis", "memory"])
async def desk(request: pytest.FixtureRequest, redis_client: Redis) -> AsyncIterator[Desk]:
    async with a_desk(redis=redis_client if request.param == "redis" else None) as made:
        yield made


async def test_what_was_taken_back_since_is_not_done_again(desk: Desk) -> None:
    first = await desk.call("POST", PAUSE, {"reason": "ill"}, ADMIN, headers=KEYED)
    assert (await desk.call("POST", RESUME))[1]["closed_by"] == []
    assert await desk.call("POST", PAUSE, {"reason": "ill"}, ADMIN, headers=KEYED) == first
    assert first[1]["closed_by"]
    assert (await desk.call("GET", f"/v1/senders/{SENDER}"))[1]["closed_by"] == []
    fresh = {"Idempotency-Key": "another"}
    assert (await desk.call("POST", PAUSE, {}, ADMIN, headers=fresh))[1]["closed_by"]


async def test_another_body_or_a_key_too_long_is_refused(desk: Desk) -> None:
    await desk.call("POST", PAUSE, {"reason": "ill"}, ADMIN, headers=KEYED)
    status, problem = await desk.call("POST", PAUSE, {"reason": "well"}, ADMIN, headers=KEYED)
    assert (status, problem["code"]) == (409, "conflict")
    assert problem["errors"][0]["pointer"] == "/Idempotency-Key"
    long = {"Idempotency-Key": "k" * 256}
    assert (await desk.call("POST", PAUSE, {}, ADMIN, headers=long))[0] == 422


async def test_what_was_refused_may_be_sent_again(desk: Desk) -> None:
    await a_campaign(desk)
    path = "/v1/campaigns/c1/resume"  # of a draft: refused
    assert (await desk.call("POST", path, key=SEND, headers=KEYED))[0] == 409
    assert (await desk.call("POST", "/v1/campaigns/c1/start", key=SEND, headers=KEYED))[0] == 200
    assert (await desk.call("POST", "/v1/campaigns/c1/pause", key=SEND))[0] == 200
    status, shown = await desk.call("POST", path, key=SEND, headers=KEYED)
    assert (status, shown["state"]) == (200, "running")


async def test_a_test_send_that_broke_off_is_not_sent_twice(desk: Desk) -> None:
    sends = 0

    async def break_off(*_: object) -> dict[str, object]:
        nonlocal sends
        sends += 1
        raise OSError

    desk.front.try_now = break_off
    body = {"to": PERSON}
    assert (await desk.call("POST", TEST, body, headers=KEYED))[0] == 500
    status, problem = await desk.call("POST", TEST, body, headers=KEYED)
    assert (status, problem["code"], sends) == (409, "outcome_unknown", 1)
    assert "use a fresh key" in problem["detail"]
    assert (await desk.call("POST", TEST, body, headers={"Idempotency-Key": "2"}))[0] == 500
    assert sends == 2


@pytest.mark.parametrize(
    ("path", "error"),
    [
        (f"/v1/senders/{SENDER}/refresh", ProviderAwayError("no answer")),
        (f"/v1/senders/{SENDER}/refresh", OSError()),
        (f"/v1/wabas/{WABA}/templates/import", ProviderAwayError("no answer")),
        (TEST, ProviderRefusedError("no token", code=190)),
    ],
)
async def test_what_failed_and_can_do_no_harm_is_made_again_under_its_key(
    desk: Desk, path: str, error: Exception
) -> None:
    async def fail(*_: object) -> NoReturn:
        raise error

    async def take(*_: object) -> dict[str, object]:
        shown: dict[str, object] = {
            "ok": True,
            "reached_nobody": False,
            "status": 200,
            "headers": {},
        }
        return shown | {"body": {}, "request": {}}

    master, refresh = desk.master, desk.front.refresh_sender
    master.error, desk.front.refresh_sender, desk.front.try_now = error, fail, fail
    body = {"to": PERSON} if path == TEST else None
    for _ in range(2):
        assert (await desk.call("POST", path, body, headers=KEYED))[0] in (500, 502)
    master.error, desk.front.refresh_sender, desk.front.try_now = None, refresh, take
    assert (await desk.call("POST", path, body, headers=KEYED))[0] == 200


async def test_a_call_under_way_says_so_and_a_dead_process_holds_it_up_for_a_minute_at_most(
    redis_client: Redis,
) -> None:
    going, may_go = asyncio.Event(), asyncio.Event()

    async def wait(*_: object) -> None:
        going.set()
        await may_go.wait()

    async with a_desk(redis=redis_client) as desk:
        desk.front.refresh_sender = wait
        path = f"/v1/senders/{SENDER}/refresh"
        first = asyncio.create_task(desk.call("POST", path, headers=KEYED))
        await going.wait()
        (name,) = [each async for each in redis_client.scan_iter(f"{PREFIX}*")]
        assert 0 < await redis_client.pttl(name) <= HARMLESS_MS
        status, problem = await desk.call("POST", path, headers=KEYED)
        assert (status, problem["code"]) == (409, "under_way")
        may_go.set()
        assert (await first)[0] == 200
        assert await desk.call("POST", path, headers=KEYED) == await first


async def test_answers_are_sealed_and_end_by_themselves(redis_client: Redis) -> None:
    answers = RedisAnswers(redis_client, Seal("one"))
    assert await answers.begin("n", b"asked", 1_000) is None
    assert await answers.begin("n", b"other", 1_000) == b"asked"
    await answers.keep("n", PERSON.encode())
    kept = cast("bytes | None", await redis_client.get(f"{PREFIX}n"))
    assert kept is not None
    assert PERSON.encode() not in kept
    assert 0 < await redis_client.pttl(f"{PREFIX}n") <= 86_400_000
    assert await RedisAnswers(redis_client, Seal("another")).begin("n", b"asked", 1_000) == b""
    await answers.forget("n")
    assert await answers.begin("n", b"asked", 1_000) is None
