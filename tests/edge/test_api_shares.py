"""A campaign's senders are dealt unequal shares of the people, and each person stays with one."""

from typing import cast

import pytest
from redis.asyncio import Redis

from tests.front_desk import PORTFOLIO, SEND, SENDER, WABA, Desk, a_campaign, a_desk

PATH = "/v1/campaigns/c1"
OTHER = "2"
ROWS = 400


async def a_shared_campaign(desk: Desk, shares: dict[str, int]) -> None:
    sender = {"portfolio_id": PORTFOLIO, "waba_id": WABA, "display_phone_number": "+1 555 0101"}
    path = f"/v1/senders/{OTHER}"
    assert (await desk.call("PUT", path, sender | {"access_token": "t"}))[0] == 201
    await a_campaign(desk, senders=[SENDER, OTHER], shares=shares)


async def queued_of(redis: Redis, rows: list[str], desk: Desk) -> dict[str, int]:
    """Upload rows and return how many each sender has waiting."""
    csv = "to,name,code\n" + "".join(f"{to},Ada,A1\n" for to in rows)
    status, told = await desk.upload("c1", csv)
    assert (status, told["rejected"]) == (202, 0), told
    found: dict[str, int] = {}
    async for key in redis.scan_iter(f"ps:{{{PORTFOLIO}}}:lane:*"):
        name, last = cast("list[bytes]", await redis.hmget(key, ["sender", "last"]))
        found[name.decode()] = found.get(name.decode(), 0) + int(last)
    return found


PEOPLE = [f"+49151{number:08}" for number in range(10_000_000, 10_000_000 + ROWS)]


async def test_people_are_dealt_by_shares_and_stay_where_they_were_dealt(
    redis_client: Redis,
) -> None:
    async with a_desk(redis=redis_client) as desk:
        await a_shared_campaign(desk, {SENDER: 3})
        shown = (await desk.call("PATCH", PATH, {"name": "Spring"}, SEND))[1]
        assert shown["shares"] == {SENDER: 3, OTHER: 1}
        dealt = await queued_of(redis_client, PEOPLE, desk)
        assert sum(dealt.values()) == ROWS
        assert 0.64 < dealt[SENDER] / ROWS < 0.86  # five standard deviations of 400 people
        assert await queued_of(redis_client, PEOPLE, desk) == dealt, "known: nobody moved"


async def test_nobody_moves_when_shares_change_or_a_sender_is_added(redis_client: Redis) -> None:
    async with a_desk(redis=redis_client) as desk:
        await a_shared_campaign(desk, {})
        assert (await desk.call("PATCH", PATH, {"senders": [SENDER]}, SEND))[0] == 200
        dealt = await queued_of(redis_client, PEOPLE, desk)
        assert dealt[SENDER] == ROWS
        more = {"senders": [SENDER, OTHER], "shares": {OTHER: 9}}
        assert (await desk.call("PATCH", PATH, more, SEND))[0] == 200
        assert (await queued_of(redis_client, PEOPLE, desk))[SENDER] == ROWS
        keyed = "to,name,code,key\n" + "".join(f"{to},Ada,A1,{to}\n" for to in PEOPLE)
        assert (await desk.upload("c1", keyed))[1]["duplicates"] == ROWS
        late = [f"+49152{number:08}" for number in range(ROWS)]
        assert (await queued_of(redis_client, late, desk))[OTHER] > ROWS / 2


async def test_shares_change_and_go_with_their_sender(redis_client: Redis) -> None:
    async with a_desk(redis=redis_client) as desk:
        await a_shared_campaign(desk, {SENDER: 3})
        status, shown = await desk.call("PATCH", PATH, {"shares": {OTHER: 9}}, SEND)
        assert (status, shown["shares"]) == (200, {SENDER: 1, OTHER: 9})
        assert (await desk.call("PATCH", PATH, {"name": "x"}, SEND))[1]["shares"][OTHER] == 9
        assert (await desk.call("PATCH", PATH, {"senders": [OTHER]}, SEND))[0] == 200
        status, shown = await desk.call("PATCH", PATH, {"senders": [OTHER, SENDER]}, SEND)
        assert (status, shown["shares"]) == (200, {OTHER: 1, SENDER: 1})


@pytest.mark.parametrize(
    ("shares", "pointer", "code"),
    [({"7": 2}, "/shares/7", "unknown_sender"), ({SENDER: 0}, f"/shares/{SENDER}", "range")],
)
async def test_a_wrong_share_is_named(
    redis_client: Redis, shares: dict[str, int], pointer: str, code: str
) -> None:
    async with a_desk(redis=redis_client) as desk:
        await a_shared_campaign(desk, {})
        status, problem = await desk.call("PATCH", PATH, {"shares": shares}, SEND)
        assert status == 422
        assert [(each["pointer"], each["code"]) for each in problem["errors"]] == [(pointer, code)]
