"""Campaigns and their files over HTTP: good rows kept, bad ones named, nothing twice."""

import gzip
import json
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from engine.model import PortfolioId
from engine.outcomes import Dropped
from engine.ports import Ask, Settlement
from engine.storms import Storm, StormWatch
from tests.front_desk import PORTFOLIO, READ, SEND, SENDER, a_campaign, a_desk, a_message

CSV = "to,name,code,note\n+4915112345678,Ada,A1,x\n4915112345679,Bob,B2,\n+4915112345678,Ada,A1,x\n"


async def test_a_campaign_goes_from_draft_to_its_end() -> None:
    async with a_desk() as desk:
        await a_campaign(desk)
        assert (await desk.upload("c1", CSV))[1]["accepted"] == 2
        for action, state in (
            ("start", "running"),
            ("pause", "paused"),
            ("resume", "running"),
            ("cancel", "cancelled"),
        ):
            status, shown = await desk.call("POST", f"/v1/campaigns/c1/{action}")
            assert (status, shown["state"]) == (200, state)
        status, shown = await desk.call("POST", "/v1/campaigns/c1/start")
        assert (status, shown["code"]) == (409, "state")
        _, shown = await desk.call("GET", "/v1/campaigns/c1", key=READ)
        assert shown["counts"]["cancelled"] == shown["enqueued"] == 2


async def test_an_idempotency_key_names_one_campaign() -> None:
    async with a_desk() as desk:
        headers = {"Idempotency-Key": "make-it-once"}
        body = {"name": "Autumn", "senders": [SENDER], "message": a_message("{{a}}", "{{b}}")}
        _, first = await desk.call("POST", "/v1/campaigns", body, headers=headers)
        _, again = await desk.call("POST", "/v1/campaigns", body, headers=headers)
        status, _ = await desk.call(
            "POST", "/v1/campaigns", body | {"name": "Winter"}, headers=headers
        )
        assert (first["id"], status) == (again["id"], 409)


async def test_a_file_says_of_each_row_what_became_of_it() -> None:
    async with a_desk() as desk:
        await a_campaign(desk)
        text = (
            CSV + '+4915112345670,"Cy, Jr.",C3,"two\nlines"\n0151,D,D4,\n\n+4915112345671,E,,\nF\n'
        )
        status, shown = await desk.upload("c1", text)
        assert (status, shown["read"]) == (202, 7)
        assert (shown["accepted"], shown["duplicates"], shown["rejected"]) == (3, 1, 3)
        assert [(each["row"], each["field"], each["code"]) for each in shown["errors"]] == [
            (6, "to", "no_country_code"),
            (8, "code", "empty"),
            (9, "", "columns"),
        ]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (b"\xef\xbb\xbfTo;name;code\r\n+4915112345678;J\xc3\xbcrgen;A1\r\n", "text/csv"),
        (b"to\tname\tcode\n4915112345678\tAda\tA1", "text/csv; charset=utf-8"),
        (
            b'{"to":"4915112345678","fields":{"name":"Ada","code":7}}\n\n',
            "application/x-ndjson",
        ),
        (
            b'{"to":"US.1349","fields":{"name":"Ada","code":"x"},"key":"k"}',
            "application/x-ndjson",
        ),
    ],
)
async def test_files_come_in_many_shapes(text: bytes, kind: str) -> None:
    async with a_desk() as desk:
        await a_campaign(desk)
        status, shown = await desk.upload("c1", text, kind)
        assert (status, shown["accepted"], shown["errors"]) == (202, 1, [])


@pytest.mark.parametrize(
    ("text", "status", "code"),
    [
        (b"phone,name,code\n1,2,3\n", 422, "missing_column"),
        (b"to,name\n1,2\n", 422, "missing_column"),
        (b"to,name,name,code\n1,2,3,4\n", 422, "repeated_column"),
        ("to,name,code\n".encode("utf-16"), 422, "encoding"),
        (b"\r\x02\xc3\x84to,name,code\n", 422, "malformed"),
    ],
)
async def test_a_header_that_cannot_do_is_refused_at_once(
    text: bytes, status: int, code: str
) -> None:
    async with a_desk() as desk:
        await a_campaign(desk)
        got, shown = await desk.upload("c1", text)
        assert (got, shown["code"]) == (status, code)


async def test_an_interrupted_upload_is_simply_sent_again() -> None:
    async with a_desk() as desk:
        await a_campaign(desk)
        lines = [f"+49151{n:08},Ada,C{n}" for n in range(5_000)]
        whole = "\n".join(["to,name,code", *lines])
        _, part = await desk.upload("c1", whole[: len(whole) // 2])
        _, rest = await desk.upload("c1", whole)
        assert part["accepted"] + rest["accepted"] == 5_000 + (part["rejected"] > 0) * 0
        assert rest["duplicates"] == part["accepted"]


async def test_pieces_may_end_anywhere() -> None:
    async with a_desk() as desk:
        await a_campaign(desk)
        rows = [f'+49151{n:08},"Jürgen, {n}",C{n}\n' for n in range(300)]
        body = ("to,name,code\n" + "".join(rows)).encode()

        async def pieces() -> AsyncIterator[bytes]:
            for at in range(0, len(body), 7):
                yield body[at : at + 7]

        _, shown = await desk.upload("c1", pieces())
        assert (shown["accepted"], shown["rejected"]) == (300, 0)


async def test_a_quote_that_never_closes_costs_its_own_row() -> None:
    async with a_desk() as desk:
        await a_campaign(desk)
        text = 'to,name,code\n+4915112345678,"Ada,A1\n+4915112345679,Bob,B2\n+4915112345670,Cy,C3\n'
        _, shown = await desk.upload("c1", text)
        assert (shown["accepted"], shown["rejected"]) == (2, 1)
        assert shown["errors"][0]["row"] == 2


@pytest.mark.parametrize(
    "after",
    [
        pytest.param("", id="to the end of the file"),
        pytest.param('+4915112345671,Di,"D4"\n', id="to the next quote"),
        pytest.param('+4915112345671,"D ""i""",D4\n', id="to a doubled quote"),
    ],
)
async def test_a_quote_that_opens_in_the_last_column_swallows_no_other_row(after: str) -> None:
    async with a_desk() as desk:
        await a_campaign(desk)
        text = 'to,name,code\n+4915112345678,Ada,"A1\n+4915112345679,Bob,B2\n+4915112345670,Cy,C3\n'
        _, shown = await desk.upload("c1", text + after)
        assert shown["read"] == text.count("\n") - 1 + bool(after)
        assert (shown["accepted"], shown["rejected"]) == (2 + bool(after), 1), shown
        (error,) = shown["errors"]
        assert (error["row"], error["code"]) == (2, "malformed")


async def test_fields_that_are_no_texts_are_named() -> None:
    async with a_desk() as desk:
        await a_campaign(desk)
        rows: list[object] = [
            {"to": "4915112345678", "fields": {"name": None, "code": ["x"]}},
            {"to": "4915112345678", "fields": "x"},
            {"to": "4915112345678", "fields": {"name": True, "code": 1.5, "more": {}}},
            {"to": "4915112345678", "fields": {"name": True, "code": 1.5}},
        ]
        _, shown = await desk.upload("c1", "\n".join(map(json.dumps, rows)), "application/x-ndjson")
        assert (shown["accepted"], shown["rejected"]) == (1, 3)
        assert [(each["row"], each["field"]) for each in shown["errors"]] == [
            *((1, "name"), (1, "code"), (2, "fields"), (3, "more"))
        ]


async def test_bad_lines_of_ndjson_are_named_and_the_others_kept() -> None:
    async with a_desk() as desk:
        await a_campaign(desk)
        lines: list[str] = [
            json.dumps({"to": f"49151{n:08}", "fields": {"name": "A", "code": str(n)}})
            for n in range(5)
        ]
        lines[1] = "{"
        lines[2] = '{"to":"4915112345678","fields":{"name":"A"}}'
        lines[3] = '{"to":"4915112345678","feilds":{}}'
        _, shown = await desk.upload("c1", "\n".join(lines), "application/x-ndjson")
        assert (shown["accepted"], shown["rejected"]) == (2, 3)
        assert [each["row"] for each in shown["errors"]] == [2, 3, 4]
        assert "did you mean `fields`?" in shown["errors"][2]["detail"]


async def test_gzip_is_taken_and_a_cut_one_is_said() -> None:
    async with a_desk() as desk:
        await a_campaign(desk)
        packed = gzip.compress(CSV.encode())
        header = {"Content-Encoding": "gzip"}
        status, shown = await desk.upload("c1", packed, **header)
        assert (status, shown["accepted"]) == (202, 2)
        status, shown = await desk.upload("c1", packed[:-12], **header)
        assert status == 400


async def test_a_bomb_does_not_go_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapters.api.streams.UNPACKED_MAX", 2**20)
    async with a_desk() as desk:
        await a_campaign(desk)
        bomb = gzip.compress(b"to,name,code\n" + b"4915112345678,a,b\n" * 500_000)
        status, _ = await desk.upload("c1", bomb, **{"Content-Encoding": "gzip"})
        assert status == 413


async def test_a_full_queue_stops_an_upload_and_the_rest_can_follow() -> None:
    async with a_desk(queue_max=5) as desk:
        await a_campaign(desk)
        lines = [f"+49151{n:08},Ada,C{n}" for n in range(20)]
        status, shown = await desk.upload("c1", "\n".join(["to,name,code", *lines]))
        assert (status, shown["code"]) == (429, "queue_full")


async def test_a_row_that_names_a_field_twice_is_refused_and_the_others_are_kept() -> None:
    async with a_desk() as desk:
        campaign = await a_campaign(desk)
        rows = [
            '{"to":"+4915112345678","fields":{"name":"Ada","name":"Bob","code":"x"}}',
            '{"to":"+4915112345679","fields":{"name":"Ada\\":","code":"x"}}',
            '{"to":"+4915112345670","to":"+4915112345671","fields":{"name":"Ada","code":"x"}}',
        ]
        _, shown = await desk.upload(campaign, "\n".join(rows), "application/x-ndjson")
        assert (shown["accepted"], shown["rejected"]) == (1, 2)
        found = [(each["row"], each["field"], each["code"]) for each in shown["errors"]]
        assert found == [(1, "name", "repeated_key"), (3, "to", "repeated_key")]


async def test_a_campaign_that_names_a_member_twice_is_refused() -> None:
    async with a_desk() as desk:
        body = '{"name":"a","name":"b","senders":[],"message":{}}'
        headers = {"Authorization": f"Bearer {SEND}"}
        response = await desk.client.post("/v1/campaigns", data=body, headers=headers)
        problem = await response.json(content_type=None)
        assert (response.status, problem["errors"][0]["pointer"]) == (400, "/name")


async def test_a_campaign_in_an_error_storm_is_paused_and_says_so(redis_client: Redis) -> None:
    async with a_desk(redis=redis_client) as desk:
        await a_campaign(desk)
        rows = [f"+49151{n:08},Ada,A{n}" for n in range(60)]
        await desk.upload("c1", "\n".join(["to,name,code", *rows]))
        await desk.call("POST", "/v1/campaigns/c1/start", key=SEND)
        told: list[Storm] = []
        watch = StormWatch(
            desk.front.campaigns,
            desk.registry.directory,
            desk.ledger,
            now_ms=desk.front.now_ms,
            told=told.append,
        )
        await watch.look()
        owner, refused = PortfolioId(PORTFOLIO), Dropped(131026, "no")
        for wish in range(1, 70):
            (answer,) = await desk.ledger.claim([Ask(owner, "w", wish, 9, 9)])
            settled = [Settlement(job.key, job.attempt, refused) for job in answer.jobs]
            await desk.ledger.settle(owner, settled)
            desk.now_ms += 20
        await watch.look()
        shown = (await desk.call("GET", "/v1/campaigns/c1"))[1]
        assert (shown["state"], len(told)) == ("paused", 1)
        assert "60 of 60 messages failed" in shown["warnings"][0]
        assert (await desk.call("POST", "/v1/campaigns/c1/resume", key=SEND))[0] == 200
        assert (await desk.call("GET", "/v1/campaigns/c1"))[1]["warnings"] == []
