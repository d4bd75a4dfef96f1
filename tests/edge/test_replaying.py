"""Failed jobs are queued once more: through the same door, each once, none that may have left."""

from typing import Any

import pytest
from redis.asyncio import Redis

from engine.dead import WhyNot
from engine.model import JobKey, JobState, PortfolioId
from engine.outcomes import Accepted, Dropped, InDoubt, Outcome
from engine.ports import Ask, Claimed, Settlement
from engine.replaying import ReplayDead
from tests.front_desk import PORTFOLIO, SEND, Desk, a_desk, a_job

P = PortfolioId(PORTFOLIO)
NEVER = Dropped(131026, "never")
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
both = pytest.mark.parametrize("is_real", [False, True])


class Story:
    """A desk, and a worker whose writes end as the test says."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        front = desk.front
        self.replay = ReplayDead(front.dead_rows, front.intake, front.traces, front.now_ms)
        self._wishes = 0

    async def post(self, **changes: object) -> str:
        headers = {"traceparent": TRACE}
        status, shown = await self.desk.call(
            "POST", "/v1/jobs", a_job(**changes), SEND, headers=headers
        )
        assert status == 202, shown
        return str(shown["results"][0]["id"])

    async def claim(self) -> list[Claimed]:
        self._wishes += 1
        self.desk.now_ms += 10_000  # the pair's next message
        [answer] = await self.desk.ledger.claim([Ask(P, "w", self._wishes, 10, 10)])
        jobs: list[Claimed] = answer.jobs
        return jobs

    async def ends(self, outcome: Outcome) -> list[JobKey]:
        """Write all that may leave; each ends so."""
        jobs = await self.claim()
        await self.desk.ledger.settle(P, [Settlement(j.key, j.attempt, outcome) for j in jobs])
        return [job.key for job in jobs]

    async def shown(self, job_id: str) -> dict[str, Any]:
        status, shown = await self.desk.call("GET", f"/v1/jobs/{job_id}")
        assert status == 200
        return shown


@both
async def test_a_replay_is_a_job_of_its_own_with_the_same_message(
    redis_client: Redis, *, is_real: bool
) -> None:
    async with a_desk(redis=redis_client if is_real else None) as desk:
        story = Story(desk)
        old_id = await story.post(source={"kind": "direct", "id": "shop"}, priority="utility")
        [before] = await story.claim()
        await desk.ledger.settle(P, [Settlement(before.key, 1, NEVER)])
        [done] = await story.replay.run(P, [before.key])
        assert (done.is_new, done.code) == (True, "")
        [after] = await story.claim()
        assert after.key == done.job != before.key
        assert (after.tail, after.lane) == (before.tail, before.lane)
        old = await story.shown(old_id)
        assert (old["state"], old["replays"]) == (JobState.FAILED, None)
        new = await story.shown(old["replayed_as"])
        assert (new["replays"], new["traceparent"]) == (old_id, TRACE)
        assert await desk.ledger.audit(P) == []


@both
async def test_each_failure_is_replayed_once(redis_client: Redis, *, is_real: bool) -> None:
    async with a_desk(redis=redis_client if is_real else None) as desk:
        story = Story(desk)
        await story.post()
        [key] = await story.ends(NEVER)
        [first] = await story.replay.run(P, [key, key])
        [again] = await story.replay.run(P, [key])
        assert (again.job, again.is_new) == (first.job, False)
        assert len(await story.claim()) == 1


async def test_a_reply_that_got_lost_repeats_nothing() -> None:
    """The job is queued, and the process dies before it is noted as which."""
    async with a_desk() as desk:
        story = Story(desk)
        await story.post()
        [key] = await story.ends(NEVER)
        slot, _ = desk.ledger.slot(P)
        kept = slot.dead[key]
        [first] = await story.replay.run(P, [key])
        slot.dead[key] = kept
        [again] = await story.replay.run(P, [key])
        assert (again.job, again.is_new) == (first.job, False)
        assert len(await story.claim()) == 1


@both
async def test_a_replay_that_fails_can_be_replayed(redis_client: Redis, *, is_real: bool) -> None:
    async with a_desk(redis=redis_client if is_real else None) as desk:
        story = Story(desk)
        await story.post()
        [first] = await story.ends(NEVER)
        await story.replay.run(P, [first])
        [second] = await story.ends(NEVER)
        [done] = await story.replay.run(P, [second])
        assert done.is_new
        assert done.job not in {first, second}


@both
@pytest.mark.parametrize(
    ("outcome", "code"),
    [
        (Accepted("wamid.1"), WhyNot.NOT_FAILED),
        (InDoubt("silence"), WhyNot.NO_JOB),
    ],
)
async def test_what_may_have_left_is_not_replayed(
    redis_client: Redis, outcome: Outcome, code: WhyNot, *, is_real: bool
) -> None:
    async with a_desk(redis=redis_client if is_real else None) as desk:
        story = Story(desk)
        await story.post()
        [key] = await story.ends(outcome)
        [done] = await story.replay.run(P, [key])
        assert (done.code, done.job) == (code, None)
        assert await story.claim() == []


@both
async def test_evidence_that_came_late_forbids_it(redis_client: Redis, *, is_real: bool) -> None:
    async with a_desk(redis=redis_client if is_real else None) as desk:
        story = Story(desk)
        await story.post()
        [key] = await story.ends(NEVER)
        await desk.ledger.settle(P, [Settlement(key, 1, Accepted("wamid.1"))])
        [done] = await story.replay.run(P, [key])
        assert (done.code, done.job) == (WhyNot.REACHED, None)


@both
async def test_what_is_too_late_goes_only_with_a_new_time(
    redis_client: Redis, *, is_real: bool
) -> None:
    async with a_desk(redis=redis_client if is_real else None) as desk:
        story = Story(desk)
        await story.post(expires_at="2026-05-28T21:00:00Z")
        [key] = await story.ends(NEVER)
        desk.now_ms += 3 * 3_600_000
        [done] = await story.replay.run(P, [key])
        assert (done.code, done.job) == ("expired", None)
        [done] = await story.replay.run(P, [key], desk.now_ms + 60_000)
        assert done.is_new
        assert len(await story.claim()) == 1


@both
async def test_the_door_is_the_same_and_a_refusal_leaves_the_letter(
    redis_client: Redis, *, is_real: bool
) -> None:
    async with a_desk(redis=redis_client if is_real else None) as desk:
        story = Story(desk)
        await story.post()
        [key] = await story.ends(NEVER)
        template = desk.registry.directory.templates.pop("waba-1/offer/en_US")
        [done] = await story.replay.run(P, [key])
        assert (done.code, done.job) == ("unknown_template", None)
        desk.registry.directory.templates["waba-1/offer/en_US"] = template
        [done] = await story.replay.run(P, [key])
        assert done.is_new


@both
async def test_a_journeys_cooldown_does_not_stop_the_replay_of_what_reached_nobody(
    redis_client: Redis, *, is_real: bool
) -> None:
    async with a_desk(redis=redis_client if is_real else None) as desk:
        story = Story(desk)
        await desk.call("PUT", "/v1/journeys/j", {"name": "J", "cooldown_seconds": 3600})
        await story.post(source={"kind": "journey", "id": "j"})
        [key] = await story.ends(NEVER)
        [done] = await story.replay.run(P, [key])
        assert done.is_new
        assert len(await story.claim()) == 1
