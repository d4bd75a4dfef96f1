"""The whole house, from HTTP in to webhook back, with the simulator of Meta as its judge."""

import asyncio
from pathlib import Path

import pytest
from redis.asyncio import Redis

from adapters.cli.log_proof import LogProof
from adapters.sandbox.control import TemplateChange
from tests.e2e.test_world import until
from tests.e2e.whole_house import (
    LOOK_EVERY_S,
    PORTFOLIO,
    SENDER,
    Whole,
    a_message,
    a_whole_house,
    a_world,
    rows,
)

pytestmark = pytest.mark.usefixtures("redis_client")
one_server = pytest.mark.one_server  # a campaign, a claim, a webhook and a restart are on each


async def test_a_campaign_leaves_through_a_limit_and_the_judge_is_content(
    server_url: str, tmp_path: Path
) -> None:
    async with a_whole_house(server_url, tmp_path) as whole:
        uploaded = await whole.upload("c1", rows(100) + "\n+49151,Too short\n")
        assert (uploaded["accepted"], uploaded["rejected"]) == (100, 1)
        await whole.call("POST", "/v1/campaigns/c1/start")
        status = await whole.completed("c1")
        report = whole.report()
        window = report.windows["portfolio-1"]
        assert (report.clean, report.duplicates) == (True, 0), report.violations
        assert (status["counts"]["accepted"], report.accepted) == (100, 100)
        assert window.fullest == 40
        assert await whole.house.ledger.audit(next(iter(report.windows))) == []  # type: ignore[arg-type]


def proof_of(directory: Path, limit: int | None = None) -> LogProof:
    """Return what the files that were exported prove."""
    proof, files = LogProof(limit, 2.0), sorted(directory.glob("outcomes-*.ndjson"))
    for path in files if limit is None else []:
        proof.learn(path.read_bytes().splitlines(), path.name)
    for path in files:
        proof.read(path.read_bytes().splitlines(), path.name)
    return proof


@one_server
async def test_its_log_alone_proves_that_the_limit_was_held(
    server_url: str, tmp_path: Path
) -> None:
    async with a_whole_house(server_url, tmp_path) as whole:
        await whole.upload("c1", rows(100))
        await whole.call("POST", "/v1/campaigns/c1/start")
        await whole.completed("c1")
        async with asyncio.timeout(20):
            while sum(each.admitted for each in proof_of(tmp_path).verdicts()) < 100:
                await asyncio.sleep(0.1)  # the log is exported every few seconds
        [verdict] = proof_of(tmp_path).verdicts()
        assert (verdict.limit, verdict.violations) == (40, 0)
        assert 20 < verdict.peak <= 40
        [stricter] = proof_of(tmp_path, verdict.peak - 1).verdicts()
        assert stricter.violations > 0


async def test_deliveries_come_in_by_webhook(server_url: str, tmp_path: Path) -> None:
    async with a_whole_house(server_url, tmp_path) as whole:
        await whole.upload("c1", rows(20))
        await whole.call("POST", "/v1/campaigns/c1/start")
        status = await whole.until("c1", lambda each: each["delivery"]["delivered"] == 20)
        assert status["counts"]["accepted"] == 20


@one_server
async def test_a_single_send_goes_at_once_while_a_campaign_waits(
    server_url: str, tmp_path: Path
) -> None:
    # Places fall free late enough for the single one to come before that on a busy machine.
    async with a_whole_house(server_url, tmp_path, a_world(window_ms=8_000)) as whole:
        await whole.upload("c1", rows(60))
        await whole.call("POST", "/v1/campaigns/c1/start")
        await whole.until("c1", lambda each: each["counts"]["waiting"].get("quota", 0) > 0)
        job = {"sender": SENDER, "to": "+4915100000000", "message": a_message("A", name="update")}
        await whole.call("POST", "/v1/jobs", job)
        status = await whole.call("GET", "/v1/campaigns/c1")
        waited = status["counts"]["waiting"].get("quota", 0)
        assert waited > 0, "nobody waited any more: it says nothing"
        async with asyncio.timeout(20):
            while not (places := places_of(whole, "update")):
                await asyncio.sleep(LOOK_EVERY_S)
        assert len(places) == 1
        assert places[0] <= 60 - waited  # before all that waited for a place


def places_of(whole: Whole, template: str) -> list[int]:
    """Return how many messages each of a template's came after."""
    messages = list(whole.sandbox.stage.tally.messages)
    return [place for place, each in enumerate(messages) if each.template == template]


@one_server
async def test_a_pause_holds_at_once_and_a_resume_goes_on(server_url: str, tmp_path: Path) -> None:
    async with a_whole_house(server_url, tmp_path, a_world(window_ms=60_000)) as whole:
        await whole.upload("c1", rows(60))
        await whole.call("POST", "/v1/campaigns/c1/start")
        await whole.call("POST", "/v1/campaigns/c1/pause")
        held = await whole.until("c1", lambda each: not each["counts"]["in_flight"])
        sent = whole.report().accepted
        assert held["counts"]["accepted"] == sent <= 40
        await whole.control("POST", f"limits/{PORTFOLIO}", {"limit": 100})
        path = f"/v1/portfolios/{PORTFOLIO}"
        await until(whole, lambda each: each["quota"]["limit"] == 100, path)
        assert whole.report().accepted == sent  # there are places, and nobody takes them
        await whole.call("POST", "/v1/campaigns/c1/resume")
        await whole.completed("c1")
        assert whole.report().accepted == 60


@one_server
async def test_a_template_that_meta_pauses_parks_its_jobs_until_it_is_approved(
    server_url: str, tmp_path: Path
) -> None:
    async with a_whole_house(server_url, tmp_path) as whole:
        await whole.upload("c1", rows(10))
        desk = whole.sandbox.controls
        desk.change_template("waba-1", "offer", "en_US", TemplateChange(status="PAUSED"))
        await whole.sandbox.settled()
        await whole.call("POST", "/v1/campaigns/c1/start")
        await whole.until("c1", lambda each: each["counts"]["waiting"].get("template") == 10)
        desk.change_template("waba-1", "offer", "en_US", TemplateChange(status="APPROVED"))
        await whole.completed("c1")
        assert whole.report().clean, whole.report().violations


@one_server
async def test_with_its_gate_off_the_judge_convicts(server_url: str, tmp_path: Path) -> None:
    async with a_whole_house(server_url, tmp_path, gates_off="quota") as whole:
        await whole.upload("c1", rows(60))
        await whole.call("POST", "/v1/campaigns/c1/start")
        await whole.until("c1", lambda _: not whole.report().clean)
        assert set(whole.report().violations) == {"quota"}


async def test_what_was_accepted_and_never_answered_is_settled_by_its_webhook(
    server_url: str, tmp_path: Path
) -> None:
    silence = {"kind": "silence", "times_max": 5}
    world = a_world(faults=[silence])
    opened = a_whole_house(server_url, tmp_path, world, send_timeout_seconds=2)
    async with opened as whole:
        await whole.upload("c1", rows(20))
        await whole.call("POST", "/v1/campaigns/c1/start")
        status = await whole.completed("c1")
        assert status["counts"]["accepted"] == 20
        report = whole.report()
        assert (report.accepted, report.duplicates, report.clean) == (20, 0, True)


async def test_a_restart_finds_everything_as_it_was(
    server_url: str, tmp_path: Path, redis_client: Redis
) -> None:
    async with a_whole_house(server_url, tmp_path) as whole:
        await whole.upload("c1", rows(60))
    assert await redis_client.dbsize() > 0
    async with a_whole_house(server_url, tmp_path) as whole:
        again = await whole.upload("c1", rows(60))
        assert (again["accepted"], again["duplicates"]) == (0, 60)
        await whole.call("POST", "/v1/campaigns/c1/start")
        await whole.completed("c1")
        assert whole.report().accepted == 60


@one_server
async def test_a_change_reaches_what_waits_and_nothing_leaves_twice(
    server_url: str, tmp_path: Path
) -> None:
    async with a_whole_house(server_url, tmp_path) as whole:
        await whole.upload("c1", rows(60))
        await whole.call("POST", "/v1/campaigns/c1/start")
        await whole.until("c1", lambda each: each["counts"]["waiting"].get("quota") == 20)
        wish = {"message": a_message("dear {{name}}", name="update"), "delivery": "at_most_once"}
        await whole.call("PATCH", "/v1/campaigns/c1", wish)
        await whole.completed("c1")
        messages = list(whole.sandbox.stage.tally.messages)
        templates = [each.template for each in messages]
        assert set(templates[templates.index("update") :]) == {"update"}
        assert len({each.recipient for each in messages}) == 60
        assert whole.report().clean, whole.report().violations
