"""What a template's change does to its lanes; mirror of the scripts template_*.lua."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from adapters.memory.cancel import cancel_waiting
from adapters.memory.records import LaneState
from adapters.memory.slot import Slot
from engine.model import Category, Gate, Lane, Priority, SourceState
from engine.template_ports import HAS_ROWS, RUNS, Repoint
from engine.terms import TEMPLATE_OVER

FIXED = (SourceState.RUNNING, SourceState.CANCELLED)


def end_template(slot: Slot, template: str) -> dict[str, int]:
    """End what waits for a disabled or deleted template; return how much of each source."""
    spec, ended = slot.templates.get(template), dict[str, int]()
    if spec is None or spec.status not in TEMPLATE_OVER:
        return ended
    for lane in _lanes(slot, template):
        if slot.source_of(lane).spec.state is SourceState.DRAFT:
            continue
        lane.ended_until, lane.ended_code = lane.last, TEMPLATE_OVER[spec.status]
        if waiting := cancel_waiting(slot, lane):
            source = lane.lane.source
            ended[source] = ended.get(source, 0) + waiting
    slot.sequence += 1
    return ended


def users(slot: Slot, template: str, since_ms: int) -> list[str]:
    """Return the sources that send a template: of which jobs wait, or came in since then."""
    return sorted(
        {
            lane.lane.source
            for lane in _lanes(slot, template)
            if lane.at_ms >= since_ms or lane.queue or lane.parked
        }
    )


def move_lanes(slot: Slot, template: str, was: Category, now: Category, now_ms: int) -> None:
    """Move lanes that waited with the priority of a category; a chosen priority stays."""
    for state in _lanes(slot, template):
        lane = state.lane
        if lane.priority is not Priority[was.name]:
            continue
        _move(slot, state, replace(lane, priority=Priority[now.name]), now_ms)


def end_quiet(slot: Slot, template: str, now_ms: int) -> None:
    """Wake what slept in quiet hours: nobody waits for the morning with codes."""
    for state in _lanes(slot, template):
        key = (Gate.SCHEDULE, f"{state.lane.source}|{state.lane.zone}")
        sleeping = slot.asleep.get(key, set())
        if state.number in sleeping:
            sleeping.discard(state.number)
            state.asleep = False
            slot.wake(state, now_ms)


def repoint(slot: Slot, source: str, wish: Repoint, now_ms: int) -> int:
    """Give all rows of a source another message, templates, priority, end or number of copies."""
    known = slot.sources.get(source)
    if known is None or known.spec.state in FIXED:
        return RUNS
    if wish.is_first and known.enqueued:
        return HAS_ROWS
    known.version = wish.version or known.version
    if wish.repeats_max is not None:
        known.repeats_max = wish.repeats_max
    if wish.body:
        known.contents = [wish.body] * len(known.contents)
    if wish.expires_ms is not None:
        known.expires_ms = wish.expires_ms
    for number in known.lanes:
        state = slot.lanes[number]
        template = wish.templates.get(state.lane.sender, state.lane.template)
        lane = replace(state.lane, template=template, priority=wish.priority)
        if state.lane != lane:
            for sleeping in slot.asleep.values():
                sleeping.discard(number)
            state.asleep = False
            _move(slot, state, lane, now_ms)
        slot.note_expiry(state, wish.expires_ms or 0)
    slot.sequence += 1
    return known.enqueued


def _move(slot: Slot, state: LaneState, lane: Lane, now_ms: int) -> None:
    slot.leave_ring(state)
    slot.leave_wait(state)
    if slot.lane_numbers.get(state.lane) == state.number:
        del slot.lane_numbers[state.lane]
    state.lane = lane
    slot.lane_numbers.setdefault(lane, state.number)
    slot.wake(state, now_ms)


def _lanes(slot: Slot, template: str) -> Iterator[LaneState]:
    return (lane for lane in slot.lanes.values() if lane.lane.template == template)
