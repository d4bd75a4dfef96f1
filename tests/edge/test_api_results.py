"""What became of each row, over HTTP: results, refusals, and a second try for what failed."""

import csv
from typing import Any

import pytest
from redis.asyncio import Redis

from engine.model import DeliveryStatus, JobKey, PortfolioId, RecipientKey
from engine.outcomes import Accepted, Dropped, InDoubt, Outcome, Retry
from engine.ports import Ask, Receipt, Settlement
from tests.front_desk import PORTFOLIO, READ, SEND, SENDER, WABA, Desk, a_campaign, a_desk

OWNER = PortfolioId(PORTFOLIO)
NOBODY = RecipientKey(b"8 bytes.")
PEOPLE = [f"+49151123456{n:02}" for n in range(12)]


async def lines_of(desk: Desk, name: str = "results.csv", campaign: str = "c1") -> list[Any]:
    """Return a CSV's lines as dictionaries."""
    headers = {"Authorization": f"Bearer {READ}"}
    response = await desk.client.get(f"/v1/campaigns/{campaign}/{name}", headers=headers)
    assert (response.status, response.content_type) == (200, "text/csv")
    return list(csv.DictReader((await response.text()).splitlines()))


async def go(desk: Desk, outcomes: list[Outcome], first: int = 1) -> None:
    """Start the campaign, claim as many jobs as there are outcomes, and settle them so."""
    await desk.call("POST", "/v1/campaigns/c1/start", key=SEND)
    waiting = list(outcomes)
    for wish in range(first, first + 40):
        (answer,) = await desk.ledger.claim([Ask(OWNER, "w", wish, len(waiting), len(waiting))])
        for job in answer.jobs:
            settlement = Settlement(JobKey(*job.key), job.attempt, waiting.pop(0))
            await desk.ledger.settle(OWNER, [settlement])
        desk.now_ms += 20
        if not waiting:
            return
    raise AssertionError(f"{len(waiting)} jobs were not given")


def a_file(people: list[str]) -> str:
    return "\n".join(["to,name,code", *[f"{to},Ada,A{n}" for n, to in enumerate(people)]])


@pytest.mark.parametrize("is_real", [True, False])
async def test_each_row_is_told_once_wherever_it_stands(
    redis_client: Redis, *, is_real: bool
) -> None:
    async with a_desk(redis=redis_client if is_real else None) as desk:
        await a_campaign(desk)
        await desk.upload("c1", a_file(PEOPLE[:7]))
        later_ms = desk.now_ms + 3_600_000
        outcomes: list[Outcome] = [Accepted("wamid.1"), Dropped(131026, "no"), InDoubt("silence")]
        await go(desk, [*outcomes, Retry(131000, later_ms, "again")])
        lines = await lines_of(desk)
        assert [each["to"] for each in lines] == PEOPLE[:7]
        states = [each["state"] for each in lines]
        assert states[:4] == ["accepted", "failed", "in_doubt", "waiting"]
        assert set(states[4:]) <= {"queued", "in_flight"}
        assert (lines[0]["wamid"], lines[1]["code"]) == ("wamid.1", "131026")
        assert (lines[3]["gate"], lines[0]["attempt"]) == ("retry", "1")
        for line in lines:
            job = (await desk.call("GET", f"/v1/jobs/{line['job']}"))[1]
            assert job["state"] == line["state"]


async def test_rows_of_several_senders_and_many_buckets_are_all_there(redis_client: Redis) -> None:
    async with a_desk(redis=redis_client) as desk:
        other = {"portfolio_id": PORTFOLIO, "waba_id": WABA, "display_phone_number": "+1 555 0101"}
        await desk.call("PUT", "/v1/senders/2", other | {"access_token": "t"})
        await a_campaign(desk, senders=[SENDER, "2"])
        people = [f"+49151{n:08}" for n in range(9_500)]
        await desk.upload("c1", a_file(people[:9_000]))
        await desk.upload("c1", a_file(people[8_000:]))  # a thousand of them again
        lines = await lines_of(desk)
        assert sorted(each["to"] for each in lines) == people
        assert {each["gate"] for each in lines} == {"source"}


async def test_a_cancelled_campaigns_rows_are_cancelled(redis_client: Redis) -> None:
    async with a_desk(redis=redis_client) as desk:
        await a_campaign(desk)
        await desk.upload("c1", a_file(PEOPLE[:2]))
        await desk.call("POST", "/v1/campaigns/c1/cancel", key=SEND)
        assert [each["state"] for each in await lines_of(desk)] == ["cancelled"] * 2
        status, problem = await desk.call("POST", "/v1/campaigns/c1/retry-failed", key=SEND)
        assert (status, problem["code"]) == (409, "state")


@pytest.mark.parametrize("is_real", [True, False])
async def test_what_failed_goes_once_more_and_only_once(
    redis_client: Redis, *, is_real: bool
) -> None:
    async with a_desk(redis=redis_client if is_real else None) as desk:
        await a_campaign(desk)
        await desk.upload("c1", a_file(PEOPLE[:3]))
        await go(desk, [Dropped(131026, "no"), Accepted("wamid.1"), Dropped(131026, "no")])
        path = "/v1/campaigns/c1/retry-failed"
        assert (await desk.call("POST", path, key=READ))[0] == 403
        answer = {"failed": 2, "retried": 2, "forgotten": 0}
        assert (await desk.call("POST", path, key=SEND)) == (200, answer)
        assert (await desk.call("POST", path, key=SEND))[1]["retried"] == 0
        await go(desk, [Accepted("wamid.2"), Dropped(131026, "no")], first=41)
        states = [(each["to"], each["state"]) for each in await lines_of(desk)]
        assert states[3:] == [(PEOPLE[0], "accepted"), (PEOPLE[2], "failed")]
        assert (await desk.call("POST", path, key=SEND))[1] == {
            "failed": 3,
            "retried": 1,
            "forgotten": 0,
        }
        counts = (await desk.call("GET", "/v1/campaigns/c1"))[1]
        assert (counts["enqueued"], counts["counts"]["failed"]) == (6, 3)
        assert await desk.ledger.audit(OWNER) == []


async def tell(desk: Desk, job: str, status: DeliveryStatus, code: int = 0) -> None:
    """Have a webhook tell of a job that Meta had accepted."""
    place = desk.front.job_ids.decode(job)
    assert place is not None
    receipt = Receipt(place[1], 1, NOBODY, status, desk.now_ms, code=code, undelivered=code > 0)
    await desk.ledger.receive(OWNER, [receipt])


@pytest.mark.parametrize("is_real", [True, False])
async def test_what_failed_later_goes_once_more_where_surely_nobody_was_reached(
    redis_client: Redis, *, is_real: bool
) -> None:
    async with a_desk(redis=redis_client if is_real else None) as desk:
        await a_campaign(desk)
        await desk.upload("c1", a_file(PEOPLE[:4]))
        await go(desk, [Accepted(f"wamid.{number}") for number in range(4)])
        jobs = [each["job"] for each in await lines_of(desk)]
        await tell(desk, jobs[0], DeliveryStatus.UNDELIVERED, 131042)  # nobody had paid
        await tell(desk, jobs[1], DeliveryStatus.UNDELIVERED, 131000)  # it proves nothing
        await tell(desk, jobs[2], DeliveryStatus.UNDELIVERED, 131026)
        await tell(desk, jobs[2], DeliveryStatus.DELIVERED)  # on another device of the person
        path = "/v1/campaigns/c1/retry-failed"
        answer = {"failed": 1, "retried": 1, "forgotten": 0}
        assert (await desk.call("POST", path, key=SEND)) == (200, answer)
        assert (await desk.call("POST", path, key=SEND))[1]["retried"] == 0
        await go(desk, [Accepted("wamid.9")], first=41)
        lines = await lines_of(desk)
        assert [(each["to"], each["state"]) for each in lines[4:]] == [(PEOPLE[0], "accepted")]
        assert await desk.ledger.audit(OWNER) == []


async def test_refused_rows_can_be_fetched_later(redis_client: Redis) -> None:
    async with a_desk(redis=redis_client) as desk:
        await a_campaign(desk)
        assert await lines_of(desk, "rejected.csv") == []
        await desk.upload("c1", f"to,name,code\nx,Ada,A1\n{PEOPLE[0]},Ada,A1\n{PEOPLE[1]},,A1\n")
        (first, second) = await lines_of(desk, "rejected.csv")
        assert (first["row"], first["field"], first["code"]) == ("2", "to", "not_a_number")
        assert (second["row"], second["field"], second["code"]) == ("4", "name", "empty")


async def test_a_campaign_without_rows_has_a_header_and_nothing_else(redis_client: Redis) -> None:
    async with a_desk(redis=redis_client) as desk:
        await a_campaign(desk)
        assert await lines_of(desk) == []
        assert (await desk.call("GET", "/v1/campaigns/none/results.csv"))[0] == 404
