"""Whose turn it is: freed places, then fresh jobs; and a share for the lower priorities."""

from __future__ import annotations

from adapters.memory.gates import examine, has_place
from adapters.memory.grant import grant
from adapters.memory.records import LaneState
from adapters.memory.under_way import Claim, Loaded, ahead_ms
from engine.fairness import SHARE_EVERY, Ring
from engine.model import Gate, Priority
from engine.terms import WAITERS_MAX

LOWER_FIRST = (Priority.MARKETING, Priority.UTILITY, Priority.SERVICE)


def serve_share(under_way: Claim, loaded: Loaded) -> None:
    """Offer a lower priority one send in SHARE_EVERY while a higher one is busy."""
    state = loaded.state
    if state is None or loaded.closed is not None or state.turn < SHARE_EVERY:
        return
    state.turn = 0
    order = LOWER_FIRST[state.share :] + LOWER_FIRST[: state.share]
    state.share = (state.share + 1) % len(LOWER_FIRST)
    for lower in order:
        above = any(len(under_way.slot.ring(loaded.sender, p)) for p in range(lower))
        if above and len(under_way.slot.ring(loaded.sender, lower)):
            serve_fresh(under_way, loaded, lower, most=1)
            return


def serve_waiting(under_way: Claim, scope: str, priority: Priority) -> None:
    """Give freed places to the best waiting jobs whose senders may send now."""
    slot = under_way.slot
    ring = slot.waits.get((scope, priority))
    passed_over: set[int] = set()
    while ring and under_way.free(scope, priority):
        number = next((n for n in ring.lanes() if n not in passed_over), None)
        if number is None or len(passed_over) >= WAITERS_MAX:
            return
        lane = slot.lanes[number]
        if not under_way.may_take(priority):
            # The wish is full, the place stays free: nothing else would bring anybody back to it.
            under_way.load(lane.lane.sender).wants_ms = under_way.now_ms
            return
        under_way.steps -= 1
        gate = slot.closed_gate(lane.lane)
        if gate is not None:
            under_way.refuse(lane.lane.sender, gate[0])
            slot.sleep(lane, gate)
            continue
        loaded = under_way.load(lane.lane.sender)
        if loaded.closed is not None:
            slot.sleep(lane, (Gate.SENDER, lane.lane.sender))
            continue
        if not _has_slot(under_way, loaded, lane):
            passed_over.add(number)
            continue
        _take_parked(under_way, lane)


def _has_slot(under_way: Claim, loaded: Loaded, lane: LaneState) -> bool:
    """Return whether the sender can send now; note when it can where it can't."""
    priority, slowed = lane.lane.priority, under_way.is_slowed(loaded, lane.number)
    if under_way.has_slot(loaded, priority, slowed=slowed):
        return True
    assert loaded.state is not None
    ready_ms = loaded.state.slots.ready_at_ms(
        ahead_ms(priority, slowed=slowed), is_marketing=slowed
    )
    loaded.wants_ms = min(loaded.wants_ms, ready_ms)
    return False


def _take_parked(under_way: Claim, lane: LaneState) -> None:
    slot = under_way.slot
    job = lane.parked.popleft()
    if examine(under_way, lane, job):
        grant(under_way, lane, job)
        slot.wait_ring(lane).charge(lane.number, slot.source_of(lane).spec.weight)
    if not lane.parked:
        slot.leave_wait(lane)


def serve_fresh(under_way: Claim, loaded: Loaded, priority: Priority, most: int) -> None:
    """Serve a sender's lanes of one priority while it has send times and they have jobs."""
    slot = under_way.slot
    if loaded.state is None or loaded.closed is not None:
        return
    ring = slot.ring(loaded.sender, priority)
    given = 0
    while ring and given < most and under_way.may_take(priority):
        has_slot = under_way.has_slot(loaded, priority)
        number = _next_lane(under_way, loaded, ring, priority) if has_slot else None
        if number is None:
            under_way.refuse(loaded.sender, Gate.RATE)
            return
        under_way.steps -= 1
        lane = slot.lanes[number]
        gate = slot.closed_gate(lane.lane)
        if gate is not None:
            under_way.refuse(loaded.sender, gate[0])
            slot.sleep(lane, gate)
            continue
        given += _take_fresh(under_way, lane)


def _next_lane(under_way: Claim, loaded: Loaded, ring: Ring, priority: Priority) -> int | None:
    """Return whose turn it is; marketing whose share is used up is passed over."""
    if under_way.has_slot(loaded, priority, slowed=True):
        return ring.first()
    lanes = ring.lanes()
    return next((each for each in lanes if not under_way.is_slowed(loaded, each)), None)


def _take_fresh(under_way: Claim, lane: LaneState) -> int:
    """Take the next job of a lane; return 1 when it may be written."""
    slot = under_way.slot
    sender, priority = lane.lane.sender, lane.lane.priority
    job = lane.queue.popleft()
    granted = examine(under_way, lane, job)
    if granted and not has_place(under_way, lane, job):
        under_way.refuse(sender, Gate.QUOTA)
        lane.parked.append(job)
        slot.wait_ring(lane).enter(lane.number, lane.wait_passed)
        granted = False
    if granted:
        grant(under_way, lane, job)
        source = slot.source_of(lane)
        siblings = source.ring_lanes[(sender, priority)]
        slot.ring(sender, priority).charge(lane.number, source.spec.weight, siblings)
    if not lane.queue:
        slot.leave_ring(lane)
    return int(granted)
