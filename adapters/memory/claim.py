"""The claim: jobs in fair order through all gates, each with a send time, a place and a lease."""

from __future__ import annotations

from dataclasses import dataclass, field

from adapters.memory.slot import Job, LaneState, Open, SenderState, Slot
from engine.fairness import SHARE_EVERY
from engine.model import Gate, JobState, Priority, SenderId, SourceState, parse_key
from engine.pace import (
    AHEAD_HIGH_MS,
    AHEAD_LOW_MS,
    pair_after_ms,
    pair_ready_at_ms,
)
from engine.ports import FOREVER_MS, Answer, Ask, Claimed, Refusals
from engine.quota import may_enter
from engine.terms import PROMOTE_MAX, RECOVER_MS, SENDERS_MAX, STEPS_MAX, WAITERS_MAX

LOWER_FIRST = (Priority.MARKETING, Priority.UTILITY, Priority.SERVICE)
WINDOW_CLOSED_CODE = 131047  # Meta's own code for free-form outside the service window


@dataclass(slots=True)
class Loaded:
    """A sender as one claim sees it."""

    sender: SenderId
    state: SenderState | None
    closed: tuple[Gate, int] | None
    wants_ms: int = FOREVER_MS  # when a waiter it could not serve may be tried again


@dataclass(slots=True)
class Claim:
    """One claim under way."""

    slot: Slot
    ask: Ask
    now_ms: int
    steps: int = STEPS_MAX
    low_left: int = 0
    jobs: list[Claimed] = field(default_factory=list)
    loaded: dict[SenderId, Loaded] = field(default_factory=dict)
    refusals: dict[tuple[SenderId, Gate], int] = field(default_factory=dict)
    used: dict[str, int] = field(default_factory=dict)

    # -- what it may still take ---------------------------------------------------------------

    def may_take(self, priority: Priority) -> bool:
        """Return whether the wish still has room for a job of `priority`."""
        if self.steps <= 0 or len(self.jobs) >= self.ask.most:
            return False
        return priority <= Priority.SERVICE or self.low_left > 0

    def has_slot(self, loaded: Loaded, priority: Priority) -> bool:
        """Return whether the sender's next send time is near enough for `priority`."""
        if Gate.RATE in self.slot.terms.gates_off:
            return True
        assert loaded.state is not None
        return loaded.state.slots.has_slot(self.now_ms, ahead_ms(priority))

    def load(self, sender: SenderId) -> Loaded:
        """Return a sender with its gate, looked at once per claim."""
        if sender not in self.loaded:
            closed = self.slot.sender_closed_until(sender, self.now_ms)
            state = self.slot.senders.get(sender)
            self.loaded[sender] = Loaded(sender, state, closed)
            if state is not None:
                state.slots.learn_up(self.now_ms)
        return self.loaded[sender]

    def free(self, scope: str, priority: Priority) -> bool:
        """Return whether a place is free for `priority`."""
        if Gate.QUOTA in self.slot.terms.gates_off:
            return True
        ceiling = self.slot.limit(scope).ceiling(priority)
        return ceiling < 0 or self.taken(scope) < ceiling

    def taken(self, scope: str) -> int:
        """Return how many places are taken, this claim's own included."""
        if scope not in self.used:
            self.used[scope] = self.slot.used(scope, self.now_ms)
        return self.used[scope]

    def refuse(self, sender: SenderId, gate: Gate) -> None:
        """Note that a gate held something back."""
        self.refusals[(sender, gate)] = self.refusals.get((sender, gate), 0) + 1


def ahead_ms(priority: int) -> int:
    """Return how far ahead a send time of `priority` may lie."""
    return AHEAD_LOW_MS if priority > Priority.SERVICE else AHEAD_HIGH_MS


def claim(slot: Slot, ask: Ask, now_ms: int) -> Answer:
    """Serve one wish."""
    refused = _refused(slot, ask, now_ms)
    if refused:
        return Answer(
            [],
            now_ms + 1_000,
            rescue_at_ms=slot.rescue_at_ms(),
            sequence=slot.sequence,
            refused=refused,
        )
    under_way = Claim(slot, ask, now_ms, low_left=min(ask.low, ask.most))
    if slot.workers.get(ask.worker) == ask.counter:
        _give_again(under_way)
        return _answer(under_way)
    _open_scheduled(slot, now_ms)
    _promote(slot, now_ms)
    due = [SenderId(name) for name in slot.due.due(now_ms, SENDERS_MAX)]
    senders = [under_way.load(sender) for sender in due]
    for loaded in senders:
        _serve_share(under_way, loaded)
    for priority in Priority:
        for scope in slot.waiting_scopes():
            _serve_waiting(under_way, scope, priority)
        for loaded in senders:
            _serve_fresh(under_way, loaded, priority, most=ask.most)
    for loaded in under_way.loaded.values():
        _set_due(under_way, loaded)
    slot.workers[ask.worker] = ask.counter
    if under_way.jobs:
        name = f"{ask.worker}:{ask.counter}"
        slot.claims[name] = [(job.key, job.attempt) for job in under_way.jobs]
        slot.leases.put(name, now_ms + slot.terms.lease_ms)
        slot.sequence += 1
    for scope in list(slot.windows):
        slot.windows[scope].prune(now_ms)
    return _answer(under_way)


def _refused(slot: Slot, ask: Ask, now_ms: int) -> str:
    if ask.known_sequence > slot.sequence:
        slot.sequence = ask.known_sequence
        slot.recovering_until_ms = now_ms + RECOVER_MS
    if now_ms < slot.recovering_until_ms:
        return "recovering"
    return "stale" if ask.counter < slot.workers.get(ask.worker, 0) else ""


def _answer(under_way: Claim) -> Answer:
    slot = under_way.slot
    come_back_ms = slot.next_due_ms(under_way.now_ms)
    return Answer(
        under_way.jobs,
        come_back_ms,
        more=come_back_ms <= under_way.now_ms,
        rescue_at_ms=slot.rescue_at_ms(),
        sequence=slot.sequence,
        refusals=[
            Refusals(sender, gate, count)
            for (sender, gate), count in sorted(under_way.refusals.items())
        ],
    )


def _give_again(under_way: Claim) -> None:
    """Return what is still leased of a wish whose answer was lost, with fresh send times."""
    slot, ask = under_way.slot, under_way.ask
    for key, fence in slot.claims.get(f"{ask.worker}:{ask.counter}", []):
        opened = slot.open.get(key)
        if opened is None or opened.doubted or opened.job.fence != fence:
            continue
        lane = slot.lane_of(key)
        loaded = under_way.load(lane.lane.sender)
        assert loaded.state is not None
        send_at_us = loaded.state.slots.take_us(under_way.now_ms)
        under_way.jobs.append(claimed(opened, lane, send_at_us))


def _open_scheduled(slot: Slot, now_ms: int) -> None:
    """Start the sources whose time has come."""
    for name in slot.openings.due(now_ms, SENDERS_MAX):
        slot.openings.drop(name)
        source = slot.sources[name]
        source.spec = type(source.spec)(SourceState.RUNNING, source.spec.weight, 0)
        slot.open_gate((Gate.SOURCE, name), now_ms)


def _promote(slot: Slot, now_ms: int) -> None:
    """Bring delayed jobs whose time has come back to the front of their lanes."""
    for name in slot.later_at.due(now_ms, PROMOTE_MAX):
        job, gate = slot.later.pop(parse_key(name))
        job.due_ms = slot.later_at.moment(name)
        slot.later_at.drop(name)
        slot.count_waiting(job.key, gate, -1)
        slot.put_back(job, now_ms)


def _serve_share(under_way: Claim, loaded: Loaded) -> None:
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
            _serve_fresh(under_way, loaded, lower, most=1)
            return


def _serve_waiting(under_way: Claim, scope: str, priority: Priority) -> None:
    """Give freed places to the best waiting jobs whose senders may send now."""
    slot = under_way.slot
    ring = slot.waits.get((scope, priority))
    passed_over: set[int] = set()
    while ring and under_way.free(scope, priority):
        number = next((n for n in ring.lanes() if n not in passed_over), None)
        if number is None or len(passed_over) >= WAITERS_MAX:
            return
        lane = slot.lanes[number - 1]
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
        if not _sender_ready(under_way, lane.lane.sender, priority):
            passed_over.add(number)
            continue
        _take_parked(under_way, lane)


def _sender_ready(under_way: Claim, sender: SenderId, priority: Priority) -> bool:
    loaded = under_way.load(sender)
    if loaded.closed is not None:
        return False
    if under_way.has_slot(loaded, priority):
        return True
    assert loaded.state is not None
    ready_ms = loaded.state.slots.ready_at_ms(ahead_ms(priority))
    loaded.wants_ms = min(loaded.wants_ms, ready_ms)
    return False


def _take_parked(under_way: Claim, lane: LaneState) -> None:
    slot = under_way.slot
    job = lane.parked.popleft()
    if _examine(under_way, lane, job):
        _grant(under_way, lane, job)
        slot.wait_ring(lane).charge(lane.number, slot.source_of(lane).spec.weight)
    if not lane.parked:
        slot.leave_wait(lane)


def _serve_fresh(under_way: Claim, loaded: Loaded, priority: Priority, most: int) -> None:
    """Serve a sender's lanes of one priority while it has send times and they have jobs."""
    slot = under_way.slot
    if loaded.state is None or loaded.closed is not None:
        return
    ring = slot.ring(loaded.sender, priority)
    given = 0
    while ring and given < most and under_way.may_take(priority):
        if not under_way.has_slot(loaded, priority):
            under_way.refuse(loaded.sender, Gate.RATE)
            return
        under_way.steps -= 1
        number = ring.first()
        assert number is not None
        lane = slot.lanes[number - 1]
        gate = slot.closed_gate(lane.lane)
        if gate is not None:
            under_way.refuse(loaded.sender, gate[0])
            slot.sleep(lane, gate)
            continue
        given += _take_fresh(under_way, lane)


def _take_fresh(under_way: Claim, lane: LaneState) -> int:
    """Take the next job of a lane; return 1 when it may be written."""
    slot = under_way.slot
    sender, priority = lane.lane.sender, lane.lane.priority
    job = lane.queue.popleft()
    granted = _examine(under_way, lane, job)
    if granted and not _has_place(under_way, lane, job):
        under_way.refuse(sender, Gate.QUOTA)
        lane.parked.append(job)
        slot.wait_ring(lane).enter(lane.number, lane.wait_passed)
        granted = False
    if granted:
        _grant(under_way, lane, job)
        source = slot.source_of(lane)
        siblings = source.ring_lanes[(sender, priority)]
        slot.ring(sender, priority).charge(lane.number, source.spec.weight, siblings)
    if not lane.queue:
        slot.leave_ring(lane)
    return int(granted)


def _examine(under_way: Claim, lane: LaneState, job: Job) -> bool:
    """Return whether the job's own gates let it go; where not, it has been put where it belongs."""
    slot, now_ms = under_way.slot, under_way.now_ms
    off = slot.terms.gates_off
    if job.repeats and job.key not in slot.repeating:
        lane.ghosts -= 1
        return False
    if job.expires_at_ms and job.expires_at_ms <= now_ms and Gate.SCHEDULE not in off:
        return _end(under_way, job, JobState.EXPIRED)
    if Gate.SUPPRESSION not in off and _is_suppressed(slot, lane, job):
        under_way.refuse(lane.lane.sender, Gate.SUPPRESSION)
        return _end(under_way, job, JobState.SUPPRESSED)
    if not lane.lane.template and Gate.WINDOW not in off and not _in_window(under_way, lane, job):
        under_way.refuse(lane.lane.sender, Gate.WINDOW)
        return _end(under_way, job, JobState.FAILED, WINDOW_CLOSED_CODE)
    ready_ms = _pair_ready_ms(under_way, lane, job)
    if ready_ms > now_ms and Gate.PAIR not in off:
        under_way.refuse(lane.lane.sender, Gate.PAIR)
        slot.delay(job, ready_ms, Gate.PAIR)
        return False
    return True


def _end(under_way: Claim, job: Job, state: JobState, code: int = 0) -> bool:
    under_way.slot.repeating.discard(job.key)
    under_way.slot.end(job, state, code=code)
    return False


def _is_suppressed(slot: Slot, lane: LaneState, job: Job) -> bool:
    category = slot.category(lane.lane)
    return bool({(job.recipient, ""), (job.recipient, category.value)} & slot.suppressed)


def _in_window(under_way: Claim, lane: LaneState, job: Job) -> bool:
    """Return whether the person's service window stays open for the guard longer."""
    slot = under_way.slot
    until_ms = slot.service_windows.get((lane.lane.sender, job.recipient), 0)
    return until_ms > under_way.now_ms + slot.terms.guard_ms


def _pair_horizon_ms(under_way: Claim, lane: LaneState, job: Job) -> int:
    """Return until when the pair's budget is spent, as far as the last sends tell."""
    slot, now_ms = under_way.slot, under_way.now_ms
    known_ms = slot.pairs.get((lane.lane.sender, job.recipient), 0)
    if known_ms > now_ms:
        return known_ms
    window = slot.window(slot.scope(lane.lane.sender))
    if not window.counts(job.recipient, now_ms):
        return 0
    return pair_after_ms(0, min(window.scores[job.recipient], now_ms))


def _pair_ready_ms(under_way: Claim, lane: LaneState, job: Job) -> int:
    horizon_ms = _pair_horizon_ms(under_way, lane, job)
    return pair_ready_at_ms(horizon_ms, under_way.now_ms)


def _has_place(under_way: Claim, lane: LaneState, job: Job) -> bool:
    """Return whether the limit allows one more send to this person."""
    slot, now_ms = under_way.slot, under_way.now_ms
    if Gate.QUOTA in slot.terms.gates_off or _in_window(under_way, lane, job):
        return True
    scope = slot.scope(lane.lane.sender)
    limit = slot.limit(scope)
    return may_enter(
        counted=slot.window(scope).counts(job.recipient, now_ms),
        used=under_way.taken(scope),
        ceiling=limit.ceiling(lane.lane.priority),
        places=limit.places,
        priority=lane.lane.priority,
    )


def _grant(under_way: Claim, lane: LaneState, job: Job) -> None:
    """Reserve place and send time, and put the job under a lease."""
    slot, now_ms = under_way.slot, under_way.now_ms
    loaded = under_way.load(lane.lane.sender)
    assert loaded.state is not None
    horizon_ms = _pair_horizon_ms(under_way, lane, job)
    counted = not _in_window(under_way, lane, job)
    lease_ms = now_ms + slot.terms.lease_ms
    if counted:
        _take_place(under_way, lane, job, lease_ms)
    if horizon_ms > now_ms or not counted:
        pair = (lane.lane.sender, job.recipient)
        slot.pairs[pair] = pair_after_ms(horizon_ms, now_ms)
    job.fence += 1
    slot.repeating.discard(job.key)
    opened = Open(job, lease_ms, counted)
    slot.open[job.key] = opened
    slot.count(job.key, JobState.IN_FLIGHT, 1)
    rate_off = Gate.RATE in slot.terms.gates_off
    send_at_us = now_ms * 1_000 if rate_off else loaded.state.slots.take_us(now_ms)
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
    )


def _set_due(under_way: Claim, loaded: Loaded) -> None:
    """Say when it is worth looking at a sender again."""
    slot, now_ms, sender = under_way.slot, under_way.now_ms, loaded.sender
    if loaded.state is None:
        slot.due.drop(sender)
        return
    busy = next((p for p in Priority if len(slot.ring(sender, p))), None)
    if loaded.closed is not None:
        gate, until_ms = loaded.closed
        under_way.refuse(sender, gate)
        slot.due.drop(sender)
        if until_ms < FOREVER_MS:
            slot.due.put(sender, until_ms)
        return
    moments = [loaded.wants_ms]
    if busy is not None:
        rate_off = Gate.RATE in slot.terms.gates_off
        moments.append(0 if rate_off else loaded.state.slots.ready_at_ms(ahead_ms(busy)))
    if min(moments) >= FOREVER_MS:
        slot.due.drop(sender)
    else:
        slot.due.put(sender, max(now_ms, min(moments)))
