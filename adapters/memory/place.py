"""A place and a send time for a send that is no job; mirror of place_take.lua."""

from __future__ import annotations

from adapters.memory.gates import has_place, in_window, pair_spent
from adapters.memory.records import Job, LaneState
from adapters.memory.slot import Slot
from adapters.memory.under_way import Claim
from engine.errors import LedgerAwayError
from engine.model import Gate, JobKey, Lane, PortfolioId, TemplateStatus
from engine.pace import pair_after, pair_ready_at_ms
from engine.ports import FOREVER_MS, Ask
from engine.template_ports import Place, PlaceWish

NOBODY = Ask(PortfolioId(""), "", 0, 0, 0)  # no worker asks: it is no job


def take_place(slot: Slot, wish: PlaceWish, now_ms: int) -> Place:
    """Take a place where all gates that a trial does not pass by are open."""
    if now_ms < slot.recovering_until_ms:
        raise LedgerAwayError("the ledger recovers what it lost; ask again in some seconds")
    lane = LaneState(0, Lane("", wish.sender, wish.template, wish.priority))
    job = Job(JobKey(0, 0), wish.recipient, b"", 0, 0, 0, now_ms)
    under_way = Claim(slot, NOBODY, now_ms)
    if (refused := _refused(under_way, lane, job)) is not None:
        return refused
    spent, counts = pair_spent(under_way, lane, job), not in_window(under_way, lane, job)
    if spent.is_owed(now_ms) or not counts:
        slot.pairs[(wish.sender, wish.recipient)] = pair_after(spent, now_ms)
    if counts:
        slot.window(slot.scope(wish.sender)).replace(wish.recipient, 0, now_ms, now_ms)
    slot.sequence += 1
    send_at_us = slot.senders[wish.sender].slots.take_us(now_ms)
    return Place(send_at_us=send_at_us, taken_ms=now_ms if counts else 0)


def give_place(slot: Slot, wish: PlaceWish, taken_ms: int, now_ms: int) -> None:
    """Give back what a send took that surely reached nobody; what others prove stays."""
    slot.window(slot.scope(wish.sender)).replace(wish.recipient, taken_ms, 0, now_ms)
    slot.call_waiters(now_ms)
    slot.sequence += 1


def _refused(under_way: Claim, lane: LaneState, job: Job) -> Place | None:
    slot, now_ms, off = under_way.slot, under_way.now_ms, under_way.slot.terms.gates_off
    sender = lane.lane.sender
    if sender not in slot.senders:
        return Place(Gate.SENDER, FOREVER_MS)
    spec = slot.templates.get(lane.lane.template)
    if spec is None or spec.status is not TemplateStatus.APPROVED:
        return Place(Gate.TEMPLATE, FOREVER_MS)
    ready_ms = pair_ready_at_ms(pair_spent(under_way, lane, job), now_ms)
    if ready_ms > now_ms and Gate.PAIR not in off:
        return Place(Gate.PAIR, ready_ms)
    if has_place(under_way, lane, job):
        return None
    scope = slot.scope(sender)
    limit, window = slot.limit(scope), slot.window(scope)
    before = slot.used(scope, now_ms) - window.used(now_ms)
    frees_ms = window.frees_at_ms(limit.ceiling(lane.lane.priority) - before, now_ms)
    return Place(Gate.QUOTA, FOREVER_MS if frees_ms is None else frees_ms)
