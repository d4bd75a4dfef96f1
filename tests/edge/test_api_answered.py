"""The same POST again under one Idempotency-Key is done once and answered alike."""

from collections.abc import AsyncIterator
from typing import cast

import pytest
from redis.asyncio import Redis

from adapters.redis.answers import PREFIX, RedisAnswers
from adapters.redis.seal import Seal
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
    assert (status, problem["code"], sends) == (409, "under_way", 1)


async def test_answers_are_sealed_and_end_by_themselves(redis_client: Redis) -> None:
    answers = RedisAnswers(redis_client, Seal("one"))
    assert await answers.begin("n", b"asked") is None
    assert await answers.begin("n", b"other") == b"asked"
    await answers.keep("n", PERSON.encode())
    kept = cast("bytes | None", await redis_client.get(f"{PREFIX}n"))
    assert kept is not None
    assert PERSON.encode() not in kept
    assert 0 < await redis_client.pttl(f"{PREFIX}n") <= 86_400_000
    assert await RedisAnswers(redis_client, Seal("another")).begin("n", b"asked") == b""
    await answers.forget("n")
    assert await answers.begin("n", b"asked") is None
