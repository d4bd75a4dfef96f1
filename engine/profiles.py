"""Rules about numbers that the platform has changed: today's, and those of the seed's documents.

They close nothing by themselves: who registers a number asks them, who shows one warns, and what a
flag costs at its end is told as a fact.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from engine.facts import Fact, Known, Source, of_portfolio, of_sender
from engine.quota import DAY_MS, UNLIMITED
from engine.senders import (
    GOOD_QUALITIES,
    NAME,
    NAMES_APPROVED,
    NUMBERS,
    QUALITY,
    STATUS,
    VERIFICATION,
    status_fact,
    value_of,
)


class Profile(StrEnum):
    """Whose rules hold."""

    TODAY = "today"
    SEED = "seed"


@dataclass(frozen=True, slots=True)
class Rules:
    """What a profile says of registering numbers and of what becomes of a bad one."""

    numbers_before: int  # of a portfolio, until a display name is approved
    numbers_after: int
    distinct: bool  # whether one number may be only one sender
    unverified_ms: int  # until a number that is not approved goes offline; 0: never
    levels: tuple[int, ...]  # of the messaging limit, in their order
    flag_ms: int  # how long a number is flagged, and RED before that; 0: never
    source: str


TODAY = Rules(
    numbers_before=2,
    numbers_after=20,
    distinct=False,
    unverified_ms=0,
    levels=(250, 2_000, 10_000, 100_000, UNLIMITED),
    flag_ms=0,  # no longer possible since October 2025
    source="https://developers.facebook.com/documentation/business-messaging/whatsapp"
    "/business-phone-numbers/phone-numbers",
)
SEED = Rules(
    numbers_before=2,
    numbers_after=50,
    distinct=True,  # "a distinct WhatsApp number for each project"
    unverified_ms=30 * DAY_MS,
    levels=(250, 1_000, 10_000, 100_000, UNLIMITED),
    flag_ms=7 * DAY_MS,
    source="the product's documents",
)
RULES = {Profile.TODAY: TODAY, Profile.SEED: SEED}


def numbers_max(rules: Rules, facts: Known, portfolio: str, senders: list[str]) -> int:
    """Return how many numbers a portfolio may register; Meta's own word wins.

    `senders` are those it has: one approved display name is enough.
    """
    told = value_of(facts, of_portfolio(portfolio, NUMBERS))
    if told:
        return int(told)
    is_approved = any(value_of(facts, of_sender(each, NAME)) in NAMES_APPROVED for each in senders)
    return rules.numbers_after if is_approved else rules.numbers_before


def offline_at_ms(rules: Rules, facts: Known, sender: str, added_at_ms: int) -> int:
    """Return when a number goes offline because nobody verified it; 0 for never or unknown."""
    name = value_of(facts, of_sender(sender, NAME))
    verification = value_of(facts, of_sender(sender, VERIFICATION))
    is_told = bool(name or verification)
    is_fine = name in NAMES_APPROVED and verification in {"", "VERIFIED"}
    if not rules.unverified_ms or not added_at_ms or not is_told or is_fine:
        return 0
    return added_at_ms + rules.unverified_ms


def flag_ends_at_ms(rules: Rules, facts: Known, sender: str) -> int:
    """Return when the flag of a number ends; 0 when it has none."""
    status = facts.get(of_sender(sender, STATUS))
    if status is None or status.value != "FLAGGED" or not rules.flag_ms:
        return 0
    return status.at_ms + rules.flag_ms


def limit_after_flag(rules: Rules, facts: Known, sender: str, limit: int) -> int:
    """Return the limit at the end of a flag: one level lower unless the quality is better.

    >>> limit_after_flag(SEED, {}, "1", 10_000), limit_after_flag(SEED, {}, "1", UNLIMITED)
    (1000, 100000)
    >>> limit_after_flag(SEED, {}, "1", 250), limit_after_flag(SEED, {}, "1", 2_500)
    (250, 1000)
    """
    if value_of(facts, of_sender(sender, QUALITY)) in GOOD_QUALITIES:
        return limit
    lower = [level for level in rules.levels if level >= 0 and (limit < 0 or level < limit)]
    return max(lower, default=limit)


def after_flag(
    rules: Rules, facts: Known, sender: str, limit_name: str, limit: int, now_ms: int
) -> list[Fact]:
    """Return what the end of a flag makes so, dated there: what Meta told later is newer.

    "the status still changes to Connected, but you are placed in a lower messaging limit tier": the
    seed's documents. `limit_name` is the fact of the limit that the number's sends count in.
    """
    ends_ms = flag_ends_at_ms(rules, facts, sender)
    if not ends_ms or now_ms < ends_ms:
        return []
    over = [status_fact(sender, "CONNECTED", ends_ms, Source.NOTICED)]
    detail = f"one level lower: {sender} was flagged for {rules.flag_ms // DAY_MS} days"
    known = facts.get(limit_name)
    is_paid = known is not None and (known.at_ms, known.detail) == (ends_ms, detail)
    after = limit_after_flag(rules, facts, sender, limit)
    if after != limit and not is_paid:  # told first: that the flag is over ends the looking
        over.insert(0, Fact(limit_name, str(after), ends_ms, Source.NOTICED, 0, detail))
    return over
