"""What a hurried caller gets wrong: a misspelt parameter, an empty file, a name that is none."""

import asyncio
import gzip
from pathlib import Path

import pytest
from redis.asyncio import Redis

from tests.e2e.whole_house import a_whole_house, nobody
from tests.front_desk import (
    ADMIN,
    PORTFOLIO,
    SEND,
    SENDER,
    WABA,
    a_campaign,
    a_desk,
    a_job,
    a_message,
)

STOP = "/v1/suppressions/+4915112345678"
START = "/v1/campaigns/c1/start"
WRONG_QUERIES = [
    ("POST", f"{START}?dry_run=True", "/dry_run", "must be one of false, true"),
    ("POST", f"{START}?dryrun=true", "/dryrun", "did you mean `dry_run`?"),
    ("POST", f"{START}?dry_run=true&dry_run=false", "/dry_run", "there twice"),
    ("POST", "/v1/campaigns/c1/cancel?dry_run=true", "/dry_run", "`cancel` has none"),
    ("PUT", f"{STOP}?porfolio=x", "/porfolio", "did you mean `portfolio`?"),
    ("DELETE", f"{STOP}?category=news", "/category", "must be one of all,"),
    ("GET", "/v1/senders?page=2", "/page", "leave it out"),
]
UNREAD = [
    (b"GET\r\n\r\n", "its first line"),
    (b"GET / HTTP/1.1\r\nHost: x\r\nX-Key " + b"secret-of-the-caller\r\n\r\n", "a header"),
    (b"GET / HTTP/1.1\r\nHost: x\r\nX-Key: " + b"secret-of-the-caller" * 500 + b"\r\n\r\n", "8190"),
    (b"GET / HTTP/1.1\r\n" + b"".join(b"X%d: 1\r\n" % n for n in range(99)) + b"\r\n", "too many"),
    (
        b"POST /v1/jobs HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n{}\r\n",
        "the frame of its body",
    ),
    (b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", "plain HTTP"),
]


@pytest.mark.parametrize(("method", "path", "pointer", "says"), WRONG_QUERIES)
async def test_a_parameter_that_is_none_is_refused_and_nothing_is_done(
    method: str, path: str, pointer: str, says: str
) -> None:
    async with a_desk() as desk:
        await a_campaign(desk)
        status, problem = await desk.call(method, path, key=SEND)
        (error,) = problem["errors"]
        assert (status, error["pointer"]) == (422, pointer)
        assert says in error["detail"]
        assert (await desk.call("GET", "/v1/campaigns/c1", key=SEND))[1]["state"] == "draft"
        assert (await desk.call("GET", STOP, key=SEND))[1]["suppressions"] == []


async def test_an_empty_name_of_a_portfolio_is_not_all_portfolios() -> None:
    async with a_desk() as desk:
        assert (await desk.call("PUT", f"{STOP}?portfolio=", key=SEND))[0] == 404
        assert (await desk.call("GET", STOP, key=SEND))[1]["suppressions"] == []


@pytest.mark.parametrize(
    ("path", "body", "pointer"),
    [
        ("/v1/portfolios/a%20b", {"messaging_limit": 250}, "/id"),
        ("/v1/senders/+15550100", {}, "/id"),
        ("/v1/journeys/a%20b", {}, "/id"),
        (f"/v1/portfolios/{PORTFOLIO}", {"used_before": 2**63 - 1}, "/used_before"),
        (f"/v1/portfolios/{PORTFOLIO}", {"reserve": {"utility": 0.6, "service": 0.6}}, "/reserve"),
    ],
)
async def test_what_cannot_be_put_is_named(path: str, body: object, pointer: str) -> None:
    async with a_desk() as desk:
        status, problem = await desk.call("PUT", path, body, ADMIN)
        assert (status, problem["errors"][0]["pointer"]) == (422, pointer)


async def test_a_file_without_a_first_row_is_told_what_belongs_there() -> None:
    async with a_desk() as desk:
        await a_campaign(desk)
        status, problem = await desk.upload("c1", b"")
        assert (status, problem["code"]) == (422, "missing_column")


@pytest.mark.parametrize("is_on_redis", [False, True])
async def test_a_person_is_one_recipient_whatever_keys_his_rows_have(
    redis_client: Redis, *, is_on_redis: bool
) -> None:
    ada, bob = '{"to":"+4915112345678","fields":%s%s}', '{"to":"+4915112345679","fields":%s%s}'
    fields = '{"name":"A","code":"B"}'
    lines = [ada % (fields, ',"key":"1"'), ada % (fields, ',"key":"2"'), bob % (fields, "")]
    async with a_desk(redis=redis_client if is_on_redis else None) as desk:
        await a_campaign(desk, senders=[SENDER])
        kind = "application/x-ndjson"
        _, told = await desk.upload("c1", "\n".join(lines), kind)
        assert (told["accepted"], told["duplicates"], told["rejected"]) == (2, 1, 0)
        csv = "to,name,code,key\n+4915112345678,A,B,3\n+4915112345679,A,B,4\n+4915112345670,A,B,5\n"
        _, told = await desk.upload("c1", csv)
        assert (told["accepted"], told["duplicates"]) == (1, 2)
        _, told = await desk.upload("c1", "to,name,code\n+4915112345678,X,Y\n+4915112345670,X,Y\n")
        assert (told["accepted"], told["duplicates"]) == (0, 2)


@pytest.mark.one_server
async def test_what_is_no_http_is_refused_in_our_shape_and_not_quoted(
    server_url: str, redis_client: Redis, tmp_path: Path
) -> None:
    del redis_client
    async with a_whole_house(server_url, tmp_path, furnish=nobody) as whole:
        host, port = whole.url.removeprefix("http://").split(":")
        for sent, says in UNREAD:
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(sent)
            async with asyncio.timeout(30):
                head, _, body = (await reader.read()).decode().partition("\r\n\r\n")
            writer.close()
            assert head.split()[1] == "400", head
            assert "application/problem+json" in head
            assert says in body, sent
            assert "secret" not in body
        limit = "9" * 5_000  # more digits than Python reads as a number
        for path in ("dead", "doubts"):
            async with whole.session.get(f"{whole.url}/v1/{path}?limit={limit}") as response:
                assert response.status == 422


async def test_a_body_where_none_belongs_is_refused_and_nothing_is_done() -> None:
    async with a_desk() as desk:
        await a_campaign(desk)
        status, problem = await desk.call("POST", START, {"dry_run": True}, SEND)
        (error,) = problem["errors"]
        assert (status, error["pointer"], error["code"]) == (422, "/dry_run", "unknown_field")
        assert "query parameter" in error["detail"]
        status, problem = await desk.call("POST", f"{START}?dry_run=true", [1], SEND)
        assert (status, problem["errors"][0]["pointer"]) == (422, "")
        path = f"/v1/wabas/{WABA}/open"
        assert (await desk.call("POST", path, {"why": "x"}))[1]["code"] == "unknown_field"
        assert (await desk.call("GET", "/v1/campaigns/c1", key=SEND))[1]["state"] == "draft"
        assert (await desk.call("POST", START, {}, SEND))[0] == 200


@pytest.mark.parametrize("moment", ["1969-12-31T00:00:00Z", "1970-01-01T00:00:00Z"])
async def test_a_moment_before_all_others_is_past_and_not_never(moment: str) -> None:
    async with a_desk() as desk:
        status, problem = await desk.call("POST", "/v1/jobs", a_job(expires_at=moment))
        assert (status, problem["code"]) == (422, "expired")
        assert (await desk.call("POST", "/v1/jobs", a_job(not_before=moment)))[0] == 202
        headers = {"Penstock-Expires-At": moment}
        body = a_message() | {"messaging_product": "whatsapp", "to": "+4915112345678"}
        path = f"/v25.0/{SENDER}/messages"
        assert (await desk.call("POST", path, body, headers=headers))[0] == 400


@pytest.mark.parametrize(
    "file",
    [
        "to,name,code\n+4915112345678,A,B\n".encode("utf-16-le"),
        gzip.compress(b"to,name,code\n+4915112345678,A,B\n", mtime=0),
        b"PK\x03\x04\x14\x00workbook\n",
    ],
)
async def test_a_file_that_is_no_text_is_told_so_and_not_quoted(file: bytes) -> None:
    async with a_desk() as desk:
        await a_campaign(desk)
        status, problem = await desk.upload("c1", file)
        assert (status, problem["code"]) == (422, "encoding")
        assert "CSV UTF-8" in problem["detail"]
        assert problem["detail"].isascii()


async def test_lines_may_begin_with_a_byte_order_mark_and_say_what_is_wrong_with_a_value() -> None:
    async with a_desk() as desk:
        await a_campaign(desk)
        line = b'{"to":"+491511234567%d","fields":{"name":"A","code":%s}}\n'
        body = (
            b"\xef\xbb\xbf" + line % (1, b'"B"') + line % (2, b"1e400") + line % (3, rb'"\ud800"')
        )
        _, told = await desk.upload("c1", body, "application/x-ndjson")
        assert (told["accepted"], told["rejected"]) == (1, 2)
        assert [each["field"] for each in told["errors"]] == ["fields", ""]
        assert "stands alone" in told["errors"][1]["detail"]


async def test_a_campaign_that_runs_without_rows_says_so() -> None:
    async with a_desk() as desk:
        await a_campaign(desk)
        assert (await desk.call("POST", START, key=SEND))[0] == 200
        _, status = await desk.call("GET", "/v1/campaigns/c1", key=SEND)
        assert "no rows yet" in status["warnings"][0]
        await desk.upload("c1", "to,name,code\n+4915112345678,A,B\n")
        assert (await desk.call("GET", "/v1/campaigns/c1", key=SEND))[1]["warnings"] == []
