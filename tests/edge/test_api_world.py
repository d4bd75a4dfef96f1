"""Pausing, resuming, refreshing, and what an API shows of the world; a change keeps the rest."""

import pytest
from redis.asyncio import Redis

from engine.borders import border_fact
from engine.facts import Fact, Source, of_account, of_portfolio, of_sender
from engine.model import PortfolioId, SenderId
from engine.ports import FOREVER_MS
from engine.profiles import SEED
from engine.senders import status_fact
from tests.front_desk import (
    BODY,
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
)

PATH = f"/v1/senders/{SENDER}"


async def told(
    desk: Desk, name: str, value: str, until_ms: int = 0, at_ms: int = NOW_MS - 5_000
) -> None:
    await desk.front.keeper.tell(Fact(name, value, at_ms, Source.WEBHOOK, until_ms, "why"))


def closed_until_ms(desk: Desk) -> int:
    slot = desk.ledger.slot(PortfolioId(PORTFOLIO))[0]
    return int(slot.senders[SenderId(SENDER)].closed_until_ms)


@pytest.mark.parametrize(
    ("path", "remedy"),
    [
        ("senders/abc", "1 to 32 digits"),
        (f"senders/{'1' * 33}", "1 to 32 digits"),
        ("portfolios/a%2Fb", "an id has letters, digits"),
        ("portfolios/-a", "an id has letters, digits"),
        ("journeys/a%20b", "an id has letters, digits"),
    ],
)
async def test_what_nothing_can_be_called_by_is_refused_by_name(path: str, remedy: str) -> None:
    async with a_desk() as desk:
        status, problem = await desk.call("PUT", f"/v1/{path}", {"messaging_limit": 250})
        [error] = problem["errors"]
        assert (status, error["pointer"], error["code"]) == (422, "/id", "invalid")
        assert remedy in error["detail"]


async def test_a_job_names_a_campaign_of_its_senders_portfolio(redis_client: Redis) -> None:
    async with a_desk(redis=redis_client) as desk:
        await a_campaign(desk)
        source = {"kind": "campaign", "id": "c1"}
        body = a_job(source=source)
        assert (await desk.call("POST", "/v1/jobs", body, SEND))[0] == 202
        await desk.call("PUT", "/v1/portfolios/other", {"messaging_limit": 250})
        elsewhere = {"portfolio_id": "other", "waba_id": WABA, "access_token": "t"}
        named = elsewhere | {"display_phone_number": "+1 555 0200"}
        status, problem = await desk.call("PUT", "/v1/senders/777", named)
        [error] = problem["errors"]
        assert (status, error["pointer"]) == (409, "/waba_id")  # two windows for one limit
        stated = {"category": "MARKETING", "components": BODY, "status": "APPROVED"}
        await desk.call("PUT", "/v1/wabas/waba-2/templates/offer/en_US", stated)
        named |= {"waba_id": "waba-2"}
        assert (await desk.call("PUT", "/v1/senders/777", named))[0] == 201
        status, problem = await desk.call("POST", "/v1/jobs", body | {"sender": "777"}, SEND)
        [error] = problem["errors"]
        assert (status, error["pointer"], error["code"]) == (422, "/sender", "other_portfolio")
        assert f"campaign c1 belongs to portfolio {PORTFOLIO}" in error["detail"]


async def test_a_pause_closes_with_its_reason_and_a_resume_opens() -> None:
    async with a_desk() as desk:
        status, shown = await desk.call("POST", PATH + "/pause", {"reason": "complaints"})
        assert status == 200
        [closed] = shown["closed_by"]
        assert (closed["gate"], closed["cause"], closed["until"]) == ("sender", "pause", None)
        assert closed["detail"] == "paused (complaints), told by operator"
        assert closed_until_ms(desk) == FOREVER_MS
        _, accepted = await desk.call("POST", "/v1/jobs", a_job())
        _, job = await desk.call("GET", f"/v1/jobs/{accepted['results'][0]['id']}")
        [waiting] = job["waiting_for"]
        assert waiting["gate"] == "sender"
        assert waiting["detail"] == f"{SENDER}: paused (complaints), told by operator"
        _, shown = await desk.call("POST", PATH + "/resume", {})
        assert (shown["closed_by"], closed_until_ms(desk)) == ([], 0)


@pytest.mark.parametrize("act", ["pause", "resume", "refresh"])
async def test_only_an_admin_moves_a_sender_that_there_is(act: str) -> None:
    async with a_desk() as desk:
        assert (await desk.call("POST", f"{PATH}/{act}", {}, READ))[0] == 403
        assert (await desk.call("POST", f"/v1/senders/1/{act}", {}))[0] == 404


async def test_a_reason_that_is_too_long_is_refused_by_name() -> None:
    async with a_desk() as desk:
        status, shown = await desk.call("POST", PATH + "/pause", {"reason": "x" * 201})
        assert (status, shown["errors"][0]["pointer"]) == (422, "/reason")


async def test_a_sender_that_is_put_again_keeps_what_is_not_given() -> None:
    async with a_desk() as desk:
        await desk.call("PUT", PATH, {"throughput": 300, "alias": "shop"})
        status, shown = await desk.call("PUT", PATH, {"display_phone_number": "+1 555 0199"})
        assert status == 200
        kept = {name: shown[name] for name in ("portfolio_id", "waba_id", "throughput", "alias")}
        assert kept == {
            "portfolio_id": PORTFOLIO,
            "waba_id": WABA,
            "throughput": 300,
            "alias": "shop",
        }
        slot = desk.ledger.slot(PortfolioId(PORTFOLIO))[0]
        assert slot.senders[SenderId(SENDER)].slots.nominal_mps == 300


@pytest.mark.parametrize("field", ["portfolio_id", "waba_id", "display_phone_number"])
async def test_a_new_sender_needs_all_that_names_it(field: str) -> None:
    async with a_desk() as desk:
        body = {"portfolio_id": PORTFOLIO, "waba_id": WABA, "display_phone_number": "+1"}
        del body[field]
        status, shown = await desk.call("PUT", "/v1/senders/7", body | {"access_token": "t"})
        assert (status, shown["errors"][0]["pointer"]) == (422, f"/{field}")


async def test_a_portfolio_that_is_put_again_keeps_what_is_not_given() -> None:
    async with a_desk() as desk:
        path = f"/v1/portfolios/{PORTFOLIO}"
        await desk.call("PUT", path, {"headroom": 0.1, "used_before": 7, "reserve": {"utility": 0}})
        status, shown = await desk.call("PUT", path, {"messaging_limit": "TIER_2K"})
        assert status == 200
        assert (shown["headroom"], shown["used_before"]) == (0.1, 7)
        assert (shown["messaging_limit"], shown["reserve"]) == (2_000, {"utility": 0})
        status, shown = await desk.call("PUT", "/v1/portfolios/new", {"headroom": 0.1})
        assert (status, shown["errors"][0]["pointer"]) == (422, "/messaging_limit")


async def test_the_scope_of_a_window_that_counts_is_decided() -> None:
    async with a_desk() as desk:
        path = f"/v1/portfolios/{PORTFOLIO}"
        status, shown = await desk.call("PUT", path, {"quota_scope": "phone_number"})
        assert (status, shown["errors"][0]["pointer"]) == (409, "/quota_scope")
        assert (await desk.call("PUT", path, {"quota_scope": "portfolio"}))[0] == 200


async def test_an_operators_limit_is_not_undone_by_an_older_webhook() -> None:
    async with a_desk() as desk:
        await desk.call("PUT", f"/v1/portfolios/{PORTFOLIO}", {"messaging_limit": 1_000})
        await told(desk, of_portfolio(PORTFOLIO, "limit"), "250")
        _, shown = await desk.call("GET", f"/v1/portfolios/{PORTFOLIO}")
        assert (shown["messaging_limit"], shown["quota"]["limit"]) == (1_000, 1_000)
        assert shown["told"]["limit"]["source"] == "operator"


async def test_a_refresh_shows_and_obeys_what_meta_knows() -> None:
    async with a_desk() as desk:
        desk.metas_facts = [
            status_fact(SENDER, "OFFLINE", NOW_MS, Source.REFRESH),
            Fact(of_sender(SENDER, "quality"), "RED", NOW_MS, Source.REFRESH),
        ]
        _, shown = await desk.call("POST", PATH + "/refresh", {})
        assert (shown["status"], shown["quality"]) == ("OFFLINE", "RED")
        assert [each["cause"] for each in shown["closed_by"]] == ["status"]
        assert shown["told"]["quality"]["at"] == "2026-05-28T20:26:40.000Z"
        _, shown = await desk.call("POST", PATH + "/resume", {})
        assert [each["cause"] for each in shown["closed_by"]] == ["status"]  # that is Meta's to say


async def test_a_new_token_or_the_same_values_again_let_a_refused_sender_go() -> None:
    async with a_desk() as desk:
        await told(desk, of_sender(SENDER, "answer"), "133010", FOREVER_MS)
        await told(desk, of_sender(SENDER, "token"), "refused", FOREVER_MS, NOW_MS + 1)
        await desk.call("PUT", PATH, {})
        _, shown = await desk.call("GET", PATH)
        assert [each["cause"] for each in shown["closed_by"]] == ["token"]
        await desk.call("PUT", PATH, {"access_token": "another"})
        _, shown = await desk.call("GET", PATH)
        assert (shown["closed_by"], closed_until_ms(desk)) == ([], 0)


async def test_by_the_seeds_rules_a_number_is_one_sender_and_two_are_the_most() -> None:
    async with a_desk() as desk:
        desk.front.rules = SEED
        body = {"portfolio_id": PORTFOLIO, "waba_id": WABA, "access_token": "t"}
        twin = body | {"display_phone_number": "+1 (555) 0100"}
        status, shown = await desk.call("PUT", "/v1/senders/7", twin)
        assert (status, shown["errors"][0]["pointer"]) == (409, "/display_phone_number")
        for name, expected in (("7", 201), ("8", 409)):
            more = body | {"display_phone_number": f"+1 555 020{name}"}
            status, shown = await desk.call("PUT", f"/v1/senders/{name}", more)
            assert status == expected
        await told(desk, of_sender(SENDER, "name"), "APPROVED")
        assert (await desk.call("PUT", "/v1/senders/8", more))[0] == 201


async def test_what_threatens_a_number_is_told_before_it_happens() -> None:
    async with a_desk() as desk:
        desk.front.rules = SEED
        await told(desk, of_sender(SENDER, "name"), "PENDING_REVIEW")
        await desk.front.keeper.tell(status_fact(SENDER, "FLAGGED", NOW_MS, Source.WEBHOOK))
        _, shown = await desk.call("GET", PATH)
        assert shown["warnings"] == [
            "not verified or approved: it goes offline at 2026-06-27T20:26:40.000Z",
            (
                "flagged until 2026-06-04T20:26:40.000Z: the limit does not rise, and is 250 then "
                "unless the quality is better"
            ),
        ]
        assert shown["closed_by"] == []


async def test_two_senders_with_one_number_are_warned_about() -> None:
    async with a_desk() as desk:
        twin = {"portfolio_id": PORTFOLIO, "waba_id": WABA, "access_token": "t"}
        twin["display_phone_number"] = "1-555-0100"
        assert (await desk.call("PUT", "/v1/senders/7", twin))[0] == 201
        _, shown = await desk.call("GET", PATH)
        [warning] = shown["warnings"]
        assert warning.startswith("sender 7 has the same number")


async def test_an_account_is_shown_and_opened_by_hand() -> None:
    async with a_desk() as desk:
        await told(desk, of_account(WABA, "restriction"), "RESTRICTED", FOREVER_MS)
        await told(desk, of_account(WABA, "answer"), "131042", NOW_MS + 60_000)
        _, sender = await desk.call("GET", PATH)
        assert {each["gate"] for each in sender["closed_by"]} == {"account"}
        _, portfolio = await desk.call("GET", f"/v1/portfolios/{PORTFOLIO}")
        assert [each["cause"] for each in portfolio["accounts"][0]["closed_by"]] == [
            *("restriction", "answer"),
        ]
        path = f"/v1/wabas/{WABA}"
        assert (await desk.call("POST", path + "/open", {}, READ))[0] == 403
        status, shown = await desk.call("POST", path + "/open", {})
        assert (status, shown["closed_by"]) == (200, [])
        assert desk.ledger.slot(PortfolioId(PORTFOLIO))[0].accounts[WABA] == 0
        assert (await desk.call("GET", path))[1]["told"]["restriction"]["value"] == "opened"
        assert (await desk.call("POST", "/v1/wabas/unknown/open", {}))[0] == 404


async def test_a_country_that_meta_closed_is_refused_until_somebody_opens_it() -> None:
    async with a_desk() as desk:
        await desk.front.keeper.tell(border_fact(WABA, "IN", desk.now_ms))
        _, shown = await desk.call("POST", "/v1/jobs", a_job(to="+919812345678"))
        [refused] = shown["errors"]
        assert (refused["pointer"], refused["code"]) == ("/to", "country_closed")
        _, shown = await desk.call("POST", "/v1/jobs", a_job())
        assert shown["accepted"] == 1
        _, shown = await desk.call("GET", f"/v1/wabas/{WABA}")
        assert (list(shown["countries"]), shown["closed_by"]) == (["IN"], [])
        _, shown = await desk.call("GET", f"/v1/why/{SENDER}")
        assert f"Meta refused messages of account {WABA} to IN" in shown["notes"][0]
        _, shown = await desk.call("POST", f"/v1/wabas/{WABA}/open")
        assert shown["countries"] == {}
        assert desk.ledger.slot(PortfolioId(PORTFOLIO))[0].borders == {WABA: []}
        _, shown = await desk.call("POST", "/v1/jobs", a_job(to="+919812345678"))
        assert shown["accepted"] == 1


async def test_rows_of_a_closed_country_are_named_and_the_others_queued() -> None:
    async with a_desk() as desk:
        await a_campaign(desk)
        await desk.front.keeper.tell(border_fact(WABA, "IN", desk.now_ms))
        rows = "to,name,code\n+4915112345678,Ada,A1\n+919812345678,Bob,B2\n+4915112345679,C,C3\n"
        _, shown = await desk.upload("c1", rows)
        assert shown["accepted"] == 2
        assert [each["code"] for each in shown["errors"]] == ["country_closed"]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"access_token": "EAAB "}, "/access_token"),
        ({"access_token": "EAAB\r\nX: 1"}, "/access_token"),
        ({"access_token": "EAAB\u20ac"}, "/access_token"),
        ({"display_phone_number": ""}, "/display_phone_number"),
        ({"display_phone_number": "shop"}, "/display_phone_number"),
        ({"display_phone_number": "1" * 65}, "/display_phone_number"),
    ],
)
async def test_what_is_no_token_or_no_number_is_refused_and_changes_nothing(
    body: dict[str, str], pointer: str
) -> None:
    async with a_desk() as desk:
        before = (await desk.call("GET", PATH))[1]
        status, problem = await desk.call("PUT", PATH, body)
        assert (status, [each["pointer"] for each in problem["errors"]]) == (422, [pointer])
        assert "EAAB" not in str(problem)
        assert (await desk.call("GET", PATH))[1] == before
