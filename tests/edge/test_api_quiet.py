"""Quiet hours over HTTP: who is held until when, what tells it, and what changing them does."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from redis.asyncio import Redis

from engine.model import Category, PortfolioId, TemplateStatus
from engine.outcomes import Dropped
from engine.ports import Ask, Settlement, TemplateSpec
from tests.front_desk import (
    NOW_MS,
    PORTFOLIO,
    READ,
    SEND,
    SENDER,
    WABA,
    Desk,
    a_campaign,
    a_desk,
    a_job,
    a_message,
)

# 2026-05-28 20:26:40Z: 22:26 in Berlin, 16:26 in Toronto, 05:26 in Tokyo.
OWNER, PATH = PortfolioId(PORTFOLIO), "/v1/campaigns/c1"
BERLIN, TORONTO, TOKYO = "+4915112345678", "+14165551234", "+819012345678"
CSV = f"to,name,code\n{BERLIN},Ada,A1\n{TORONTO},Bob,B2\n{TOKYO},Cy,C3\n"
NIGHT: dict[str, object] = {"from": "21:00", "to": "08:00", "recipient": True}
MORNING_IN_BERLIN, MORNING_IN_TOKYO = "2026-05-29T06:00:00.000Z", "2026-05-28T23:00:00.000Z"


def ms(text: str) -> int:
    """Return an RFC 3339 moment as epoch ms."""
    return int(datetime.fromisoformat(text).timestamp()) * 1_000


class Worker:
    """Claims what may be sent at the desk's time."""

    def __init__(self, desk: Desk, wishes: int = 0) -> None:
        self.desk = desk
        self.wishes = wishes

    async def take(self) -> set[str]:
        """Return to whom messages leave now."""
        found: set[str] = set()
        for _ in range(4):
            self.wishes += 1
            (answer,) = await self.desk.ledger.claim([Ask(OWNER, "w", self.wishes, 10, 10)])
            found |= {job.tail.partition(b"\x1f")[0].decode() for job in answer.jobs}
            self.desk.now_ms += 100
        return found


async def a_running_campaign(desk: Desk, hours: object = NIGHT, **changes: object) -> Worker:
    await a_campaign(desk, quiet_hours=hours, **changes)
    assert (await desk.upload("c1", CSV))[1]["accepted"] == 3
    assert (await desk.call("POST", f"{PATH}/start", key=SEND))[0] == 200
    return Worker(desk)


async def gates_of(desk: Desk, name: str) -> list[dict[str, Any]]:
    status, shown = await desk.call("GET", f"/v1/why/{name}", key=READ)
    assert status == 200, shown
    gates: list[dict[str, Any]] = shown["gates"]
    return gates


async def test_each_person_is_left_alone_by_the_clock_where_he_is(redis_client: Redis) -> None:
    async with a_desk(redis=redis_client) as desk:
        worker = await a_running_campaign(desk)
        assert await worker.take() == {TORONTO}
        desk.now_ms = ms(MORNING_IN_TOKYO) - 1_000
        assert await worker.take() == set()
        desk.now_ms = ms(MORNING_IN_TOKYO)
        assert await worker.take() == {TOKYO}
        desk.now_ms = ms(MORNING_IN_BERLIN)
        assert await worker.take() == {BERLIN}
        assert await desk.ledger.audit(OWNER) == []


async def test_a_fixed_time_zone_holds_everybody(redis_client: Redis) -> None:
    async with a_desk(redis=redis_client) as desk:
        hours = {"from": "21:00", "to": "08:00", "time_zone": "Europe/Rome"}
        worker = await a_running_campaign(desk, hours)
        assert await worker.take() == set()
        desk.now_ms = ms(MORNING_IN_BERLIN)
        assert await worker.take() == {BERLIN, TORONTO, TOKYO}


async def test_status_dry_run_and_why_name_the_gate_the_zone_and_the_opening(
    redis_client: Redis,
) -> None:
    async with a_desk(redis=redis_client) as desk:
        await a_campaign(desk, quiet_hours=NIGHT)
        await desk.upload("c1", CSV)
        shown = (await desk.call("GET", PATH, key=READ))[1]
        assert shown["quiet_hours"] == NIGHT | {"time_zone": "UTC"}
        foretold = (await desk.call("POST", f"{PATH}/start?dry_run=true", key=SEND))[1]
        assert (foretold["rows"], foretold["at_once"]) == (3, 1)
        assert foretold["eta"] >= MORNING_IN_BERLIN
        await desk.call("POST", f"{PATH}/start", key=SEND)
        worker = Worker(desk)
        await worker.take()
        status = (await desk.call("GET", PATH, key=READ))[1]
        assert status["counts"]["waiting"] == {"schedule": 2}
        assert status["eta"] >= MORNING_IN_BERLIN
        first = "Asia/Tokyo opens at 2026-05-28T23:00:00Z"
        told = f"2 jobs wait until quiet hours are over: the first of 2 time zones, {first}"
        assert told in status["warnings"]
        (gate,) = await gates_of(desk, "c1")
        assert (gate["gate"], gate["jobs"]) == ("schedule", 2)
        assert (gate["holder"], gate["until"]) == ("Asia/Tokyo", MORNING_IN_TOKYO)
        assert "quiet from 21:00 to 08:00" in gate["detail"]


async def test_a_node_hears_at_once_that_its_message_waits_and_until_when(
    redis_client: Redis,
) -> None:
    async with a_desk(redis=redis_client) as desk:
        await desk.call("PUT", "/v1/journeys/welcome", {"quiet_hours": NIGHT}, SEND)
        source = {"kind": "journey", "id": "welcome"}
        jobs = [a_job(to=to, source=source) for to in (BERLIN, TORONTO)]
        status, shown = await desk.call("POST", "/v1/jobs", jobs, SEND)
        assert (status, shown["accepted"]) == (202, 2)
        held = shown["results"][0]["id"]
        waiting = (await desk.call("GET", f"/v1/jobs/{held}", key=READ))[1]["waiting_for"]
        detail = "quiet hours in Europe/Berlin"
        assert waiting == [{"gate": "schedule", "detail": detail, "until": MORNING_IN_BERLIN}]
        (gate,) = await gates_of(desk, held)
        assert (gate["holder"], gate["until"]) == ("Europe/Berlin", MORNING_IN_BERLIN)
        assert await Worker(desk).take() == {TORONTO}
        journey = (await desk.call("GET", "/v1/journeys/welcome", key=READ))[1]
        assert journey["quiet_hours"] == NIGHT | {"time_zone": "UTC"}
        assert "1 jobs wait until quiet hours are over" in journey["warnings"][0]


async def test_codes_and_replies_of_a_quiet_journey_leave_at_night(redis_client: Redis) -> None:
    async with a_desk(redis=redis_client) as desk:
        code = desk.registry.directory.templates[f"{WABA}/update/en_US"]
        await desk.ledger.put_template(
            OWNER, code.key, TemplateSpec(TemplateStatus.APPROVED, Category.AUTHENTICATION)
        )
        await desk.call("PUT", "/v1/journeys/login", {"quiet_hours": NIGHT}, SEND)
        source = {"kind": "journey", "id": "login"}
        person = desk.front.recipients.key(BERLIN.removeprefix("+"))
        until_ms = NOW_MS + 7_200_000
        await desk.ledger.open_window(
            OWNER, desk.registry.directory.senders[SENDER].id, person, until_ms
        )
        text = {"type": "text", "text": {"body": "Here you are"}}
        jobs = [
            a_job(to=BERLIN, source=source, message=text),
            a_job(to=TOKYO, source=source, message=a_message(name="update")),
        ]
        assert (await desk.call("POST", "/v1/jobs", jobs, SEND))[1]["accepted"] == 2
        assert await Worker(desk).take() == {BERLIN, TOKYO}


async def test_other_hours_hold_what_waits_already(redis_client: Redis) -> None:
    async with a_desk(redis=redis_client) as desk:
        worker = await a_running_campaign(desk)
        assert await worker.take() == {TORONTO}
        earlier = {"quiet_hours": NIGHT | {"to": "05:00"}}
        assert (await desk.call("PATCH", PATH, earlier, SEND))[0] == 200
        assert await worker.take() == {TOKYO}  # 05:26 there
        assert (await desk.call("PATCH", PATH, {"quiet_hours": None}, SEND))[0] == 200
        assert (await desk.call("GET", PATH, key=READ))[1]["quiet_hours"] is None
        assert await worker.take() == {BERLIN}


async def test_a_running_campaign_becomes_quiet(redis_client: Redis) -> None:
    async with a_desk(redis=redis_client) as desk:
        await desk.call("PUT", f"/v1/portfolios/{PORTFOLIO}", {"messaging_limit": 1})
        worker = await a_running_campaign(desk, None)
        assert len(await worker.take()) == 1
        await desk.call("PUT", f"/v1/portfolios/{PORTFOLIO}", {"messaging_limit": 250})
        status, shown = await desk.call("PATCH", PATH, {"quiet_hours": NIGHT}, SEND)
        assert (status, shown["errors"][0]["pointer"]) == (422, "/quiet_hours/time_zone")
        assert shown["errors"][0]["code"] == "not_sorted"
        named = NIGHT | {"time_zone": "Europe/Berlin"}
        assert (await desk.call("PATCH", PATH, {"quiet_hours": named}, SEND))[0] == 200
        assert await worker.take() == set()
        desk.now_ms = ms(MORNING_IN_BERLIN)
        assert len(await worker.take()) == 2


async def test_a_journey_becomes_quiet_and_stops_being_it(redis_client: Redis) -> None:
    async with a_desk(redis=redis_client) as desk:
        path, source = "/v1/journeys/welcome", {"kind": "journey", "id": "welcome"}
        await desk.call("PUT", path, {}, SEND)
        await desk.call("POST", "/v1/jobs", a_job(to=BERLIN, source=source), SEND)
        status, shown = await desk.call("PATCH", path, {"quiet_hours": NIGHT}, SEND)
        assert (status, shown["errors"][0]["code"]) == (422, "not_sorted")
        hours = {"from": "21:00", "to": "08:00", "time_zone": "Europe/Rome"}
        assert (await desk.call("PATCH", path, {"quiet_hours": hours}, SEND))[0] == 200
        assert (await desk.call("PATCH", path, {"weight": 2}, SEND))[1]["quiet_hours"] == (
            hours | {"recipient": False}
        )
        worker = Worker(desk)
        assert await worker.take() == set()
        assert (await desk.call("PATCH", path, {"quiet_hours": None}, SEND))[0] == 200
        assert await worker.take() == {BERLIN}


@pytest.mark.parametrize(
    ("hours", "pointer", "code"),
    [
        ({"from": "21:00", "to": "08:00"}, "/quiet_hours/time_zone", "missing"),
        (NIGHT | {"to": "21:00"}, "/quiet_hours/to", "all_day"),
        (NIGHT | {"time_zone": "Mars/Base"}, "/quiet_hours/time_zone", "unknown_time_zone"),
        (NIGHT | {"time_zone": ""}, "/quiet_hours/time_zone", "unknown_time_zone"),
        (NIGHT | {"from": "9pm"}, "/quiet_hours/from", "invalid"),
        (NIGHT | {"to": "24:00"}, "/quiet_hours/to", "invalid"),
        (NIGHT | {"zone": "UTC"}, "/quiet_hours/zone", "unknown_field"),
        ("at night", "/quiet_hours", "invalid"),
    ],
)
async def test_bad_quiet_hours_are_named(hours: object, pointer: str, code: str) -> None:
    async with a_desk() as desk:
        body = {"name": "A", "senders": [SENDER], "message": a_message("{{a}}", "{{b}}")}
        for method, path, told in (
            ("POST", "/v1/campaigns", body),
            ("PUT", "/v1/journeys/j", {}),
        ):
            status, shown = await desk.call(method, path, told | {"quiet_hours": hours})
            assert status in (400, 422), shown
            assert (shown["errors"][0]["pointer"], shown["errors"][0]["code"]) == (pointer, code)


async def test_recipient_may_be_written_as_the_time_zone() -> None:
    async with a_desk() as desk:
        hours = {"from": "21:00", "to": "08:00", "time_zone": "recipient"}
        await a_campaign(desk, quiet_hours=hours)
        shown = (await desk.call("GET", PATH, key=READ))[1]["quiet_hours"]
        assert shown == NIGHT | {"time_zone": "UTC"}


async def test_quiet_hours_of_codes_are_told_to_hold_nothing() -> None:
    async with a_desk() as desk:
        template = desk.registry.directory.templates[f"{WABA}/update/en_US"]
        await desk.registry.put(replace(template, category=Category.AUTHENTICATION))
        message = a_message("{{name}}", "{{code}}", name="update")
        await a_campaign(desk, quiet_hours=NIGHT, message=message)
        (warning,) = (await desk.call("GET", PATH, key=READ))[1]["warnings"]
        assert warning.startswith("its quiet hours hold nothing")


async def test_a_failed_row_that_is_retried_waits_in_its_own_zone(redis_client: Redis) -> None:
    async with a_desk(redis=redis_client) as desk:
        await a_running_campaign(desk)
        (answer,) = await desk.ledger.claim([Ask(OWNER, "w", 1, 10, 10)])
        (job,) = answer.jobs  # in Toronto it is day
        failed = Settlement(job.key, job.attempt, Dropped(131026, "no"))
        await desk.ledger.settle(OWNER, [failed])
        desk.now_ms = ms(MORNING_IN_BERLIN)  # 02:00 in Toronto
        answer = await desk.call("POST", f"{PATH}/retry-failed", key=SEND)
        assert answer == (200, {"failed": 1, "retried": 1, "forgotten": 0})
        worker = Worker(desk, wishes=1)
        assert await worker.take() == {BERLIN, TOKYO}
        waiting = (await desk.call("GET", PATH, key=READ))[1]["counts"]["waiting"]
        assert waiting == {"schedule": 1}
        desk.now_ms = ms("2026-05-29T12:00:00.000Z")
        assert await worker.take() == {TORONTO}


async def test_calendars_reach_days_ahead_though_nobody_tells_them_again(
    redis_client: Redis,
) -> None:
    async with a_desk(redis=redis_client) as desk:
        worker = await a_running_campaign(desk)
        await worker.take()
        desk.now_ms = ms(MORNING_IN_BERLIN) + 6 * 86_400_000 - 1_000
        assert await worker.take() == {TOKYO}  # 15:00 there; in Berlin it is night again
        desk.now_ms += 1_000
        assert await worker.take() == {BERLIN}


def test_the_times_of_this_file_are_what_they_say() -> None:
    assert datetime.fromtimestamp(NOW_MS / 1000, UTC).isoformat() == "2026-05-28T20:26:40+00:00"
