"""What was told of the world, for people: what closes something, until when, and by whom."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from operator import attrgetter

from adapters.api.bodies import rfc3339
from adapters.api.front import Front
from engine.directory import Sender
from engine.facts import Known
from engine.model import Category, Gate, SenderId
from engine.ports import FOREVER_MS
from engine.senders import Closure, account_closures

CAUSES_MAX = 5  # told of a waiting job
UNANSWERED = (
    "{sender}: nothing that it writes is answered, or Meta says that it is ill: "
    "one message tries anew every few seconds"
)
NO_TOKEN = "{sender}: it has no access token that our keys open; give it: penstock sender add"  # noqa: S105 (a sentence)


def shown_closures(closures: Iterable[Closure], now_ms: int) -> list[dict[str, object]]:
    """Return what closes a number or an account now; without an end until something changes."""
    return [
        {
            "gate": each.gate.value,
            "cause": each.aspect,
            "value": each.fact.value,
            "categories": [category.value for category in each.categories],
            "detail": each.sentence,
            "source": each.fact.source.value,
            "since": rfc3339(each.fact.at_ms),
            "until": rfc3339(each.fact.until_ms) if each.fact.until_ms < FOREVER_MS else None,
        }
        for each in closures
        if each.fact.until_ms > now_ms
    ]


def shown_facts(facts: Known, kind: str, name: str) -> dict[str, dict[str, object]]:
    """Return all that was told of a number, an account or a portfolio."""
    first = f"{kind}/{name}/"
    told = sorted((fact for key, fact in facts.items() if key.startswith(first)), key=_id)
    return {
        fact.about[2]: {
            "value": fact.value,
            "at": rfc3339(fact.at_ms),
            "source": fact.source.value,
            "detail": fact.detail,
        }
        for fact in told
    }


_id = attrgetter("id")


def causes_of(
    front: Front,
    senders: Iterable[Sender],
    gate: Gate,
    categories: Collection[Category] = tuple(Category),
) -> str:
    """Return why numbers, or their accounts, are closed; empty when nobody told.

    `categories` are those of the messages that wait: what holds only others is not why.
    """
    found: dict[str, None] = {}
    for sender in senders:
        name = sender.id if gate is Gate.SENDER else sender.waba_id
        for closure in _closing(front, sender, gate, categories):
            found[f"{name}: {closure.sentence}"] = None
    return "; ".join(list(found)[:CAUSES_MAX])


def opens_at_ms(front: Front, senders: Iterable[Sender], gate: Gate) -> int | None:
    """Return when the first of numbers that are closed opens; None where nobody knows."""
    ends = [[c.fact.until_ms for c in _closing(front, sender, gate)] for sender in senders]
    first_ms = min((max(each) for each in ends if each), default=FOREVER_MS)
    return first_ms if first_ms < FOREVER_MS else None


def _closing(
    front: Front,
    sender: Sender,
    gate: Gate,
    categories: Collection[Category] = tuple(Category),
) -> list[Closure]:
    """Return what closes a number, or its account, now."""
    closures = (
        front.keeper.closures_of(sender.id)
        if gate is Gate.SENDER
        else account_closures(front.keeper.facts, sender.waba_id)
    )
    return [
        each
        for each in closures
        if each.fact.until_ms > front.now_ms() and set(categories) & set(each.categories)
    ]


def untold_of(front: Front, sender: SenderId, until_ms: int | None) -> str:
    """Return why a number is closed of which nobody told anything; empty where that is not known.

    What Meta answers is told within moments. What stays untold is a worker's own breaker, or that
    it has nothing to write with; both look again soon.
    """
    if not front.token_of(sender):
        return NO_TOKEN.format(sender=sender)
    is_soon = until_ms is not None and 0 < until_ms < FOREVER_MS
    return UNANSWERED.format(sender=sender) if is_soon else ""
