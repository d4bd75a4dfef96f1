"""What somebody should know of a number before Meta does something about it."""

from __future__ import annotations

from collections.abc import Iterator

from adapters.api.bodies import rfc3339
from adapters.api.front import Front
from engine.directory import Directory, Sender
from engine.profiles import flag_ends_at_ms, limit_after_flag, numbers_max, offline_at_ms


def sender_warnings(front: Front, sender: Sender) -> list[str]:
    """Return the warnings about a number."""
    return list(_warnings(front, sender))


def senders_of(portfolio: str, directory: Directory) -> list[str]:
    """Return the numbers of a portfolio."""
    return [each.id for each in directory.senders.values() if each.portfolio_id == portfolio]


def twins_of(sender: Sender, directory: Directory) -> list[str]:
    """Return other senders with the same number."""
    digits = _digits(sender.display_phone_number)
    return [
        each.id
        for each in directory.senders.values()
        if each.id != sender.id and digits == _digits(each.display_phone_number)
    ]


def _warnings(front: Front, sender: Sender) -> Iterator[str]:
    rules, facts, directory = front.rules, front.keeper.facts, front.registry.directory
    for twin in twins_of(sender, directory)[:1]:
        yield f"sender {twin} has the same number; webhooks that name it mean either"
    offline_ms = offline_at_ms(rules, facts, sender.id, sender.added_at_ms)
    if offline_ms:
        yield f"not verified or approved: it goes offline at {rfc3339(offline_ms)}"
    ends_ms = flag_ends_at_ms(rules, facts, sender.id)
    portfolio = directory.portfolios.get(sender.portfolio_id)
    if ends_ms and portfolio is not None:
        limit = limit_after_flag(rules, facts, sender.id, portfolio.messaging_limit)
        yield (
            f"flagged until {rfc3339(ends_ms)}: the limit does not rise, and is {limit} then "
            "unless the quality is better"
        )
    others = senders_of(sender.portfolio_id, directory)
    most = numbers_max(rules, facts, sender.portfolio_id, others)
    if len(others) > most and front.rules.distinct:
        yield f"the portfolio has {len(others)} numbers, {most} is the most"


def _digits(number: str) -> str:
    return "".join(each for each in number if each.isdecimal())
