"""The page and its stream: who may look, how often the ledger is asked, and how it ends."""

import asyncio
import hashlib
import json
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from adapters.console import pages
from adapters.console.pages import KINDS, Pages, Route
from adapters.console.shapes import Overview
from adapters.console.viewers import EVERY_S, Viewers
from engine.directory import ApiKey, Role
from tests.architecture.source_tree import ROOT

STATIC = ROOT / "adapters/console/static"
KEY = ApiKey("1", "ada", Role.READ, b"")
UPLOT = {  # uplot 1.6.32 of the npm registry, as it was published
    "uPlot.iife.min.js": "19c8d4c6ad88929a79f4ae49d6f7161566dfd0ba3d15cc495e974f787eb78f1f",
    "uPlot.min.css": "df630c6a8d6f8eeaff264b50f73ce5b114f646ffd9a0bb74f049b0a00135fa04",
}


class Desk:
    """The pages on a server of their own."""

    def __init__(self) -> None:
        self.taken = 0
        self.is_known = True
        self.viewers = Viewers(self.take)
        self.pages = Pages(self.viewers_of, self.may_read, lambda _request: self.key())
        self.app = web.Application()
        self.app.add_routes(self.pages.routes())
        self.app.on_shutdown.append(self.pages.close)
        self.runner = web.AppRunner(self.app, shutdown_timeout=30)
        self.url = ""

    def viewers_of(self, _key: ApiKey) -> Viewers:
        """Return what everybody sees."""
        return self.viewers

    async def take(self) -> Overview:
        """Be the ledger: count how often it is asked."""
        self.taken += 1
        return Overview(at=datetime.fromtimestamp(self.taken, UTC), workers=self.taken)

    def key(self) -> ApiKey | None:
        """Return the key of whoever asks."""
        return KEY if self.is_known else None

    def may_read(self, route: Route) -> Route:
        """Let in who is known."""

        async def guarded(request: web.Request) -> web.StreamResponse:
            if not self.is_known:
                raise web.HTTPUnauthorized
            return await route(request)

        return guarded


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    made = Desk()
    await made.runner.setup()
    site = web.TCPSite(made.runner, "127.0.0.1", 0)
    await site.start()
    made.url = f"http://127.0.0.1:{made.runner.addresses[0][1]}"
    yield made
    await made.runner.cleanup()


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as made:
        yield made


def listening(session: aiohttp.ClientSession, desk: Desk) -> aiohttp.client._RequestContextManager:
    return session.get(desk.url + "/v1/overview", headers={"Accept": "text/event-stream"})


async def event(response: aiohttp.ClientResponse) -> tuple[str, dict[str, object]]:
    lines = (await response.content.readuntil(b"\n\n")).decode().strip().split("\n")
    name, content = (line.partition(": ")[2] for line in lines)
    return name, json.loads(content)


async def test_the_page_is_walled_in(desk: Desk, session: aiohttp.ClientSession) -> None:
    async with session.get(desk.url + "/console") as response:
        text = await response.text()
        policy = response.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert "<title>Penstock Console</title>" in text


async def test_nothing_in_it_runs_inline_or_comes_from_elsewhere() -> None:
    text = (STATIC / "console.html").read_text()
    assert not re.search(r"<script(?![^>]*\bsrc=)", text)
    assert not re.search(r"<style|\sstyle=|\son\w+=", text)
    for name in ("console.html", "console.css", "console.js", "panels.js", "wire.js", "page.js"):
        found = re.findall(r"""["'(](?:https?:)?//[^"')]+""", (STATIC / name).read_text())
        assert found == [], name


async def test_no_markup_is_made_from_text() -> None:
    for path in STATIC.glob("*.js"):
        if path.name not in UPLOT:
            assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|eval\(", path.read_text())


async def test_every_file_is_served_as_what_it_is(
    desk: Desk, session: aiohttp.ClientSession
) -> None:
    names = [path.name for path in STATIC.iterdir()]
    assert len(names) > 8
    for name in names:
        async with session.get(f"{desk.url}/console/{name}") as response:
            assert response.status == 200, name
            assert response.content_type == KINDS[Path(name).suffix[1:]]
            tag = response.headers["ETag"]
        headers = {"If-None-Match": tag}
        async with session.get(f"{desk.url}/console/{name}", headers=headers) as response:
            assert response.status == 304


@pytest.mark.parametrize("name", ["nothing.js", "..%2Fpages.py", "%2e%2e%2f%2e%2e%2fmain.py"])
async def test_nothing_else_is_served(
    desk: Desk, session: aiohttp.ClientSession, name: str
) -> None:
    async with session.get(f"{desk.url}/console/{name}") as response:
        assert response.status == 404


@pytest.mark.parametrize("name", UPLOT)
def test_the_chart_library_is_the_published_one(name: str) -> None:
    assert hashlib.sha256((STATIC / name).read_bytes()).hexdigest() == UPLOT[name]
    assert "MIT License" in (STATIC / "uPlot.LICENSE.txt").read_text()


async def test_a_picture_is_json(desk: Desk, session: aiohttp.ClientSession) -> None:
    async with session.get(desk.url + "/v1/overview") as response:
        assert (await response.json())["workers"] == 1
        assert response.headers["Cache-Control"] == "no-store"


async def test_who_has_no_key_sees_nothing(desk: Desk, session: aiohttp.ClientSession) -> None:
    desk.is_known = False
    for accept in ("application/json", "text/event-stream"):
        async with session.get(desk.url + "/v1/overview", headers={"Accept": accept}) as response:
            assert response.status == 401
    assert desk.taken == 0


async def test_the_stream_says_who_looks_and_goes_on(
    desk: Desk, session: aiohttp.ClientSession
) -> None:
    async with listening(session, desk) as response:
        assert response.content_type == "text/event-stream"
        you = {"name": "ada", "role": "read", "portfolio": None}
        assert await event(response) == ("you", you)
        numbers = [(await event(response))[1]["workers"] for _ in range(2)]
    assert numbers == [1, 2]


async def test_many_viewers_cost_one_look_a_second(
    desk: Desk, session: aiohttp.ClientSession
) -> None:
    loop = asyncio.get_running_loop()
    began_s = loop.time()

    async def look() -> list[object]:
        async with listening(session, desk) as response:
            await event(response)
            return [(await event(response))[1]["workers"] for _ in range(3)]

    seen = await asyncio.gather(*(look() for _ in range(30)))
    async with session.get(desk.url + "/v1/overview") as response:
        await response.read()
    assert len(seen) == 30
    assert all(len(set(map(str, numbers))) == 3 for numbers in seen)
    assert desk.taken <= (loop.time() - began_s) / EVERY_S + 2


async def test_with_nobody_there_nothing_is_read(
    desk: Desk, session: aiohttp.ClientSession
) -> None:
    async with listening(session, desk) as response:
        await event(response)
        await event(response)
        response.close()
    async with asyncio.timeout(30):
        while desk.pages._streams:
            await asyncio.sleep(0.05)
    taken, loop = desk.taken, asyncio.get_running_loop()
    until_s = loop.time() + 2 * EVERY_S
    while loop.time() < until_s:
        assert desk.taken == taken
        await asyncio.sleep(0.05)


async def test_a_revoked_key_ends_its_stream(desk: Desk, session: aiohttp.ClientSession) -> None:
    async with listening(session, desk) as response:
        await event(response)
        desk.is_known = False
        await response.content.read()  # to the end, which comes
    assert response.content.at_eof()


async def test_too_many_viewers_are_told_to_come_again(
    desk: Desk, session: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "STREAMS_MAX", 1)
    async with listening(session, desk) as first:
        await event(first)
        async with listening(session, desk) as second:
            assert second.status == 503
            assert second.headers["Retry-After"]


async def test_a_process_that_stops_waits_for_no_viewer(
    desk: Desk, session: aiohttp.ClientSession
) -> None:
    async with listening(session, desk) as response:
        await event(response)
        async with asyncio.timeout(20):  # of the 30 s that it would wait
            await desk.runner.cleanup()
