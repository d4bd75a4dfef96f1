"""What Meta says of a number holds back no more than it must: marketing, or all but answers."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from adapters.house import deadlines
from tests.e2e.whole_house import SENDER, WABA, Whole, a_message, a_whole_house, a_world, rows

pytestmark = [pytest.mark.usefixtures("redis_client"), pytest.mark.one_server]

TEXT = {"type": "BODY", "text": "Hi {{1}}, you are welcome."}
TEMPLATES = [
    {"waba": WABA, "name": name, "category": category, "components": [TEXT]}
    for name, category in (
        ("offer", "MARKETING"),
        ("update", "UTILITY"),
        ("code", "AUTHENTICATION"),
    )
]
PORTFOLIO = [{"id": "portfolio-1", "limit": -1}]
PERSON = "4915119999999"


async def furnish(whole: Whole) -> None:
    """Do what an operator does once; nothing is limited but the number's throughput."""
    await whole.call("PUT", "/v1/portfolios/portfolio-1", {"messaging_limit": "UNLIMITED"})
    sender = {"portfolio_id": "portfolio-1", "waba_id": WABA, "display_phone_number": "+1 555 0100"}
    await whole.call("PUT", f"/v1/senders/{SENDER}", sender | {"access_token": "token-of-the-test"})
    await whole.call("POST", f"/v1/wabas/{WABA}/templates/import", {})
    campaign = {"id": "c1", "name": "Autumn", "senders": [SENDER]}
    await whole.call("POST", "/v1/campaigns", campaign | {"message": a_message("{{name}}")})


async def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds of what the simulated Meta saw."""
    async with asyncio.timeout(20):
        while not holds():
            await asyncio.sleep(0.02)


def arrivals(whole: Whole, template: str) -> list[int]:
    """Return when messages of a template arrived at Meta, in milliseconds; free-form has none."""
    kept = whole.sandbox.stage.tally.messages
    return [each.at_ms for each in kept if each.template == template]


async def rated(whole: Whole, quality: str) -> dict[str, Any]:
    """Have Meta rate the number, and tell us only when it is asked."""
    change = {"quality": quality, "webhook": False}
    await whole.control("POST", f"senders/{SENDER}", change)
    return await whole.call("POST", f"/v1/senders/{SENDER}/refresh", {})


async def jobs(whole: Whole, template: str, count: int) -> list[str]:
    """Post as many jobs of a template, each to somebody else."""
    first = {"update": 200_000, "code": 300_000}[template]
    made = [
        {
            "sender": SENDER,
            "to": f"+49152{first + n:08}",
            "message": a_message("A1", name=template),
        }
        for n in range(count)
    ]
    answer = await whole.call("POST", "/v1/jobs", made)
    return [each["id"] for each in answer["results"]]


async def gates_of(whole: Whole, name: str) -> list[dict[str, Any]]:
    """Return what holds something back."""
    return list((await whole.call("GET", f"/v1/why/{name}"))["gates"])


async def test_on_yellow_marketing_leaves_at_its_share_and_all_else_at_the_full_rate(
    server_url: str, tmp_path: Path
) -> None:
    world = a_world(templates=TEMPLATES, portfolios=PORTFOLIO)
    async with a_whole_house(
        server_url, tmp_path, world, furnish=furnish, yellow_share=0.1
    ) as whole:
        shown = await rated(whole, "YELLOW")
        assert (shown["rate_limit"], shown["quality_share"], shown["closed_by"]) == (80, 0.1, [])
        await whole.upload("c1", rows(24))
        await whole.call("POST", "/v1/campaigns/c1/start", {})
        await until(lambda: bool(arrivals(whole, "offer")))
        (gate,) = await gates_of(whole, "c1")
        assert (gate["gate"], gate["number"], gate["limit"]) == ("rate", 8, 80)
        assert "quality YELLOW" in gate["detail"]
        await jobs(whole, "update", 100)
        await until(lambda: len(arrivals(whole, "update")) == 100)
        utility, marketing = arrivals(whole, "update"), arrivals(whole, "offer")
        assert utility[-1] - utility[0] <= 6_000  # 1,240 at the full rate, 12,400 at the share
        took_ms = utility[-1] - marketing[0]
        beside = [at_ms for at_ms in marketing if at_ms <= utility[-1]]
        assert len(beside) <= 0.1 * 80 * took_ms / 1_000 + 3  # its share, and what was ahead
        await whole.completed("c1")
        marketing = arrivals(whole, "offer")
        assert marketing[-1] - marketing[0] >= 0.95 * 23 / 8 * 1_000
        assert marketing[-1] > utility[-1]
        assert whole.report().clean


async def test_marketing_that_was_given_another_priority_leaves_at_its_share_too(
    server_url: str, tmp_path: Path
) -> None:
    world = a_world(templates=TEMPLATES, portfolios=PORTFOLIO)
    async with a_whole_house(
        server_url, tmp_path, world, furnish=furnish, yellow_share=0.1
    ) as whole:
        await rated(whole, "YELLOW")
        campaign = {"id": "c2", "name": "Urgent", "senders": [SENDER], "priority": "utility"}
        await whole.call("POST", "/v1/campaigns", campaign | {"message": a_message("{{name}}")})
        await whole.upload("c2", rows(17))
        await whole.call("POST", "/v1/campaigns/c2/start", {})
        await whole.completed("c2")
        marketing = arrivals(whole, "offer")
        assert marketing[-1] - marketing[0] >= 0.95 * 16 / 8 * 1_000  # 200 at the full rate
        assert whole.report().clean


async def test_what_people_write_takes_from_the_throughput_of_its_number(
    server_url: str, tmp_path: Path
) -> None:
    world = a_world(templates=TEMPLATES, portfolios=PORTFOLIO)
    async with a_whole_house(server_url, tmp_path, world, furnish=furnish) as whole:
        await whole.upload("c1", rows(200))
        await whole.call("POST", "/v1/campaigns/c1/start", {})
        await until(lambda: len(arrivals(whole, "offer")) > 10)
        for at in range(40):
            inbound = {"phone_number_id": SENDER, "from": f"+49151{at:08}"}
            await whole.control("POST", "inbound", inbound)
        await whole.completed("c1")
        offers = arrivals(whole, "offer")
        assert offers[-1] - offers[0] >= 0.97 * (199 + 40) / 80 * 1_000  # 2.5 s by themselves
        assert whole.report().clean


async def test_on_red_marketing_waits_while_login_codes_and_updates_leave(
    server_url: str, tmp_path: Path
) -> None:
    world = a_world(templates=TEMPLATES, portfolios=PORTFOLIO)
    async with a_whole_house(server_url, tmp_path, world, furnish=furnish) as whole:
        shown = await rated(whole, "RED")
        (closed,) = shown["closed_by"]
        assert (closed["cause"], closed["categories"]) == ("quality", ["marketing"])
        await whole.upload("c1", rows(5))
        await whole.call("POST", "/v1/campaigns/c1/start", {})
        await jobs(whole, "code", 3)
        await jobs(whole, "update", 3)
        await until(lambda: len(arrivals(whole, "code") + arrivals(whole, "update")) == 6)
        status = await whole.until("c1", lambda each: each["counts"]["waiting"] == {"sender": 5})
        assert (status["state"], arrivals(whole, "offer")) == ("running", [])
        (gate,) = await gates_of(whole, "c1")
        assert (gate["gate"], gate["jobs"], gate["until"]) == ("sender", 5, None)
        assert "quality RED" in gate["detail"]
        assert "marketing waits" in gate["detail"]
        await rated(whole, "GREEN")
        await whole.completed("c1")
        assert len(arrivals(whole, "offer")) == 5
        assert whole.report().clean


async def answer_somebody(whole: Whole) -> None:
    """Answer a person who wrote; until we have heard of that, answers are refused."""
    answer = {"type": "text", "text": {"body": "Good morning"}}
    job = {"sender": SENDER, "to": f"+{PERSON}", "message": answer}
    async with asyncio.timeout(20):
        while not arrivals(whole, ""):
            await whole.call("POST", "/v1/jobs", job)
            await asyncio.sleep(0.05)


async def test_a_restricted_number_answers_and_its_templates_wait_until_it_is_connected(
    server_url: str, tmp_path: Path
) -> None:
    world = a_world(templates=TEMPLATES, portfolios=PORTFOLIO)
    async with a_whole_house(server_url, tmp_path, world, furnish=furnish) as whole:
        await whole.control("POST", "inbound", {"phone_number_id": SENDER, "from": f"+{PERSON}"})
        change = {"status": "RESTRICTED", "webhook": False}
        await whole.control("POST", f"senders/{SENDER}", change)
        shown = await whole.call("POST", f"/v1/senders/{SENDER}/refresh", {})
        (closed,) = shown["closed_by"]
        assert closed["categories"] == ["authentication", "utility", "marketing"]
        assert closed["until"] is not None
        [code] = await jobs(whole, "code", 1)
        await answer_somebody(whole)
        view = await whole.call("GET", f"/v1/jobs/{code}")
        (gate,) = view["waiting_for"]
        assert gate["gate"] == "sender"
        assert gate["until"] >= closed["until"]  # later where Meta was asked once more
        assert "status RESTRICTED" in gate["detail"]
        (told,) = await gates_of(whole, code)
        assert (told["until"], told["detail"]) == (gate["until"], gate["detail"])
        assert arrivals(whole, "code") == []
        change = {"status": "CONNECTED", "webhook": False}
        await whole.control("POST", f"senders/{SENDER}", change)
        await whole.call("POST", f"/v1/senders/{SENDER}/refresh", {})
        await until(lambda: len(arrivals(whole, "code")) == 1)
        assert whole.report().clean


async def test_a_number_that_meta_calls_spam_still_answers(server_url: str, tmp_path: Path) -> None:
    world = a_world(templates=TEMPLATES, portfolios=PORTFOLIO)
    async with a_whole_house(server_url, tmp_path, world, furnish=furnish) as whole:
        await whole.control("POST", "inbound", {"phone_number_id": SENDER, "from": f"+{PERSON}"})
        change = {"status": "RESTRICTED", "code": 131048, "webhook": False}
        await whole.control("POST", f"senders/{SENDER}", change)
        [code] = await jobs(whole, "code", 1)
        async with asyncio.timeout(20):
            while not (shown := await whole.call("GET", f"/v1/senders/{SENDER}"))["closed_by"]:
                await asyncio.sleep(0.05)
        (closed,) = shown["closed_by"]
        assert (closed["cause"], closed["value"]) == ("answer", "131048")
        await answer_somebody(whole)
        (gate,) = (await whole.call("GET", f"/v1/jobs/{code}"))["waiting_for"]
        assert (gate["gate"], gate["until"]) == ("sender", closed["until"])
        assert whole.report().clean


async def test_what_led_to_a_refusal_as_spam_is_asked_for(
    server_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deadlines, "LOOK_EVERY_S", 0.1)
    world = a_world(templates=TEMPLATES, portfolios=PORTFOLIO)
    async with a_whole_house(server_url, tmp_path, world, furnish=furnish) as whole:
        path = f"/v1/senders/{SENDER}"
        async with asyncio.timeout(20):
            while (await whole.call("GET", path))["quality"] != "GREEN":
                await asyncio.sleep(0.05)
        change = {"code": 131048, "quality": "RED", "webhook": False}
        await whole.control("POST", f"senders/{SENDER}", change)
        await jobs(whole, "code", 1)
        async with asyncio.timeout(20):
            while (await whole.call("GET", path))["quality"] != "RED":
                await asyncio.sleep(0.05)
        shown = await whole.call("GET", path)
        assert [each["cause"] for each in shown["closed_by"]] == ["answer", "quality"]
