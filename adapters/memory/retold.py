"""An outcome told again, whose first answer may be lost: what it closed is answered again."""

from __future__ import annotations

from adapters.memory.slot import Slot
from engine.model import Gate, SenderId
from engine.outcomes import Deferred, Dropped
from engine.ports import Settlement


def retold(slot: Slot, settlement: Settlement, now_ms: int) -> tuple[Gate, str] | None:
    """Return what an outcome that changes nothing closed before, where that is closed still.

    A learned rate is not told again: it is in force already, and nothing hangs on who hears of it.
    """
    lane = slot.lanes.get(settlement.key.lane)
    if lane is None:
        return None
    sender, template, outcome = lane.lane.sender, lane.lane.template, settlement.outcome
    strikes = isinstance(outcome, Dropped) and outcome.strikes
    closes = isinstance(outcome, Deferred) and outcome.gate is Gate.TEMPLATE
    if strikes or closes:
        is_struck = (sender, template) in slot.struck
        return (Gate.TEMPLATE, f"{sender}|{template}") if is_struck else None
    if isinstance(outcome, Deferred) and outcome.until_ms > now_ms:
        return _closed(slot, sender, outcome)
    return None


def _closed(slot: Slot, sender: SenderId, outcome: Deferred) -> tuple[Gate, str] | None:
    state = slot.senders[sender]
    if outcome.gate is Gate.ACCOUNT:
        waba = state.spec.waba
        return (Gate.ACCOUNT, waba) if slot.accounts.get(waba, 0) >= outcome.until_ms else None
    if outcome.gate is Gate.SENDER and state.closed_until_ms >= outcome.until_ms:
        return (Gate.SENDER, sender)
    return None
