"""How writes end in random histories, and what a trial hears."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from engine.errors import LedgerAwayError
from engine.model import Gate, PortfolioId
from engine.outcomes import (
    Accepted,
    Deferred,
    Dropped,
    InDoubt,
    Outcome,
    Retry,
    Suppressed,
    Unwritten,
)
from engine.ports import Settlement
from engine.template_ports import PlaceWish

GATES_THAT_CLOSE = (Gate.ACCOUNT, Gate.SENDER, Gate.TEMPLATE)


def an_outcome(rng: random.Random, now_ms: int, *, is_doubtful: bool = False) -> Outcome:
    """Return how one write ends; a doubtful one mostly in doubt."""
    later_ms = now_ms + rng.choice([0, 500, 3_000, 30_000])
    draw = rng.random()
    if is_doubtful and rng.random() < 0.6:
        draw = 0.5
    if draw < 0.5:
        return Accepted(f"wamid.{rng.randrange(10**6)}", held=rng.random() < 0.1)
    if draw < 0.62:
        return InDoubt("silence")
    if draw < 0.70:
        return Unwritten("late")
    if draw < 0.80:
        return Retry(131000, later_ms, "unknown")
    if draw < 0.92:
        return _final(rng, draw)
    gate = rng.choice([*[Gate.PAIR] * 4, Gate.RATE, Gate.RATE, Gate.RETRY, *GATES_THAT_CLOSE])
    return Deferred(gate, 130429, later_ms, "slow")


def _final(rng: random.Random, draw: float) -> Outcome:
    if draw > 0.90:
        return Suppressed(131049, "its category changed")
    code, field = rng.choice([131026, 999]), rng.choice(["", "", "/message/x"])
    return Dropped(code, "never", strikes=rng.random() < 0.6, field=field)


def may_close(settlements: Sequence[Settlement]) -> bool:
    """Return whether one of them may have closed a gate."""
    return any(isinstance(each.outcome, Deferred | Dropped) for each in settlements)


def outcome_name(outcome: Outcome) -> str:
    """Return what kind of outcome it is, and behind which gate."""
    gate = f" {outcome.gate}" if isinstance(outcome, Deferred) else ""
    held = " held" if isinstance(outcome, Accepted) and outcome.held else ""
    return type(outcome).__name__ + gate + held


async def take_place(
    ledger: Any,  # noqa: ANN401
    portfolio: PortfolioId,
    wish: PlaceWish,
    *,
    fails: bool,
) -> Any:  # noqa: ANN401
    """Return what a ledger answers to a send that is no job; it raises where it recovers."""
    try:
        place = await ledger.take_place(portfolio, wish)
    except LedgerAwayError:
        return "recovering"
    if fails and place.taken_ms:
        await ledger.give_place(portfolio, wish, place.taken_ms)
    return place
