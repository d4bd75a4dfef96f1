"""Everything one portfolio's ledger remembers, and the small moves all its steps are made of."""

from __future__ import annotations

from collections.abc import Sequence

from adapters.memory.records import Done, Job, LaneState, Open, SenderState, SourceStateOf
from adapters.memory.timeline import Timeline
from engine.borders import Border
from engine.contents import WHOLE
from engine.dead import DEAD_MAX
from engine.fairness import Ring
from engine.model import (
    Category,
    DeliveryStatus,
    Gate,
    JobKey,
    JobState,
    Lane,
    Priority,
    RecipientKey,
    SenderId,
    SourceState,
    TemplateStatus,
)
from engine.pace import PairRefused, PairSpent
from engine.ports import FOREVER_MS, PortfolioSpec, TemplateSpec
from engine.quiet import NEVER_QUIET, shut_until_ms
from engine.quota import Limit, Window
from engine.shutting import NOTHING_SHUT, Shut
from engine.terms import Terms

QUIET = "quiet:"  # before the names of zones among openings


class Slot:
    """One portfolio's ledger."""

    def __init__(self, terms: Terms) -> None:
        self.terms = terms
        self.clock_ms = 0
        self.touched_ms = 0  # the clock at the last call that may have changed something
        self.sequence = 0
        self.recovering_until_ms = 0
        self.spec: PortfolioSpec | None = None
        self.created_at_ms = 0
        self.senders: dict[SenderId, SenderState] = {}
        self.sources: dict[str, SourceStateOf] = {}
        self.templates: dict[str, TemplateSpec] = {}
        self.tallies: dict[str, int] = {}  # jobs queued, by the names that ask for it
        self.accounts: dict[str, int] = {}
        self.borders: dict[str, Sequence[Border]] = {}
        self.shut: dict[tuple[Gate, str], Shut] = {}  # by sender and by account
        self.answered: dict[tuple[Gate, str], int] = {}  # closed by an answer, until when at least
        self.strikes: dict[tuple[str, str], int] = {}
        self.struck: set[tuple[str, str]] = set()
        self.lanes: dict[int, LaneState] = {}
        self.last_lane = 0  # no number is given twice
        self.idle_since: dict[int, int] = {}  # lanes without jobs and ends
        self.idle_sources: dict[str, int] = {}  # since when they have no lane any more
        self.lane_numbers: dict[Lane, int] = {}
        self.rings: dict[tuple[str, int], Ring] = {}
        self.waits: dict[tuple[str, int], Ring] = {}
        self.asleep: dict[tuple[Gate, str], set[int]] = {}
        self.windows: dict[str, Window] = {}
        self.pairs: dict[tuple[str, RecipientKey], PairSpent] = {}
        self.pair_waits: dict[tuple[str, RecipientKey], PairRefused] = {}
        self.service_windows: dict[tuple[str, RecipientKey], int] = {}
        self.suppressed: set[tuple[RecipientKey, str]] = set()
        self.open: dict[JobKey, Open] = {}
        self.later: dict[JobKey, tuple[Job, Gate]] = {}
        self.repeating: set[JobKey] = set()
        self.done: dict[JobKey, Done] = {}
        self.dead: dict[JobKey, tuple[int, Job]] = {}  # failed for good, and when
        self.workers: dict[str, int] = {}  # counter of each worker's last wish
        self.claims: dict[str, list[tuple[JobKey, int]]] = {}  # jobs and fences of each claim
        self.due = Timeline()  # senders
        self.later_at = Timeline()  # delayed jobs
        self.leases = Timeline()  # claims
        self.doubts = Timeline()  # jobs in doubt
        self.openings = Timeline()  # scheduled sources, ends of what is shut and of quiet hours
        self.expiring = Timeline()  # lanes, by when a row of them may expire first

    # -- naming things ------------------------------------------------------------------------

    def lane_of(self, key: JobKey) -> LaneState:
        """Return the lane of a job."""
        return self.lanes[key.lane]

    def add_lane(self, lane: LaneState) -> None:
        """Take in a lane under its number."""
        self.last_lane = max(self.last_lane, lane.number)
        self.lanes[lane.number] = lane
        self.lane_numbers[lane.lane] = lane.number
        self.source_of(lane).lanes.append(lane.number)
        self.idle_sources.pop(lane.lane.source, None)

    def source_of(self, lane: LaneState) -> SourceStateOf:
        """Return the source of a lane."""
        return self.sources[lane.lane.source]

    def ring(self, sender: str, priority: int) -> Ring:
        """Return the ring of a sender's lanes of one priority."""
        return self.rings.setdefault((sender, priority), Ring())

    def scope(self, sender: str) -> str:
        """Return whose window a sender's recipients count in: empty is the portfolio's."""
        by_number = self.spec is not None and self.spec.scope == "phone_number"
        return sender if by_number else ""

    def window(self, scope: str) -> Window:
        """Return the window of a scope."""
        if scope not in self.windows:
            self.windows[scope] = Window(self.terms.span_ms)
        return self.windows[scope]

    def limit(self, scope: str) -> Limit:
        """Return the limit of a scope; an unknown portfolio has none to give."""
        if self.spec is None:
            return Limit(0)
        own = self.senders[SenderId(scope)].spec.places if scope else 0
        return Limit(
            own or self.spec.places,
            self.spec.headroom,
            self.spec.reserve,
            self.spec.used_before,
            self.created_at_ms + self.terms.span_ms,
        )

    def used(self, scope: str, now_ms: int) -> int:
        """Return how many places are taken, those taken elsewhere before our time included."""
        limit = self.limit(scope)
        before = limit.used_before if now_ms < limit.used_before_until_ms else 0
        return self.window(scope).used(now_ms) + before

    def category(self, lane: Lane) -> Category:
        """Return what a lane's messages are to Meta."""
        if not lane.template:
            return Category.SERVICE
        spec = self.templates.get(lane.template)
        return spec.category if spec else Category.MARKETING

    # -- gates of a lane ----------------------------------------------------------------------

    def closed_gate(self, lane: Lane) -> tuple[Gate, str] | None:
        """Return the gate that holds a whole lane, with its key; None when it may be served."""
        off = self.terms.gates_off
        state = self.sources[lane.source].spec.state
        if Gate.SOURCE not in off and state is not SourceState.RUNNING:
            return (Gate.SOURCE, lane.source)
        if lane.template and Gate.TEMPLATE not in off:
            spec = self.templates.get(lane.template)
            if spec is None or spec.status is not TemplateStatus.APPROVED:
                return (Gate.TEMPLATE, lane.template)
            if (lane.sender, lane.template) in self.struck:
                return (Gate.TEMPLATE, f"{lane.sender}|{lane.template}")
        shut = self.shut_gate(lane)
        if shut is not None:
            return shut[:2]
        if Gate.SCHEDULE not in off and self.opens_at_ms(lane) is not None:
            return (Gate.SCHEDULE, f"{lane.source}|{lane.zone}")
        return None

    def shut_gate(self, lane: Lane) -> tuple[Gate, str, int] | None:
        """Return the gate behind which the lane's category waits, its key, and until when."""
        state, category = self.senders.get(lane.sender), self.category(lane)
        for gate, name in (
            (Gate.SENDER, lane.sender),
            (Gate.ACCOUNT, state.spec.waba if state else ""),
        ):
            until_ms = self.shut.get((gate, name), NOTHING_SHUT).until_ms(category)
            if until_ms > self.clock_ms and gate not in self.terms.gates_off:
                return (gate, f"{name}|{category}", until_ms)
        return None

    def opens_at_ms(self, lane: Lane) -> int | None:
        """Return when the quiet hours that hold a lane end; None when none hold it."""
        source = self.sources[lane.source]
        if not source.is_quiet or self.category(lane) in NEVER_QUIET:
            return None
        return shut_until_ms(source.quiet.get(lane.zone, ()), self.clock_ms, FOREVER_MS)

    def sender_closed_until(self, sender: SenderId, now_ms: int) -> tuple[Gate, int] | None:
        """Return the gate that holds a sender and until when; None when it may send."""
        state = self.senders.get(sender)
        if state is None:
            return (Gate.SENDER, FOREVER_MS)
        off = self.terms.gates_off
        if state.closed_until_ms > now_ms and Gate.SENDER not in off:
            return (Gate.SENDER, state.closed_until_ms)
        account_ms = self.accounts.get(state.spec.waba, 0)
        if account_ms > now_ms and Gate.ACCOUNT not in off:
            return (Gate.ACCOUNT, account_ms)
        return None

    # -- moves ----------------------------------------------------------------------------------

    def wake(self, lane: LaneState, now_ms: int) -> None:
        """Let a lane with jobs be served, unless its gate holds it asleep."""
        if lane.asleep:
            return
        sender, priority = lane.lane.sender, lane.lane.priority
        if lane.queue:
            ring = self.ring(sender, priority)
            if lane.number not in ring:
                ring.enter(lane.number, lane.passed)
                counts = self.source_of(lane).ring_lanes
                counts[(sender, priority)] = counts.get((sender, priority), 0) + 1
            self.due.sooner(sender, now_ms)
        if lane.parked:
            self.wait_ring(lane).enter(lane.number, lane.wait_passed)
            self.due.sooner(sender, now_ms)

    def leave_ring(self, lane: LaneState) -> None:
        """Take a lane out of its sender's ring."""
        sender, priority = lane.lane.sender, lane.lane.priority
        ring = self.ring(sender, priority)
        if lane.number in ring:
            lane.passed = ring.leave(lane.number)
            self.source_of(lane).ring_lanes[(sender, priority)] -= 1

    def wait_ring(self, lane: LaneState) -> Ring:
        """Return the ring in which a lane waits for freed places."""
        scope = self.scope(lane.lane.sender)
        return self.waits.setdefault((scope, lane.lane.priority), Ring())

    def leave_wait(self, lane: LaneState) -> None:
        """Take a lane out of the ring for freed places."""
        ring = self.wait_ring(lane)
        if lane.number in ring:
            lane.wait_passed = ring.leave(lane.number)

    def sleep(self, lane: LaneState, gate: tuple[Gate, str]) -> None:
        """Put a lane where its closed gate's key finds it."""
        self.leave_ring(lane)
        self.leave_wait(lane)
        lane.asleep = True
        self.asleep.setdefault(gate, set()).add(lane.number)
        if gate[0] is Gate.SCHEDULE:
            opens_ms = self.opens_at_ms(lane.lane) or FOREVER_MS
            if opens_ms < FOREVER_MS:
                self.openings.put(QUIET + gate[1], opens_ms)

    def open_gate(self, gate: tuple[Gate, str], now_ms: int) -> None:
        """Wake the lanes that slept behind a gate."""
        for number in sorted(self.asleep.pop(gate, set())):
            lane = self.lanes[number]
            lane.asleep = False
            self.wake(lane, now_ms)

    def put_back(self, job: Job, now_ms: int) -> None:
        """Put a job at the front of its lane, unless its source or its template is over."""
        lane = self.lane_of(job.key)
        if self.is_cancelled(job.key):
            self.repeating.discard(job.key)
            self._end_cancelled(job)
            return
        if job.repeats:
            self.repeating.add(job.key)
        lane.queue.appendleft(job)
        self.note_expiry(lane, self.expires_ms(job))
        self.wake(lane, now_ms)

    def note_expiry(self, lane: LaneState, expires_at_ms: int) -> None:
        """Have rescue look at a lane when a row that came into it expires; 0 never does."""
        if expires_at_ms and Gate.SCHEDULE not in self.terms.gates_off:
            self.expiring.sooner(str(lane.number), expires_at_ms)

    def delay(self, job: Job, until_ms: int, gate: Gate) -> None:
        """Keep a job aside until `until_ms`, or until it expires, behind `gate`."""
        if self.is_cancelled(job.key):
            self._end_cancelled(job)
            return
        if job.repeats:
            self.repeating.add(job.key)
        expires_ms = self.expires_ms(job)
        if expires_ms and Gate.SCHEDULE not in self.terms.gates_off:
            until_ms = min(until_ms, expires_ms)
        self.later[job.key] = (job, gate)
        self.later_at.put(str(job.key), until_ms)
        self.count_waiting(job.key, gate, 1)

    def expires_ms(self, job: Job) -> int:
        """Return when a job ends unsent; 0 is never. What was said later of its source counts."""
        changed_ms = self.source_of(self.lane_of(job.key)).expires_ms
        return job.expires_at_ms if changed_ms is None else changed_ms

    def repeats_max(self, job: Job) -> int:
        """Return how many copies may follow a doubt. What was said later of its source counts."""
        changed = self.source_of(self.lane_of(job.key)).repeats_max
        return job.repeats_max if changed is None else changed

    def is_cancelled(self, key: JobKey) -> bool:
        """Return whether a waiting job has ended with its source or its template."""
        lane = self.lane_of(key)
        is_over = self.source_of(lane).spec.state is SourceState.CANCELLED
        return is_over or key.sequence <= lane.ended_until

    def _end_cancelled(self, job: Job) -> None:
        """End a job with its source, which says it for all, or with its template."""
        lane = self.lane_of(job.key)
        if self.source_of(lane).spec.state is SourceState.CANCELLED:
            self.count(job.key, JobState.CANCELLED, 1)
        else:
            self.end(job, JobState.CANCELLED, code=lane.ended_code)

    def end(self, job: Job, state: JobState, *, mark_ms: int = 0, code: int = 0) -> Done:
        """Write a job's end; nobody can say "never sent" of one that followed a doubt."""
        if job.repeats and state in (JobState.FAILED, JobState.EXPIRED, JobState.SUPPRESSED):
            state = JobState.UNKNOWN
        done = Done(state, job.fence, mark_ms, job.recipient, code)
        self.done[job.key] = done
        self.count(job.key, state, 1)
        return done

    def keep_dead(self, job: Job) -> None:
        """Keep a job that fails for good, to be replayed; the oldest give way."""
        if 0 < job.content < WHOLE or job.repeats:
            return
        self.dead[job.key] = (self.clock_ms, job)
        if len(self.dead) > DEAD_MAX:
            del self.dead[min(self.dead, key=lambda key: (self.dead[key][0], str(key)))]

    # -- books ----------------------------------------------------------------------------------

    def count(self, key: JobKey, state: JobState, by: int) -> None:
        """Move a source's count of `state`."""
        states = self.source_of(self.lane_of(key)).states
        states[state] = states.get(state, 0) + by

    def count_waiting(self, key: JobKey, gate: Gate, by: int) -> None:
        """Move a source's count of jobs kept aside behind `gate`."""
        waiting = self.source_of(self.lane_of(key)).waiting
        waiting[gate] = waiting.get(gate, 0) + by

    def count_delivery(self, key: JobKey, before: DeliveryStatus, after: DeliveryStatus) -> None:
        """Move one accepted job of a source from one delivery status to another."""
        delivery = self.source_of(self.lane_of(key)).delivery
        for status, by in ((before, -1), (after, 1)):
            if status is not DeliveryStatus.NONE:
                delivery[status] = delivery.get(status, 0) + by

    # -- when to come back ----------------------------------------------------------------------

    def next_due_ms(self, now_ms: int) -> int:
        """Return when a claim may find something to do."""
        moments = [self.due.first_ms(), self.later_at.first_ms(), self.openings.first_ms()]
        moments += [self.quota_frees_ms(scope, now_ms) for scope in self.waiting_scopes()]
        return max(now_ms, min(moments)) if min(moments) < FOREVER_MS else FOREVER_MS

    def call_waiters(self, now_ms: int) -> None:
        """Have the next claim look at those who wait, where a place has been given back."""
        for scope in self.waiting_scopes():
            for priority in Priority:
                ring = self.waits.get((scope, priority))
                ceiling = self.limit(scope).ceiling(priority)
                if ring and (ceiling < 0 or self.used(scope, now_ms) < ceiling):
                    first = ring.first()
                    assert first is not None
                    self.due.sooner(self.lanes[first].lane.sender, now_ms)
                    break

    def rescue_at_ms(self) -> int:
        """Return when the nearest lease, doubt or waiting job runs out."""
        return min(self.leases.first_ms(), self.ripe_at_ms())

    def ripe_at_ms(self) -> int:
        """Return when the nearest doubt or waiting job runs out."""
        return min(self.doubts.first_ms(), self.expiring.first_ms())

    def waiting_scopes(self) -> list[str]:
        """Return the scopes in which lanes wait for a place."""
        return sorted({scope for (scope, _), ring in self.waits.items() if len(ring)})

    def quota_frees_ms(self, scope: str, now_ms: int) -> int:
        """Return when the first place falls free that a waiting lane may take."""
        limit = self.limit(scope)
        if limit.places < 0:
            return FOREVER_MS
        window = self.window(scope)
        before = self.used(scope, now_ms) - window.used(now_ms)
        moments = [FOREVER_MS]
        for priority in Priority:
            if self.waits.get((scope, priority)):
                frees_ms = window.frees_at_ms(limit.ceiling(priority) - before, now_ms)
                moments += [frees_ms] if frees_ms is not None else []
                moments += [limit.used_before_until_ms] if before else []
        return min(moments)
