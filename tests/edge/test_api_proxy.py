"""Graph calls passed on: whose token goes along, what comes back, and what never leaves."""

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import ClientPayloadError, FormData, web
from aiohttp.test_utils import TestServer
from redis.asyncio import Redis
from structlog.testing import capture_logs

from adapters.api import proxy
from engine.model import PortfolioId
from engine.outcomes import Accepted
from engine.ports import Ask, Settlement
from tests.front_desk import (
    ADMIN,
    PORTFOLIO,
    READ,
    SEND,
    SENDER,
    WABA,
    Desk,
    a_desk,
    a_job,
    a_template,
)

TOKEN = "Bearer token-of-the-test"
MEDIA = "1602186516975000"


@dataclass
class Graph:
    """A Meta that notes what it is asked and answers as it is told."""

    url: str = ""
    asked: list[tuple[str, str, str, bytes]] = field(default_factory=list)
    answers: dict[str, Any] = field(default_factory=dict)  # JSON, or who makes the answer

    async def answer(self, request: web.Request) -> web.StreamResponse:
        token = request.headers.get("Authorization", "")
        self.asked.append((request.method, request.path_qs, token, await request.read()))
        answer = self.answers.get(f"{request.method} {request.path}", {"success": True})
        if isinstance(answer, dict):
            return web.json_response(answer)
        made: web.StreamResponse = await answer(request)
        return made


@asynccontextmanager
async def a_passage(redis: Redis | None = None) -> AsyncGenerator[tuple[Desk, Graph]]:
    """Give an API and the Graph behind it."""
    graph = Graph()
    app = web.Application(client_max_size=2**28)
    app.router.add_route("*", "/{rest:.*}", graph.answer)
    async with TestServer(app) as server:
        graph.url = str(server.make_url("")).rstrip("/")
        async with a_desk(graph_url=graph.url, redis=redis) as desk:
            yield desk, graph


def a_file(content: bytes = b"a picture") -> FormData:
    form = FormData()
    form.add_field("messaging_product", "whatsapp")
    form.add_field("file", content, filename="a.jpg", content_type="image/jpeg")
    return form


async def send_file(desk: Desk, form: FormData, key: str = SEND) -> tuple[int, Any]:
    headers = {"Authorization": f"Bearer {key}"}
    response = await desk.client.post(f"/v25.0/{SENDER}/media", data=form, headers=headers)
    return response.status, await response.json(content_type=None)


async def test_a_file_goes_up_with_the_senders_token_and_not_with_our_key() -> None:
    async with a_passage() as (desk, graph):
        graph.answers[f"POST /v25.0/{SENDER}/media"] = {"id": MEDIA}
        assert await send_file(desk, a_file(b"x" * 300_000)) == (200, {"id": MEDIA})
        ((method, path, token, body),) = graph.asked
        assert (method, path, token) == ("POST", f"/v25.0/{SENDER}/media", TOKEN)
        assert b"x" * 300_000 in body
        assert (await send_file(desk, a_file(), READ))[1]["error"]["code"] == 200
        assert len(graph.asked) == 1


@pytest.mark.parametrize("has_length", [True, False])
async def test_a_file_that_is_too_large_is_refused(
    monkeypatch: pytest.MonkeyPatch, *, has_length: bool
) -> None:
    monkeypatch.setattr(proxy, "FILE_MAX", 100_000)
    async with a_passage() as (desk, graph):
        body = b"y" * 300_000

        async def pieces() -> AsyncGenerator[bytes]:
            for at in range(0, len(body), 10_000):
                yield body[at : at + 10_000]

        headers = {"Authorization": f"Bearer {SEND}", "Content-Type": "multipart/form-data"}
        sent: Any = body if has_length else pieces()
        response = await desk.client.post(f"/v25.0/{SENDER}/media", data=sent, headers=headers)
        assert (response.status, (await response.json())["error"]["code"]) == (413, 100)
        assert [each for each in graph.asked if len(each[3]) >= len(body)] == []


async def test_a_files_address_leads_to_us_and_we_fetch_it() -> None:
    async with a_passage() as (desk, graph):
        graph.answers[f"GET /v25.0/{MEDIA}"] = {"id": MEDIA, "url": f"{graph.url}/file?h=1%2F2"}

        async def file(_request: web.Request) -> web.Response:
            return web.Response(body=b"z" * 200_000, content_type="image/png")

        graph.answers["GET /file"] = file
        status, shown = await desk.call("GET", f"/v25.0/{MEDIA}", key=READ)
        assert status == 200
        assert shown["url"] == str(desk.client.make_url(f"/v25.0/{SENDER}/media/{MEDIA}"))
        headers = {"Authorization": f"Bearer {SEND}"}
        path = shown["url"].removeprefix(str(desk.client.make_url("")).rstrip("/"))
        response = await desk.client.get(path, headers=headers)
        assert (response.content_type, await response.read()) == ("image/png", b"z" * 200_000)
        assert graph.asked[-1][1:3] == ("/file?h=1%2F2", TOKEN)
        assert (await desk.call("GET", f"/v25.0/{SENDER}/media/{MEDIA}", key=READ))[0] == 403


@pytest.mark.parametrize(
    "address", ["https://fbsbx.com.evil.example/f", "http://127.0.0.1:1/f", "file:///etc/passwd"]
)
async def test_no_token_goes_to_a_host_that_is_not_metas(address: str) -> None:
    async with a_passage() as (desk, graph):
        graph.answers[f"GET /v25.0/{MEDIA}"] = {"url": address}
        status, shown = await desk.call("GET", f"/v25.0/{SENDER}/media/{MEDIA}")
        assert (status, shown["error"]["code"]) == (502, 2)
        assert "not one of its own" in shown["error"]["message"]
        assert len(graph.asked) == 1


async def test_a_redirect_is_not_followed() -> None:
    async with a_passage() as (desk, graph):

        async def elsewhere(_request: web.Request) -> web.Response:
            raise web.HTTPFound("/elsewhere")

        graph.answers[f"GET /v25.0/{SENDER}"] = elsewhere
        status, shown = await desk.call("GET", f"/v25.0/{SENDER}")
        assert (status, shown["error"]["code"]) == (502, 2)
        assert [each[1] for each in graph.asked] == [f"/v25.0/{SENDER}"]


async def test_an_answer_that_breaks_off_is_not_taken_for_a_whole_one() -> None:
    async with a_passage() as (desk, graph):
        graph.answers[f"GET /v25.0/{MEDIA}"] = {"url": f"{graph.url}/file"}

        async def half(request: web.Request) -> web.StreamResponse:
            response = web.StreamResponse(headers={"Content-Length": "100000"})
            await response.prepare(request)
            await response.write(b"h" * 50_000)
            assert request.transport is not None
            request.transport.abort()
            return response

        graph.answers["GET /file"] = half
        headers = {"Authorization": f"Bearer {SEND}"}
        path = f"/v25.0/{SENDER}/media/{MEDIA}"
        response = await desk.client.get(path, headers=headers)
        with pytest.raises(ClientPayloadError):
            await response.read()


async def test_templates_are_read_by_all_and_changed_by_admins() -> None:
    async with a_passage() as (desk, graph):
        path = f"/v25.0/{WABA}/message_templates"
        graph.answers[f"GET {path}"] = {"data": [{"name": "offer"}]}
        asked = f"{path}?limit=5&access_token=psk_ours"
        status, shown = await desk.call("GET", asked, key=READ)
        assert (status, shown) == (200, {"data": [{"name": "offer"}]})
        assert graph.asked[-1][1:3] == (f"{path}?limit=5", TOKEN)
        assert (await desk.call("POST", path, {"name": "new"}, SEND))[0] == 403
        assert (await desk.call("POST", path, {"name": "new"}, ADMIN))[0] == 200
        assert json.loads(graph.asked[-1][3]) == {"name": "new"}
        await desk.registry.put(a_template(meta_id="777"))
        assert (await desk.call("POST", "/v25.0/777", {"category": "UTILITY"}, ADMIN))[0] == 200
        assert graph.asked[-1][1] == "/v25.0/777"


async def test_what_an_admin_changes_at_meta_has_a_line_and_what_is_refused_has_none() -> None:
    async with a_passage() as (desk, _):
        path = f"/v25.0/{WABA}/message_templates"
        with capture_logs() as lines:
            await desk.call("DELETE", f"{path}?name=offer", key=ADMIN)
            await desk.call("DELETE", f"{path}?name=offer", key=READ)
            await desk.call("GET", path, key=ADMIN)
        [told] = [line for line in lines if line["event"] == "api_change"]
        assert told["call"] == "DELETE /{version}/{node}/message_templates"
        assert (told["key"], told["node"]) == ("bootstrap", WABA)


async def test_what_meta_refuses_is_refused_in_its_own_words() -> None:
    async with a_passage() as (desk, graph):
        words = {"error": {"message": "(#100) no", "code": 100, "fbtrace_id": "A1"}}

        async def no(_request: web.Request) -> web.Response:
            return web.json_response(words, status=400)

        graph.answers[f"POST /v25.0/{SENDER}/messages"] = no
        body = {"messaging_product": "whatsapp", "status": "read", "message_id": "wamid.1"}
        answer = await desk.call("POST", f"/v25.0/{SENDER}/messages", body, SEND)
        assert answer == (400, words)
        assert json.loads(graph.asked[-1][3]) == body


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", f"/v25.0/{SENDER}/register", 404),
        ("GET", f"/v25.0/{SENDER}/message_history", 404),
        ("GET", "/v25.0/nobody/message_templates", 404),
        ("POST", "/v25.0/nobody", 404),
        ("POST", f"/v25.0/{SENDER}", 404),
        ("GET", "/v25.0/oauth/access_token", 404),
        ("DELETE", f"/v25.0/{SENDER}/messages", 404),
    ],
)
async def test_nothing_else_is_passed_on(method: str, path: str, status: int) -> None:
    async with a_passage() as (desk, graph):
        got, shown = await desk.call(method, path, key=ADMIN)
        assert (got, shown["error"]["type"]) == (status, "OAuthException")
        assert (await desk.call(method, path, key="nobody"))[1]["error"]["code"] == 190
        assert graph.asked == []


async def test_whose_file_it_is_must_be_said_where_tokens_differ() -> None:
    async with a_passage() as (desk, graph):
        other = {
            "portfolio_id": PORTFOLIO,
            "waba_id": WABA,
            "display_phone_number": "+1 555 0101",
            "access_token": "another-token",
        }
        await desk.call("PUT", "/v1/senders/2", other)
        status, shown = await desk.call("DELETE", f"/v25.0/{MEDIA}", key=SEND)
        assert (status, "phone_number_id" in shown["error"]["message"]) == (400, True)
        path = f"/v25.0/{MEDIA}?phone_number_id=2"
        assert (await desk.call("DELETE", path, key=SEND))[0] == 200
        assert graph.asked[-1][2] == "Bearer another-token"


@pytest.mark.parametrize("member", ["context", "reaction"])
async def test_our_id_becomes_metas_on_the_way_out(redis_client: Redis, member: str) -> None:
    async with a_passage(redis_client) as (desk, _):
        portfolio = PortfolioId(PORTFOLIO)
        _, shown = await desk.call("POST", "/v1/jobs", a_job(), SEND)
        our_id = shown["results"][0]["id"]
        text = {"type": "text", "text": {"body": "Hi"}}
        part = {"message_id": our_id, "emoji": "x"}
        message = (text if member == "context" else {"type": member}) | {member: part}
        answer = await desk.call("POST", "/v1/jobs", [a_job(message=message)], SEND)
        assert answer[1]["results"][0]["errors"][0]["code"] == "not_sent_yet"
        (claim,) = await desk.ledger.claim([Ask(portfolio, "w", 1, 10, 10)])
        await desk.ledger.settle(
            portfolio, [Settlement(claim.jobs[0].key, 1, Accepted("wamid.HBgL"))]
        )
        status, _ = await desk.call("POST", "/v1/jobs", a_job(message=message), SEND)
        assert status == 202
        rows: Any = await redis_client.lrange(f"ps:{{{PORTFOLIO}}}:q:2", 0, -1)
        sent = json.loads(rows[0].partition(b"\x1f")[2])
        assert sent[member] == part | {"message_id": "wamid.HBgL"}


async def test_a_reference_to_what_was_never_sent_is_refused() -> None:
    async with a_desk() as desk:
        _, shown = await desk.call("POST", "/v1/jobs", a_job(), SEND)
        our_id = shown["results"][0]["id"]
        await desk.call("DELETE", f"/v1/jobs/{our_id}", key=SEND)
        for name, code in ((our_id, "never_sent"), ("pst.forged", "unknown_message")):
            message = {"type": "reaction", "reaction": {"message_id": name, "emoji": "x"}}
            status, problem = await desk.call("POST", "/v1/jobs", a_job(message=message), SEND)
            found = [(each["pointer"], each["code"]) for each in problem["errors"]]
            assert (status, found) == (422, [("/message/reaction/message_id", code)])
