"""Journeys over HTTP, on a real server: what they hold back, refuse, and say at once."""

from typing import Any

import pytest
from redis.asyncio import Redis

from engine.model import PortfolioId
from engine.ports import Ask
from tests.front_desk import PORTFOLIO, READ, SEND, Desk, a_desk, a_job, a_message

PATH = "/v1/journeys/welcome"
NODE = {"kind": "journey", "id": "welcome", "node": "hello"}


async def send(desk: Desk, **changes: object) -> tuple[int, dict[str, Any]]:
    """Post one job of the journey."""
    return await desk.call("POST", "/v1/jobs", a_job(source=NODE, **changes), SEND)


async def leaving(desk: Desk, first: int = 1) -> int:
    """Claim a few times, each a send time apart; return how many jobs may be written."""
    jobs = 0
    for wish in range(first, first + 3):
        asked = await desk.ledger.claim([Ask(PortfolioId(PORTFOLIO), "w", wish, 100, 100)])
        jobs += len(asked[0].jobs)
        desk.now_ms += 1_000
    return jobs


async def test_a_journey_is_put_changed_and_read(redis_client: Redis) -> None:
    async with a_desk(redis=redis_client) as desk:
        body = {"ttl_seconds": 3_600, "cooldown_seconds": 60, "priority": "utility", "weight": 3}
        status, shown = await desk.call("PUT", PATH, body, SEND)
        assert (status, shown["state"], shown["portfolio_id"]) == (201, "running", PORTFOLIO)
        assert {name: shown[name] for name in body} == body
        assert (await desk.call("PUT", PATH, body, SEND))[0] == 200
        status, shown = await desk.call("PATCH", PATH, {"ttl_seconds": None, "weight": 1}, SEND)
        assert (status, shown["ttl_seconds"], shown["weight"]) == (200, None, 1)
        assert (shown["priority"], shown["cooldown_seconds"]) == ("utility", 60)
        await send(desk)
        status, shown = await desk.call("GET", PATH, key=READ)
        assert (status, shown["enqueued"], shown["counts"]["queued"]) == (200, 1, 1)
        listed = (await desk.call("GET", "/v1/journeys", key=READ))[1]["journeys"]
        assert [each["id"] for each in listed] == ["welcome"]


@pytest.mark.parametrize(
    ("path", "body", "pointer", "code"),
    [
        (PATH, {"ttl_seconds": 0}, "/ttl_seconds", "invalid"),
        (PATH, {"cooldwon_seconds": 1}, "/cooldwon_seconds", "unknown_field"),
        (PATH, {"portfolio_id": "nobody"}, "/portfolio_id", "unknown_portfolio"),
        (PATH, {"priority": "high"}, "/priority", "invalid"),
        ("/v1/journeys/a%20b", {}, "/id", "invalid"),
    ],
)
async def test_what_is_wrong_is_named(path: str, body: object, pointer: str, code: str) -> None:
    async with a_desk() as desk:
        status, problem = await desk.call("PUT", path, body, SEND)
        found = [(each["pointer"], each["code"]) for each in problem["errors"]]
        assert (status, found) == (422, [(pointer, code)])
        assert (await desk.call("PUT", path, body, READ))[0] == 403


async def test_a_journey_belongs_to_one_portfolio_for_ever() -> None:
    async with a_desk() as desk:
        await desk.call("PUT", "/v1/portfolios/other", {"messaging_limit": 250})
        assert (await desk.call("PUT", PATH, {}))[1]["errors"][0]["code"] == "missing"
        assert (await desk.call("PUT", PATH, {"portfolio_id": "other"}))[0] == 201
        status, problem = await desk.call("PUT", PATH, {"portfolio_id": PORTFOLIO})
        assert (status, problem["errors"][0]["pointer"]) == (409, "/portfolio_id")
        status, problem = await send(desk)
        assert (status, problem["errors"][0]["code"]) == (422, "other_portfolio")


async def test_a_node_hears_at_once_whether_its_message_goes(redis_client: Redis) -> None:
    async with a_desk(redis=redis_client) as desk:
        await desk.call("PUT", PATH, {}, SEND)
        (shown,) = (await send(desk))[1]["results"]
        assert (shown["status"], shown["state"], shown["waiting_for"]) == ("accepted", "queued", [])
        not_before = "2030-01-01T00:00:00.000Z"
        (shown,) = (await send(desk, not_before=not_before))[1]["results"]
        assert (shown["state"], shown["waiting_for"][0]["until"]) == ("waiting", not_before)
        assert (await desk.call("POST", f"{PATH}/pause", key=SEND))[1]["state"] == "paused"
        (shown,) = (await send(desk))[1]["results"]
        assert shown["waiting_for"][0]["gate"] == "source"
        assert (await desk.call("POST", f"{PATH}/stop", key=SEND))[1]["state"] == "stopped"
        status, problem = await send(desk)
        assert (status, problem["code"]) == (409, "source_stopped")


async def test_paused_holds_back_and_resumed_lets_go(redis_client: Redis) -> None:
    async with a_desk(redis=redis_client) as desk:
        await desk.call("PUT", PATH, {}, SEND)
        await send(desk)
        await desk.call("POST", f"{PATH}/pause", key=SEND)
        await send(desk, to="+4915112345679")
        assert await leaving(desk, 1) == 0
        await desk.call("POST", f"{PATH}/resume", key=SEND)
        assert await leaving(desk, 4) == 2


async def test_a_stale_trigger_expires_instead_of_being_sent(redis_client: Redis) -> None:
    async with a_desk(redis=redis_client) as desk:
        await desk.call("PUT", PATH, {"ttl_seconds": 60}, SEND)
        (stale,) = (await send(desk))[1]["results"]
        (own,) = (await send(desk, to="+4915112345679", expires_at="2030-01-01T00:00:00Z"))[1][
            "results"
        ]
        desk.now_ms += 60_000
        assert await leaving(desk) == 1
        assert (await desk.call("GET", f"/v1/jobs/{stale['id']}"))[1]["state"] == "expired"
        assert (await desk.call("GET", f"/v1/jobs/{own['id']}"))[1]["state"] == "in_flight"


async def test_the_journeys_priority_is_the_default_of_its_jobs(redis_client: Redis) -> None:
    async with a_desk(redis=redis_client) as desk:
        await desk.call("PUT", PATH, {"priority": "service"}, SEND)
        await send(desk)
        await send(desk, priority="authentication")
        lanes = [
            await redis_client.hget(f"ps:{{{PORTFOLIO}}}:lane:{n}", "priority") for n in (1, 2)
        ]
        assert lanes == [b"1", b"0"]


@pytest.mark.parametrize("is_real", [True, False])
async def test_a_person_is_left_alone_until_the_cooldown_is_over(
    redis_client: Redis, *, is_real: bool
) -> None:
    async with a_desk(redis=redis_client if is_real else None) as desk:
        await desk.call("PUT", PATH, {"cooldown_seconds": 60}, SEND)
        assert (await send(desk, key="a"))[0] == 202
        desk.now_ms += 20_000
        status, problem = await send(desk, key="b")
        assert (status, problem["code"]) == (409, "cooldown")
        assert problem["detail"].endswith("again in 40 s")
        again = (await send(desk, key="a"))[1]["results"][0]
        assert again["status"] == "duplicate"
        assert (await send(desk, to="+4915112345679"))[0] == 202
        other = a_job(source={"kind": "journey", "id": "another"})
        assert (await desk.call("POST", "/v1/jobs", other, SEND))[0] == 202


async def test_the_cooldown_ends_by_itself(redis_client: Redis) -> None:
    async with a_desk(redis=redis_client) as desk:
        await desk.call("PUT", PATH, {"cooldown_seconds": 60}, SEND)
        await send(desk)
        (name,) = await redis_client.keys(f"ps:{{{PORTFOLIO}}}:cool:*")
        assert 0 < await redis_client.pttl(name) <= 60_000
        await redis_client.delete(name)  # what the server does then
        assert (await send(desk))[0] == 202


async def test_of_an_array_each_person_is_written_to_once(redis_client: Redis) -> None:
    async with a_desk(redis=redis_client) as desk:
        await desk.call("PUT", PATH, {"cooldown_seconds": 60}, SEND)
        jobs = [a_job(source=NODE), a_job(source=NODE), a_job(source=NODE, to="+4915112345679")]
        _, shown = await desk.call("POST", "/v1/jobs", jobs, SEND)
        statuses = [each["status"] for each in shown["results"]]
        assert statuses == ["accepted", "rejected", "accepted"]


async def test_a_job_that_is_not_queued_begins_no_cooldown(redis_client: Redis) -> None:
    async with a_desk(redis=redis_client, queue_max=1) as desk:
        await desk.call("PUT", PATH, {"cooldown_seconds": 60}, SEND)
        await desk.call("POST", "/v1/jobs", a_job(), SEND)
        assert (await send(desk))[0] == 429
        assert (await send(desk, message=a_message("only one")))[0] == 422
        assert await redis_client.keys("*cool:*") == []


async def test_there_is_no_such_journey() -> None:
    async with a_desk() as desk:
        for method, path in (("GET", PATH), ("POST", f"{PATH}/pause"), ("PATCH", PATH)):
            assert (await desk.call(method, path, {} if method == "PATCH" else None))[0] == 404
