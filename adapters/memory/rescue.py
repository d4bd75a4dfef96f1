"""Leases that ran out become doubts, doubts are settled by policy, waiting jobs expire."""

from __future__ import annotations

from adapters.memory.expire import expire
from adapters.memory.records import LaneState, Open
from adapters.memory.settle import doubt
from adapters.memory.slot import Slot
from engine.model import Category, JobKey, JobState, parse_key
from engine.ports import Rescued
from engine.terms import CLAIMS_MAX, HELD_MS, RESCUE_MAX, SILENT_LOOK_MS


def rescue(slot: Slot, now_ms: int) -> Rescued:
    """Settle doubts, leases and jobs that have run out, some of each, the earliest first."""
    answer = Rescued([], [], [])
    for name in slot.doubts.due(now_ms, RESCUE_MAX):
        key = parse_key(name)
        _decide(slot, key, slot.open[key], now_ms, answer)
    for name in slot.leases.due(now_ms, CLAIMS_MAX):
        ended_ms = slot.leases.moment(name)
        slot.leases.drop(name)
        for key, fence in slot.claims.pop(name):
            opened = slot.open.get(key)
            if opened is not None and not opened.doubted and opened.job.fence == fence:
                doubt(slot, opened, ended_ms, now_ms)
                answer.doubted.append(key)
    answer.expired = expire(slot, now_ms)
    if answer.doubted or answer.repeated or answer.unknown or answer.expired:
        slot.sequence += 1
    slot.call_waiters(now_ms)
    answer.sequence = slot.sequence
    answer.rescue_at_ms = slot.rescue_at_ms()
    answer.due_at_ms = slot.next_due_ms(now_ms)
    return answer


def _decide(slot: Slot, key: JobKey, opened: Open, now_ms: int, answer: Rescued) -> None:
    """Repeat the job if its policy allows one more copy, or end it as unknown.

    Either way the first copy's proof stays: it may have been taken.
    """
    job, lane = opened.job, slot.lane_of(key)
    expired = 0 < slot.expires_ms(job) <= now_ms
    over = expired or slot.is_cancelled(key)
    may_repeat = job.repeats < slot.repeats_max(job) and not over
    from_ms = _repeat_from_ms(slot, lane, now_ms) if may_repeat else 0
    last_ms = opened.since_ms + HELD_MS
    if now_ms < min(from_ms, last_ms):
        slot.doubts.put(str(key), min(from_ms, last_ms))
        return
    del slot.open[key]
    slot.doubts.drop(str(key))
    slot.count(key, JobState.IN_DOUBT, -1)
    if may_repeat and from_ms <= now_ms:
        job.repeats += 1
        slot.put_back(job, now_ms)
        answer.repeated.append(key)
    else:
        slot.end(job, JobState.UNKNOWN, mark_ms=opened.hold_ms)
        answer.unknown.append(key)


def _repeat_from_ms(slot: Slot, lane: LaneState, now_ms: int) -> int:
    """Return from when on a lane's doubts may be repeated.

    That nothing was heard of a message says something only while webhooks flow, and for as long as
    they do: after a silence a doubt has all of its time once more. Login codes do not wait.
    """
    category = slot.category(lane.lane)
    if category is Category.AUTHENTICATION:
        return 0
    sender = slot.senders[lane.lane.sender]
    if sender.spec.is_silent:
        return now_ms + SILENT_LOOK_MS
    return sender.spoke_ms + slot.terms.doubt_ms[category] if sender.spoke_ms else 0
