"""The small world that random histories are played in, and its terms."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from engine.model import Category, PortfolioId, Priority, RecipientKey, SenderId, WabaId
from engine.ports import FOREVER_MS, Claimed
from engine.quiet import Spans
from engine.shutting import NOTHING_SHUT, NOTIFICATIONS, Shut
from engine.template_ports import PlaceWish
from engine.terms import Terms

START_MS = 1_764_000_000_000
PORTFOLIO = PortfolioId("acme")
SENDERS = [SenderId("1001"), SenderId("1002"), SenderId("1003")]
TEMPLATES = ["w/promo/en", "w/order/en", "w/code/en", ""]
ZONES = ["", "", "", "Europe/Rome", "A/a+B/b"]
SOURCES = ["campaign:a", "campaign:b", "journey:c", "direct:d"]
WORKERS = ["w1", "w2"]
RECIPIENTS = 60
FAVOURITES = 2  # people whom many rows are for, so that pairs run out of budget
PAUSES_MS = [0, 1, 5, 12, 100, 999, 1_000, 4_999, 5_000, 6_001, 60_200]

Step = tuple[str, Callable[[Any], Any]]


def short_terms(**changes: Any) -> Terms:  # noqa: ANN401 (as Terms)
    """Return terms under which a history of 300 steps meets every transition."""
    doubt_ms = {
        Category.AUTHENTICATION: 2_000,
        Category.SERVICE: 9_000,
        Category.UTILITY: 4_000,
        Category.MARKETING: 9_000,
    }
    named: dict[str, Any] = {
        "window_ms": 60_000,
        "guard_ms": 200,
        "lease_ms": 5_000,
        "attempts_max": 3,
        "expire_bite": 4,
    }
    named["doubt_ms"] = doubt_ms
    named |= changes
    return Terms(**named)


CATEGORIES = (Category.MARKETING, Category.UTILITY, Category.AUTHENTICATION)


def bind(name: str, *arguments: object) -> Callable[[Any], Any]:
    """Return the call of a ledger by its name."""
    return lambda led: getattr(led, name)(PORTFOLIO, *arguments)


def some_shut(rng: random.Random, now_ms: int) -> Shut:
    """Return categories that wait: often none, else some for a while or for good."""
    if rng.random() < 0.4:
        return NOTHING_SHUT
    ends_ms = [0, now_ms, now_ms + 100, now_ms + 4_000, FOREVER_MS]
    chosen = rng.choice([[Category.MARKETING], [Category.SERVICE], NOTIFICATIONS])
    shut = NOTHING_SHUT.also(chosen, rng.choice(ends_ms))
    return shut.also([Category.MARKETING], rng.choice(ends_ms))


def some_spans(rng: random.Random, now_ms: int) -> Spans:
    """Return when a zone is open: never, or a few times."""
    at_ms = now_ms + rng.choice([-9_000, -500, 0, 400, 3_000])
    spans: list[tuple[int, int]] = []
    for _ in range(rng.choice([0, 1, 2, 3])):
        until_ms = at_ms + rng.choice([300, 4_000, 90_000])
        spans.append((at_ms, until_ms))
        at_ms = until_ms + rng.choice([200, 5_000])
    return tuple(spans)


def its_own(seed: int, now_ms: int) -> list[Step]:
    """Return what one history in six begins with: an account that is shut for everything."""
    shut = NOTHING_SHUT.also([*Category], now_ms + 30_000)
    return [("put", bind("close_account", WabaId("w"), 0, shut))] * (seed % 6 == 1)


def is_doubtful(seed: int) -> bool:
    """Return whether a history is one of those, one in six, in which much is in doubt."""
    return seed % 6 == 2


def ends_of(seed: int, now_ms: int) -> list[int]:
    """Return when rows expire: in doubtful histories mostly while they wait for a repeat."""
    soon = [now_ms + 4_000, now_ms + 20_000]
    return [*soon, now_ms + 9_000, now_ms + 9_000] if is_doubtful(seed) else [0, 0, 0, 0, *soon]


def a_wish(rng: random.Random, lately: list[Claimed]) -> PlaceWish:
    """Return a wish for a place of a send that is no job; half of them to whom was written to."""
    number = rng.randrange(FAVOURITES if rng.random() < 0.5 else RECIPIENTS)
    recipient = RecipientKey(b"recip" + number.to_bytes(3, "big"))
    sender = rng.choice([*SENDERS, SenderId("nobody")])
    if lately and rng.random() < 0.5:
        recipient, sender = lately[-1].recipient, lately[-1].lane.sender
    template = rng.choice([*TEMPLATES, "w/nobody/en"])
    return PlaceWish(sender, recipient, template, rng.choice(list(Priority)))


def somebody_wrote(sender: SenderId, recipient: RecipientKey, until_ms: int) -> Step:
    """Return that a window opens, or, now and then, only that messages came in."""
    if until_ms % 3 == 0:  # no draw of its own: that would make other histories
        return ("put", bind("take_times", {sender: until_ms % 7}))
    return ("put", bind("open_window", sender, recipient, until_ms))
