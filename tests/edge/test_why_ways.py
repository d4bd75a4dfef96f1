"""`why` of a job names gate, holder, number, limit and time for each way in which it can wait."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from redis.asyncio import Redis

from engine.facts import Fact, Source, of_account, of_sender
from engine.model import Category, Gate, PortfolioId, SenderId, TemplateStatus
from engine.outcomes import Deferred, Outcome, Retry
from engine.ports import FOREVER_MS, Ask, PortfolioSpec, Settlement, TemplateSpec
from engine.senders import QualityGuard, status_fact
from tests.front_desk import PORTFOLIO, READ, SEND, SENDER, WABA, Desk, a_desk, a_job, furnish

OWNER, NUMBER = PortfolioId(PORTFOLIO), SenderId(SENDER)
TEMPLATE = f"{WABA}/offer/en_US"
SOON = "2026-05-28T20:"  # the desk's time, in the minutes to come
Way = Callable[[Desk], Awaitable[None]]


async def wish(desk: Desk, *outcomes: Outcome, counter: int = 1) -> None:
    """Claim what may leave, and settle the first of it so."""
    (answer,) = await desk.ledger.claim([Ask(OWNER, "w", counter, 10, 10)])
    for job, outcome in zip(answer.jobs, outcomes, strict=False):
        await desk.ledger.settle(OWNER, [Settlement(job.key, job.attempt, outcome)])


def ends(outcome: Callable[[int], Outcome]) -> Way:
    """Return what has the job's write end so, with a moment in a minute."""

    async def way(desk: Desk) -> None:
        await wish(desk, outcome(desk.now_ms + 60_000))

    return way


def told(fact: Callable[[int], Fact]) -> Way:
    """Return what has the house told something."""

    async def way(desk: Desk) -> None:
        desk.front.keeper.guard = QualityGuard(0.5, 0)
        await desk.front.keeper.tell(fact(desk.now_ms))

    return way


async def full(desk: Desk) -> None:
    await desk.ledger.put_portfolio(OWNER, PortfolioSpec(0))
    await wish(desk)


async def full_while_others_come(desk: Desk) -> None:
    await full(desk)
    others = {"source": {"kind": "journey", "id": "welcome"}}
    for at in range(3):
        await desk.call("POST", "/v1/jobs", a_job(to=f"+49151123{at:05d}", **others), SEND)


async def queued_behind_others(desk: Desk) -> None:
    for at in range(200):
        await desk.call("POST", "/v1/jobs", a_job(to=f"+49151123{at:05d}"), SEND)


async def paused_template(desk: Desk) -> None:
    spec = TemplateSpec(TemplateStatus.PAUSED, Category.MARKETING)
    await desk.ledger.put_template(OWNER, TEMPLATE, spec)
    template = desk.registry.directory.templates[TEMPLATE]
    object.__setattr__(template, "status", TemplateStatus.PAUSED)


async def journey_paused(desk: Desk) -> None:
    await desk.call("POST", "/v1/journeys/welcome/pause", key=SEND)


async def quiet(desk: Desk) -> None:
    hours = {"from": "00:00", "to": "23:59", "time_zone": "UTC"}
    status, shown = await desk.call("PATCH", "/v1/journeys/welcome", {"quiet_hours": hours}, SEND)
    assert status == 200, shown


async def paused_number(desk: Desk) -> None:
    await desk.call("POST", f"/v1/senders/{SENDER}/pause", {"reason": "ill"})


def restriction(now_ms: int) -> Fact:
    kind = "RESTRICTED_BIZ_INITIATED_MESSAGING"
    return Fact(of_account(WABA, "restriction"), kind, now_ms, Source.WEBHOOK, now_ms + 60_000)


WAYS: list[Any] = [
    pytest.param(full, "quota", PORTFOLIO, None, "limit", id="the window is full"),
    pytest.param(
        full_while_others_come,
        *("quota", PORTFOLIO, None, "limit"),
        id="the window is full, and others came",
    ),
    pytest.param(
        queued_behind_others, "rate", SENDER, None, "201 jobs of", id="its turn has not come"
    ),
    pytest.param(
        ends(lambda ms: Deferred(Gate.RATE, 130429, ms, "")),
        *("rate", SENDER, SOON, "throughput"),
        id="Meta said too fast",
    ),
    pytest.param(
        ends(lambda ms: Deferred(Gate.PAIR, 131056, ms, "")),
        *("pair", SENDER, SOON, "same person"),
        id="the person was written to just now",
    ),
    pytest.param(
        ends(lambda ms: Retry(131000, ms, "")),
        *("retry", SENDER, SOON, "earlier try failed"),
        id="it failed for once",
    ),
    pytest.param(
        ends(lambda ms: Deferred(Gate.ACCOUNT, 80007, ms, "")),
        *("account", WABA, SOON, "Meta throttles"),
        id="the account is throttled",
    ),
    pytest.param(
        ends(lambda ms: Deferred(Gate.SENDER, 0, ms, "")),
        *("sender", SENDER, SOON, "nothing that it writes is answered"),
        id="its breaker is open",
    ),
    pytest.param(
        ends(lambda ms: Deferred(Gate.TEMPLATE, 132015, ms, "")),
        *("template", TEMPLATE, None, "parked"),
        id="an answer parked the template",
    ),
    pytest.param(paused_template, "template", TEMPLATE, None, "it is PAUSED", id="it is paused"),
    pytest.param(paused_number, "sender", SENDER, None, "ill", id="somebody paused the number"),
    pytest.param(
        told(lambda ms: status_fact(SENDER, "OFFLINE", ms, Source.REFRESH)),
        *("sender", SENDER, None, "status OFFLINE"),
        id="the number is offline",
    ),
    pytest.param(
        told(lambda ms: status_fact(SENDER, "RESTRICTED", ms, Source.REFRESH)),
        *("sender", SENDER, "2026-05-29T20:", "status RESTRICTED"),
        id="the number is restricted",
    ),
    pytest.param(
        told(lambda ms: Fact(of_sender(SENDER, "quality"), "RED", ms, Source.REFRESH)),
        *("sender", SENDER, None, "quality RED"),
        id="its quality is RED",
    ),
    pytest.param(
        told(lambda ms: Fact(of_sender(SENDER, "token"), "refused", ms, Source.ANSWER, FOREVER_MS)),
        *("sender", SENDER, None, "token refused"),
        id="its token is refused",
    ),
    pytest.param(
        told(restriction),
        *("account", WABA, SOON, "RESTRICTED_BIZ"),
        id="the account is restricted",
    ),
    pytest.param(journey_paused, "source", "journey:welcome", None, "it is paused", id="paused"),
    pytest.param(quiet, "schedule", "", "2026-05-28T23:59", "quiet hours", id="quiet hours"),
]


@pytest.mark.parametrize(("way", "gate", "holder", "until", "words"), WAYS)
async def test_a_job_that_waits_is_told_what_for(
    redis_client: Redis, way: Way, gate: str, holder: str, until: str | None, words: str
) -> None:
    async with a_desk(redis=redis_client) as desk:
        await desk.call("PUT", "/v1/journeys/welcome", {}, SEND)
        body = a_job(source={"kind": "journey", "id": "welcome"})
        _, shown = await desk.call("POST", "/v1/jobs", body, SEND)
        job = shown["results"][0]["id"]
        await way(desk)
        _, answer = await desk.call("GET", f"/v1/why/{job}", key=READ)
        (held,) = answer["gates"]
        assert (held["gate"], held["holder"], held["jobs"]) == (gate, holder, 1), held
        assert words in held["detail"], held
        assert str(held["until"]).startswith(until or "None"), held
        assert held["limit"] is not None or gate not in {"quota", "rate"} or until, held
        _, told = await desk.call("GET", f"/v1/jobs/{job}", key=READ)
        for waits in told["waiting_for"]:
            assert (waits["gate"], waits["detail"]) == (held["gate"], held["detail"])


async def test_a_job_is_not_told_what_holds_others(redis_client: Redis) -> None:
    async with a_desk(redis=redis_client) as desk:
        twin = {"portfolio_id": PORTFOLIO, "waba_id": WABA, "display_phone_number": "+1 555 0101"}
        await desk.call("PUT", "/v1/senders/200", twin | {"access_token": "t"})
        await desk.call("POST", "/v1/senders/200/pause", {"reason": "another number's"})
        _, shown = await desk.call("POST", "/v1/jobs", a_job(), SEND)
        await paused_number(desk)
        await desk.front.keeper.tell(restriction(desk.now_ms))
        kind, name = "RESTRICTED_CUSTOMER_INITIATED_MESSAGING", of_account(WABA, "replies")
        answers = Fact(name, kind, desk.now_ms, Source.WEBHOOK, FOREVER_MS)
        await desk.front.keeper.tell(answers)
        job = shown["results"][0]["id"]
        for opened in (False, True):
            if opened:
                await desk.call("POST", f"/v1/senders/{SENDER}/resume", {})
            _, told = await desk.call("GET", f"/v1/jobs/{job}", key=READ)
            _, answer = await desk.call("GET", f"/v1/why/{job}", key=READ)
            (held,), (waits,) = answer["gates"], told["waiting_for"]
            assert held["detail"] == waits["detail"]
            assert "another number's" not in held["detail"]
            assert "CUSTOMER" not in held["detail"]


async def test_a_journey_and_a_portfolio_are_told_of_the_numbers_that_hold_jobs_and_until_when(
    redis_client: Redis,
) -> None:
    async with a_desk(redis=redis_client) as desk:
        twin = {"portfolio_id": PORTFOLIO, "waba_id": WABA, "display_phone_number": "+1 555 0101"}
        await desk.call("PUT", "/v1/senders/200", twin | {"access_token": "t"})
        await desk.call("POST", "/v1/senders/200/pause", {"reason": "it has no jobs"})
        await desk.call("PUT", "/v1/journeys/welcome", {}, SEND)
        body = a_job(source={"kind": "journey", "id": "welcome"})
        assert (await desk.call("POST", "/v1/jobs", body, SEND))[0] == 202
        await desk.front.keeper.tell(status_fact(SENDER, "RESTRICTED", desk.now_ms, Source.REFRESH))
        for name in ("welcome", PORTFOLIO):
            _, answer = await desk.call("GET", f"/v1/why/{name}", key=READ)
            (held,) = answer["gates"]
            assert (held["gate"], held["jobs"], held["until"][:14]) == (
                *("sender", 1, "2026-05-29T20:"),
            )
            assert "RESTRICTED" in held["detail"]
            assert "it has no jobs" not in held["detail"]


async def test_a_row_of_a_campaign_says_when_its_campaign_begins(redis_client: Redis) -> None:
    async with a_desk(redis=redis_client) as desk:
        body = a_job(not_before="2026-05-28T21:00:00Z")
        _, shown = await desk.call("POST", "/v1/jobs", body, SEND)
        await wish(desk)
        _, answer = await desk.call("GET", f"/v1/why/{shown['results'][0]['id']}", key=READ)
        (held,) = answer["gates"]
        assert (held["gate"], held["until"][:16]) == ("schedule", "2026-05-28T21:00")


async def test_of_a_number_with_its_own_limit_that_one_is_told(redis_client: Redis) -> None:
    async with a_desk(redis=redis_client, is_furnished=False) as desk:
        its = {"messaging_limit": 250, "quota_scope": "phone_number"}
        await desk.call("PUT", f"/v1/portfolios/{PORTFOLIO}", its)
        await furnish(desk)
        await desk.front.keeper.tell(
            Fact(of_sender(SENDER, "limit"), "1", desk.now_ms, Source.REFRESH)
        )
        for to in ("+4915112345670", "+4915112345671"):
            _, shown = await desk.call("POST", "/v1/jobs", a_job(to=to), SEND)
        await wish(desk)
        desk.now_ms += 100
        await wish(desk, counter=2)
        _, answer = await desk.call("GET", f"/v1/why/{shown['results'][0]['id']}", key=READ)
        (held,) = answer["gates"]
        assert (held["number"], held["limit"], held["holder"]) == (1, 1, SENDER)
