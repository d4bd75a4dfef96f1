"""Why something has not been sent yet, over HTTP, on a real server."""

from dataclasses import replace
from typing import Any

import pytest
from redis.asyncio import Redis

from engine.facts import Fact, Source, of_account, of_sender
from engine.model import Category, Gate, PortfolioId, SenderId, TemplateStatus, WabaId
from engine.outcomes import Accepted, Deferred, InDoubt, Outcome, Retry
from engine.ports import FOREVER_MS, Ask, SenderSpec, Settlement, TemplateSpec
from engine.senders import QualityGuard
from engine.silence import silent_fact
from tests.front_desk import (
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

OWNER = PortfolioId(PORTFOLIO)
TEMPLATE = f"{WABA}/offer/en_US"
CSV = "to,name,code\n+4915112345678,Ada,A1\n+4915112345679,Bob,B2\n"


async def why(desk: Desk, name: str) -> dict[str, Any]:
    """Return the gates by their names."""
    status, shown = await desk.call("GET", f"/v1/why/{name}", key=READ)
    assert status == 200, shown
    gates = {gate["gate"]: gate for gate in shown["gates"]}
    assert len(gates) == len(shown["gates"])
    return gates


async def claim(desk: Desk, *outcomes: Outcome) -> None:
    """Claim a few times; settle the first jobs so."""
    waiting = list(outcomes)
    for wish in range(1, 6):
        (answer,) = await desk.ledger.claim([Ask(OWNER, "w", wish, 10, 10)])
        for job in answer.jobs[: len(waiting)]:
            await desk.ledger.settle(OWNER, [Settlement(job.key, job.attempt, waiting.pop(0))])
        desk.now_ms += 100


async def test_a_full_window_is_named_for_all_whom_it_holds(redis_client: Redis) -> None:
    async with a_desk(redis=redis_client) as desk:
        await desk.call("PUT", f"/v1/portfolios/{PORTFOLIO}", {"messaging_limit": 1})
        await a_campaign(desk)
        await desk.upload("c1", CSV)
        assert (await why(desk, "c1"))["source"]["detail"] == "it is draft"
        await desk.call("POST", "/v1/campaigns/c1/start", key=SEND)
        await claim(desk)
        for name in ("c1", SENDER, PORTFOLIO):
            quota = (await why(desk, name))["quota"]
            assert (quota["jobs"], quota["number"], quota["limit"]) == (1, 1, 1)
            assert (quota["holder"], quota["until"] > "2026") == (PORTFOLIO, True)
        await desk.call("PUT", f"/v1/portfolios/{PORTFOLIO}", {"messaging_limit": 0})
        assert "1 more count" in (await why(desk, PORTFOLIO))["quota"]["detail"]


async def test_a_template_that_is_paused_is_named_with_its_campaigns(redis_client: Redis) -> None:
    async with a_desk(redis=redis_client) as desk:
        await a_campaign(desk)
        await desk.upload("c1", CSV)
        await desk.call("POST", "/v1/campaigns/c1/start", key=SEND)
        assert await why(desk, "c1") == await why(desk, TEMPLATE) == {}
        paused = TemplateSpec(TemplateStatus.PAUSED, Category.MARKETING)
        await desk.ledger.put_template(OWNER, TEMPLATE, paused)
        template = desk.registry.directory.templates[TEMPLATE]
        object.__setattr__(template, "status", TemplateStatus.PAUSED)
        gate = (await why(desk, "c1"))["template"]
        assert (gate["jobs"], gate["holder"], gate["detail"]) == (2, TEMPLATE, "it is PAUSED")
        gate = (await why(desk, TEMPLATE))["template"]
        assert (gate["jobs"], gate["holder"]) == (2, "campaign:c1")


async def test_a_template_is_told_of_journeys_and_single_jobs_that_wait_for_it_too(
    redis_client: Redis,
) -> None:
    async with a_desk(redis=redis_client) as desk:
        await desk.call("PUT", "/v1/journeys/welcome", {}, SEND)
        for number, source in enumerate(({"kind": "journey", "id": "welcome"}, None, None)):
            job = a_job(to=f"+491511234567{number}") | ({"source": source} if source else {})
            assert (await desk.call("POST", "/v1/jobs", job, SEND))[0] == 202
        assert await why(desk, TEMPLATE) == {}
        (answer,) = await desk.ledger.claim([Ask(OWNER, "w", 1, 1, 1)])
        parked = Deferred(Gate.TEMPLATE, 132015, FOREVER_MS, "paused")
        (job,) = answer.jobs
        await desk.ledger.settle(OWNER, [Settlement(job.key, job.attempt, parked)])
        _, shown = await desk.call("GET", f"/v1/why/{TEMPLATE}", key=READ)
        held = {gate["holder"]: (gate["jobs"], gate["detail"]) for gate in shown["gates"]}
        assert sorted(jobs for jobs, _ in held.values()) == [1, 2]
        assert held["journey:welcome"][0] == 1
        assert all("parked it" in detail for _, detail in held.values())


async def test_whoever_waits_for_templates_is_told_which(redis_client: Redis) -> None:
    async with a_desk(redis=redis_client) as desk:
        await desk.call("PUT", "/v1/journeys/welcome", {}, SEND)
        source = {"kind": "journey", "id": "welcome"}
        _, shown = await desk.call("POST", "/v1/jobs", a_job(source=source), SEND)
        assert shown["accepted"] == 1
        other = a_job(message=a_message("Ada", "A1", name="update"), to="+4915112345677")
        assert (await desk.call("POST", "/v1/jobs", other, SEND))[0] == 202
        for key in (TEMPLATE, f"{WABA}/update/en_US"):
            template = desk.registry.directory.templates[key]
            await desk.registry.put(replace(template, status=TemplateStatus.PAUSED))
            paused = TemplateSpec(TemplateStatus.PAUSED, template.category)
            await desk.ledger.put_template(OWNER, key, paused)
        both = f"{TEMPLATE} is PAUSED; {WABA}/update/en_US is PAUSED"
        for name, detail in (
            ("welcome", f"{TEMPLATE} is PAUSED"),
            (SENDER, both),
            (PORTFOLIO, both),
        ):
            assert (await why(desk, name))["template"]["detail"] == detail


async def test_a_sender_says_what_meta_taught_it(redis_client: Redis) -> None:
    async with a_desk(redis=redis_client) as desk:
        await a_campaign(desk)
        await desk.upload("c1", CSV)
        await desk.call("POST", "/v1/campaigns/c1/start", key=SEND)
        await claim(desk, Deferred(Gate.RATE, 130429, desk.now_ms + 60_000, "slow"))
        for name in (SENDER, PORTFOLIO):
            rate = (await why(desk, name))["rate"]
            assert (rate["number"], rate["limit"], rate["holder"]) == (56, 80, SENDER)
        closed = SenderSpec(WabaId(WABA), closed_until_ms=FOREVER_MS)
        await desk.ledger.put_sender(OWNER, SenderId(SENDER), closed)
        await desk.upload("c1", "to,name,code\n+4915112345670,Ada,A1\n")
        assert (await why(desk, SENDER))["sender"]["holder"] == SENDER


async def test_a_job_says_until_when_and_a_journey_that_it_is_paused(redis_client: Redis) -> None:
    async with a_desk(redis=redis_client) as desk:
        await desk.call("PUT", "/v1/journeys/welcome", {}, SEND)
        body = a_job(source={"kind": "journey", "id": "welcome"})
        _, shown = await desk.call("POST", "/v1/jobs", body, SEND)
        job = shown["results"][0]["id"]
        assert await why(desk, job) == {}
        await claim(desk, Retry(131000, desk.now_ms + 60_000, "again"))
        assert (await why(desk, job))["retry"]["until"] > "2026"
        assert (await why(desk, "welcome"))["retry"]["jobs"] == 1
        await desk.call("POST", "/v1/jobs", body, SEND)
        await desk.call("POST", "/v1/journeys/welcome/pause", key=SEND)
        source = (await why(desk, "welcome"))["source"]
        assert (source["holder"], source["detail"]) == ("journey:welcome", "it is paused")


async def test_a_job_in_doubt_says_that_its_webhooks_are_silent(redis_client: Redis) -> None:
    async with a_desk(redis=redis_client) as desk:
        _, shown = await desk.call("POST", "/v1/jobs", a_job(), SEND)
        job = shown["results"][0]["id"]
        await claim(desk, InDoubt("no answer"))
        _, answer = await desk.call("GET", f"/v1/why/{job}")
        [note] = answer["notes"]
        assert (answer["state"], "looked at again at 2" in note) == ("in_doubt", True)
        await desk.registry.tell(silent_fact(SENDER, desk.now_ms))
        for name in (job, SENDER):
            _, answer = await desk.call("GET", f"/v1/why/{name}")
            assert f"webhooks tell nothing of {SENDER} since" in answer["notes"][-1]
        _, told = await desk.call("GET", f"/v1/senders/{SENDER}")
        assert told["told"]["webhooks"]["value"] == "silent"


async def test_an_unknown_name_is_said_to_be_none() -> None:
    async with a_desk() as desk:
        for name in ("nobody", "pst.forged", "w/x/en"):
            assert (await desk.call("GET", f"/v1/why/{name}"))[0] == 404


async def test_what_somebody_paused_is_told_with_its_cause(redis_client: Redis) -> None:
    async with a_desk(redis=redis_client) as desk:
        await a_campaign(desk)
        await desk.upload("c1", CSV)
        await desk.call("POST", "/v1/campaigns/c1/start", key=SEND)
        path = f"/v1/senders/{SENDER}/pause"
        assert (await desk.call("POST", path, {"reason": "ill"}))[0] == 200
        for name in (SENDER, "c1"):
            gate = (await why(desk, name))["sender"]
            assert (gate["holder"], gate["jobs"], "ill" in gate["detail"]) == (SENDER, 2, True)
        _, shown = await desk.call("GET", "/v1/campaigns/c1")
        assert (shown["counts"]["queued"], shown["counts"]["waiting"]) == (0, {"sender": 2})
        assert shown["eta"] is None  # nobody knows when somebody resumes it


async def test_a_closed_number_is_named_also_while_some_wait_for_something_else(
    redis_client: Redis,
) -> None:
    async with a_desk(redis=redis_client) as desk:
        await a_campaign(desk)
        await desk.upload("c1", CSV)
        await desk.call("POST", "/v1/campaigns/c1/start", key=SEND)
        await claim(desk, Retry(131000, desk.now_ms + 60_000, "again"))
        await desk.upload("c1", "to,name,code\n+4915112345670,Eve,C3\n")
        await desk.call("POST", f"/v1/senders/{SENDER}/pause", {"reason": "ill"})
        gates = await why(desk, "c1")
        assert {name: gate["jobs"] for name, gate in gates.items()} == {"retry": 1, "sender": 1}
        await desk.call("POST", "/v1/campaigns/c1/pause", key=SEND)
        assert (await why(desk, "c1")).keys() == {"retry", "source"}  # its own pause says it all


@pytest.mark.parametrize(
    ("token", "words"),
    [("token-of-the-test", "nothing that it writes is answered"), ("", "it has no access token")],
)
async def test_what_a_worker_closed_by_itself_is_named_with_its_end(
    redis_client: Redis, token: str, words: str
) -> None:
    async with a_desk(redis=redis_client) as desk:
        await a_campaign(desk)
        await desk.upload("c1", CSV)
        await desk.call("POST", "/v1/campaigns/c1/start", key=SEND)
        await desk.registry.put_token(SENDER, token)
        await claim(desk, Deferred(Gate.SENDER, 0, desk.now_ms + 60_000, "nothing came back"))
        for name in ("c1", SENDER, PORTFOLIO):
            gate = (await why(desk, name))["sender"]
            assert gate["detail"].startswith(f"{SENDER}: {words}")
            is_soon = str(gate["until"]).startswith("2026-05-28T20:")
            assert is_soon or name == PORTFOLIO  # of several numbers, each has its own


async def rated(desk: Desk, quality: str) -> None:
    """Have Meta tell the sender's quality."""
    fact = Fact(of_sender(SENDER, "quality"), quality, desk.now_ms, Source.REFRESH)
    await desk.front.keeper.tell(fact)


async def test_marketing_that_quality_holds_back_is_told_with_its_reason(
    redis_client: Redis,
) -> None:
    async with a_desk(redis=redis_client) as desk:
        desk.front.keeper.guard = QualityGuard(0.5, 0)
        await a_campaign(desk)
        await desk.upload("c1", CSV)
        await desk.call("POST", "/v1/campaigns/c1/start", key=SEND)
        await rated(desk, "RED")
        for name in ("c1", SENDER):
            gate = (await why(desk, name))["sender"]
            assert (gate["jobs"], gate["holder"], gate["until"]) == (2, SENDER, None)
            assert gate["detail"] == f"{SENDER}: quality RED, told by refresh: marketing waits"
        await desk.call("PUT", "/v1/journeys/welcome", {}, SEND)
        body = a_job(source={"kind": "journey", "id": "welcome"})
        _, shown = await desk.call("POST", "/v1/jobs", body, SEND)
        job = shown["results"][0]["id"]
        gate = (await why(desk, job))["sender"]
        assert (gate["jobs"], "quality RED" in gate["detail"]) == (1, True)
        for name, jobs in (("welcome", 1), ("c1", 2), (PORTFOLIO, 3)):
            gate = (await why(desk, name))["sender"]
            assert (gate["jobs"], "quality RED" in gate["detail"]) == (jobs, True)
        await claim(desk)
        assert (await desk.call("GET", f"/v1/jobs/{job}"))[1]["state"] == "waiting"
        _, shown = await desk.call("GET", f"/v1/senders/{SENDER}")
        (closed,) = shown["closed_by"]
        assert (closed["cause"], closed["categories"]) == ("quality", ["marketing"])


async def test_marketing_that_quality_slows_is_told_with_its_share(redis_client: Redis) -> None:
    async with a_desk(redis=redis_client) as desk:
        desk.front.keeper.guard = QualityGuard(0.5, 0)
        await a_campaign(desk)
        await desk.upload("c1", CSV)
        await desk.call("POST", "/v1/campaigns/c1/start", key=SEND)
        await rated(desk, "YELLOW")
        for name in ("c1", SENDER, PORTFOLIO):
            gate = (await why(desk, name))["rate"]
            assert (gate["number"], gate["limit"], gate["jobs"]) == (40, 80, 2)
            assert "quality YELLOW: marketing may take 0.5 of its send times" in gate["detail"]
        _, shown = await desk.call("GET", f"/v1/senders/{SENDER}")
        assert (shown["closed_by"], shown["quality_share"]) == ([], 0.5)


async def test_a_campaign_is_told_only_what_holds_its_own_messages(redis_client: Redis) -> None:
    async with a_desk(redis=redis_client) as desk:
        await a_campaign(desk)
        await desk.upload("c1", CSV)
        await desk.call("POST", "/v1/campaigns/c1/start", key=SEND)
        kind = "RESTRICTED_CUSTOMER_INITIATED_MESSAGING"
        name, ends_ms = of_account(WABA, "replies"), desk.now_ms + 60_000
        await desk.front.keeper.tell(Fact(name, kind, desk.now_ms, Source.WEBHOOK, ends_ms))
        assert await why(desk, "c1") == {}
        gate = (await why(desk, SENDER))["account"]
        assert gate["detail"].endswith("told by webhook: service waits")


@pytest.mark.parametrize("is_real", [True, False], ids=["redis", "memory"])
async def test_what_waits_alone_has_the_time_of_its_next(
    redis_client: Redis, *, is_real: bool
) -> None:
    async with a_desk(redis=redis_client if is_real else None) as desk:
        journey = {"kind": "journey", "id": "j"}
        for at, source in (("2099-01-02", journey), ("2099-01-01", None)):
            job = a_job(not_before=f"{at}T00:00:00Z") | ({"source": source} if source else {})
            assert (await desk.call("POST", "/v1/jobs", job, SEND))[0] == 202
        await desk.call("PUT", "/v1/journeys/j", {}, SEND)
        for name, day in (("j", "02"), (SENDER, "01"), (PORTFOLIO, "01")):
            (gate,) = (await desk.call("GET", f"/v1/why/{name}"))[1]["gates"]
            assert (gate["gate"], gate["until"]) == ("schedule", f"2099-01-{day}T00:00:00.000Z")


async def test_a_campaign_that_is_over_is_completed() -> None:
    async with a_desk() as desk:
        await a_campaign(desk)
        await desk.upload("c1", "to,name,code\n+4915112345678,Ada,A1\n")
        await desk.call("POST", "/v1/campaigns/c1/start", key=SEND)
        assert (await desk.call("GET", "/v1/why/c1"))[1]["state"] == "running"
        (answer,) = await desk.ledger.claim([Ask(PortfolioId(PORTFOLIO), "w", 1, 10, 10)])
        ends = [Settlement(job.key, job.attempt, Accepted("w")) for job in answer.jobs]
        await desk.ledger.settle(PortfolioId(PORTFOLIO), ends)
        assert (await desk.call("GET", "/v1/why/c1"))[1]["state"] == "completed"
