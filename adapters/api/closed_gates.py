"""One gate that holds something back, as people are told of it."""

from __future__ import annotations

from typing import Final

import msgspec

from adapters.api.bodies import rfc3339
from adapters.api.meanings import MEANINGS
from engine.books import JobView, Quota
from engine.model import Gate
from engine.ports import FOREVER_MS

PARKED: Final = "answers of Meta parked it; it opens when Meta, asked anew, says APPROVED"
OF_SENDERS: Final = (Gate.SENDER, Gate.ACCOUNT)


class ClosedGate(msgspec.Struct):
    """One gate that holds something back."""

    gate: str
    jobs: int  # how many wait there
    number: int | None = None  # what the gate counts
    limit: int | None = None  # and how much it lets through
    holder: str = ""  # whose gate it is: a portfolio, sender, template, campaign
    until: str | None = None  # the earliest time, where it is known
    detail: str = ""


def gate_of(gate: Gate, jobs: int, quota: Quota, holder: str) -> ClosedGate:
    """Return a gate with what it counts; of `quota` also when it opens."""
    closed = ClosedGate(gate.value, jobs, detail=MEANINGS[gate])
    if gate is Gate.QUOTA:
        closed.number, closed.limit, closed.holder = quota.used, quota.limit, holder
        closed.until = rfc3339(quota.next_free_at_ms)
        if quota.debt:
            closed.detail += f"; {quota.debt} more count than there are places"
    elif gate in (Gate.SENDER, Gate.ACCOUNT, Gate.RATE):
        closed.holder = holder  # of a portfolio: one or more of its senders
    return closed


def until_of(view: JobView) -> str | None:
    """Return until when a job waits, where that is known."""
    is_known = view.until_ms is not None and view.until_ms < FOREVER_MS
    return rfc3339(view.until_ms) if is_known else None
