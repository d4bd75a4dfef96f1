"""Lanes and sources that are over are forgotten: lanes_prune.lua, source_forget.lua."""

from __future__ import annotations

from adapters.memory.ledger import MemoryLedger
from adapters.memory.records import LaneState
from adapters.memory.slot import QUIET, Slot
from engine.model import JobState, PortfolioId

BITE = 20
UNDER_WAY = (JobState.IN_FLIGHT, JobState.IN_DOUBT)


class MemoryPruner:
    """See engine.pruning.Pruner."""

    def __init__(self, ledger: MemoryLedger, keep_ms: int) -> None:
        self._ledger = ledger
        self._keep_ms = keep_ms

    async def prune_lanes(self, portfolio: PortfolioId, after: int) -> int:
        """See Pruner.prune_lanes."""
        slot, now_ms = self._ledger.slot(portfolio)
        numbers = sorted(number for number in slot.lanes if number > after)[:BITE]
        for number in numbers:
            lane = slot.lanes[number]
            if not _is_idle(slot, lane):
                slot.idle_since.pop(number, None)
            elif now_ms - slot.idle_since.setdefault(number, now_ms) >= self._keep_ms:
                _forget(slot, lane, now_ms)
        return numbers[-1] if len(numbers) == BITE else 0

    async def idle_sources(self, portfolio: PortfolioId, until_ms: int, most: int) -> list[str]:
        """See Pruner.idle_sources."""
        slot, _ = self._ledger.slot(portfolio)
        idle = [(at, name) for name, at in slot.idle_sources.items() if at <= until_ms]
        return [name for _, name in sorted(idle)][:most]

    async def forget_source(self, portfolio: PortfolioId, source: str, until_ms: int) -> bool:
        """See Pruner.forget_source."""
        slot, _ = self._ledger.slot(portfolio)
        known = slot.sources.get(source)
        if (known and known.lanes) or slot.idle_sources.get(source, 0) > until_ms:
            return False
        if slot.sources.pop(source, None) is None:
            slot.idle_sources.pop(source, None)
        slot.openings.drop(source)
        for zone in known.quiet if known else ():
            slot.openings.drop(f"{QUIET}{source}|{zone}")
        slot.sequence += 1
        return True

    async def keep_source(self, portfolio: PortfolioId, source: str) -> None:
        """See Pruner.keep_source."""
        slot, now_ms = self._ledger.slot(portfolio)
        if source in slot.idle_sources:
            slot.idle_sources[source] = now_ms


def _is_idle(slot: Slot, lane: LaneState) -> bool:
    """Return whether no job waits or is under way, and the ends of its jobs are gone."""
    source = slot.source_of(lane)
    busy = any(source.states.get(state) for state in UNDER_WAY) or any(source.waiting.values())
    ends = any(key.lane == lane.number for key in slot.done)
    return not (lane.queue or lane.parked or busy or ends)


def _forget(slot: Slot, lane: LaneState, now_ms: int) -> None:
    slot.leave_ring(lane)
    slot.leave_wait(lane)
    its, number = lane.lane, lane.number
    for sleeping in slot.asleep.values():
        sleeping.discard(number)
    for name in (str(number), f"{number}+"):
        slot.expiring.drop(name)
    source = slot.source_of(lane)
    source.lanes.remove(number)
    if not source.lanes:
        slot.idle_sources[its.source] = now_ms
    if slot.lane_numbers.get(its) == number:  # another lane may have moved to its name
        del slot.lane_numbers[its]
    del slot.lanes[number], slot.idle_since[number]
