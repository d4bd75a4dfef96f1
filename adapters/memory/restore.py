"""A ledger that lost its tail is told again what was queued and claimed before it did."""

from __future__ import annotations

from dataclasses import replace

from adapters.memory.enqueue import append
from adapters.memory.records import Job, LaneState, Open, SourceStateOf
from adapters.memory.slot import Slot
from engine.model import JobState, Lane
from engine.ports import Batch, Claimed, Enqueued, SourceSpec


def restore_enqueued(slot: Slot, batch: Batch, answer: Enqueued, now_ms: int) -> None:
    """Queue the rows of `batch` whose sequences the lane has not reached."""
    lane = _lane(slot, batch.lane, answer.lane)
    if lane is None:
        return
    source = slot.source_of(lane)
    known = {not_new.index for not_new in answer.not_new}
    rows = [row for index, row in enumerate(batch.rows) if index not in known]
    for sequence, row in enumerate(rows, answer.first):
        if sequence > lane.last:
            append(slot, source, lane, row, now_ms, once_each=batch.once_each)
    lane.at_ms = now_ms
    slot.wake(lane, now_ms)
    slot.sequence += 1


def _lane(slot: Slot, lane: Lane, number: int) -> LaneState | None:
    """Return the lane under its old number; None when another has taken it."""
    slot.sources.setdefault(lane.source, SourceStateOf(SourceSpec()))
    if number not in slot.lanes:
        if lane in slot.lane_numbers:
            return None
        slot.add_lane(LaneState(number, lane))
    found = slot.lanes[number]
    return found if _is_same(found.lane, lane) else None


def _is_same(known: Lane, told: Lane) -> bool:
    """Return whether a lane is the one that was told; its priority may have moved meanwhile."""
    return known == replace(told, priority=known.priority)


def restore_claimed(slot: Slot, jobs: list[Claimed], now_ms: int) -> int:
    """Put jobs back under their leases; return how many are nowhere to be found."""
    lost = 0
    restored: list[Claimed] = []
    for claimed in jobs:
        opened = slot.open.get(claimed.key)
        if claimed.key in slot.done or (opened and opened.job.fence >= claimed.attempt):
            continue
        job = _take_out(slot, claimed)
        if job is None:
            lost += 1
            continue
        job.fence = claimed.attempt
        slot.repeating.discard(job.key)
        slot.open[job.key] = Open(job, claimed.lease_until_ms, claimed.counted)
        slot.count(job.key, JobState.IN_FLIGHT, 1)
        if claimed.counted:
            window = slot.window(slot.scope(claimed.lane.sender))
            window.replace(job.recipient, 0, claimed.lease_until_ms, now_ms)
        restored.append(claimed)
    if restored:
        name = f"restored:{restored[0].key}:{restored[0].attempt}"
        slot.claims[name] = [(claimed.key, claimed.attempt) for claimed in restored]
        slot.leases.put(name, restored[0].lease_until_ms)
        slot.sequence += 1
    return lost


def _take_out(slot: Slot, claimed: Claimed) -> Job | None:
    """Take a job out of where the lost claim found it."""
    number = claimed.key.lane
    known = slot.lanes.get(number)
    if known is None or not _is_same(known.lane, claimed.lane):
        return None  # since the tail was lost, another lane was given the number
    if claimed.key in slot.later:
        job, gate = slot.later.pop(claimed.key)
        slot.later_at.drop(str(claimed.key))
        slot.count_waiting(claimed.key, gate, -1)
        return job
    lane = slot.lane_of(claimed.key)
    for queue, leave in ((lane.queue, slot.leave_ring), (lane.parked, slot.leave_wait)):
        found = next((job for job in queue if job.key == claimed.key), None)
        if found is not None:
            queue.remove(found)
            if not queue:
                leave(lane)
            return found
    return None
