"""Quiet hours in the whole house: nobody is written to before it opens, and then at once."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from adapters.client.asynchronous import AsyncClient
from adapters.client.shapes import CampaignPlan, QuietHours, template
from adapters.sandbox.rules.wishes import Wish
from engine.events import JobsClaimed
from engine.model import PortfolioId
from tests.e2e.whole_house import KEY, PORTFOLIO, SENDER, Whole, a_message, a_whole_house, rows

pytestmark = [
    pytest.mark.usefixtures("redis_client"),
    pytest.mark.one_server,
    pytest.mark.timeout(90),
]

OWNER, SOURCE = PortfolioId(PORTFOLIO), "campaign:night"
PEOPLE = 12
OPENS_IN_MS = 1_500
LATE_MS = 20_000  # on a machine that others use; what does not open by itself stays for an hour


def around_now(hours_before: int = 1, hours_after: int = 3) -> dict[str, Any]:
    """Return quiet hours in which it is now, by the clock of Reykjavik."""
    now = datetime.now(UTC)
    since, until = now - timedelta(hours=hours_before), now + timedelta(hours=hours_after)
    return {"from": f"{since:%H:%M}", "to": f"{until:%H:%M}", "time_zone": "Atlantic/Reykjavik"}


async def a_night_campaign(whole: Whole, **changes: object) -> dict[str, Any]:
    """Start a campaign for PEOPLE in their quiet hours; return its status when all of them wait."""
    body: dict[str, Any] = {"id": "night", "name": "Night", "senders": [SENDER]}
    body |= {"message": a_message("{{name}}"), "quiet_hours": around_now()} | changes
    await whole.call("POST", "/v1/campaigns", body)
    await whole.upload("night", rows(PEOPLE))
    await whole.call("POST", "/v1/campaigns/night/start")
    return await whole.until(
        "night", lambda status: status["counts"]["waiting"] == {"schedule": PEOPLE}
    )


async def test_all_wait_until_the_hours_are_taken_away(server_url: str, tmp_path: Path) -> None:
    async with a_whole_house(server_url, tmp_path) as whole:
        status = await a_night_campaign(whole)
        assert f"{PEOPLE} jobs wait until quiet hours are over" in status["warnings"][0]
        assert status["eta"] > datetime.now(UTC).isoformat()
        await asyncio.sleep(0.5)  # long enough for a worker that did not obey
        assert (await whole.judge("report"))["accepted"] == 0
        await whole.call("PATCH", "/v1/campaigns/night", {"quiet_hours": None})
        await whole.completed("night")
        assert (await whole.judge("report"))["accepted"] == PEOPLE


async def test_it_opens_by_itself_at_its_moment_and_the_judge_saw_nobody_early(
    server_url: str, tmp_path: Path
) -> None:
    async with a_whole_house(server_url, tmp_path) as whole:
        await a_night_campaign(whole)
        begin_ms = whole.clock.now_ms()
        opens_ms = begin_ms + OPENS_IN_MS
        wish = Wish("schedule", template="offer", from_ms=begin_ms, for_ms=OPENS_IN_MS)
        whole.sandbox.controls.wish(wish)
        spans = ((opens_ms, opens_ms + 3_600_000),)
        await whole.house.ledger.put_quiet(OWNER, SOURCE, {"": spans})
        await whole.completed("night")
        assert opens_ms <= whole.clock.now_ms() <= opens_ms + LATE_MS
        report = whole.report()
        assert (report.accepted, dict(report.violations)) == (PEOPLE, {})


async def test_a_ledger_that_lost_its_tail_is_told_again(server_url: str, tmp_path: Path) -> None:
    async with a_whole_house(server_url, tmp_path) as whole:
        await a_night_campaign(whole)
        client: Any = whole.house.client
        names = [name async for name in client.scan_iter(match=f"*quiet:{SOURCE}")]
        assert names
        before = await client.hgetall(names[0])
        await client.delete(names[0])
        whole.house.emit(JobsClaimed(OWNER, [], [], "recovering", 0))
        async with asyncio.timeout(20):
            while await client.hgetall(names[0]) == {}:
                await asyncio.sleep(0.05)
        told = await client.hgetall(names[0])
        assert told.keys() == before.keys()
        assert (await whole.judge("report"))["accepted"] == 0


async def test_the_python_client_plans_quiet_hours(server_url: str, tmp_path: Path) -> None:
    async with a_whole_house(server_url, tmp_path) as whole, AsyncClient(whole.url, KEY) as client:
        hours = QuietHours("21:00", "08:00", recipient=True)
        message = template("offer", "en_US", ["{{name}}"])
        plan = CampaignPlan(name="Night", senders=[SENDER], message=message, quiet_hours=hours)
        made = await client.create_campaign(plan)
        told = (await client.campaign(made.id)).quiet_hours
        assert told == QuietHours("21:00", "08:00", "UTC", recipient=True)


async def test_a_thousand_rows_of_many_zones_are_uploaded_in_reasonable_time(
    server_url: str, tmp_path: Path
) -> None:
    hours = {"from": "21:00", "to": "08:00", "recipient": True}
    codes = ("49151", "4479", "1416555", "336", "8190", "5511", "6141", "2010", "9198", "7916")
    lines = [f"+{codes[n % len(codes)]}{n:07},Name {n}" for n in range(20_000)]
    async with a_whole_house(server_url, tmp_path) as whole:
        body = {"id": "night", "name": "Night", "senders": [SENDER], "quiet_hours": hours}
        await whole.call("POST", "/v1/campaigns", body | {"message": a_message("{{name}}")})
        begin_s = time.thread_time()  # of the house's own thread: the wall tells of neighbours
        done = await whole.upload("night", "\n".join(["to,name", *lines]))
        assert done["accepted"] == len(lines)
        assert time.thread_time() - begin_s < 10
        zones = await whole.house.ledger.zones(OWNER, SOURCE)
        assert sum(each.jobs for each in zones) == len(lines)
        assert len(zones) >= len(codes)
