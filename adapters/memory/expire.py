"""Jobs that wait in a lane end when their time is over, whatever gate holds them."""

from __future__ import annotations

from collections import deque

from adapters.memory.records import Job, LaneState, Walk
from adapters.memory.slot import Slot
from engine.model import Gate, JobKey, JobState
from engine.ports import FOREVER_MS
from engine.terms import EXPIRE_EVERY_MS, EXPIRE_LANES_MAX


def expire(slot: Slot, now_ms: int) -> list[JobKey]:
    """End what is over in the lanes that are due for it, the longest due first.

    The first rows of both lists of a lane are looked at every time: there stand those that expire
    first, where all are given the same time. What expires behind others is found by a walk from
    the end of each list, a bite a second, which nothing that leaves or comes back at the front
    disturbs.
    """
    expired: list[JobKey] = []
    if Gate.SCHEDULE in slot.terms.gates_off:
        return expired
    for name in slot.expiring.due(now_ms, EXPIRE_LANES_MAX):
        slot.expiring.drop(name)
        lane = slot.lanes[int(name.rstrip("+"))]
        _look(slot, lane, name, now_ms, expired)
        if not lane.queue:
            slot.leave_ring(lane)
        if not lane.parked:
            slot.leave_wait(lane)
    return expired


def _look(slot: Slot, lane: LaneState, name: str, now_ms: int, expired: list[JobKey]) -> None:
    bite, first_ms, is_whole, is_full = slot.terms.expire_bite, FOREVER_MS, True, False
    for is_parked in (False, True):
        waiting = lane.parked if is_parked else lane.queue
        rows = list(waiting)[:bite]
        gone, next_ms = _sift(slot, lane, waiting, rows, now_ms, expired)
        first_ms = min(first_ms, next_ms)
        is_whole = is_whole and len(rows) < bite
        is_full = is_full or gone == bite
    if is_whole:
        _end_walk(slot, lane, first_ms)
    elif is_full:  # a whole bite was over: the next one is looked at at once
        slot.expiring.put(name, now_ms)
    elif lane.walk is None or name.endswith("+"):
        lane.walk = lane.walk or Walk()
        _step(slot, lane, lane.walk, now_ms, expired)
    else:  # rows came that the walk under way may not meet: it begins again when it is through
        lane.walk.first_ms = 0


def _step(slot: Slot, lane: LaneState, walk: Walk, now_ms: int, expired: list[JobKey]) -> None:
    """Look at the next bite of a walk."""
    bite = slot.terms.expire_bite
    waiting = lane.parked if walk.is_parked else lane.queue
    end = max(0, len(waiting) - walk.done)
    rows = list(waiting)[max(0, end - bite) : end]
    gone, first_ms = _sift(slot, lane, waiting, rows, now_ms, expired)
    walk.first_ms = min(walk.first_ms, first_ms)
    if len(rows) == bite:
        walk.done += bite - gone
    elif not walk.is_parked:
        walk.is_parked, walk.done = True, 0
    else:
        is_over = walk.first_ms == FOREVER_MS
        _end_walk(slot, lane, FOREVER_MS if is_over else _later(walk.first_ms, now_ms))
        return
    slot.expiring.put(f"{lane.number}+", now_ms + EXPIRE_EVERY_MS)


def _later(at_ms: int, now_ms: int) -> int:
    return max(at_ms, now_ms + EXPIRE_EVERY_MS)


def _end_walk(slot: Slot, lane: LaneState, first_ms: int) -> None:
    """Look at the lane again when the first row that was met expires."""
    lane.walk = None
    slot.expiring.drop(f"{lane.number}+")
    if first_ms < FOREVER_MS:
        slot.expiring.sooner(str(lane.number), first_ms)


def _sift(
    slot: Slot,
    lane: LaneState,
    waiting: deque[Job],
    rows: list[Job],
    now_ms: int,
    expired: list[JobKey],
) -> tuple[int, int]:
    """End the rows of a bite that are over; return how many, and when the next of them expires."""
    over = [job for job in rows if job.expires_at_ms and job.expires_at_ms <= now_ms]
    for job in over:
        waiting.remove(job)
        if job.repeats and job.key not in slot.repeating:
            lane.ghosts -= 1
            continue
        slot.repeating.discard(job.key)
        slot.end(job, JobState.EXPIRED)
        expired.append(job.key)
    moments = [job.expires_at_ms for job in rows if job.expires_at_ms > now_ms]
    return len(over), min(moments, default=FOREVER_MS)
