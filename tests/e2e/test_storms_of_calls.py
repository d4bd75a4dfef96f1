"""Callers who do everything at once: each answer is a yes or a reasoned no; books balance."""

import asyncio
import csv
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.whole_house import (
    ENDS,
    PORTFOLIO,
    SENDER,
    WABA,
    Whole,
    a_message,
    a_whole_house,
    a_world,
    furnish_one,
    rows,
)

pytestmark = pytest.mark.one_server  # what is told of are answers, whatever ledger is behind them
PEOPLE = 60
CAMPAIGN = "/v1/campaigns/c1"


async def furnish(whole: Whole) -> None:
    """Give a portfolio without a limit: nobody waits for a place."""
    await furnish_one(whole)
    await whole.call("PUT", f"/v1/portfolios/{PORTFOLIO}", {"messaging_limit": "UNLIMITED"})


@pytest.fixture
async def whole(server_url: str, tmp_path: Path, redis_client: object) -> AsyncIterator[Whole]:
    """A house where a third of all sends fails for good."""
    del redis_client
    world = a_world(
        portfolios=[{"id": PORTFOLIO, "limit": -1}],
        faults=[{"kind": "error", "code": 131026, "rate": 0.33}],
    )
    async with a_whole_house(server_url, tmp_path, world, furnish=furnish) as made:
        yield made


async def answered(whole: Whole, method: str, path: str, body: object = None) -> dict[str, Any]:
    """Return the JSON of any answer; a refusal has a reason."""
    async with whole.session.request(method, whole.url + path, json=body) as response:
        told: dict[str, Any] = await response.json()
    assert response.status < 500 or told["code"] == "ledger_away", told
    assert response.ok or told["detail"], told
    return told


def is_quiet(status: dict[str, Any]) -> bool:
    """Return whether nothing of a campaign will move any more."""
    counts = status["counts"]
    return not (counts["queued"] or counts["in_flight"] or sum(counts["waiting"].values()))


async def test_uploads_moves_changes_and_retries_at_once_lose_and_double_nobody(
    whole: Whole,
) -> None:
    uploads = await asyncio.gather(*(whole.upload("c1", rows(PEOPLE)) for _ in range(4)))
    assert sum(each["accepted"] for each in uploads) == PEOPLE
    assert all(each["accepted"] + each["duplicates"] == PEOPLE for each in uploads)
    await whole.call("POST", f"{CAMPAIGN}/start")
    calls: list[tuple[str, str, object]] = [
        ("POST", f"{CAMPAIGN}/{move}", None) for move in ("pause", "resume") * 25
    ]
    calls += [
        ("PATCH", CAMPAIGN, {"message": a_message(f"{turn} {{{{name}}}}")}) for turn in range(6)
    ]
    calls += [("POST", f"{CAMPAIGN}/retry-failed", None)] * 4
    calls += [("POST", f"/v1/senders/{SENDER}/pause", {"reason": "why not"})] * 3
    told = await asyncio.gather(*(answered(whole, *each) for each in calls))
    retried = sum(each.get("retried", 0) for each in told)
    await whole.call("POST", f"/v1/senders/{SENDER}/resume")
    await whole.call("POST", f"{CAMPAIGN}/resume")
    await whole.until("c1", is_quiet)
    again = await asyncio.gather(
        *(answered(whole, "POST", f"{CAMPAIGN}/retry-failed") for _ in range(4))
    )
    assert all("retried" in each for each in again), again
    retried += sum(each["retried"] for each in again)
    status = await whole.until("c1", is_quiet)
    assert status["enqueued"] == PEOPLE + retried
    counts = status["counts"]
    assert sum(counts[end] for end in ENDS) + counts["in_doubt"] == status["enqueued"]
    async with whole.session.get(f"{whole.url}{CAMPAIGN}/results.csv") as response:
        found = list(csv.DictReader((await response.text()).splitlines()))
    assert len({each["to"] for each in found}) == PEOPLE
    accepted = [each["to"] for each in found if each["state"] == "accepted"]
    assert len(accepted) == len(set(accepted)), "nobody was written to twice"
    assert (await whole.call("GET", "/v1/audit"))["balanced"] is True
    assert whole.report().violations == {}


async def test_what_begins_and_ends_at_once_ends_and_says_so(whole: Whole) -> None:
    await whole.upload("c1", rows(PEOPLE))
    moves = ("start", "cancel", "start", "pause", "resume", "cancel", "retry-failed")
    told = await asyncio.gather(
        *(answered(whole, "POST", f"{CAMPAIGN}/{move}") for move in moves),
        whole.upload("c1", rows(PEOPLE, PEOPLE)),
        answered(whole, "DELETE", f"/v1/wabas/{WABA}/templates/offer/en_US"),
    )
    assert all(each for each in told)
    status = await whole.until("c1", is_quiet)
    assert status["state"] == "cancelled"
    counts = status["counts"]
    assert sum(counts[end] for end in ENDS) + counts["in_doubt"] == status["enqueued"]
    assert (await whole.call("GET", "/v1/audit"))["balanced"] is True


async def test_what_is_shown_is_what_is_so_after_a_storm_of_moves(whole: Whole) -> None:
    await whole.call("POST", f"{CAMPAIGN}/start")
    for _ in range(5):
        moves = ("pause", "resume") * 10
        await asyncio.gather(*(answered(whole, "POST", f"{CAMPAIGN}/{move}") for move in moves))
        shown = (await whole.call("GET", CAMPAIGN))["state"]
        state = await whole.house.client.hget(f"ps:{{{PORTFOLIO}}}:src:campaign:c1", "state")
        assert state == shown.encode()
