"""The judge: its own books of what reached Meta, kept without a line of the engine's rules."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections import deque
from dataclasses import dataclass, field

DAY_MS = 86_400_000
NEWS_MS = 2_000  # between a claim and its write: what came to be known meanwhile excuses it
HEARD_MS = 1_100  # a stop must be in force within a second
GUARD_MS = 300_000  # how much longer than a day the engine counts, by its promise
REPLIES = ("AUTHENTICATION", "SERVICE")  # may go on in debt
PAIR_BURST = 45
PAIR_EVERY_MS = 6_000
PAIR_WAIT_MS = 4_000  # what Meta's refusal names
# Of a pair's first message the engine keeps when its answer or its delivery came, not when Meta
# took it: a burst at the very end of Meta's six seconds may be refused. So seldom it may be.
PAIR_MESSAGES_PER_REFUSAL = 3_000


@dataclass(slots=True)
class Write:
    """One message that arrived at Meta."""

    job: str
    recipient: str
    at_ms: int
    taken: bool
    counts: bool
    refused: bool = False  # an answer proved that it was not taken
    delivered_ms: int = 0  # as far as anybody was told
    failed: bool = False  # told: nobody was reached

    @property
    def moment_ms(self) -> int:
        """The latest moment it proves; 0 when it proves none."""
        if not self.taken or not self.counts or self.failed:
            return 0
        return max(self.at_ms, self.delivered_ms)


@dataclass(slots=True)
class Known:
    """Something that was told to the engine, and since when; earlier values excuse a while."""

    history: list[tuple[int, object]] = field(default_factory=list)

    def put(self, at_ms: int, value: object) -> None:
        self.history.append((at_ms, value))

    def recent(self, now_ms: int, within_ms: int) -> set[object]:
        """Every value in force at some time in the last `within_ms`."""
        values: set[object] = set()
        for at_ms, value in reversed(self.history):
            values.add(value)
            if at_ms <= now_ms - within_ms:
                break
        return values


class People:
    """Who counts: one score per person, and how many scores are young."""

    def __init__(self) -> None:
        self.scores: dict[str, int] = {}
        self._order: list[tuple[int, str]] = []

    def put(self, person: str, moment_ms: int) -> None:
        old_ms = self.scores.pop(person, 0)
        if old_ms:
            del self._order[bisect_left(self._order, (old_ms, person))]
        if moment_ms:
            self.scores[person] = moment_ms
            insort(self._order, (moment_ms, person))

    def count(self, now_ms: int, window_ms: int = DAY_MS) -> int:
        return len(self._order) - bisect_right(self._order, (now_ms - window_ms, "\x7f"))

    def counts(self, person: str, now_ms: int) -> bool:
        return self.scores.get(person, 0) > now_ms - DAY_MS


class Judge:
    """Hears of everything that reaches Meta or is told to the engine, and notes each breach."""

    def __init__(self, doubt_ms: dict[str, int]) -> None:
        self.doubt_ms = doubt_ms  # by priority's name
        self.breaches: list[str] = []
        self.fullest = 0
        self.people = People()
        self.limit = Known()
        self.gates: dict[str, Known] = {}
        self.rates: dict[str, Known] = {}  # marketing messages a second of a number, as it was told
        self.away_since_ms = 0
        self.writes: dict[str, list[Write]] = {}
        self.evidence_ms: dict[str, int] = {}
        self.doubts_ms: dict[str, int] = {}  # jobs whose lease ran out, and when it had begun
        self.repeats: dict[str, int] = {}
        self.seen: set[str] = set()  # what the run has reached, for the "sometimes" assertions
        self._by_person: dict[str, list[Write]] = {}
        self._news: deque[tuple[int, str]] = deque()
        self._arrivals: dict[str, deque[int]] = {}
        self._pairs: dict[tuple[str, str], tuple[int, int]] = {}
        self._pairs_refused_ms: dict[tuple[str, str], int] = {}
        self._pair_refusals = 0
        self._taken = 0

    # -- what the engine was told ---------------------------------------------------------------

    def told(self, gate: str, now_ms: int, *, is_open: bool) -> None:
        self.gates.setdefault(gate, Known()).put(now_ms, is_open)

    def told_rate(self, sender: str, now_ms: int, mps: int) -> None:
        self.rates.setdefault(sender, Known()).put(now_ms, mps)

    def told_limit(self, now_ms: int, places: int) -> None:
        self.limit.put(now_ms, places)

    def told_doubt(self, job: str, since_ms: int) -> None:
        """A lease ran out: its person holds the place that was taken when it began."""
        if since_ms - self.doubts_ms.get(job, 0) > DAY_MS:  # else it holds that place still
            self.doubts_ms[job] = since_ms

    def told_status(self, write: Write, status: str, at_ms: int, now_ms: int) -> None:
        """A status of one write was recorded by the engine."""
        if status == "failed":
            write.failed = True
        else:
            self.evidence_ms.setdefault(write.job, now_ms)
            is_arrival = status == "delivered" or (status == "read" and not write.delivered_ms)
            if is_arrival and at_ms > write.at_ms:
                write.delivered_ms = max(write.delivered_ms, at_ms)
        self._rescore(write.recipient, now_ms)

    def told_foreign(self, recipient: str, at_ms: int, now_ms: int) -> None:
        """Somebody else's message reached this person, and the engine heard of it."""
        foreign = Write("", recipient, at_ms, taken=True, counts=True)
        self._by_person.setdefault(recipient, []).append(foreign)
        self._rescore(recipient, now_ms)

    def _rescore(self, recipient: str, now_ms: int) -> None:
        before = self.people.counts(recipient, now_ms)
        moments = [write.moment_ms for write in self._by_person.get(recipient, [])]
        self.people.put(recipient, max(moments, default=0))
        if not before and self.people.counts(recipient, now_ms):
            self._news.append((now_ms, recipient))
        if self.people.count(now_ms) > self._limit(now_ms, NEWS_MS):
            self.seen.add("debt")

    # -- what arrives -----------------------------------------------------------------------------

    def arrive(
        self,
        *,
        job: str,
        recipient: str,
        sender: str,
        priority: str,
        gates: list[str],
        mps: int,
        repeats_max: int,
        counts: bool,
        taken: bool,
        now_ms: int,
    ) -> Write:
        """Judge one message at the moment it reaches Meta."""
        write = Write(job, recipient, now_ms, taken=taken, counts=counts)
        self._judge_gates(job, gates, now_ms)
        self._judge_copies(write, priority, repeats_max)
        self._judge_rate(sender, mps, now_ms)
        told = self.rates.get(sender) if priority == "MARKETING" else None
        if told is not None:
            share = max(int(str(rate)) for rate in told.recent(now_ms, NEWS_MS))
            self._judge_rate(f"{sender}'s marketing", share, now_ms)
        if taken:
            self._note_pair(sender, recipient, now_ms)
        if counts:
            self._judge_window(write, priority)
        self.writes.setdefault(job, []).append(write)
        self._by_person.setdefault(recipient, []).append(write)
        if taken and counts:
            self._score_own(write)
        return write

    def _score_own(self, write: Write) -> None:
        moments = [other.moment_ms for other in self._by_person[write.recipient]]
        self.people.put(write.recipient, max(moments))
        self.fullest = max(self.fullest, self.people.count(write.at_ms))

    def _limit(self, now_ms: int, within_ms: int) -> int:
        return max(int(str(places)) for places in self.limit.recent(now_ms, within_ms))

    def _excused_ms(self, write: Write, priority: str) -> int:
        """How long ago news may have come that this write need not heed.

        Who may have been reached by a copy whose fate nobody knows holds the place that the copy
        was given, and a login code may follow it in whatever debt has come about since. Of a lease
        that ran out nobody knows whether there was a copy.
        """
        began_ms = write.at_ms
        if priority in REPLIES:
            held_ms = self.doubts_ms.get(write.job, 0)
            began_ms = held_ms if write.at_ms - held_ms < DAY_MS else began_ms
            for copy in self._by_person.get(write.recipient, []):
                is_held = copy.counts and write.at_ms - copy.at_ms < DAY_MS
                if is_held and not copy.refused and not copy.failed:
                    began_ms = min(began_ms, copy.at_ms)
        return write.at_ms - began_ms + NEWS_MS

    def _judge_window(self, write: Write, priority: str) -> None:
        now_ms = write.at_ms
        while self._news and self._news[0][0] < now_ms - DAY_MS:
            self._news.popleft()
        excused_ms = self._excused_ms(write, priority)
        limit, count = self._limit(now_ms, excused_ms), self.people.count(now_ms)
        count -= len({person for heard_ms, person in self._news if heard_ms >= now_ms - excused_ms})
        if not self.people.counts(write.recipient, now_ms):
            # In debt, a login code may still follow to whom only the engine's guard counts.
            score_ms = self.people.scores.get(write.recipient, 0)
            is_guarded = score_ms > now_ms - DAY_MS - GUARD_MS
            may_follow = priority in REPLIES and is_guarded
            if count + 1 > limit and not may_follow:
                self.breach(now_ms, "I1", f"{write.job}: {count + 1} people of {limit}")
        elif count > limit and priority not in REPLIES:
            self.breach(now_ms, "I1", f"{write.job}: a {priority} repeat in debt")

    def told_night(self, sleeping: list[str], now_ms: int) -> None:
        """A message of the source with quiet hours is on its way to these who sleep."""
        self.seen.add("evening")
        if sleeping:
            self.breach(now_ms, "quiet", f"somebody sleeps in {', '.join(sleeping)}")

    def _judge_gates(self, job: str, gates: list[str], now_ms: int) -> None:
        for gate in gates:
            known = self.gates.get(gate)
            if known is None or True not in known.recent(now_ms, HEARD_MS):
                self.breach(now_ms, "I3", f"{job} was sent while {gate} is closed")
        if self.away_since_ms and now_ms - self.away_since_ms > NEWS_MS:
            self.breach(now_ms, "I14", f"{job} was sent without a ledger")

    def _judge_copies(self, write: Write, priority: str, repeats_max: int) -> None:
        now_ms = write.at_ms
        earlier = [other for other in self.writes.get(write.job, []) if not other.refused]
        evidence_ms = self.evidence_ms.get(write.job)
        if evidence_ms is not None and now_ms - evidence_ms > HEARD_MS:
            self.breach(now_ms, "I5", f"{write.job} was repeated after evidence of acceptance")
        if not earlier:
            return
        self.seen.add("repeat")
        if len(earlier) > repeats_max:
            self.breach(now_ms, "I4", f"{write.job} has {len(earlier)} copies that may be out")
        if now_ms - earlier[-1].at_ms < self.doubt_ms[priority]:
            self.breach(now_ms, "I4", f"{write.job} was repeated before its doubt time")

    def _judge_rate(self, sender: str, mps: int, now_ms: int) -> None:
        arrivals = self._arrivals.setdefault(sender, deque())
        arrivals.append(now_ms)
        while arrivals[0] <= now_ms - 1_000:
            arrivals.popleft()
        # Slots keep the rate exactly; at arrival each may be late by up to 20 ms.
        if len(arrivals) > mps * 1.02 + 2:
            self.breach(now_ms, "I8", f"{sender}: {len(arrivals)} in a second of {mps}")

    def refuses_pair(self, sender: str, recipient: str, now_ms: int) -> bool:
        """Whether Meta refuses one more message to a person as too fast; seldom, and never twice.

        All that was borrowed is paid back first, but for a burst within the first six seconds.
        """
        pair = (sender, recipient)
        began_ms, messages = self._pairs.get(pair, (0, 0))
        is_paid_back = now_ms >= began_ms + messages * PAIR_EVERY_MS
        if is_paid_back or (now_ms < began_ms + PAIR_EVERY_MS and messages < PAIR_BURST):
            return False
        self.seen.add("pair_refused")
        self._pair_refusals += 1
        if now_ms < self._pairs_refused_ms.get(pair, 0) + PAIR_WAIT_MS:
            self.breach(now_ms, "pair", f"{sender} to {recipient}: within the wait Meta named")
        if self._pair_refusals > 1 + self._taken // PAIR_MESSAGES_PER_REFUSAL:
            self.breach(now_ms, "pair", f"{sender} to {recipient}: faster than the pair may")
        self._pairs_refused_ms[pair] = now_ms
        return True

    def _note_pair(self, sender: str, recipient: str, now_ms: int) -> None:
        began_ms, messages = self._pairs.get((sender, recipient), (0, 0))
        if now_ms >= began_ms + messages * PAIR_EVERY_MS:
            began_ms, messages = now_ms, 0
        self._pairs[(sender, recipient)] = (began_ms, messages + 1)
        self._taken += 1

    def breach(self, now_ms: int, invariant: str, what: str) -> None:
        self.breaches.append(f"{now_ms} {invariant}: {what}")
