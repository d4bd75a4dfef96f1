"""A job that may go gets its place, its send time and its lease."""

from __future__ import annotations

from adapters.memory.gates import in_window, pair_spent
from adapters.memory.records import Job, LaneState, Open
from adapters.memory.under_way import Claim
from engine.model import Gate, JobState, Priority
from engine.pace import pair_after
from engine.ports import Claimed


def grant(under_way: Claim, lane: LaneState, job: Job) -> None:
    """Reserve place and send time, and put the job under a lease."""
    slot, now_ms = under_way.slot, under_way.now_ms
    loaded = under_way.load(lane.lane.sender)
    assert loaded.state is not None
    spent = pair_spent(under_way, lane, job)
    counted = not in_window(under_way, lane, job)
    lease_ms = now_ms + slot.terms.lease_ms
    if counted:
        _take_place(under_way, lane, job, lease_ms)
    if spent.is_owed(now_ms) or not counted:
        pair = (lane.lane.sender, job.recipient)
        slot.pairs[pair] = pair_after(spent, now_ms)
    job.fence += 1
    slot.repeating.discard(job.key)
    opened = Open(job, lease_ms, counted)
    slot.open[job.key] = opened
    slot.count(job.key, JobState.IN_FLIGHT, 1)
    rate_off = Gate.RATE in slot.terms.gates_off
    send_at_us = now_ms * 1_000 if rate_off else loaded.state.slots.take_us(now_ms)
    if under_way.is_slowed(loaded, lane.number) and not rate_off:
        loaded.state.slots.take_share(now_ms)
    if under_way.only is None:
        loaded.state.turn += 1
    under_way.low_left -= lane.lane.priority > Priority.SERVICE
    under_way.jobs.append(claimed(opened, lane, send_at_us))


def _take_place(under_way: Claim, lane: LaneState, job: Job, lease_ms: int) -> None:
    slot, now_ms = under_way.slot, under_way.now_ms
    scope = slot.scope(lane.lane.sender)
    window = slot.window(scope)
    taken = under_way.taken(scope)
    if not window.counts(job.recipient, now_ms):
        under_way.used[scope] = taken + 1
    window.replace(job.recipient, 0, lease_ms, now_ms)


def claimed(opened: Open, lane: LaneState, send_at_us: int) -> Claimed:
    """Return a claimed job as its worker gets it."""
    job = opened.job
    return Claimed(
        key=job.key,
        attempt=job.fence,
        send_at_us=send_at_us,
        lease_until_ms=opened.since_ms,
        due_ms=job.due_ms,
        recipient=job.recipient,
        content=job.content,
        tail=job.tail,
        lane=lane.lane,
        counted=opened.counted,
        failures=job.failures,
    )
