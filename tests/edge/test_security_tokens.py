"""S12 and S13: tokens are sealed at rest, shown nowhere, and go to Meta's host alone."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from redis.asyncio import Redis

from adapters.redis.registry import RedisRegistry
from adapters.redis.seal import Seal
from adapters.settings import SettingsError, load_settings
from engine.model import SenderId
from tests.e2e.whole_house import SENDER, Whole, a_message, a_whole_house, nobody
from tests.edge.test_security_keys import dump_of
from tests.redis_servers import free_port

TOKEN = "EAAGcanary4915112345678token"
OLD, NEW = "the-old-secret-key", "the-new-secret-key"
ME = SenderId(SENDER)


@pytest.mark.parametrize(
    "url",
    [
        "http://graph.facebook.com",
        "ftp://graph.facebook.com",
        "https://user@graph.facebook.com",
        "https://graph.facebook.com?x=1",
    ],
)
def test_s12_a_graph_address_that_would_show_tokens_refuses_to_start(
    url: str, tmp_path: Path
) -> None:
    with pytest.raises(SettingsError, match="graph_url"):
        load_settings({"graph_url": url}, environment={}, directory=tmp_path)


@pytest.fixture
async def thief() -> AsyncIterator[tuple[str, list[str]]]:
    """A Graph that sends its callers elsewhere, and what arrives there."""
    stolen: list[str] = []
    port = free_port()

    async def elsewhere(request: web.Request) -> web.Response:
        stolen.append(request.headers.get("Authorization", "none"))
        return web.json_response({})

    async def redirect(_request: web.Request) -> web.Response:
        raise web.HTTPTemporaryRedirect(f"http://127.0.0.1:{port}/elsewhere")

    app = web.Application()
    app.router.add_route("*", "/elsewhere", elsewhere)
    app.router.add_route("*", "/{tail:.*}", redirect)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    yield f"http://127.0.0.1:{port}", stolen
    await runner.cleanup()


async def furnish_without_meta(whole: Whole) -> None:
    await whole.call("PUT", "/v1/portfolios/p", {"messaging_limit": 40})
    sender = {"portfolio_id": "p", "waba_id": "w", "display_phone_number": "+1 555 0100"}
    await whole.call("PUT", f"/v1/senders/{SENDER}", sender | {"access_token": TOKEN})
    template = {
        "category": "UTILITY",
        "status": "APPROVED",
        "components": [{"type": "BODY", "text": "Hi {{1}}"}],
    }
    await whole.call("PUT", "/v1/wabas/w/templates/offer/en_US", template)


async def test_s12_a_redirect_is_never_followed(
    server_url: str, tmp_path: Path, redis_client: Redis, thief: tuple[str, list[str]]
) -> None:
    del redis_client
    graph, stolen = thief
    async with a_whole_house(
        server_url, tmp_path, furnish=furnish_without_meta, graph_url=graph
    ) as whole:
        job = {"sender": SENDER, "to": "+4915112345678", "message": a_message("Ada")}
        sent = await whole.call("POST", "/v1/jobs", job)
        async with whole.session.post(whole.url + "/v1/wabas/w/templates/import") as response:
            assert response.status == 502
        async with asyncio.timeout(30):
            while True:
                shown = await whole.call("GET", f"/v1/jobs/{sent['results'][0]['id']}")
                if shown["state"] not in ("queued", "in_flight"):
                    break
                await asyncio.sleep(0.02)
        assert stolen == []


async def test_s13_a_token_is_in_no_answer_log_metric_or_dump(
    server_url: str, tmp_path: Path, redis_client: Redis, capfd: pytest.CaptureFixture[str]
) -> None:
    async with a_whole_house(server_url, tmp_path, furnish=furnish_without_meta) as whole:
        job = {"sender": SENDER, "to": "+4915112345678", "message": a_message("Ada")}
        await whole.call("POST", "/v1/jobs", job)  # the simulator refuses a token it does not know
        async with asyncio.timeout(30):
            while "sender" not in str((await whole.call("GET", f"/v1/senders/{SENDER}"))["queue"]):
                await asyncio.sleep(0.05)
        pages: list[str] = []
        for path in ("/v1/senders", f"/v1/senders/{SENDER}", "/metrics", "/v1/keys", "/readyz"):
            async with whole.session.get(whole.url + path) as response:
                pages.append(await response.text())
        async with whole.session.post(whole.url + "/v1/wabas/w/templates/import") as response:
            pages.append(await response.text())
        assert whole.house.registry.token_of(ME) == TOKEN
        assert TOKEN not in repr(whole.house)
        dump = await dump_of(redis_client)
    printed = capfd.readouterr()
    assert len(pages) == 6
    assert TOKEN not in "".join(pages) + printed.out + printed.err
    assert TOKEN.encode() not in dump


async def test_s13_keys_of_the_seal_change_without_a_token_being_lost(
    redis_client: Redis,
) -> None:
    old = RedisRegistry(redis_client, Seal(OLD))
    await old.put_token(ME, TOKEN)
    both = RedisRegistry(redis_client, Seal(NEW, OLD))
    await both.refresh()
    assert both.token_of(ME) == TOKEN
    assert await both.reseal() == []
    for registry, token in (
        (RedisRegistry(redis_client, Seal(NEW)), TOKEN),
        (RedisRegistry(redis_client, Seal(OLD, NEW)), TOKEN),
        (RedisRegistry(redis_client, Seal(OLD)), ""),
    ):
        await registry.refresh()
        assert registry.token_of(ME) == token


async def test_s13_a_token_put_while_seals_change_wins(redis_client: Redis) -> None:
    await RedisRegistry(redis_client, Seal(OLD)).put_token(ME, "the first")
    both = RedisRegistry(redis_client, Seal(NEW, OLD))
    await both.refresh()
    await RedisRegistry(redis_client, Seal(NEW)).put_token(ME, "the second")
    await both.reseal()
    await both.refresh()
    assert both.token_of(ME) == "the second"


async def test_s13_a_start_with_both_keys_seals_anew(
    server_url: str, tmp_path: Path, redis_client: Redis
) -> None:
    async with a_whole_house(server_url, tmp_path, secret_key=OLD):
        pass
    async with a_whole_house(server_url, tmp_path, furnish=nobody, secret_key=f"{NEW},{OLD}"):
        pass
    registry = RedisRegistry(redis_client, Seal(NEW))
    await registry.refresh()
    assert registry.token_of(ME) == "token-of-the-test"
