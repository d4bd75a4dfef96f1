"""An upload that was cut goes on where it ended, and says how far it came."""

import asyncio
import gzip
import json
from contextlib import suppress
from typing import Any

import pytest
from redis.asyncio import Redis

from engine.errors import LedgerAwayError
from engine.model import PortfolioId
from engine.results import Taken, Upload
from tests.front_desk import PORTFOLIO, SEND, Desk, a_campaign, a_desk

NDJSON = "application/x-ndjson"
ROWS = [f"+49151{n:08},Ada,A{n}" for n in range(4_000)]
CSV = "\n".join(["to,name,code", *ROWS, "+49151,Bob,short"]).encode() + b"\n"
PATH = "/v1/campaigns/c1/uploads/people"


async def progress(desk: Desk) -> dict[str, Any]:
    status, shown = await desk.call("GET", PATH, key=SEND)
    assert status == 200
    return shown


async def cut_after(desk: Desk, body: bytes, length: int) -> None:
    """Send the begin of an upload and hang up."""
    _, writer = await asyncio.open_connection("127.0.0.1", desk.client.port)
    head = [
        "POST /v1/campaigns/c1/recipients HTTP/1.1",
        *("Host: here", f"Authorization: Bearer {SEND}", "Content-Type: text/csv"),
        *("Idempotency-Key: people", f"Content-Length: {len(body)}", "", ""),
    ]
    writer.write("\r\n".join(head).encode() + body[:length])
    await writer.drain()
    async with asyncio.timeout(30):
        while not await taken(desk):
            await asyncio.sleep(0.01)
    writer.transport.abort()
    with suppress(ConnectionError):
        await writer.wait_closed()


async def taken(desk: Desk) -> int:
    status, shown = await desk.call("GET", PATH, key=SEND)
    return int(shown["offset"]) if status == 200 else 0


@pytest.mark.parametrize("is_real", [True, False], ids=["redis", "memory"])
async def test_an_upload_that_was_cut_goes_on_where_it_ended(
    redis_client: Redis, *, is_real: bool
) -> None:
    async with a_desk(redis=redis_client if is_real else None) as desk:
        await a_campaign(desk)
        await cut_after(desk, CSV, 70_000)
        before = await progress(desk)
        offset = before["offset"]
        assert 0 < offset <= 70_000
        assert CSV[:offset].endswith(b"\n")
        assert (before["complete"], before["read"]) == (False, CSV[:offset].count(b"\n") - 1)
        headers = {"Idempotency-Key": "people", "Upload-Offset": str(offset)}
        status, shown = await desk.upload("c1", CSV[offset:], **headers)
        assert (status, shown["read"]) == (202, 4_001)
        # The piece that was being taken when somebody asked is taken once more, and counted once.
        assert (shown["accepted"], shown["duplicates"]) == (4_000, 0)
        assert [each["row"] for each in shown["errors"]] == [4_002]
        after = await progress(desk)
        assert (after["offset"], after["complete"], after["rejected"]) == (len(CSV), True, 1)
        assert (await desk.call("GET", "/v1/campaigns/c1"))[1]["enqueued"] == 4_000


async def test_what_was_packed_goes_on_unpacked() -> None:
    async with a_desk() as desk:
        await a_campaign(desk)
        named = {"Idempotency-Key": "people"}
        packed = gzip.compress(CSV)
        half = packed[: len(packed) // 2]
        status, shown = await desk.upload("c1", half, **named | {"Content-Encoding": "gzip"})
        assert (status, shown["stopped"]) == (400, "truncated")
        offset = await taken(desk)
        rest = named | {"Upload-Offset": str(offset)}
        status, shown = await desk.upload("c1", CSV[offset:], **rest)
        assert (status, shown["accepted"]) == (202, 4_000)


async def test_lines_go_on_too_and_keep_their_numbers() -> None:
    lines = [
        json.dumps({"to": f"+49151{n:08}", "fields": {"name": "A", "code": "B"}}) for n in range(9)
    ]
    body = "\n".join([*lines, '{"to":"0151"}']).encode()
    async with a_desk() as desk:
        await a_campaign(desk)
        packed = gzip.compress(("\n".join(lines[:5]) + "\n").encode())[:-4]
        headers = {"Idempotency-Key": "people", "Content-Encoding": "gzip"}
        assert (await desk.upload("c1", packed, NDJSON, **headers))[0] == 400
        offset = await taken(desk)
        rest = {"Idempotency-Key": "people", "Upload-Offset": str(offset)}
        status, shown = await desk.upload("c1", body[offset:], NDJSON, **rest)
        assert (status, offset > 0, shown["accepted"], shown["read"]) == (202, True, 9, 10)
        assert {each["row"] for each in shown["errors"]} == {10}


@pytest.mark.parametrize(
    ("headers", "kind", "status", "code"),
    [
        ({"Upload-Offset": "5"}, "text/csv", 400, "missing"),
        ({"Upload-Offset": "-5", "Idempotency-Key": "people"}, "text/csv", 400, "invalid"),
        ({"Upload-Offset": "5", "Idempotency-Key": "people"}, "text/csv", 409, "offset_mismatch"),
        ({"Upload-Offset": "35", "Idempotency-Key": "people"}, NDJSON, 409, "offset_mismatch"),
        ({"Upload-Offset": "35", "Idempotency-Key": "other"}, "text/csv", 409, "offset_mismatch"),
        ({"Idempotency-Key": "x" * 256}, "text/csv", 400, "too_long"),
    ],
)
async def test_an_offset_that_is_not_where_it_ended_is_refused_and_adds_nothing(
    headers: dict[str, str], kind: str, status: int, code: str
) -> None:
    async with a_desk() as desk:
        await a_campaign(desk)
        first = b"to,name,code\n+4915112345678,Ada,A1\n"
        await desk.upload("c1", first, **{"Idempotency-Key": "people"})
        assert await taken(desk) == len(first) == 35
        body = b"+4915112345679,Bob,B2\n"
        found, shown = await desk.upload("c1", body, kind, **headers)
        assert (found, shown["code"]) == (status, code)
        assert (await desk.call("GET", "/v1/campaigns/c1"))[1]["enqueued"] == 1


async def test_the_same_key_from_its_begin_is_the_same_upload_and_adds_nothing() -> None:
    async with a_desk() as desk:
        await a_campaign(desk)
        named = {"Idempotency-Key": "people"}
        await desk.upload("c1", CSV, **named)
        _, shown = await desk.upload("c1", CSV, **named)
        assert (shown["accepted"], shown["duplicates"]) == (0, 4_000)
        assert (await desk.call("GET", "/v1/campaigns/c1/uploads/none", key=SEND))[0] == 404
        assert (await desk.call("GET", "/v1/campaigns/c9/uploads/people", key=SEND))[0] == 404


async def test_who_takes_an_upload_up_is_the_only_one_to_go_on(redis_client: Redis) -> None:
    async with a_desk(redis=redis_client) as desk:
        await a_campaign(desk)
        campaign = desk.front.campaigns.get("c1")
        portfolio, store = campaign.portfolio_id, desk.front.uploads
        first, second, third = (
            Upload(campaign.source, "name", taker) for taker in ("first", "second", "third")
        )
        assert await store.take(portfolio, first, anew=True) == Taken(None, 0)
        assert await store.note(portfolio, first, b"1", [], complete=False) == 0
        assert await store.take(portfolio, second, anew=False) == Taken(b"1", 0)
        assert await store.note(portfolio, first, b"2", [b"wrong"], complete=False) is None
        assert await store.note(portfolio, second, b"3", [b"bad"], complete=False) == 0
        assert await store.take(portfolio, third, anew=False) == Taken(b"3", 0)
        told = [lines async for lines in desk.front.results.rejected(portfolio, campaign.source)]
        assert told == [[b"bad"]]
        async for key in redis_client.scan_iter(match="ps:*upload:*"):
            assert 0 < await redis_client.pttl(key) <= 86_400_000


async def test_an_answer_says_in_its_headers_how_far_it_came() -> None:
    async with a_desk() as desk:
        await a_campaign(desk)
        await desk.upload("c1", b"to,name,code\n", **{"Idempotency-Key": "people"})
        headers = {"Authorization": f"Bearer {SEND}"}
        async with desk.client.get(PATH, headers=headers) as response:
            assert (response.headers["Upload-Offset"], response.headers["Upload-Complete"]) == (
                "13",
                "?1",
            )


@pytest.mark.parametrize("is_real", [True, False], ids=["redis", "memory"])
async def test_what_was_queued_and_not_noted_before_a_cut_is_counted_once(
    redis_client: Redis, monkeypatch: pytest.MonkeyPatch, *, is_real: bool
) -> None:
    named = {"Idempotency-Key": "people"}
    async with a_desk(redis=redis_client if is_real else None) as desk:
        await a_campaign(desk, recipients_max=4_100)
        with monkeypatch.context() as cut:
            cut.setattr(desk.front, "uploads", Cut(desk.front.uploads))
            status, _ = await desk.upload("c1", CSV, **named)
        assert status == 503
        assert await taken(desk) == 0
        status, shown = await desk.upload("c1", CSV, **named)
        figures = [shown[each] for each in ("read", "accepted", "duplicates", "rejected")]
        assert (status, figures) == (202, [4_001, 4_000, 0, 1])
        assert (await desk.call("GET", "/v1/campaigns/c1"))[1]["enqueued"] == 4_000
        lines = [
            line
            async for some in desk.front.results.rejected(PortfolioId(PORTFOLIO), "campaign:c1")
            for line in some
        ]
        assert len(lines) == 1
        again = (await desk.upload("c1", CSV, **named))[1]  # it was complete: another reading
        assert (again["accepted"], again["duplicates"], again["rejected"]) == (0, 4_000, 1)


class Cut:
    """A store of uploads that goes away when a piece is to be noted."""

    def __init__(self, store: Any) -> None:  # noqa: ANN401 (either one)
        self.take = store.take

    async def note(self, *_: object, **__: object) -> int:
        raise LedgerAwayError("cut")


@pytest.mark.parametrize("is_real", [True, False], ids=["redis", "memory"])
@pytest.mark.parametrize("keyed", [True, False])
async def test_a_cap_counts_rows_once_and_holds_for_two_at_a_time(
    redis_client: Redis, *, is_real: bool, keyed: bool
) -> None:
    async with a_desk(redis=redis_client if is_real else None) as desk:
        await a_campaign(desk, recipients_max=1_000)

        def body(first: int) -> bytes:
            lines = [
                {"to": f"+49151{n:08}", "fields": {"name": "A", "code": "B"}}
                | ({"key": f"k{n}"} if keyed else {})
                for n in range(first, first + 900)
            ]
            return "\n".join(json.dumps(line) for line in [*lines, *lines[:50]]).encode()

        both = await asyncio.gather(*(desk.upload("c1", body(first), NDJSON) for first in (0, 900)))
        told = [shown for _, shown in both]
        assert sum(each["accepted"] for each in told) == 1_000
        assert (await desk.call("GET", "/v1/campaigns/c1"))[1]["enqueued"] == 1_000
        for each in told:
            assert each["read"] == each["accepted"] + each["duplicates"] + each["rejected"] == 950
            assert {error["code"] for error in each["errors"]} <= {"over_cap"}


async def test_a_key_with_another_row_is_named(redis_client: Redis) -> None:
    async with a_desk(redis=redis_client) as desk:
        await a_campaign(desk)
        rows = "to,name,code,key\n+4915112345678,Ada,A1,k1\n+4915112345679,Bob,B2,k1\n"
        _, shown = await desk.upload("c1", rows)
        assert (shown["read"], shown["accepted"], shown["rejected"]) == (2, 1, 1)
        (error,) = shown["errors"]
        assert (error["row"], error["field"], error["code"]) == (3, "key", "conflict")
