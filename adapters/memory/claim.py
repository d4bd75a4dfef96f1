"""The claim: jobs in fair order through all gates, each with a send time, a place and a lease."""

from __future__ import annotations

from adapters.memory.grant import claimed
from adapters.memory.serve import serve_fresh, serve_share, serve_waiting
from adapters.memory.settle import close, closed_now, settle
from adapters.memory.shut import SHUT, end_shut
from adapters.memory.slot import QUIET, Slot
from adapters.memory.under_way import Claim, Loaded, ahead_ms
from engine.model import Gate, Priority, SenderId, SourceState, parse_key
from engine.ports import FOREVER_MS, Answer, Ask, Refusals
from engine.terms import PROMOTE_MAX, RECOVER_MS, SENDERS_MAX, SENDERS_MIN


def claim(slot: Slot, ask: Ask, now_ms: int) -> Answer:
    """Record what the wish tells of earlier jobs, then serve it."""
    _hear(slot, ask, now_ms)
    if not ask.settlements:
        return _serve_wish(slot, ask, now_ms)
    settled = settle(slot, list(ask.settlements), now_ms)
    answer = _serve_wish(slot, ask, now_ms)
    answer.ignored, answer.closed = settled.ignored, settled.closed
    return answer


def _serve_wish(slot: Slot, ask: Ask, now_ms: int) -> Answer:
    refused = _refused(slot, ask, now_ms)
    if refused:
        return Answer(
            [],
            now_ms + 1_000,
            rescue_at_ms=slot.ripe_at_ms(),
            sequence=slot.sequence,
            refused=refused,
        )
    under_way = Claim(slot, ask, now_ms, low_left=min(ask.low, ask.most))
    if slot.workers.get(ask.worker) == ask.counter:
        _give_again(under_way)
        return _answer(under_way)
    _open_scheduled(slot, now_ms)
    _promote(slot, now_ms)
    due = [
        SenderId(name)
        for name in slot.due.due(now_ms, min(SENDERS_MAX, max(SENDERS_MIN, ask.most)))
    ]
    _serve(under_way, due)
    slot.workers[ask.worker] = ask.counter
    if under_way.jobs:
        name = f"{ask.worker}:{ask.counter}"
        slot.claims[name] = [(job.key, job.attempt) for job in under_way.jobs]
        slot.leases.put(name, now_ms + slot.terms.lease_ms)
        slot.sequence += 1
    for scope in list(slot.windows):
        slot.windows[scope].prune(now_ms)
    return _answer(under_way)


def _serve(under_way: Claim, due: list[SenderId]) -> None:
    """Serve those who wait for places and those whose senders are due, priority by priority.

    Where only one priority has jobs there is nothing to weigh: senders are looked at one by one,
    and those the wish does not reach keep their turn.
    """
    slot = under_way.slot
    only = under_way.only = _busy_only(under_way)
    looked_at = [] if only is not None else [under_way.load(sender) for sender in due]
    for loaded in looked_at:
        if loaded.closed is None:
            slot.open_gate((Gate.SENDER, loaded.sender), under_way.now_ms)
    for loaded in looked_at:
        serve_share(under_way, loaded)
    for priority in Priority:
        for scope in slot.waiting_scopes():
            serve_waiting(under_way, scope, priority)
        for loaded in looked_at:
            serve_fresh(under_way, loaded, priority, most=under_way.ask.most)
        if priority is only:
            _serve_in_turn(under_way, due, priority)
    for loaded in under_way.loaded.values():
        _set_due(under_way, loaded)


def _serve_in_turn(under_way: Claim, due: list[SenderId], priority: Priority) -> None:
    for sender in due:
        if not under_way.may_take(priority):
            return
        serve_fresh(under_way, under_way.load(sender), priority, most=under_way.ask.most)


def _busy_only(under_way: Claim) -> Priority | None:
    """Return the one priority that has jobs to give; None where senders must be weighed first.

    So it is where there are several, or none may be taken, or lanes sleep that only a look at
    their sender wakes.
    """
    slot = under_way.slot
    if any(gate is Gate.SENDER and "|" not in key for gate, key in slot.asleep):
        return None
    busy = sorted({priority for (_, priority), ring in slot.rings.items() if len(ring)})
    if len(busy) != 1 or not under_way.may_take(Priority(busy[0])):
        return None
    return Priority(busy[0])


def _hear(slot: Slot, ask: Ask, now_ms: int) -> None:
    """Notice that a worker knows more than this ledger: its tail was lost."""
    if ask.known_sequence > slot.sequence:
        slot.sequence = ask.known_sequence
        slot.recovering_until_ms = now_ms + RECOVER_MS


def _refused(slot: Slot, ask: Ask, now_ms: int) -> str:
    if now_ms < slot.recovering_until_ms:
        return "recovering"
    return "stale" if ask.counter < slot.workers.get(ask.worker, 0) else ""


def _answer(under_way: Claim) -> Answer:
    slot = under_way.slot
    come_back_ms = slot.next_due_ms(under_way.now_ms)
    lease_until_ms = min((job.lease_until_ms for job in under_way.jobs), default=FOREVER_MS)
    return Answer(
        under_way.jobs,
        come_back_ms,
        more=come_back_ms <= under_way.now_ms,
        rescue_at_ms=min(slot.ripe_at_ms(), lease_until_ms),
        sequence=slot.sequence,
        refusals=[
            Refusals(sender, gate, count)
            for (sender, gate), count in sorted(under_way.refusals.items())
        ],
    )


def _give_again(under_way: Claim) -> None:
    """Return what is still leased of a wish whose answer was lost, with fresh send times.

    A job for which a gate has closed meanwhile goes back instead.
    """
    slot, ask, now_ms = under_way.slot, under_way.ask, under_way.now_ms
    went_back = False
    for key, fence in slot.claims.get(f"{ask.worker}:{ask.counter}", []):
        opened = slot.open.get(key)
        if opened is None or opened.doubted or opened.job.fence != fence:
            continue
        lane = slot.lane_of(key)
        loaded = under_way.load(lane.lane.sender)
        gate = closed_now(slot, lane, opened.job, now_ms)
        if gate is not None:
            under_way.refuse(lane.lane.sender, gate)
            slot.put_back(close(slot, opened, now_ms), now_ms)
            went_back = True
            continue
        assert loaded.state is not None
        slowed = under_way.is_slowed(loaded, lane.number)
        send_at_us = loaded.state.slots.take_again_us(now_ms, is_marketing=slowed)
        under_way.jobs.append(claimed(opened, lane, send_at_us))
    if went_back:
        slot.sequence += 1
        slot.call_waiters(now_ms)


def _open_scheduled(slot: Slot, now_ms: int) -> None:
    """Start the sources whose time has come, and open what was shut until now."""
    for name in slot.openings.due(now_ms, SENDERS_MAX):
        slot.openings.drop(name)
        if name.startswith(QUIET):
            slot.open_gate((Gate.SCHEDULE, name.removeprefix(QUIET)), now_ms)
            continue
        if name.startswith(SHUT):
            end_shut(slot, name, now_ms)
            continue
        source = slot.sources[name]
        source.spec = type(source.spec)(SourceState.RUNNING, source.spec.weight, 0)
        slot.open_gate((Gate.SOURCE, name), now_ms)


def _promote(slot: Slot, now_ms: int) -> None:
    """Bring delayed jobs whose time has come back to the front of their lanes."""
    for name in reversed(slot.later_at.due(now_ms, PROMOTE_MAX)):  # the first ends up in front
        job, gate = slot.later.pop(parse_key(name))
        job.due_ms = slot.later_at.moment(name)
        slot.later_at.drop(name)
        slot.count_waiting(job.key, gate, -1)
        slot.put_back(job, now_ms)


def _set_due(under_way: Claim, loaded: Loaded) -> None:
    """Say when it is worth looking at a sender again."""
    slot, now_ms, sender = under_way.slot, under_way.now_ms, loaded.sender
    if loaded.state is None:
        slot.due.drop(sender)
        return
    if loaded.closed is not None:
        gate, until_ms = loaded.closed
        under_way.refuse(sender, gate)
        slot.due.drop(sender)
        if until_ms < FOREVER_MS:
            slot.due.put(sender, until_ms)
        return
    moments = [loaded.wants_ms]
    for priority in Priority:
        if lanes := list(slot.ring(sender, priority).lanes()):
            rate_off = Gate.RATE in slot.terms.gates_off
            slowed = all(under_way.is_slowed(loaded, number) for number in lanes)
            ahead = ahead_ms(priority, slowed=slowed)
            ready_ms = loaded.state.slots.ready_at_ms(ahead, is_marketing=slowed)
            moments.append(0 if rate_off else ready_ms)
    at_ms = max(now_ms, min(moments))
    if at_ms >= FOREVER_MS:
        slot.due.drop(sender)
    elif at_ms > now_ms or not slot.due.is_due(sender, now_ms):  # who stays due keeps its turn
        slot.due.put(sender, at_ms)
