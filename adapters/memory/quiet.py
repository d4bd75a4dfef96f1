"""Quiet hours: when each zone of a source is open, and what waits there."""

from __future__ import annotations

from collections import Counter, defaultdict

from adapters.memory.records import SourceStateOf
from adapters.memory.slot import QUIET, Slot
from engine.model import Gate
from engine.ports import FOREVER_MS, SourceSpec
from engine.quiet import Spans, ZoneStanding, shut_until_ms


def put_quiet(slot: Slot, name: str, open_: dict[str, Spans], now_ms: int) -> None:
    """Set when zones are open; wake what may go now."""
    source = slot.sources.setdefault(name, SourceStateOf(SourceSpec()))
    source.is_quiet = True
    source.quiet |= open_
    for zone, spans in open_.items():
        key = f"{name}|{zone}"
        slot.openings.drop(QUIET + key)
        opens_ms = shut_until_ms(spans, now_ms, FOREVER_MS)
        if opens_ms is None:
            slot.open_gate((Gate.SCHEDULE, key), now_ms)
        elif opens_ms < FOREVER_MS and slot.asleep.get((Gate.SCHEDULE, key)):
            slot.openings.put(QUIET + key, opens_ms)
    slot.sequence += 1


def end_quiet(slot: Slot, name: str, now_ms: int) -> None:
    """Wake all that quiet hours held; the names of the zones stay known."""
    source = slot.sources.setdefault(name, SourceStateOf(SourceSpec()))
    source.is_quiet = False
    for zone in _known(slot, source):
        source.quiet[zone] = ()
        slot.openings.drop(f"{QUIET}{name}|{zone}")
        slot.open_gate((Gate.SCHEDULE, f"{name}|{zone}"), now_ms)
    slot.sequence += 1


def zones(slot: Slot, name: str, now_ms: int) -> list[ZoneStanding]:
    """Return each zone of a source, what waits in its lanes and when it opens."""
    source = slot.sources.get(name)
    if source is None:
        return []
    held, senders = Counter[str](), defaultdict[str, Counter[str]](Counter)
    for number in source.lanes:
        lane = slot.lanes[number]
        if lane.fresh + lane.waiting:
            senders[lane.lane.zone][lane.lane.sender] += lane.fresh + lane.waiting
        gate = slot.closed_gate(lane.lane)
        if gate is not None and gate[0] is Gate.SCHEDULE:
            held[lane.lane.zone] += lane.fresh + lane.waiting
    return [
        ZoneStanding(
            zone,
            senders[zone].total(),
            held[zone],
            shut_until_ms(source.quiet.get(zone, ()), now_ms, FOREVER_MS)
            if source.is_quiet
            else None,
            senders[zone],
        )
        for zone in _known(slot, source)
    ]


def _known(slot: Slot, source: SourceStateOf) -> list[str]:
    return sorted({*source.quiet, *(slot.lanes[n].lane.zone for n in source.lanes)})
