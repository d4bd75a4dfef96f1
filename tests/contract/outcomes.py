"""How writes end in random histories, what webhooks tell of them, and what a trial hears."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from engine.errors import LedgerAwayError
from engine.inbound import SERVICE_WINDOW_MS, WINDOW_CLOSED_CODE
from engine.model import DeliveryStatus, Gate, PortfolioId, RecipientKey
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
from engine.ports import Claimed, Receipt, Settlement
from engine.template_ports import PlaceWish
from tests.contract.small_world import SENDERS, Step, bind

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


def a_receipt(rng: random.Random, pool: list[Claimed], now_ms: int) -> Receipt:
    """Return a status of a job of the pool, or of somebody else's."""
    job = rng.choice(pool) if pool and rng.random() < 0.9 else None
    recipient = job.recipient if job else RecipientKey(b"foreign" + bytes([rng.randrange(9)]))
    return Receipt(
        key=job.key if job else None,
        attempt=job.attempt if job else 0,
        recipient=recipient,
        status=rng.choice(list(DeliveryStatus)[2:]),
        at_ms=now_ms + rng.choice([-61_000, -5_000, -1, 0, 900]),
        wamid=rng.choice(["", "wamid.X"]),
        code=131026,
        counted=rng.random() < 0.9,
        undelivered=rng.random() < 0.8,
        sender=job.lane.sender if job else rng.choice(SENDERS),
        throttled=job.key.sequence % 5 == 0 if job else rng.random() < 0.3,
    )


def refused_outside(rng: random.Random, job: Claimed, now_ms: int) -> list[Step]:
    """Return that a person writes, and that Meta then says they did not: answered, or told later.

    A window of a day was opened just now, which such a refusal does not close.
    """
    pair = job.lane.sender, job.recipient
    until_ms = now_ms + rng.choice([30_000, SERVICE_WINDOW_MS])
    steps: list[Step] = [("put", bind("open_window", *pair, until_ms))]
    refused, accepted = Dropped(WINDOW_CLOSED_CODE, "closed"), Accepted("wamid.1")
    answers: list[list[Outcome]] = [[refused], [accepted], []]
    answered = rng.choice(answers)
    for outcome in answered:
        told = [Settlement(job.key, job.attempt, outcome)]
        steps.append(("settle", bind("settle", told)))
    failed = DeliveryStatus.UNDELIVERED
    its = Receipt(job.key, job.attempt, job.recipient, failed, now_ms, code=WINDOW_CLOSED_CODE)
    return steps if refused in answered else [*steps, ("receive", bind("receive", [its]))]


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
