"""Changing a campaign, its cap, and what a start would do."""

import json
from dataclasses import replace

import pytest
from redis.asyncio import Redis

from adapters.redis.ledger import RedisLedger
from engine.changes import HOLD_MS
from engine.contents import compile_shared
from engine.errors import LedgerAwayError
from engine.model import PortfolioId, Priority, TemplateStatus
from engine.ports import Ask, Claimed
from tests.builders import put_in_force
from tests.front_desk import (
    BODY,
    PORTFOLIO,
    READ,
    SEND,
    SENDER,
    WABA,
    Desk,
    a_campaign,
    a_desk,
    a_message,
    a_template,
)

PATH = "/v1/campaigns/c1"
CSV = "to,name,code\n+4915112345678,Ada,A1\n+4915112345679,Bob,B2\n"


async def a_second_sender(desk: Desk, name: str = "2", portfolio: str = PORTFOLIO) -> None:
    waba = WABA if portfolio == PORTFOLIO else f"waba-of-{portfolio}"
    if waba != WABA:
        stated = {"category": "MARKETING", "components": BODY, "status": "APPROVED"}
        await desk.call("PUT", f"/v1/wabas/{waba}/templates/offer/en_US", stated)
    body = {"portfolio_id": portfolio, "waba_id": waba, "display_phone_number": "+1 555 0101"}
    await desk.call("PUT", f"/v1/portfolios/{portfolio}", {"messaging_limit": 250})
    assert (await desk.call("PUT", f"/v1/senders/{name}", body | {"access_token": "t"}))[0] == 201


async def test_before_the_first_row_everything_can_change(redis_client: Redis) -> None:
    async with a_desk(redis=redis_client) as desk:
        await a_second_sender(desk)
        await a_campaign(desk)
        change = {
            "name": "Winter",
            "message": a_message("{{first}}", "50 %", name="update"),
            "senders": ["2"],
            "weight": 4,
            "start_at": "2030-01-01T00:00:00Z",
            "recipients_max": 10,
        }
        status, shown = await desk.call("PATCH", PATH, change, SEND)
        assert (status, shown["version"], shown["fields"]) == (200, 2, ["first"])
        assert (shown["name"], shown["senders"], shown["weight"]) == ("Winter", ["2"], 4)
        assert (shown["priority"], shown["state"]) == ("utility", "draft")
        body = await desk.ledger.content(PortfolioId(PORTFOLIO), "campaign:c1", 2)
        assert b"{{first}}" in body
        assert compile_shared(body) is not None
        assert (await desk.call("GET", PATH, key=READ))[1]["name"] == "Winter"
        assert (await desk.call("PATCH", PATH, {"name": "x"}, READ))[0] == 403


async def stop_by_edit(desk: Desk, wish: str = "resume") -> None:
    """Create a campaign, start it, and have an edit of its template stop it."""
    await a_campaign(desk, on_template_change=wish)
    await desk.call("POST", f"{PATH}/start", key=SEND)
    await put_offer(desk, TemplateStatus.PENDING, is_edit=True)
    shown = (await desk.call("GET", PATH))[1]
    assert (shown["state"], shown["stopped_by"]) == ("stopped", f"{WABA}/offer/en_US")


async def put_offer(desk: Desk, status: TemplateStatus, *, is_edit: bool = False) -> None:
    """Put the offer with one variable less than before."""
    template = replace(a_template(), status=status)
    if not is_edit:
        template = replace(template, components=[{"type": "BODY", "text": "Hi {{1}}."}])
    assert desk.changes is not None
    await put_in_force(desk.changes, template, is_edit=is_edit)


@pytest.mark.parametrize(("wish", "state"), [("resume", "running"), ("stay_stopped", "stopped")])
async def test_one_that_a_template_stopped_is_pointed_at_another(wish: str, state: str) -> None:
    async with a_desk() as desk:
        await stop_by_edit(desk, wish)
        change = {"message": a_message("{{name}}", "{{code}}", name="update")}
        status, shown = await desk.call("PATCH", PATH, change, SEND)
        assert (status, shown["state"], shown["stopped_by"]) == (200, state, None)
        assert shown["on_template_change"] == wish
        await put_offer(desk, TemplateStatus.APPROVED)  # it is nothing to it any more
        assert (await desk.call("GET", PATH))[1]["state"] == state


async def test_one_that_a_template_stopped_stays_so_while_nothing_is_mended() -> None:
    async with a_desk() as desk:
        await stop_by_edit(desk)
        status, shown = await desk.call("PATCH", PATH, {"weight": 3}, SEND)
        assert (status, shown["state"]) == (200, "stopped")
        assert shown["stopped_by"] == f"{WABA}/offer/en_US"
        assert desk.changes is not None
        await put_in_force(desk.changes, a_template())
        assert (await desk.call("GET", PATH))[1]["state"] == "running"


async def test_one_that_no_longer_fits_goes_on_once_its_message_does() -> None:
    async with a_desk() as desk:
        await stop_by_edit(desk)
        await put_offer(desk, TemplateStatus.APPROVED)
        shown = (await desk.call("GET", PATH))[1]
        assert (shown["state"], shown["stopped_by"]) == ("stopped", f"{WABA}/offer/en_US")
        change = {"message": a_message("{{name}}")}
        status, shown = await desk.call("PATCH", PATH, change, SEND)
        assert (status, shown["state"], shown["stopped_by"]) == (200, "running", None)


async def test_what_a_template_s_change_does_can_be_chosen_later() -> None:
    async with a_desk() as desk:
        await a_campaign(desk)
        wish = {"on_template_change": "stay_stopped"}
        assert (await desk.call("PATCH", PATH, wish, SEND))[1]["on_template_change"] == wish[
            "on_template_change"
        ]
        shown = (await desk.call("PATCH", PATH, {"weight": 2}, SEND))[1]
        assert shown["on_template_change"] == "stay_stopped"


async def test_what_rows_were_accepted_with_stays(redis_client: Redis) -> None:
    async with a_desk(redis=redis_client) as desk:
        await a_second_sender(desk)
        await a_second_sender(desk, "3", "another")
        await a_campaign(desk)
        await desk.upload("c1", CSV)
        change = {
            "message": a_message("{{name}}", "{{city}}"),
            "senders": ["2"],
            "delivery": "at_least_once",
        }
        status, problem = await desk.call("PATCH", PATH, change, SEND)
        found = [(each["pointer"], each["code"]) for each in problem["errors"]]
        refused = [
            ("/message", "unknown_field"),
            ("/senders", "has_rows"),
        ]
        assert (status, found) == (409, refused)
        assert "they have name, code" in problem["errors"][0]["detail"]
        shown = (await desk.call("GET", PATH))[1]
        assert (shown["version"], shown["senders"]) == (1, [SENDER])
        both = {"senders": [SENDER, "2"], "weight": 9}
        status, shown = await desk.call("PATCH", PATH, both, SEND)
        assert (status, shown["senders"], shown["weight"]) == (200, [SENDER, "2"], 9)
        weight = await redis_client.hget(f"ps:{{{PORTFOLIO}}}:src:campaign:c1", "weight")
        assert weight == b"9"
        await desk.call("POST", f"{PATH}/start", key=SEND)
        begun = await desk.call("PATCH", PATH, {"start_at": "2030-01-01T00:00:00Z"}, SEND)
        assert (begun[0], begun[1]["errors"][0]["pointer"]) == (409, "/start_at")
        other = await desk.call("PATCH", PATH, {"senders": ["3"]}, SEND)
        assert other[1]["errors"][0]["code"] == "conflict"


async def test_rows_that_wait_leave_with_the_new_message_template_and_priority(
    redis_client: Redis,
) -> None:
    async with a_desk(redis=redis_client) as desk:
        await a_campaign(desk)
        await desk.upload("c1", CSV)
        await desk.call("POST", f"{PATH}/start", key=SEND)
        message = a_message("{{code}}", "{{ name }}!", name="update")
        change = {
            "message": message,
            "delivery": "at_most_once",
            "expires_at": "2031-01-01T00:00:00Z",
        }
        status, shown = await desk.call("PATCH", PATH, change, SEND)
        assert (status, shown["version"], shown["priority"]) == (200, 2, "utility")
        assert (shown["state"], shown["fields"]) == ("running", ["name", "code"])
        jobs = await claimed(desk)
        assert {job.lane.template for job in jobs} == {f"{WABA}/update/en_US"}
        assert {job.lane.priority for job in jobs} == {Priority.UTILITY}
        assert {job.content for job in jobs} == {1}
        body = await desk.ledger.content(PortfolioId(PORTFOLIO), "campaign:c1", 1)
        sent = compile_shared(body).render(jobs[0], "ours")
        texts = [
            each["text"] for each in json.loads(sent)["template"]["components"][0]["parameters"]
        ]
        assert texts in (["A1", "Ada!"], ["B2", "Bob!"])
        late = "to,name,code\n+4915112345680,Cyd,C3\n"
        assert (await desk.upload("c1", late))[1]["accepted"] == 1
        versions = [1]
        for _ in range(2):
            desk.now_ms += 1_000  # its sender has a send time again
            versions += [job.content for job in await claimed(desk)]
        assert versions == [1, 1, 2]


async def test_a_new_end_holds_for_rows_that_wait(redis_client: Redis) -> None:
    async with a_desk(redis=redis_client) as desk:
        await a_campaign(desk, expires_at="2026-07-01T00:00:00Z")
        await desk.upload("c1", CSV)
        await desk.call("POST", f"{PATH}/start", key=SEND)
        soon = {"expires_at": "2026-05-28T20:26:41Z"}  # a second from now
        assert (await desk.call("PATCH", PATH, soon, SEND))[0] == 200
        desk.now_ms += 2_000
        assert await claimed(desk) == []
        assert (await desk.call("GET", PATH))[1]["counts"]["expired"] == 2


@pytest.mark.parametrize("is_real", [True, False], ids=["redis", "memory"])
async def test_rows_that_do_not_fit_are_named_and_nothing_is_changed(
    redis_client: Redis, *, is_real: bool
) -> None:
    async with a_desk(redis=redis_client if is_real else None) as desk:
        await a_campaign(desk)
        long_name = "x" * 600
        _, shown = await desk.upload("c1", f"{CSV}+4915112345680,{long_name},C3\n")
        assert shown["accepted"] == 3
        twice = {"message": a_message("{{name}} {{name}}", "{{code}}")}
        status, problem = await desk.call("PATCH", PATH, twice, SEND)
        whole, row = problem["errors"]
        assert (status, whole["pointer"], whole["code"]) == (409, "/message", "rows_misfit")
        assert whole["detail"].startswith("1 waiting rows do not fit the message; nothing was ch")
        _, _, job, field = row["pointer"].split("/")
        assert (field, row["code"]) == ("name", "too_long")
        assert long_name not in str(problem)
        assert (await desk.call("GET", PATH))[1]["version"] == 1
        _, shown = await desk.call("PATCH", PATH, twice | {"misfits": "cancel"}, SEND)
        assert shown["version"] == 2
        assert (await desk.call("GET", f"/v1/jobs/{job}"))[1]["state"] == "cancelled"
        counts = (await desk.call("GET", PATH))[1]["counts"]
        assert (counts["cancelled"], counts["queued"] + sum(counts["waiting"].values())) == (1, 2)


async def claimed(desk: Desk) -> list[Claimed]:
    """Return what a worker would be given now."""
    desk.wishes += 1
    ask = Ask(PortfolioId(PORTFOLIO), "w", desk.wishes, 10, 10)
    return list((await desk.ledger.claim([ask]))[0].jobs)


async def test_rows_that_do_not_fit_another_template_end_and_are_named(
    redis_client: Redis,
) -> None:
    async with a_desk(redis=redis_client) as desk:
        await a_campaign(desk)
        await desk.upload("c1", CSV + f"+4915112345680,{'x' * 30},C3\n")
        long = "Hi {{1}}." + " " + "y" * 1_000
        template = replace(a_template("narrow"), components=[{"type": "BODY", "text": long}])
        assert desk.changes is not None
        await put_in_force(desk.changes, template)
        change = {"message": a_message("{{name}}", name="narrow"), "misfits": "cancel"}
        status, shown = await desk.call("PATCH", PATH, change, SEND)
        assert (status, shown["version"], shown["fields"]) == (200, 2, ["name", "code"])
        assert shown["misfit_rows"] == 1
        (misfit,) = shown["misfits"]
        assert (misfit["to"], misfit["field"], misfit["code"]) == (
            *("+4915112345680", "name"),
            "too_long",
        )
        counts = (await desk.call("GET", PATH))[1]["counts"]
        assert (counts["cancelled"], counts["waiting"]) == (1, {"source": 2})
        await desk.call("POST", f"{PATH}/start", key=SEND)
        jobs = await claimed(desk)
        assert {job.lane.template for job in jobs} == {f"{WABA}/narrow/en_US"}
        body = await desk.ledger.content(PortfolioId(PORTFOLIO), "campaign:c1", jobs[0].content)
        rendered = compile_shared(body).render(jobs[0], "opaque")
        assert b"Ada" in rendered
        assert b"A1" not in rendered


async def test_a_change_that_was_cut_off_opens_by_itself_and_is_completed_by_the_same_again(
    redis_client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_desk(redis=redis_client) as desk:
        await a_campaign(desk)
        await desk.upload("c1", CSV)
        await desk.call("POST", f"{PATH}/start", key=SEND)
        change = {"message": a_message("{{name}}", "new", name="update")}
        with monkeypatch.context() as cut:
            cut.setattr(RedisLedger, "repoint", is_away)
            assert (await desk.call("PATCH", PATH, change, SEND))[0] == 503
        assert await claimed(desk) == []
        desk.now_ms += HOLD_MS
        (job,) = await claimed(desk)
        assert job.lane.template == f"{WABA}/offer/en_US"
        assert (await desk.call("PATCH", PATH, change, SEND))[0] == 200
        desk.now_ms += 1_000  # its sender has a send time again
        (job,) = await claimed(desk)
        assert job.lane.template == f"{WABA}/update/en_US"
        body = await desk.ledger.content(PortfolioId(PORTFOLIO), "campaign:c1", job.content)
        assert b"new" in body


async def is_away(*_: object) -> int:
    raise LedgerAwayError("cut")


@pytest.mark.parametrize("is_started", [True, False])
async def test_rows_that_wait_cannot_have_a_field_that_none_has(*, is_started: bool) -> None:
    async with a_desk() as desk:
        await a_campaign(desk)
        await desk.upload("c1", CSV)
        if is_started:
            await desk.call("POST", f"{PATH}/start", key=SEND)
        change = {"message": a_message("{{name}}", "{{age}}")}
        status, problem = await desk.call("PATCH", PATH, change, SEND)
        found = [(each["pointer"], each["code"]) for each in problem["errors"]]
        assert found == [("/message", "unknown_field")], (status, problem)


@pytest.mark.parametrize(
    ("change", "pointer", "code"),
    [
        ({"message": a_message("one")}, "/message/template/components/0", "parameter_count"),
        ({"senders": []}, "/senders", "count"),
        ({"weigth": 1}, "/weigth", "unknown_field"),
        ({"recipients_max": 0}, "/recipients_max", "invalid"),
    ],
)
async def test_a_change_is_checked_as_a_campaign_is(
    change: dict[str, object], pointer: str, code: str
) -> None:
    async with a_desk() as desk:
        await a_campaign(desk)
        status, problem = await desk.call("PATCH", PATH, change, SEND)
        found = [(each["pointer"], each["code"]) for each in problem["errors"]]
        assert (status, found) == (422, [(pointer, code)])


async def test_a_cancelled_campaign_changes_no_more() -> None:
    async with a_desk() as desk:
        await a_campaign(desk)
        await desk.call("POST", f"{PATH}/cancel", key=SEND)
        assert (await desk.call("PATCH", PATH, {"weight": 2}, SEND))[0] == 409
        assert (await desk.call("PATCH", "/v1/campaigns/none", {}, SEND))[0] == 404


async def test_a_cap_takes_so_many_and_names_the_others(redis_client: Redis) -> None:
    async with a_desk(redis=redis_client) as desk:
        await a_campaign(desk, recipients_max=3)
        rows = [f"+49151123456{n:02},Ada,A{n}" for n in range(5)]
        _, shown = await desk.upload("c1", "\n".join(["to,name,code", *rows]))
        assert (shown["accepted"], shown["rejected"]) == (3, 2)
        assert [(each["row"], each["code"]) for each in shown["errors"]] == [
            (5, "over_cap"),
            (6, "over_cap"),
        ]
        await desk.call("PATCH", PATH, {"recipients_max": 4}, SEND)
        _, shown = await desk.upload("c1", f"to,name,code\n{rows[4]}\n")
        assert shown["accepted"] == 1
        assert (await desk.call("GET", PATH))[1]["recipients_max"] == 4


async def test_a_dry_run_tells_and_starts_nothing(redis_client: Redis) -> None:
    async with a_desk(redis=redis_client) as desk:
        await a_campaign(desk)
        path = f"{PATH}/start?dry_run=true"
        shown = (await desk.call("POST", path, key=SEND))[1]
        assert (shown["rows"], shown["warnings"]) == (
            0,
            ["it has no rows: upload recipients first"],
        )
        await desk.upload("c1", CSV)
        await desk.call("PUT", f"/v1/portfolios/{PORTFOLIO}", {"messaging_limit": 1})
        shown = (await desk.call("POST", path, key=SEND))[1]
        assert (shown["rows"], shown["at_once"], shown["state"]) == (2, 1, "draft")
        assert shown["eta"] > "2026-05"
        assert "1 rows will wait" in shown["warnings"][-1]
        assert (await desk.call("GET", PATH))[1]["state"] == "draft"
        await desk.call("POST", f"{PATH}/cancel", key=SEND)
        assert (await desk.call("POST", path, key=SEND))[0] == 409
