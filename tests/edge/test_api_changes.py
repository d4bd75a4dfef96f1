"""Changing a campaign, its cap, and what a start would do."""

from dataclasses import replace

import pytest
from redis.asyncio import Redis

from engine.contents import compile_shared
from engine.model import PortfolioId, TemplateStatus
from engine.ports import Ask
from tests.front_desk import (
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
    body = {"portfolio_id": portfolio, "waba_id": WABA, "display_phone_number": "+1 555 0101"}
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
    await desk.changes.put(template, is_edit=is_edit)


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
        await desk.changes.put(a_template())
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
            "senders": ["2"],
            "priority": "utility",
            "expires_at": "2031-01-01T00:00:00Z",
            "delivery": "at_least_once",
        }
        status, problem = await desk.call("PATCH", PATH, change, SEND)
        pointers = {each["pointer"] for each in problem["errors"]}
        assert (status, problem["errors"][0]["code"]) == (409, "has_rows")
        assert pointers == {"/priority", "/expires_at", "/delivery", "/senders"}
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


async def test_rows_that_wait_get_another_message_and_misfits_are_named(
    redis_client: Redis,
) -> None:
    async with a_desk(redis=redis_client) as desk:
        await a_campaign(desk)
        await desk.upload("c1", CSV + f"+4915112345680,{'x' * 30},C3\n")
        long = "Hi {{1}}." + " " + "y" * 1_000
        template = replace(a_template("narrow"), components=[{"type": "BODY", "text": long}])
        assert desk.changes is not None
        await desk.changes.put(template)
        change = {"message": a_message("{{name}}", name="narrow")}
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
        asked = await desk.ledger.claim([Ask(PortfolioId(PORTFOLIO), "w", 1, 10, 10)])
        jobs = asked[0].jobs
        assert {job.lane.template for job in jobs} == {f"{WABA}/narrow/en_US"}
        shared = compile_shared(
            await desk.ledger.content(PortfolioId(PORTFOLIO), "campaign:c1", jobs[0].content)
        )
        assert b"Ada" in shared.render(jobs[0], "opaque")
        assert b"A1" not in shared.render(jobs[0], "opaque")


@pytest.mark.parametrize(
    ("action", "change", "pointer", "code"),
    [
        ("start", {"message": a_message("{{name}}", "x")}, "/message", "running"),
        ("", {"message": a_message("{{name}}", "{{age}}")}, "/message", "unknown_field"),
    ],
)
async def test_rows_that_wait_cannot_have_just_any_message(
    action: str, change: dict[str, object], pointer: str, code: str
) -> None:
    async with a_desk() as desk:
        await a_campaign(desk)
        await desk.upload("c1", CSV)
        if action:
            await desk.call("POST", f"{PATH}/{action}", key=SEND)
        status, problem = await desk.call("PATCH", PATH, change, SEND)
        found = [(each["pointer"], each["code"]) for each in problem["errors"]]
        assert found == [(pointer, code)], (status, problem)


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
