"""A short list of failures or doubts is of all senders and portfolios, not of the first of them."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from adapters.sandbox.scenario import World
from tests.e2e.console_stage import TOKEN
from tests.e2e.whole_house import LOOK_EVERY_S, PATIENCE_S, Whole, a_message, a_whole_house

pytestmark = [pytest.mark.usefixtures("redis_client"), pytest.mark.one_server]

HOMES = {"201": "first", "202": "first", "301": "second"}  # senders and their portfolios


def a_world_of_failures(kind: str) -> World:
    fault = {"kind": kind} | ({"code": 131026} if kind == "error" else {})
    body = {"type": "BODY", "text": "Hi {{1}}, you are welcome."}
    homes = sorted(set(HOMES.values()))
    return World.load(
        {
            "portfolios": [{"id": home, "limit": 100} for home in homes],
            "wabas": [{"id": f"w-{home}", "portfolio_id": home} for home in homes],
            "senders": [
                {
                    "phone_number_id": name,
                    "waba_id": f"w-{home}",
                    "portfolio_id": home,
                    "display_phone_number": f"+1 555 0{name}",
                    "token": TOKEN,
                }
                for name, home in HOMES.items()
            ],
            "templates": [
                {"waba": f"w-{home}", "name": "offer", "components": [body]} for home in homes
            ],
            "faults": [fault],
            "window_ms": 60_000,
        }
    )


async def furnish(whole: Whole) -> None:
    for home in sorted(set(HOMES.values())):
        await whole.call("PUT", f"/v1/portfolios/{home}", {"messaging_limit": 100})
    for name, home in HOMES.items():
        sender = {
            "portfolio_id": home,
            "waba_id": f"w-{home}",
            "display_phone_number": f"+1 555 0{name}",
            "access_token": TOKEN,
        }
        await whole.call("PUT", f"/v1/senders/{name}", sender)
    for home in sorted(set(HOMES.values())):
        await whole.call("POST", f"/v1/wabas/w-{home}/templates/import", {})


async def listed(whole: Whole, path: str, name: str, count: int) -> list[dict[str, Any]]:
    """Return a list once it has so many."""
    async with asyncio.timeout(PATIENCE_S):
        while len(found := (await whole.call("GET", path))[name]) < count:
            await asyncio.sleep(LOOK_EVERY_S)
    return list(found)


async def send(whole: Whole, sender: str, person: int, count: int) -> None:
    jobs = [
        {"sender": sender, "to": f"+49151{person + n:08}", "message": a_message("Ada")}
        for n in range(count)
    ]
    await whole.call("POST", "/v1/jobs", jobs)


async def test_the_newest_failures_are_those_of_all_senders(
    server_url: str, tmp_path: Path
) -> None:
    world = a_world_of_failures("error")
    async with a_whole_house(server_url, tmp_path, world, furnish=furnish) as whole:
        await send(whole, "201", 0, 5)
        await listed(whole, "/v1/dead", "dead", 5)
        await send(whole, "301", 100, 1)
        await listed(whole, "/v1/dead", "dead", 6)
        await send(whole, "202", 200, 1)
        letters = await listed(whole, "/v1/dead", "dead", 7)
        assert [each["sender"] for each in letters] == ["202", "301", *["201"] * 5]
        short = await listed(whole, "/v1/dead?limit=3", "dead", 3)
        assert [each["sender"] for each in short] == ["202", "301", "201"]
        coded = await listed(whole, "/v1/dead?limit=2&code=131026", "dead", 2)
        assert coded == short[:2]
        key = {"name": "own", "role": "read", "portfolio": "first"}
        own = (await whole.call("POST", "/v1/keys", key))["key"]
        headers = {"Authorization": f"Bearer {own}"}
        async with whole.session.get(f"{whole.url}/v1/dead?limit=2", headers=headers) as response:
            seen = (await response.json())["dead"]
        assert [each["sender"] for each in seen] == ["202", "201"]


async def test_the_doubts_decided_next_are_those_of_all_portfolios(
    server_url: str, tmp_path: Path
) -> None:
    world = a_world_of_failures("server_error")
    async with a_whole_house(server_url, tmp_path, world, furnish=furnish) as whole:
        await send(whole, "301", 0, 1)
        [oldest] = await listed(whole, "/v1/doubts", "doubts", 1)
        await send(whole, "201", 100, 3)
        doubts = await listed(whole, "/v1/doubts", "doubts", 4)
        assert doubts[0] == oldest
        assert await listed(whole, "/v1/doubts?limit=1", "doubts", 1) == [oldest]
        times = [each["decided_at"] for each in doubts]
        assert times == sorted(times)
        own = await listed(whole, "/v1/doubts?portfolio=first", "doubts", 3)
        assert {each["sender"] for each in own} == {"201"}
