"""What failed for good is queued once more over the API and the command line."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from engine.model import PortfolioId
from tests.e2e.test_aftermath import asked, dead_letters, typed
from tests.e2e.whole_house import PORTFOLIO, SENDER, Whole, a_message, a_whole_house, a_world, rows

pytestmark = [pytest.mark.usefixtures("redis_client"), pytest.mark.one_server]

LOST, BARRED = "+4915112345678", "+4915112345679"
FAULTS = [
    {"kind": "error", "code": 131026, "recipients": [LOST], "times_max": 1},
    {"kind": "error", "code": 131047, "recipients": [BARRED], "times_max": 1},
]


async def post(whole: Whole, *people: str) -> None:
    job = {"sender": SENDER, "message": a_message("Ada", name="update")}
    await whole.call("POST", "/v1/jobs", [job | {"to": person} for person in people])


async def state_of(whole: Whole, job_id: str, wanted: str) -> dict[str, Any]:
    """Wait until a job stands so."""
    async with asyncio.timeout(20):
        while (view := await whole.call("GET", f"/v1/jobs/{job_id}"))["state"] != wanted:
            await asyncio.sleep(0.05)
    shown: dict[str, Any] = view
    return shown


async def test_failed_jobs_are_found_by_code_and_sent_after_all(
    server_url: str, tmp_path: Path
) -> None:
    async with a_whole_house(server_url, tmp_path, a_world(faults=FAULTS)) as whole:
        await post(whole, LOST, BARRED)
        letters = await dead_letters(whole, 2)
        assert {each["source"] for each in letters} == {"direct:api"}
        assert all(each["replayable"] for each in letters)
        [lost] = await dead_letters(whole, 1, "?code=131026&source=direct:api")
        await dead_letters(whole, 0, "?source=direct:other")
        with capture_logs() as lines:
            body = {"sender": SENDER, "code": 131026}
            answer = await whole.call("POST", "/v1/dead/replay", body)
        assert (answer["replayed"], answer["refused"], answer["more"]) == (1, [], False)
        [replay] = answer["jobs"]
        assert (replay["id"], replay["is_new"]) == (lost["id"], True)
        [line] = [line for line in lines if line["event"] == "dead_letters_replayed"]
        assert (line["jobs"], line["key"]) == (1, "bootstrap")
        view = await state_of(whole, replay["job"], "accepted")
        assert view["replays"] == lost["id"]
        assert (await state_of(whole, lost["id"], "failed"))["replayed_as"] == replay["job"]
        again = await whole.call("POST", "/v1/dead/replay", {"ids": [lost["id"], replay["job"]]})
        assert (again["replayed"], again["known"]) == (0, 1)
        assert [each["code"] for each in again["refused"]] == ["not_failed"]
        [barred] = await dead_letters(whole, 1)
        answer = await typed(whole, "dead", "replay", SENDER, barred["id"])
        await state_of(whole, answer["jobs"][0]["job"], "accepted")
        await dead_letters(whole, 0)
        assert await whole.house.ledger.audit(PortfolioId(PORTFOLIO)) == []


async def test_a_campaigns_row_is_not_replayed_but_retried(server_url: str, tmp_path: Path) -> None:
    world = a_world(faults=[{"kind": "error", "code": 131026, "times_max": 1}])
    async with a_whole_house(server_url, tmp_path, world) as whole:
        await whole.upload("c1", rows(1))
        await whole.call("POST", "/v1/campaigns/c1/start")
        [letter] = await dead_letters(whole, 1)
        assert (letter["replayable"], letter["why_not"]) == (False, "not_kept")
        answer = await whole.call("POST", "/v1/dead/replay", {"sender": SENDER})
        assert (answer["replayed"], answer["refused"][0]["code"]) == (0, "not_kept")
        assert "retry-failed" in answer["refused"][0]["detail"]
        assert len(await dead_letters(whole, 1)) == 1  # it stays on the list


WRONG: list[tuple[object, int, str]] = [
    ({}, 422, "name a sender"),
    ({"sender": "999"}, 404, "no sender 999"),
    ({"ids": []}, 422, "length >= 1"),
    ({"ids": ["pst.x"]}, 404, "pst.x is no job"),
    ({"sender": SENDER, "expires_at": "2020-01-01T00:00:00Z"}, 422, "is over already"),
    ({"sender": SENDER, "cod": 1}, 422, "did you mean"),
]


async def test_what_is_wrong_is_said(server_url: str, tmp_path: Path) -> None:
    async with a_whole_house(server_url, tmp_path) as whole:
        for body, status, words in WRONG:
            found, problem = await asked(whole, "POST", "/v1/dead/replay", body)
            assert (found, words in problem["detail"]) == (status, True), problem
        found, problem = await asked(whole, "GET", "/v1/dead?code=x")
        assert (found, "number of Meta's" in problem["detail"]) == (422, True)
