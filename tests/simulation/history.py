"""One random history of a ledger: each step one call, under faults, and judged at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from engine.model import (
    Category,
    DeliveryStatus,
    Gate,
    JobKey,
    JobState,
    Lane,
    NowMs,
    Priority,
    Row,
    SourceState,
)
from engine.outcomes import Accepted, Deferred, Dropped, InDoubt, Outcome, Retry, Unwritten
from engine.ports import Ask, Batch, Claimed, Receipt, Settlement
from engine.shutting import NOTHING_SHUT
from engine.terms import Terms
from tests.builders import a_recipient, a_sender, a_source, a_template
from tests.simulation.faulty_ledger import WholeLedger
from tests.simulation.gates import (
    ACTS,
    LINES,
    PORTFOLIO,
    SENDERS,
    SOURCES,
    TEMPLATES,
    Gates,
)
from tests.simulation.ledger_judge import JobBook, LedgerJudge
from tests.simulation.shutting import note_shut, shut_some
from tests.virtual_time import START_MS

Factory = Callable[[Terms, NowMs], WholeLedger]

DAY_MS = 86_400_000
WORKERS = ("w1", "w2")
PEOPLE = 9
NEAR_MS = (-1, 0, 1)
WAITING_ELSEWHERE = {Gate.RETRY, Gate.PAIR, Gate.RATE, Gate.SCHEDULE}
STATUS = dict(enumerate(DeliveryStatus))  # 2 sent, 3 undelivered, 4 delivered, 5 read


@dataclass(slots=True)
class Wish:
    """A worker's last wish and what the worker has of it."""

    counter: int = 0
    is_lost: bool = False


class History(Gates):
    """One seeded history; `step` makes one random call and has it judged."""

    def __init__(self, seed: int, factory: Factory) -> None:
        self.rng = Random(seed)
        self.now_ms = START_MS
        window_ms = self.rng.choice((60_000, 3_600_000, 86_400_000))
        doubts = {c: self.rng.choice((1_000, 15_000, 120_000)) for c in Category}
        self.terms = Terms(
            window_ms=window_ms,
            guard_ms=window_ms * 300 // 86_400,
            attempts_max=self.rng.choice((1, 2, 5)),
            doubt_ms=doubts,
        )
        self.ledger = factory(self.terms, lambda: self.now_ms)
        by_priority = [doubts[Category(priority.name.lower())] for priority in Priority]
        self.judge = LedgerJudge(
            window_ms=window_ms, guard_ms=self.terms.guard_ms, doubt_ms=by_priority
        )
        self.held: dict[JobKey, tuple[str, Claimed]] = {}
        self.old: list[tuple[JobKey, int]] = []  # copies that ended, for late settles
        self.copies: list[tuple[JobKey, int]] = []
        self.truth: dict[tuple[JobKey, int], bool] = {}  # whether Meta took a copy, once decided
        self.failures: dict[JobKey, int] = {}
        self.reached_ms: dict[tuple[JobKey, int], int] = {}
        self.fed_ms: dict[tuple[str, int], int] = {}
        self.wishes = {worker: Wish() for worker in WORKERS}
        self.sequence = 0
        self.fed = dict.fromkeys(SOURCES, 0)

    async def open(self) -> None:
        for sender, mps in SENDERS.items():
            await self.ledger.put_sender(PORTFOLIO, sender, a_sender(throughput_mps=mps))
            self.judge.slots_us[sender] = (0, -(-1_000_000 // mps))
        for source, (_, category, _) in LINES.items():
            await self.ledger.put_source(PORTFOLIO, source, a_source())
            template = a_template(category=category)
            await self.ledger.put_template(PORTFOLIO, TEMPLATES[source], template)
        await self.limit(self.rng.choice((1, 2, 3, 5, 250)))

    # -- steps --------------------------------------------------------------------------------

    async def step(self) -> None:
        kinds = (self.put, self.claim, self.settle, self.receive, self.rescue, self.pass_time)
        operate = (self.operate, self.hear_foreign)
        [kind] = self.rng.choices((*kinds, *operate), (4, 7, 7, 5, 3, 6, 1.2, 0.5))
        await kind()
        quota = await self.ledger.quota(PORTFOLIO)
        if quota.used != self.judge.used(self.now_ms):
            expected = self.judge.used(self.now_ms)
            self.judge.breach("I6", f"{quota.used} are counted, {expected} are proven")

    async def put(self) -> None:
        rng = self.rng
        source = rng.choice(SOURCES)
        priority, _, repeats_max = LINES[source]
        sender = rng.choice(list(SENDERS))
        lane = Lane(source, sender, TEMPLATES[source], priority)
        first = self.fed[source]
        repeated = min(first, rng.choice((0, 0, 2)))
        # A key is kept for at least a day; only younger ones are used again.
        while repeated and self.now_ms - self.fed_ms[(source, first - repeated)] > DAY_MS:
            repeated -= 1
        first -= repeated
        numbers = range(first, first + rng.choice((1, 2, 5)))
        rows = [self._row(number, repeats_max) for number in numbers]
        [answer] = await self.ledger.enqueue([Batch(PORTFOLIO, lane, rows)])
        if answer.refused:
            self.judge.seen.add("refused")
            return
        known = self._known(source, numbers)
        if len(answer.not_new) != known:
            self.judge.breach("I10", f"{len(answer.not_new)} of {known} were known")
        self.fed[source] = max(self.fed[source], numbers.stop)
        for offset, row in enumerate(rows[known:]):
            key = (answer.lane, answer.first + offset)
            self.judge.jobs[key] = JobBook(
                row.recipient, source, sender, TEMPLATES[source], priority, repeats_max
            )

    def _known(self, source: str, numbers: range) -> int:
        """Return how many of these keys were used before, and note those that were not."""
        known = [number for number in numbers if (source, number) in self.fed_ms]
        for number in numbers:
            self.fed_ms.setdefault((source, number), self.now_ms)
        return len(known)

    def _row(self, number: int, repeats_max: int) -> Row:
        person = a_recipient(self.rng.randrange(PEOPLE))
        dedupe = number.to_bytes(8)
        delay_ms = self.rng.choice((0, 0, 0, 5_000))
        not_before_ms = self.now_ms + delay_ms if delay_ms else 0
        return Row(person, b"+1\x1fx", 0, repeats_max, 0, not_before_ms, dedupe, dedupe)

    async def claim(self) -> None:
        rng = self.rng
        worker = rng.choice(WORKERS)
        wish = self.wishes[worker]
        again = wish.is_lost
        if not again:
            wish.counter += 1
        most = rng.choice((1, 3, 50))
        low = rng.choice((0, most, most))
        ask = Ask(PORTFOLIO, worker, wish.counter, most, low, self.sequence)
        [answer] = await self.ledger.claim([ask])
        if answer.refused:
            self.judge.breach("I14", f"refused: {answer.refused}")
            return
        if again:
            self._judge_again(worker, wish.counter, answer.jobs)
        else:
            for job in answer.jobs:
                self.judge_new(worker, wish.counter, job)
        await self._note_suppressed()
        wish.is_lost = rng.random() < 0.1
        if wish.is_lost:
            self.judge.seen.add("lost_claim")
        else:
            self.sequence = answer.sequence
            self.held.update({job.key: (worker, job) for job in answer.jobs})
        if most == low == 50 and not again:
            await self._judge_idle(answer.come_back_at_ms)

    async def _note_suppressed(self) -> None:
        """A claim ends queued jobs to suppressed people; only the ledger knows when it looked."""
        for (lane, sequence), book in self.judge.jobs.items():
            if book.state == "queued" and book.person in self.judge.suppressed:
                view = await self.ledger.job(PORTFOLIO, JobKey(lane, sequence))
                end = JobState.UNKNOWN if book.repeats else JobState.SUPPRESSED
                if view is not None and view.state is end:
                    book.state, book.is_repeating = end.value, False

    def judge_new(self, worker: str, counter: int, job: Claimed) -> None:
        key = (job.key.lane, job.key.sequence)
        self.judge.claimed(
            key,
            attempt=job.attempt,
            send_at_us=job.send_at_us,
            lease_ms=job.lease_until_ms,
            now_ms=self.now_ms,
        )
        book = self.judge.jobs[key]
        book.asked = (worker, counter)
        self.copies.append((job.key, job.attempt))

    def _judge_again(self, worker: str, counter: int, jobs: list[Claimed]) -> None:
        """A wish asked again gives what is still leased of it, less what a gate closed for."""
        given = {(job.key.lane, job.key.sequence) for job in jobs}
        books = self.judge.jobs
        leased: set[tuple[int, int]] = set()
        for key, book in books.items():
            is_asked = book.state == "open" and book.asked == (worker, counter)
            if is_asked and not self.judge.holds_back(key, self.now_ms):
                leased.add(key)
            elif is_asked:  # its reply was lost: nobody wrote that copy
                self._decide((JobKey(*key), book.attempt), was_taken=False)
        if given != leased:
            self.judge.breach("reask", f"{sorted(given)} given, {sorted(leased)} leased")
        for job in jobs:
            book = books[(job.key.lane, job.key.sequence)]
            self.judge.slot_given(book.sender, job.send_at_us)
            self.judge.seen.add("reask")

    async def _judge_idle(self, come_back_ms: int) -> None:
        """No admissible job may wait without anybody being told to come back soon."""
        self.judge.comes_back(come_back_ms, self.now_ms)
        if come_back_ms <= self.now_ms + 60_000:  # a slow sender's next send times
            return
        judge, now_ms = self.judge, self.now_ms
        scores, used = judge.scores(), judge.used(now_ms)
        for (lane, sequence), book in judge.jobs.items():
            if book.state != "queued" or book.person in judge.suppressed:
                continue
            if judge.is_held(book, now_ms):
                continue
            counted = scores.get(book.person, 0) > now_ms - judge.span_ms
            may_enter = judge.places < 0 or used < judge.places
            view = await self.ledger.job(PORTFOLIO, JobKey(lane, sequence))
            if view is None or view.gate in WAITING_ELSEWHERE or not may_enter:
                continue
            judge.breach("I7", f"{(lane, sequence)} could go, nobody comes back; {counted=}")

    async def settle(self) -> None:
        if not self.held:
            return
        rng = self.rng
        keys = rng.sample(list(self.held), min(len(self.held), rng.choice((1, 2, 5))))
        settlements = [self._ending(key) for key in keys]
        late = [copy for copy in self.old if self.truth.get(copy)]
        if late and rng.random() < 0.2:
            key, attempt = rng.choice(late)
            settlements.append(Settlement(key, attempt, Accepted("wamid.late")))
        times = 2 if rng.random() < 0.1 else 1  # the reply got lost: the same once more
        for _ in range(times):
            for settlement in settlements:
                self.judge_settled(settlement)
            await self.ledger.settle(PORTFOLIO, settlements)

    def _ending(self, key: JobKey) -> Settlement:
        rng = self.rng
        _, job = self.held.pop(key)
        self.old.append((key, job.attempt))
        until_ms = self.now_ms + rng.choice((1, 1_000, 60_000))
        outcomes: list[Outcome] = [
            Accepted("wamid.x"),
            InDoubt("timeout"),
            Unwritten("late"),
            Retry(131000, until_ms, "again"),
            Deferred(Gate.PAIR, 131056, until_ms, "pair"),
            Deferred(Gate.RATE, 130429, until_ms, "rate"),
            Dropped(131026, "never"),
        ]
        copy = (key, job.attempt)
        was_taken = self.truth.get(copy, False)
        weights = (8, 4, 0, 0, 0, 0, 0) if was_taken else (8, 4, 2, 2, 1, 1, 1)
        if copy in self.truth and not was_taken:
            weights = (0, 4, 2, 2, 1, 1, 1)
        [outcome] = rng.choices(outcomes, weights)
        if isinstance(outcome, InDoubt):
            self._decide(copy, was_taken=rng.random() < 0.5)
        else:
            self._decide(copy, was_taken=isinstance(outcome, Accepted))
        return Settlement(key, job.attempt, outcome)

    def _decide(self, copy: tuple[JobKey, int], *, was_taken: bool) -> None:
        """Decide, once, whether Meta took a copy; at the latest moment it can have been."""
        if copy in self.truth:
            return
        self.truth[copy] = was_taken
        if was_taken:
            book = self.judge.jobs[(copy[0].lane, copy[0].sequence)]
            # Of a copy whose job has ended already, only the moment of its write is sure.
            is_open = book.state in {"open", "doubt"}
            latest_ms = book.lease_ms - (0 if is_open else self.terms.lease_ms)
            book.taken_ms.append(min(self.now_ms, latest_ms))

    def judge_settled(self, settlement: Settlement) -> None:
        key, outcome = settlement.key, settlement.outcome
        book = self.judge.jobs[(key.lane, key.sequence)]
        is_current = book.state in {"open", "doubt"} and book.attempt == settlement.attempt
        if isinstance(outcome, Retry) and is_current:
            self.failures[key] = self.failures.get(key, 0) + 1
        names: dict[type, str] = {Accepted: "accepted", InDoubt: "doubt", Dropped: "dropped"}
        names[Retry] = "retry"
        self.judge.settled(
            (key.lane, key.sequence),
            settlement.attempt,
            names.get(type(outcome), "back"),
            self.now_ms,
            failures_left=self.failures.get(key, 0) < self.terms.attempts_max,
        )

    async def receive(self) -> None:
        if not self.copies:
            return
        rng = self.rng
        copy = rng.choice(self.copies[-40:])
        self._decide(copy, was_taken=rng.random() < 0.7)
        if not self.truth[copy]:
            return
        key, attempt = copy
        book = self.judge.jobs[(key.lane, key.sequence)]
        status, given_ms = rng.choice((2, 3, 4, 5)), self.now_ms - rng.choice((0, 1, 1_000, -5_000))
        if status in (4, 5):  # a copy reaches somebody once, however often that is told
            given_ms = self.reached_ms.setdefault(copy, min(given_ms, self.now_ms))
        at_ms = given_ms
        receipt = Receipt(key, attempt, book.person, STATUS[status], at_ms, "wamid.r")
        at_ms = min(at_ms, self.now_ms)
        if status in (4, 5):
            book.taken_ms.append(at_ms)
        elif status == 3 and attempt == book.attempt:
            book.taken_ms.clear()
        for _ in range(rng.choice((1, 1, 2))):
            self.judge.status((key.lane, key.sequence), attempt, status, at_ms, self.now_ms)
            await self.ledger.receive(PORTFOLIO, [receipt])

    async def hear_foreign(self) -> None:
        person = a_recipient(self.rng.randrange(PEOPLE))
        receipt = Receipt(None, 0, person, DeliveryStatus.DELIVERED, self.now_ms)
        foreign = self.judge.foreign
        foreign[person] = max(foreign.get(person, 0), self.now_ms)
        await self.ledger.receive(PORTFOLIO, [receipt])
        if 0 <= self.judge.places < self.judge.used(self.now_ms):
            self.judge.seen.add("debt")

    async def rescue(self) -> int:
        rescued = await self.ledger.rescue(PORTFOLIO)
        for key in rescued.doubted:
            book = self.judge.jobs[(key.lane, key.sequence)]
            self._decide((key, book.attempt), was_taken=self.rng.random() < 0.5)
            self.judge.ran_out((key.lane, key.sequence), "doubted", self.now_ms)
        for key in rescued.repeated:
            self.judge.ran_out((key.lane, key.sequence), "repeated", self.now_ms)
        for key in rescued.unknown:
            self.judge.ran_out((key.lane, key.sequence), "unknown", self.now_ms)
        return rescued.rescue_at_ms

    async def pass_time(self) -> None:
        """Move to just before, at or just after a moment that matters, or anywhere."""
        rng, judge = self.rng, self.judge
        moments = [score + judge.span_ms for score in judge.scores().values()]
        moments += [b.lease_ms for b in judge.jobs.values() if b.state == "open"]
        moments += [b.doubt_ends_ms for b in judge.jobs.values() if b.state == "doubt"]
        later = [moment for moment in moments if moment > self.now_ms]
        if later and rng.random() < 0.5:
            nearest = sorted(later)[: rng.choice((1, 1, 1, 3))]
            self.now_ms = max(self.now_ms, nearest[-1] + rng.choice(NEAR_MS))
        else:
            self.now_ms += rng.choice((1, 10, 500, 2_000, 10_000, 40_000))

    async def operate(self) -> None:
        rng, judge = self.rng, self.judge
        act = rng.choice(ACTS)
        name = rng.choice(SOURCES)
        is_open = rng.random() < 0.6
        if act == "limit":
            await self.limit(rng.choice((1, 2, 4, 6, 250, -1)))
        elif act == "source" and name not in judge.cancelled:
            state = SourceState.RUNNING if is_open else SourceState.PAUSED
            await self.ledger.put_source(PORTFOLIO, name, a_source(state=state))
            judge.note_gate(name, is_open=is_open)
        elif act == "template or account":
            await self.move_gate(rng, name, is_open=is_open)
        elif act == "sender":
            sender = rng.choice(list(SENDERS))
            until_ms = 0 if is_open else 9_000_000_000_000
            spec = a_sender(throughput_mps=SENDERS[sender], closed_until_ms=until_ms)
            await self.ledger.put_sender(PORTFOLIO, sender, spec)
            judge.note_gate(sender, is_open=is_open)
            note_shut(judge, sender, NOTHING_SHUT)
        elif act == "shut":
            await shut_some(self.ledger, judge, rng, SENDERS, self.now_ms)
        elif act == "suppress":
            person = a_recipient(rng.randrange(PEOPLE))
            if person in judge.suppressed:
                judge.suppressed.discard(person)
                await self.ledger.unsuppress(PORTFOLIO, person, None)
            elif len(judge.suppressed) < 2:
                judge.suppressed.add(person)
                await self.ledger.suppress(PORTFOLIO, person, None)
        elif act == "cancel" and rng.random() < 0.2:
            await self.ledger.put_source(PORTFOLIO, name, a_source(state=SourceState.CANCELLED))
            judge.cancelled_source(name)
