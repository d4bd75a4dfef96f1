"""What failed for good and what nobody knows: listed, dropped and resolved over the API."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from engine.model import PortfolioId
from tests.e2e.fleet import a_process, an_environment
from tests.e2e.whole_house import KEY, PORTFOLIO, SENDER, Whole, a_whole_house, a_world, rows

pytestmark = pytest.mark.usefixtures("redis_client")


async def asked(whole: Whole, method: str, path: str, body: object = None) -> tuple[int, Any]:
    async with whole.session.request(method, whole.url + path, json=body) as response:
        return response.status, await response.json(content_type=None)


async def dead_letters(whole: Whole, count: int, query: str = "") -> list[dict[str, Any]]:
    """Return the dead letters once there are so many: the log is exported every few seconds."""
    async with asyncio.timeout(20):
        while True:
            _, answer = await asked(whole, "GET", f"/v1/dead{query}")
            letters: list[dict[str, Any]] = answer["dead"]
            if len(letters) == count:
                return letters
            await asyncio.sleep(0.1)


async def test_what_failed_is_listed_and_can_be_dropped(server_url: str, tmp_path: Path) -> None:
    world = a_world(faults=[{"kind": "error", "code": 131026, "times_max": 3}])
    async with a_whole_house(server_url, tmp_path, world) as whole:
        await whole.upload("c1", rows(10))
        await whole.call("POST", "/v1/campaigns/c1/start")
        status = await whole.completed("c1")
        assert status["counts"]["failed"] == 3
        letters = await dead_letters(whole, 3)
        assert {(each["code"], each["title"]) for each in letters} == {(131026, "undeliverable")}
        job = await whole.call("GET", f"/v1/jobs/{letters[0]['id']}")
        assert (job["state"], job["code"]) == ("failed", 131026)
        assert len(await dead_letters(whole, 1, f"?limit=1&sender={SENDER}")) == 1
        body = {"sender": SENDER, "ids": [letters[0]["id"]]}
        assert await whole.call("POST", "/v1/dead/drop", body) == {"dropped": 1, "more": False}
        await dead_letters(whole, 2)
        answer = await whole.call("POST", "/v1/dead/drop", {"sender": SENDER})
        assert answer == {"dropped": 2, "more": False}
        await dead_letters(whole, 0)
        status = await whole.call("GET", "/v1/campaigns/c1")
        assert status["counts"]["failed"] == 3  # the books stay as they are


async def in_doubt(whole: Whole, count: int) -> list[dict[str, Any]]:
    await whole.upload("c1", rows(count))
    await whole.call("POST", "/v1/campaigns/c1/start")
    await whole.until("c1", lambda each: each["counts"]["in_doubt"] == count)
    answer = await whole.call("GET", f"/v1/doubts?portfolio={PORTFOLIO}")
    doubts: list[dict[str, Any]] = answer["doubts"]
    assert len(doubts) == count
    return doubts


async def test_a_doubt_ends_as_an_operator_knows_it_ended(server_url: str, tmp_path: Path) -> None:
    silent = a_world(faults=[{"kind": "server_error", "times_max": 2}])
    async with a_whole_house(server_url, tmp_path, silent) as whole:
        one, other = await in_doubt(whole, 2)
        assert (one["sender"], one["source"]) == (SENDER, "campaign:c1")
        assert one["decided_at"] is not None
        path = f"/v1/doubts/{one['id']}/resolve"
        answer = await whole.call("POST", path, {"as": "accepted", "wamid": "wamid.X"})
        assert answer["state"] == "accepted"
        job = await whole.call("GET", f"/v1/jobs/{one['id']}")
        assert (job["state"], job["wamid"]) == ("accepted", "wamid.X")
        answer = await whole.call("POST", f"/v1/doubts/{other['id']}/resolve", {"as": "failed"})
        assert answer["state"] == "failed"
        status, problem = await asked(whole, "POST", path, {"as": "failed"})
        assert (status, problem["detail"].startswith("the job is accepted")) == (409, True)
        counts = (await whole.completed("c1"))["counts"]
        assert (counts["accepted"], counts["failed"], counts["in_doubt"]) == (1, 1, 0)
        assert await whole.house.ledger.audit(PortfolioId(PORTFOLIO)) == []
        quota = await whole.call("GET", f"/v1/portfolios/{PORTFOLIO}/quota")
        assert quota["used"] <= 1  # a failure gives its place back


async def typed(whole: Whole, *words: str) -> dict[str, Any]:
    """Return what a command answers."""
    environment = an_environment(Path(), PENSTOCK_URL=whole.url, PENSTOCK_API_KEY=KEY)
    process = await a_process(environment, *words, "--json")
    printed, logged = await process.communicate()
    assert process.returncode == 0, logged + printed
    answer: dict[str, Any] = json.loads(printed)
    return answer


async def test_the_commands_do_the_same(server_url: str, tmp_path: Path) -> None:
    faults = [
        {"kind": "error", "code": 131026, "recipients": ["4915100000000"]},
        {"kind": "server_error", "recipients": ["4915100000001"]},
    ]
    async with a_whole_house(server_url, tmp_path, a_world(faults=faults)) as whole:
        await whole.upload("c1", rows(2))
        await whole.call("POST", "/v1/campaigns/c1/start")
        await dead_letters(whole, 1)
        [letter] = (await typed(whole, "dead", "list"))["dead"]
        assert (await typed(whole, "dead", "show", letter["id"]))["code"] == 131026
        assert (await typed(whole, "dead", "drop", SENDER, letter["id"]))["dropped"] == 1
        assert (await typed(whole, "dead", "list", SENDER))["dead"] == []
        [doubt] = (await typed(whole, "doubt", "list", PORTFOLIO))["doubts"]
        answer = await typed(whole, "doubt", "resolve", doubt["id"], "--as", "failed")
        assert answer["state"] == "failed"
        assert (await typed(whole, "doubt", "list"))["doubts"] == []
        await dead_letters(whole, 1)  # a resolved one is a dead letter too
        assert (await typed(whole, "dead", "drop", SENDER, "--yes"))["dropped"] == 1


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "words"),
    [
        ("GET", "/v1/dead?sender=999", None, 404, "no sender 999"),
        ("GET", "/v1/dead?limit=0", None, 422, "limit is a number"),
        ("GET", "/v1/doubts?limit=x", None, 422, "limit is a number"),
        ("GET", "/v1/doubts?portfolio=nobody", None, 404, "no portfolio nobody"),
        ("POST", "/v1/dead/drop", {"sender": SENDER, "ids": ["pst.x"]}, 404, "pst.x is no job"),
        ("POST", "/v1/dead/drop", {"sendr": SENDER}, 422, "did you mean"),
        ("POST", "/v1/doubts/pst.x/resolve", {"as": "failed"}, 404, "pst.x is no job"),
        ("POST", "/v1/doubts/pst.x/resolve", {"as": "lost"}, 422, "lost"),
    ],
)
async def test_what_is_wrong_is_said(
    server_url: str, tmp_path: Path, method: str, path: str, body: object, status: int, words: str
) -> None:
    async with a_whole_house(server_url, tmp_path) as whole:
        found, problem = await asked(whole, method, path, body)
        assert (found, words in problem["detail"]) == (status, True), problem
