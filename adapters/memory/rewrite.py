"""Giving a source's jobs another message, template, priority or end. Mirror of source_rewrite."""

from __future__ import annotations

from adapters.memory.records import LaneState, SourceStateOf
from adapters.memory.slot import Slot
from engine.model import Lane, SourceState
from engine.ports import SourceSpec
from engine.rewriting import Rewrite


def rewritten(slot: Slot, name: str, change: Rewrite, now_ms: int) -> int:
    """See Rewriting.rewrite_source."""
    source = slot.sources.setdefault(name, SourceStateOf(SourceSpec()))
    if source.spec.state is SourceState.CANCELLED:
        return 0
    if change.body:
        source.contents = [change.body] * (len(source.contents) + 1)
    if change.expires_ms is not None:
        source.expires_ms = change.expires_ms
    if change.lull_until_ms:
        _lull(slot, name, source, change.lull_until_ms)
    for number in source.lanes:
        lane = slot.lanes[number - 1]
        old = lane.lane
        template = change.templates.get(old.sender, old.template)
        _move(slot, lane, Lane(name, old.sender, template, change.priority), now_ms)
    slot.sequence += 1
    return len(source.contents)


def _lull(slot: Slot, name: str, source: SourceStateOf, until_ms: int) -> None:
    """Let a source give no jobs until a moment; then it opens by itself."""
    state = source.spec.state
    is_soon = state is SourceState.SCHEDULED and slot.openings.moment(name) < until_ms
    if state is SourceState.RUNNING or is_soon:
        source.spec = SourceSpec(SourceState.SCHEDULED, source.spec.weight, until_ms)
        slot.openings.put(name, until_ms)


def _move(slot: Slot, lane: LaneState, to: Lane, now_ms: int) -> None:
    """Put a lane where its new template and priority belong; it keeps its number and old names."""
    if lane.lane == to:
        return
    for sleeping in slot.asleep.values():
        sleeping.discard(lane.number)
    lane.asleep = False
    slot.leave_ring(lane)
    slot.leave_wait(lane)
    lane.lane, lane.passed, lane.wait_passed = to, 0, 0
    slot.lane_numbers.setdefault(to, lane.number)
    slot.wake(lane, now_ms)
