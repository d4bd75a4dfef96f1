"""What the ledger says when asked, and a recount that must agree with it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

from adapters.memory.enqueue import waiting_jobs
from adapters.memory.records import LaneState, Open
from adapters.memory.slot import Slot
from engine.books import ASIDE_MAX, Counts, Depth, Holders, JobView, Quota
from engine.model import (
    DeliveryStatus,
    Gate,
    JobKey,
    JobState,
    Priority,
    SenderId,
    SourceState,
)
from engine.outcomes import MISFIT_MARK

K = TypeVar("K")


def quota(slot: Slot, scope: str, now_ms: int) -> Quota:
    """Return a window's account."""
    limit = slot.limit(scope)
    used = slot.used(scope, now_ms)
    reserved = sum(
        1
        for opened in slot.open.values()
        if opened.hold_ms and slot.scope(slot.lane_of(opened.job.key).lane.sender) == scope
    )
    if limit.places < 0:
        return Quota(limit.places, used, 0, reserved, -1, None)
    before = used - slot.window(scope).used(now_ms)
    frees_ms = slot.window(scope).frees_at_ms(limit.places - before, now_ms)
    return Quota(
        limit=limit.places,
        used=used,
        debt=max(0, used - limit.places),
        reserved=reserved,
        available=max(0, limit.places - used),
        next_free_at_ms=frees_ms,
    )


def counts(slot: Slot, name: str) -> Counts:
    """Return the books of one source."""
    source = slot.sources[name]
    states = {state: n for state, n in source.states.items() if n}
    waiting = {gate: n for gate, n in source.waiting.items() if n}
    for number in source.lanes:
        lane = slot.lanes[number]
        closed = slot.sender_closed_until(lane.lane.sender, slot.clock_ms)
        gate = slot.closed_gate(lane.lane) or closed
        if gate is not None:
            _add(waiting, gate[0], lane.fresh + lane.waiting)
        else:
            _add(waiting, Gate.QUOTA, lane.waiting)
            _add(states, JobState.QUEUED, lane.fresh)
    states[JobState.WAITING] = sum(waiting.values())
    delivery = {status: n for status, n in source.delivery.items() if n}
    return Counts(source.enqueued, {k: v for k, v in states.items() if v}, waiting, delivery)


def _add(totals: dict[K, int], name: K, by: int) -> None:
    if by:
        totals[name] = totals.get(name, 0) + by


def job(slot: Slot, key: JobKey, now_ms: int) -> JobView | None:
    """Return where one job stands."""
    if key.lane not in slot.lanes or not 0 < key.sequence <= slot.lane_of(key).last:
        return None
    lane = slot.lane_of(key)
    if (done := slot.done.get(key)) is not None:
        is_misfit = done.wamid.startswith(MISFIT_MARK)
        view = JobView(key, done.state, done.fence, done.delivery, code=done.code)
        view.wamid = "" if is_misfit else done.wamid
        view.misfit = done.wamid.removeprefix(MISFIT_MARK) if is_misfit else ""
        return view
    if (opened := slot.open.get(key)) is not None:
        return _open(slot, opened, lane)
    if key in slot.later:
        _, gate = slot.later[key]
        until_ms = slot.later_at.moment(str(key))
        view = JobView(key, JobState.WAITING, gate=gate, until_ms=until_ms)
        view.holders = _holders(lane)
        return view
    if slot.source_of(lane).spec.state is SourceState.CANCELLED:
        return JobView(key, JobState.CANCELLED)
    view = _queued(slot, lane, key, now_ms)
    view.holders = _holders(lane)
    return view


def _holders(lane: LaneState) -> Holders:
    return Holders(lane.lane.sender, lane.lane.source, lane.lane.template)


def _open(slot: Slot, opened: Open, lane: LaneState) -> JobView:
    key, attempt = opened.job.key, opened.job.fence
    if not opened.doubted:
        return JobView(key, JobState.IN_FLIGHT, attempt)
    until_ms, sender = slot.doubts.moment(str(key)), lane.lane.sender
    return JobView(key, JobState.IN_DOUBT, attempt, until_ms=until_ms, sender=sender)


def _queued(slot: Slot, lane: LaneState, key: JobKey, now_ms: int) -> JobView:
    if key.sequence <= lane.ended_until:
        return JobView(key, JobState.CANCELLED, code=lane.ended_code)
    gate = slot.closed_gate(lane.lane)
    if gate is not None:
        if gate[0] is Gate.SCHEDULE:
            opens_ms, zone = slot.opens_at_ms(lane.lane), lane.lane.zone
            return JobView(key, JobState.WAITING, gate=gate[0], until_ms=opens_ms, zone=zone)
        shut = slot.shut_gate(lane.lane) if gate[0] in (Gate.SENDER, Gate.ACCOUNT) else None
        return JobView(key, JobState.WAITING, gate=gate[0], until_ms=shut[2] if shut else None)
    closed = slot.sender_closed_until(lane.lane.sender, now_ms)
    if closed is not None:
        return JobView(key, JobState.WAITING, gate=closed[0], until_ms=closed[1])
    if any(job.key == key for job in lane.parked):
        frees_ms = slot.quota_frees_ms(slot.scope(lane.lane.sender), now_ms)
        return JobView(key, JobState.WAITING, gate=Gate.QUOTA, until_ms=frees_ms)
    return JobView(key, JobState.QUEUED)


def depths(slot: Slot, now_ms: int) -> list[Depth]:
    """Return what each sender has to do."""
    found: dict[SenderId, Depth] = {}
    for sender, known in slot.senders.items():
        _, until_ms = slot.sender_closed_until(sender, now_ms) or (None, 0)
        found[sender] = Depth(sender, known.slots.rate_mps, {}, {}, until_ms)

    def add(sender: SenderId, priority: Priority, word: JobState | Gate, by: int) -> None:
        depth = found.setdefault(sender, Depth(sender, 0, {}, {})) if by else None
        if depth is not None:
            _add(depth.jobs, (priority, word), by)

    for state in slot.lanes.values():
        lane = state.lane
        closed = slot.closed_gate(lane) or slot.sender_closed_until(lane.sender, now_ms)
        add(lane.sender, lane.priority, closed[0] if closed else JobState.QUEUED, state.fresh)
        add(lane.sender, lane.priority, closed[0] if closed else Gate.QUOTA, state.waiting)
        if closed is None or closed[0] not in (Gate.SOURCE, Gate.SCHEDULE):
            fronts = [state.queue[0].due_ms] if state.fresh else []
            fronts += [state.parked[0].due_ms] if state.waiting else []
            oldest = found[lane.sender].oldest_due_ms if fronts else {}
            for due_ms in fronts:
                oldest[lane.priority] = min(oldest.get(lane.priority, due_ms), due_ms)
    for key, opened in slot.open.items():
        lane = slot.lane_of(key).lane
        word = JobState.IN_DOUBT if opened.doubted else JobState.IN_FLIGHT
        add(lane.sender, lane.priority, word, 1)
    for sender, priority, gate, jobs in _aside(slot):
        add(sender, priority, gate, jobs)
    return sorted(found.values(), key=lambda depth: depth.sender)


def _aside(slot: Slot) -> Iterator[tuple[SenderId, Priority, Gate, int]]:
    """Yield jobs kept aside: each, or for each source when they are many."""
    if len(slot.later) <= ASIDE_MAX:
        for key, (_, gate) in slot.later.items():
            lane = slot.lane_of(key).lane
            yield lane.sender, lane.priority, gate, 1
        return
    for source in slot.sources.values():
        if source.lanes:
            first = slot.lanes[source.lanes[0]].lane
            sender = first.sender if len(source.lanes) == 1 else SenderId("")
            for gate, jobs in source.waiting.items():
                yield sender, first.priority, gate, jobs


def audit(slot: Slot) -> list[str]:
    """Recount everything; return what does not agree."""
    wrong: list[str] = []
    for name, source in slot.sources.items():
        books = counts(slot, name)
        total = sum(books.states.values())
        if total != books.enqueued:
            wrong.append(f"{name}: enqueued {books.enqueued}, states add up to {total}")
        lanes = set(source.lanes)
        for state in JobState:
            counted = source.states.get(state, 0)
            seen = _seen(slot, lanes, state)
            if state is JobState.CANCELLED or state in (JobState.QUEUED, JobState.WAITING):
                continue
            if counted != seen:
                wrong.append(f"{name}: {state} {counted}, recount {seen}")
        for status in DeliveryStatus:
            seen = sum(
                d.delivery is status and d.state is JobState.ACCEPTED and k.lane in lanes
                for k, d in slot.done.items()
            )
            if status is not DeliveryStatus.NONE and source.delivery.get(status, 0) != seen:
                wrong.append(f"{name}: {status} {source.delivery.get(status, 0)}, recount {seen}")
    if waiting_jobs(slot) < 0:
        wrong.append("more jobs ended than were enqueued")
    return wrong


def _seen(slot: Slot, lanes: set[int], state: JobState) -> int:
    if state in (JobState.IN_FLIGHT, JobState.IN_DOUBT):
        doubted = state is JobState.IN_DOUBT
        return sum(o.doubted is doubted and k.lane in lanes for k, o in slot.open.items())
    return sum(d.state is state and k.lane in lanes for k, d in slot.done.items())
