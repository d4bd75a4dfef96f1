"""The judge of the random histories: plain books of every job and every proof, nothing borrowed."""

from __future__ import annotations

from dataclasses import dataclass, field

from engine.model import Priority, RecipientKey
from engine.ports import FOREVER_MS

Key = tuple[int, int]

UNDELIVERED = 3
REACHED = (4, 5)  # delivered and read


@dataclass(slots=True)
class JobBook:
    """One job, as the calls and their answers tell."""

    person: RecipientKey
    source: str
    sender: str
    template: str
    priority: int
    repeats_max: int
    state: str = "queued"  # queued, open, doubt, or how it ended
    attempt: int = 0
    repeats: int = 0
    is_repeating: bool = False
    mark_ms: int = 0  # the proof of its latest copy; 0: none
    taken_ms: list[int] = field(default_factory=list)  # when copies truly reached Meta
    lease_ms: int = 0
    doubt_ends_ms: int = 0
    asked: tuple[str, int] = ("", 0)
    delivery: int = 0

    @property
    def is_ended(self) -> bool:
        return self.state not in {"queued", "open", "doubt"}


class LedgerJudge:
    """Knows every proof of every person, who may be sent to, and what may be repeated."""

    def __init__(self, *, window_ms: int, guard_ms: int, doubt_ms: list[int]) -> None:
        self.window_ms = window_ms
        self.span_ms = window_ms + guard_ms
        self.doubt_ms = doubt_ms  # by priority
        self.places = 0
        self.jobs: dict[Key, JobBook] = {}
        self.orphans: dict[RecipientKey, list[int]] = {}  # of copies followed by others
        self.foreign: dict[RecipientKey, int] = {}
        self.suppressed: set[RecipientKey] = set()
        self.closed: set[str] = set()
        self.shut: dict[tuple[str, str], int] = {}  # holder and category: until when
        self.cancelled: set[str] = set()
        self.account_until_ms = 0  # the senders' account is closed until then
        self.slots_us: dict[str, tuple[int, int]] = {}  # last send time and interval
        self.breaches: list[str] = []
        self.seen: set[str] = set()

    def breach(self, invariant: str, what: str) -> None:
        self.breaches.append(f"{invariant}: {what}")

    # -- counting -----------------------------------------------------------------------------

    def scores(self) -> dict[RecipientKey, int]:
        """The latest proof of each person, as the promise defines it."""
        scores = dict(self.foreign)
        for person, moments in self.orphans.items():
            scores[person] = max(scores.get(person, 0), *moments)
        for job in self.jobs.values():
            if job.mark_ms:
                scores[job.person] = max(scores.get(job.person, 0), job.mark_ms)
        return scores

    def used(self, now_ms: int) -> int:
        return sum(score > now_ms - self.span_ms for score in self.scores().values())

    def truly_reached(self, now_ms: int) -> set[RecipientKey]:
        """Who Meta may count: truly taken within its window, or perhaps being taken now."""
        cut_ms = now_ms - self.window_ms
        people = {person for person, at_ms in self.foreign.items() if at_ms > cut_ms}
        for job in self.jobs.values():
            # A send has ended when its lease has; until then it may be being taken now.
            may_be_taken = job.state == "open" and job.lease_ms > cut_ms
            if may_be_taken or any(at_ms > cut_ms for at_ms in job.taken_ms):
                people.add(job.person)
        return people

    # -- claims -------------------------------------------------------------------------------

    def claimed(
        self, key: Key, *, attempt: int, send_at_us: int, lease_ms: int, now_ms: int
    ) -> None:
        """Judge a job that was given out for the first time under this wish."""
        job = self.jobs[key]
        scores = self.scores()
        counted = scores.get(job.person, 0) > now_ms - self.span_ms
        used = sum(score > now_ms - self.span_ms for score in scores.values())
        reached = self.truly_reached(now_ms)
        if job.state != "queued":
            self.breach("I4", f"{key} was given out while {job.state}")
        if self.places >= 0:
            # In debt, a login code may still follow to whom only the guard counts.
            may_follow = counted and used > self.places
            if job.person not in reached and len(reached) >= self.places and not may_follow:
                self.breach("I1", f"{key}: {len(reached)} of {self.places} were reached")
            if not counted and used >= self.places:
                self.breach("I1", f"{key}: {used} of {self.places} places are taken")
            if counted and used > self.places and job.priority > 1:
                self.breach("I1", f"{key}: a low repeat in debt")
        self._judge_gates(key, job, now_ms)
        self.slot_given(job.sender, send_at_us)
        if attempt <= job.attempt:
            self.breach("I4", f"{key}: attempt {attempt} after {job.attempt}")
        job.state, job.attempt, job.lease_ms = "open", attempt, lease_ms
        job.mark_ms = lease_ms
        job.is_repeating = False

    def holds_back(self, key: Key, now_ms: int) -> bool:
        """Whether a job asked for again goes back, as never written: its gate has closed."""
        job = self.jobs[key]
        if not self.is_held(job, now_ms) and job.person not in self.suppressed:
            return False
        self.settled(key, job.attempt, "unwritten", now_ms, failures_left=True)
        self.seen.add("reask_held_back")
        return True

    def is_held(self, job: JobBook, now_ms: int) -> bool:
        """Whether its source, sender or template is closed, or its category is shut."""
        category = Priority(job.priority).name
        ends_ms = [self.shut.get((holder, category), 0) for holder in (job.sender, "W")]
        if max(ends_ms) > now_ms:
            self.seen.add("shut")
        is_closed = not self.closed.isdisjoint((job.source, job.sender, job.template))
        is_closed = is_closed or self.account_until_ms > now_ms
        return is_closed or max(ends_ms) > now_ms

    def comes_back(self, come_back_ms: int, now_ms: int) -> None:
        """Judge whether somebody will be there when the next category opens."""
        ends_ms = [end_ms for end_ms in self.shut.values() if now_ms < end_ms < FOREVER_MS]
        if come_back_ms > min(ends_ms, default=come_back_ms):
            self.breach("I7", "nobody comes back when a category opens")

    def note_gate(self, name: str, *, is_open: bool) -> None:
        """Note that a source, a sender or a template closed or opened."""
        (self.closed.discard if is_open else self.closed.add)(name)

    def _judge_gates(self, key: Key, job: JobBook, now_ms: int) -> None:
        if self.is_held(job, now_ms):
            self.breach("I3", f"{key} was given out while one of its gates is closed")
        if job.person in self.suppressed:
            self.breach("I3", f"{key} goes to somebody who must not be written to")

    def slot_given(self, sender: str, send_at_us: int) -> None:
        """Judge the distance of two send times of a sender."""
        last_us, interval_us = self.slots_us[sender]
        if send_at_us < last_us + interval_us:
            self.breach("I8", f"{sender}: {send_at_us - last_us} µs after the one before")
        self.slots_us[sender] = (max(last_us, send_at_us), interval_us)

    # -- ends ---------------------------------------------------------------------------------

    def settled(
        self, key: Key, attempt: int, outcome: str, now_ms: int, *, failures_left: bool
    ) -> None:
        job = self.jobs[key]
        if job.state not in {"open", "doubt"} or job.attempt != attempt:
            if outcome == "accepted" and job.state == "queued" and job.is_repeating:
                self._end_repeat(job)
            elif outcome == "accepted" and job.state in {"open", "doubt"}:
                job.state, job.mark_ms = "accepted", now_ms  # an earlier copy was taken
            return
        if outcome == "accepted":
            job.state, job.mark_ms = "accepted", now_ms
        elif outcome == "doubt":
            if job.state == "open":
                self._doubt(job, now_ms)
        elif outcome == "dropped":
            self._fail(job)
        else:
            job.state, job.mark_ms = "queued", 0
            job.is_repeating = job.repeats > 0
            if outcome == "retry" and not failures_left:
                self._fail(job)
            elif job.source in self.cancelled:
                job.state = "cancelled"

    def _doubt(self, job: JobBook, since_ms: int) -> None:
        job.state, job.mark_ms = "doubt", since_ms
        job.doubt_ends_ms = since_ms + self.doubt_ms[job.priority]

    def _fail(self, job: JobBook) -> None:
        """Nobody can say "never sent" of a job that followed a doubt (ADR 0014)."""
        job.state, job.mark_ms = ("unknown" if job.repeats else "failed"), 0

    def _end_repeat(self, job: JobBook) -> None:
        self.seen.add("cancelled_repeat")
        job.state, job.is_repeating = "accepted", False

    def ran_out(self, key: Key, how: str, now_ms: int) -> None:
        """Judge what a rescue did to one job."""
        job = self.jobs[key]
        self.seen.add(how)
        if how == "doubted":
            if job.state != "open" or job.lease_ms > now_ms:
                self.breach("I5", f"{key} became a doubt while {job.state}")
            self._doubt(job, job.lease_ms)
            return
        if job.state != "doubt" or job.doubt_ends_ms > now_ms:
            self.breach("I4", f"{key} was {how} before its doubt time was over")
        if how == "repeated":
            job.repeats += 1
            if job.repeats > job.repeats_max:
                self.breach("I4", f"{key} is repeated {job.repeats} times")
            self.orphans.setdefault(job.person, []).append(job.mark_ms)
            job.mark_ms, job.state, job.is_repeating = 0, "queued", True
        else:
            job.state = "unknown"

    def status(self, key: Key, attempt: int, status: int, at_ms: int, now_ms: int) -> None:
        """Note a status: 2 sent, 3 undelivered, 4 delivered, 5 read."""
        job = self.jobs[key]
        failed = status == UNDELIVERED
        if job.state in {"open", "doubt"}:
            if not failed:
                job.state, job.mark_ms = "accepted", now_ms
            elif attempt == job.attempt:
                self._fail(job)
        elif job.state == "queued" and job.is_repeating and not failed:
            self._end_repeat(job)
        self._annotate(job, attempt, status, at_ms, now_ms)
        if self.places >= 0 and self.used(now_ms) > self.places:
            self.seen.add("debt")

    def _annotate(self, job: JobBook, attempt: int, status: int, at_ms: int, now_ms: int) -> None:
        failed = status == UNDELIVERED
        if job.state in {"queued", "cancelled"} and status in REACHED:
            self.foreign[job.person] = max(self.foreign.get(job.person, 0), at_ms)
        if not job.is_ended or job.state == "cancelled":
            return
        if failed and (attempt != job.attempt or status <= job.delivery):
            return
        before, job.delivery = job.delivery, max(job.delivery, status)
        if failed:
            job.mark_ms = 0
        elif self._arrived(job, before, status) and at_ms > job.mark_ms:
            if job.mark_ms + self.span_ms <= now_ms < at_ms + self.span_ms:
                self.seen.add("late_delivery")
            job.mark_ms = at_ms

    @staticmethod
    def _arrived(job: JobBook, before: int, status: int) -> bool:
        """Whether a status may tell of an arrival that is not counted yet.

        Reading the one copy that was delivered tells of none.
        """
        delivered, read = REACHED
        is_known = status == read and before in REACHED and job.attempt == 1
        return status in (delivered, read) and not is_known

    def cancelled_source(self, source: str) -> None:
        self.cancelled.add(source)
        self.closed.add(source)
        for job in self.jobs.values():
            if job.source == source and job.state == "queued":
                job.is_repeating = False
