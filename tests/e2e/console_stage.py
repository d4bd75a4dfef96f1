"""A fleet worth looking at: full, slow, paused and broken numbers, and campaigns in every state."""

import asyncio
from collections.abc import Callable
from typing import Any

from adapters.sandbox.scenario import World
from tests.e2e.whole_house import LOOK_EVERY_S, PATIENCE_S, Whole, a_message, rows

TOKEN = "token-of-the-stage"
NUMBERS = {  # alias -> its number, its portfolio and its throughput
    "acme-shop": ("20600000000001", "acme", 40),
    "acme-news": ("20600000000002", "acme", 20),
    "nordwind": ("20600000000003", "nordwind", 20),
    "fjord-care": ("20600000000004", "fjord", 80),
    "fjord-codes": ("20600000000005", "fjord", 80),
}
LIMITS: dict[str, int] = {"acme": 120, "nordwind": 250, "fjord": -1}
PEOPLE_FROM = "+49151"  # how every recipient's number begins: it must be shown nowhere
UNREACHABLE_AT = 9_999_999  # of those who are shipped to
LISTED_MAX = 20  # as console.js asks
UNANSWERED_AT = 9_999_998  # of them too: what is written to that one is answered by no Meta
UNREACHABLE, UNANSWERED = (f"{PEOPLE_FROM}7{at}" for at in (UNREACHABLE_AT, UNANSWERED_AT))


def id_of(alias: str) -> str:
    """Return a number's id."""
    return NUMBERS[alias][0]


def a_fleet(window_ms: int = 90_000) -> World:
    """Return the world: three portfolios, five numbers, and what goes wrong with some."""
    text = {"type": "BODY", "text": "Hi {{1}}, you are welcome."}
    return World.load(
        {
            "portfolios": [{"id": name, "limit": limit} for name, limit in LIMITS.items()],
            "wabas": [{"id": f"waba-{name}", "portfolio_id": name} for name in LIMITS],
            "senders": [
                {
                    "phone_number_id": number,
                    "waba_id": f"waba-{portfolio}",
                    "portfolio_id": portfolio,
                    "display_phone_number": _display(alias),
                    "token": TOKEN,
                    "throughput_mps": mps * 2,
                    "quality_rating": "YELLOW" if alias == "acme-news" else "GREEN",
                }
                for alias, (number, portfolio, mps) in NUMBERS.items()
            ],
            "templates": [
                {"waba": f"waba-{name}", "name": template, "category": kind, "components": [text]}
                for name in LIMITS
                for template, kind in (("offer", "MARKETING"), ("update", "UTILITY"))
            ],
            "faults": [
                {"kind": "error", "code": 131026, "recipients": [UNREACHABLE], "times_max": 1},
                {"kind": "server_error", "status": 502, "recipients": [UNANSWERED]},
                {"kind": "error", "code": 131026, "rate": 0.03},
                {"kind": "error", "code": 131049, "rate": 0.01},
                {"kind": "server_error", "rate": 0.004, "status": 502},
                {"kind": "latency", "delay_ms": 60, "spread_ms": 120},
            ],
            "webhook": {"read_rate": 0.4, "read_after_ms": 3_000, "delivered_after_ms": 700},
            "window_ms": window_ms,
            "keep_messages_max": 1_000,
        }
    )


async def furnish_fleet(whole: Whole) -> None:
    """Do what an operator does: limits, numbers, templates, campaigns and who is in them."""
    for name, limit in LIMITS.items():
        body = {"messaging_limit": "UNLIMITED" if limit < 0 else limit}
        await whole.call("PUT", f"/v1/portfolios/{name}", body)
    for alias, (number, portfolio, mps) in NUMBERS.items():
        sender = {
            "portfolio_id": portfolio,
            "waba_id": f"waba-{portfolio}",
            "display_phone_number": _display(alias),
            "access_token": TOKEN,
            "throughput": mps,
            "alias": alias,
        }
        await whole.call("PUT", f"/v1/senders/{number}", sender)
        await whole.call("POST", f"/v1/senders/{number}/refresh")
    for name in LIMITS:
        await whole.call("POST", f"/v1/wabas/waba-{name}/templates/import", {})


async def play(whole: Whole, size: int = 1_000) -> None:
    """Start campaigns that will be running, waiting, paused, drafted and over."""
    await _campaign(whole, "winter", "Winter sale", ["acme-shop", "acme-news"], size * 2)
    await _campaign(whole, "letter", "Newsletter of November", ["nordwind"], size)
    await _campaign(whole, "thanks", "Thank you, early birds", ["fjord-care"], size // 4)
    await _campaign(whole, "spring", "Spring preview", ["acme-shop"], size // 2, is_started=False)
    await survey(whole, size * 3)
    await ship(whole, 40)
    pause = {"reason": "complaints about codes"}
    await whole.call("POST", f"/v1/senders/{id_of('fjord-codes')}/pause", pause)
    await ship(whole, 20)


async def survey(whole: Whole, size: int) -> None:
    """Start a campaign and pause it."""
    await _campaign(whole, "survey", "How did we do?", ["fjord-care"], size)
    await whole.call("POST", "/v1/campaigns/survey/pause")


async def leave_one_dead(whole: Whole) -> None:
    """Send what fails, and wait until the page would list it as a dead letter to replay."""
    await ship(whole, 1, "fjord-care", UNREACHABLE_AT)  # its portfolio has no limit to wait for
    await _until_listed(whole, "dead", lambda letter: letter["replayable"])


async def leave_one_in_doubt(whole: Whole) -> None:
    """Send what nobody answers, and wait until the page would list it."""
    await ship(whole, 1, "fjord-care", UNANSWERED_AT)
    await _until_listed(whole, "doubts", lambda _doubt: True)


async def _until_listed(whole: Whole, what: str, holds: Callable[[Any], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while True:
            listed = (await whole.call("GET", f"/v1/{what}?limit={LISTED_MAX}"))[what]
            if any(holds(each) for each in listed):
                return
            await asyncio.sleep(LOOK_EVERY_S)


async def ship(whole: Whole, count: int, alias: str = "fjord-codes", first: int = 0) -> None:
    """Be a journey: tell people of their orders."""
    jobs: list[dict[str, Any]] = [
        {
            "sender": id_of(alias),
            "to": f"{PEOPLE_FROM}7{n:07}",
            "message": a_message("Ada", name="update"),
            "source": {"kind": "journey", "id": "orders"},
        }
        for n in range(first, first + count)
    ]
    await whole.call("POST", "/v1/jobs", jobs)


async def _campaign(
    whole: Whole, name: str, title: str, aliases: list[str], size: int, *, is_started: bool = True
) -> None:
    senders = [id_of(alias) for alias in aliases]
    body = {"id": name, "name": title, "senders": senders, "message": a_message("{{name}}")}
    await whole.call("POST", "/v1/campaigns", body)
    await whole.upload(name, rows(size, first=len(name) * 10_000_000 + len(title) * 100_000))
    if is_started:
        await whole.call("POST", f"/v1/campaigns/{name}/start")


def _display(alias: str) -> str:
    return f"+1 555 060 {list(NUMBERS).index(alias):04}"
