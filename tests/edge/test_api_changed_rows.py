"""What a change does to the rows of a campaign that wait, are under way or are yet to come."""

from typing import Any

import pytest
from redis.asyncio import Redis

from engine.changes import CampaignChange
from engine.errors import InvalidJobError
from engine.model import PortfolioId
from engine.outcomes import Accepted, InDoubt, Outcome, Retry, Unwritten
from engine.ports import Claimed, Settlement
from tests.edge.test_api_changes import CSV, PATH, a_second_sender, claimed
from tests.front_desk import PORTFOLIO, SEND, SENDER, WABA, Desk, a_campaign, a_desk, a_message


@pytest.mark.parametrize("is_real", [True, False], ids=["redis", "memory"])
async def test_how_rows_are_delivered_changes_with_the_campaign(
    redis_client: Redis, *, is_real: bool
) -> None:
    async with a_desk(redis=redis_client if is_real else None) as desk:
        await a_campaign(desk)
        await desk.upload("c1", CSV)
        await desk.call("POST", f"{PATH}/start", key=SEND)
        status, shown = await desk.call("PATCH", PATH, {"delivery": "at_least_once"}, SEND)
        assert (status, shown["version"], shown["state"]) == (200, 2, "running")
        (job,) = await claimed(desk)
        await in_doubt(desk, job)
        desk.now_ms += 3_600_000
        assert (await desk.ledger.rescue(PortfolioId(PORTFOLIO))).repeated == [job.key]
        assert (await desk.call("PATCH", PATH, {"delivery": "at_most_once"}, SEND))[0] == 200
        keys = {job.key}
        while more := await claimed(desk):
            keys |= {each.key for each in more}
            desk.now_ms += 1_000
        assert len(keys) == 2
        counts = (await desk.call("GET", PATH))[1]["counts"]
        assert (counts["unknown"], counts["in_flight"]) == (1, 1)


async def in_doubt(desk: Desk, job: Claimed) -> None:
    settlement = Settlement(job.key, job.attempt, InDoubt("cut off"))
    await desk.ledger.settle(PortfolioId(PORTFOLIO), [settlement])


async def test_rows_are_looked_at_however_long_ago_they_came(redis_client: Redis) -> None:
    async with a_desk(redis=redis_client) as desk:
        await a_campaign(desk)
        rows = "".join(f"+49151{n:08},{'x' * 600 if n == 7 else 'Ada'},C\n" for n in range(2_500))
        assert (await desk.upload("c1", "to,name,code\n" + rows))[1]["accepted"] == 2_500
        # What rows said is kept beside the ledger for 30 days, for results.
        assert await redis_client.delete(f"ps:{{{PORTFOLIO}}}:rows:campaign:c1") == 1
        twice = {"message": a_message("{{name}} {{name}}", "{{code}}")}
        status, problem = await desk.call("PATCH", PATH, twice, SEND)
        assert (status, problem["code"]) == (409, "rows_misfit")
        _, shown = await desk.call("PATCH", PATH, twice | {"misfits": "cancel"}, SEND)
        assert [each["to"] for each in shown["misfits"]] == ["+4915100000007"]


async def test_rows_kept_aside_are_looked_at_and_one_that_is_claimed_once_it_came_back(
    redis_client: Redis,
) -> None:
    async with a_desk(redis=redis_client) as desk:
        await a_campaign(desk)
        long_name = "x" * 600
        await desk.upload(
            "c1",
            "".join(
                f"{row}\n"
                for row in [
                    "to,name,code",
                    f"+4915100000001,{long_name},C",
                    f"+4915100000002,{long_name},C",
                ]
            ),
        )
        await desk.call("POST", f"{PATH}/start", key=SEND)
        (first,) = await claimed(desk)
        retry = Settlement(first.key, first.attempt, Retry(131000, desk.now_ms + 99_000, "x"))
        await desk.ledger.settle(PortfolioId(PORTFOLIO), [retry])
        desk.now_ms += 1_000
        (second,) = await claimed(desk)

        async def took_back(_: object) -> None:
            back = Settlement(second.key, second.attempt, Unwritten("changed"))
            await desk.ledger.settle(PortfolioId(PORTFOLIO), [back])

        desk.front.changes._took_back = took_back
        twice = {"message": a_message("{{name}} {{name}}", "{{code}}"), "misfits": "cancel"}
        status, shown = await desk.call("PATCH", PATH, twice, SEND)
        assert (status, shown.get("misfit_rows")) == (200, 2), shown
        assert (await desk.call("GET", PATH))[1]["counts"]["cancelled"] == 2


@pytest.mark.parametrize("is_real", [True, False], ids=["redis", "memory"])
async def test_who_has_not_heard_of_a_change_queues_nothing_as_it_was(
    redis_client: Redis, *, is_real: bool
) -> None:
    async with a_desk(redis=redis_client if is_real else None) as desk:
        await a_campaign(desk)
        was = desk.front.campaigns.get("c1")
        await desk.upload("c1", CSV)
        await desk.call("POST", f"{PATH}/start", key=SEND)
        change = {"message": a_message("{{name}} {{name}}", "{{code}}", name="update")}
        assert (await desk.call("PATCH", PATH, change, SEND))[0] == 200
        rows = [(f"+49151{n:08}", ["x" * 600 if n == 3 else "Eve", "C3"]) for n in range(3_000)]
        result = await desk.front.rows.accept(was, [*rows, rows[0]])
        assert (result.accepted, result.duplicates) == (2_999, 1)
        assert [(each.index, each.field, each.code) for each in result.errors] == [
            (3, "name", "too_long")
        ]
        seen: set[str] = set()
        for _ in range(5):
            seen |= {f"{job.lane.template} {job.content}" for job in await claimed(desk)}
            desk.now_ms += 1_000
        old, new = f"{WABA}/update/en_US 1", f"{WABA}/update/en_US 2"
        assert seen == {old, new}
        assert (await desk.ledger.audit(PortfolioId(PORTFOLIO))) == []


async def test_before_the_first_row_too_nothing_is_queued_as_it_was(redis_client: Redis) -> None:
    async with a_desk(redis=redis_client) as desk:
        await a_campaign(desk)
        was = desk.front.campaigns.get("c1")
        change = {"message": a_message("{{name}}", "{{city}}")}
        assert (await desk.call("PATCH", PATH, change, SEND))[1]["fields"] == ["name", "city"]
        with pytest.raises(InvalidJobError, match="fields changed"):
            await desk.front.rows.accept(was, [("+4915112345678", ["Ada", "A1"])])
        assert (await desk.call("GET", PATH))[1]["enqueued"] == 0


@pytest.mark.parametrize("is_real", [True, False], ids=["redis", "memory"])
async def test_a_sender_is_taken_out_once_all_of_its_rows_have_ended(
    redis_client: Redis, *, is_real: bool
) -> None:
    async with a_desk(redis=redis_client if is_real else None) as desk:
        await a_second_sender(desk)
        await a_campaign(desk, senders=[SENDER, "2"])
        rows = "".join(f"+49151{n:08},Ada,C\n" for n in range(40))
        await desk.upload("c1", f"to,name,code\n{rows}")
        await desk.call("POST", f"{PATH}/start", key=SEND)
        only = {"senders": [SENDER]}
        status, problem = await desk.call("PATCH", PATH, only, SEND)
        (error,) = problem["errors"]
        assert (status, error["pointer"], error["code"]) == (409, "/senders", "has_rows")
        dealt = int(error["detail"].split()[0])
        assert 0 < dealt < 40
        assert error["detail"].startswith(f"{dealt} rows of 2 have not ended: wait until")
        doubtful = None
        for _ in range(60):
            for job in await claimed(desk):
                outcome: Outcome = Accepted(f"wamid.{job.key}")
                if job.lane.sender == "2" and doubtful is None:
                    doubtful, outcome = job, InDoubt("cut off")
                settlement = Settlement(job.key, job.attempt, outcome)
                await desk.ledger.settle(PortfolioId(PORTFOLIO), [settlement])
            desk.now_ms += 1_000
        _, problem = await desk.call("PATCH", PATH, only, SEND)
        assert problem["errors"][0]["detail"].startswith("1 rows of 2 have not ended")
        desk.now_ms += 3_600_000
        await desk.ledger.rescue(PortfolioId(PORTFOLIO))
        status, shown = await desk.call("PATCH", PATH, only, SEND)
        assert (status, shown["senders"]) == (200, [SENDER])
        more = rows.replace("49151", "49152")
        _, shown = await desk.upload("c1", f"to,name,code\n{more}")
        assert shown["accepted"] == 40
        senders = set()
        for _ in range(60):
            senders |= {job.lane.sender for job in await claimed(desk)}
            desk.now_ms += 1_000
        assert senders == {SENDER}


class DiedError(Exception):
    """A process that ends at this moment."""


@pytest.mark.parametrize("is_real", [True, False], ids=["redis", "memory"])
@pytest.mark.parametrize("move", ["", "start"])
async def test_a_change_that_died_between_its_steps_is_taken_back_by_the_next_upload(
    redis_client: Redis, monkeypatch: pytest.MonkeyPatch, move: str, *, is_real: bool
) -> None:
    monkeypatch.setattr("engine.renewing.LOOKS_MAX", 2)
    async with a_desk(redis=redis_client if is_real else None) as desk:
        await a_campaign(desk)
        if move:
            await desk.call("POST", f"{PATH}/{move}", key=SEND)
        changes = desk.front.changes
        with monkeypatch.context() as dying:

            async def die(*_: object) -> None:
                raise DiedError

            dying.setattr(type(changes), "_put_unless_mended", die)
            change = CampaignChange(message=a_message("{{last}}", "{{code}}"))
            with pytest.raises(DiedError):
                await changes.change("c1", change)
        status, told = await desk.upload("c1", CSV)
        assert (status, told["accepted"]) == (202, 2)
        shown = (await desk.call("GET", PATH))[1]
        assert shown["fields"] == ["name", "code"]
        assert shown["state"] == ("running" if move else "draft")
        if not move:
            await desk.call("POST", f"{PATH}/start", key=SEND)
        assert len(await claimed(desk)) > 0


async def test_a_change_that_took_so_long_that_it_was_taken_back_is_refused(
    redis_client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.renewing.LOOKS_MAX", 2)
    async with a_desk(redis=redis_client) as desk:
        await a_campaign(desk)
        put = type(desk.front.changes)._put_unless_mended

        async def late(*all_of_it: Any) -> None:  # noqa: ANN401 (as it is called)
            monkeypatch.setattr(type(desk.front.changes), "_put_unless_mended", put)
            assert (await desk.upload("c1", CSV))[1]["accepted"] == 2
            await put(*all_of_it)

        monkeypatch.setattr(type(desk.front.changes), "_put_unless_mended", late)
        body = {"message": a_message("{{last}}", "{{code}}")}
        status, problem = await desk.call("PATCH", PATH, body, SEND)
        assert (status, problem["code"]) == (409, "conflict")
        assert (await desk.call("GET", PATH))[1]["fields"] == ["name", "code"]
