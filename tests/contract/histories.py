"""Random histories played on two ledgers at once; they must agree, answer for answer."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from engine.borders import border_of
from engine.model import (
    Category,
    JobKey,
    Lane,
    Priority,
    RecipientKey,
    Row,
    SenderId,
    SourceState,
    TemplateStatus,
    WabaId,
)
from engine.outcomes import Outcome, Retry, Unwritten
from engine.ports import (
    FOREVER_MS,
    Ask,
    Batch,
    Claimed,
    PortfolioSpec,
    SenderSpec,
    Settlement,
    SourceSpec,
    TemplateSpec,
)
from engine.template_ports import Repoint
from engine.terms import Terms
from tests.builders import alike_rows
from tests.contract.erasing import erase
from tests.contract.outcomes import (
    a_receipt,
    an_outcome,
    may_close,
    outcome_name,
    refused_outside,
    take_place,
)
from tests.contract.small_world import (
    CATEGORIES,
    FAVOURITES,
    PAUSES_MS,
    PORTFOLIO,
    RECIPIENTS,
    SENDERS,
    SOURCES,
    START_MS,
    TEMPLATES,
    WORKERS,
    ZONES,
    Step,
    a_wish,
    bind,
    ends_of,
    is_doubtful,
    its_own,
    short_terms,
    some_shut,
    some_spans,
    somebody_wrote,
)


@dataclass
class History:
    """One seeded history: it makes the next step, and remembers what the ledgers gave."""

    seed: int
    rng: random.Random = field(init=False)
    now_ms: int = START_MS
    claimed: list[Claimed] = field(default_factory=list)
    past: list[Claimed] = field(default_factory=list)
    counters: Counter[str] = field(default_factory=Counter)
    rows_made: int = 0
    jumps: int = 0
    planned: list[Step] = field(default_factory=list)  # what has to follow at once
    touched: list[JobKey] = field(default_factory=list)  # whose state the last step may move
    outcomes: dict[JobKey, str] = field(default_factory=dict)  # what the last settle told of each
    repeated: list[JobKey] = field(default_factory=list)  # what rescues wrote down for a repeat
    seen: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)

    def terms(self) -> Terms:
        """Return the terms of this history: one in eight bounds its queue."""
        return short_terms(queue_max=120 if self.seed % 8 == 7 else 0)

    def clock(self) -> int:
        """Return the history's time."""
        return self.now_ms

    def setup(self) -> list[Step]:
        """Return the steps that make a small world."""
        limit = self.rng.choice([1, 3, 10, 25, -1])
        scope = self.rng.choice(["portfolio", "portfolio", "phone_number"])
        reserve = self.rng.choice([(0.0, 0.0, 0.0, 0.0), (0.34, 0.0, 0.1, 0.0)])
        spec = PortfolioSpec(limit, scope, 0.0, reserve, self.rng.choice([0, 0, 2]))
        steps: list[Step] = [("put", lambda led: led.put_portfolio(PORTFOLIO, spec))]
        steps += [self._put_sender(sender) for sender in SENDERS]
        for template, category in zip(TEMPLATES[:3], CATEGORIES, strict=True):
            approved = TemplateSpec(TemplateStatus.APPROVED, category)
            steps.append(("put", bind("put_template", template, approved)))
        for source in SOURCES:
            spec_of = SourceSpec(SourceState.RUNNING, self.rng.choice([1, 1, 3]))
            steps.append(("put", bind("put_source", source, spec_of)))
        return [*steps, *its_own(self.seed, self.now_ms)]

    def _put_sender(self, sender: SenderId) -> Step:
        mps = self.rng.choice([2, 80, 1_000])
        closed_ms = self.rng.choice([0, 0, 0, 0, self.now_ms + 4_000, FOREVER_MS])
        places = self.rng.choice([0, 0, 2])
        waba = WabaId(self.rng.choice(["w", "w", "w", "v"]))
        share = self.rng.choice([1.0, 1.0, 0.5, 0.07])
        is_silent = places > 0  # another draw of its own would make other histories
        spec = SenderSpec(
            *(waba, mps, closed_ms),
            places=places,
            is_silent=is_silent,
            shut=some_shut(self.rng, self.now_ms),
            marketing_share=share,
        )
        self.seen["a share for marketing"] += share < 1
        return ("put", bind("put_sender", sender, spec))

    def step(self) -> Step:
        """Return the next step."""
        self.touched, self.outcomes = [], {}
        if self.planned:
            self.touched = [job.key for job in self.past[-1:]]
            return self.planned.pop(0)
        kinds = [
            *(self._enqueue, self._claim, self._settle, self._receive, self._put, self._wait),
            *(self._cancel_job, self._take_place),
        ]
        weights = [14, 30, 26, 10, 8, 12, 3, 2]
        return self.rng.choices(kinds, weights)[0]()

    def _cancel_under_way(self, job: Claimed) -> Step:
        """Cancel the source of a job in flight, which comes back before or after that."""
        self.past.append(job)
        retried = self.rng.random() < 0.5
        outcome: Outcome = Retry(131000, self.now_ms, "late") if retried else Unwritten("late")
        settlements = [Settlement(job.key, job.attempt, outcome)]
        cancelled = SourceSpec(SourceState.CANCELLED)
        cancel: Step = ("put", bind("put_source", job.lane.source, cancelled))
        settle: Step = ("settle", lambda led: led.settle(PORTFOLIO, settlements))
        first, second = (settle, cancel) if retried else (cancel, settle)
        self.touched = [job.key]
        self.counters[WORKERS[0]] += 1
        claim: Step = ("claim", self._ask(WORKERS[0], self.counters[WORKERS[0]]))
        self.planned = [second, claim]
        return first

    # -- what may happen ----------------------------------------------------------------------

    def _wait(self) -> Step:
        self.now_ms += self.rng.choice(PAUSES_MS)
        if self.rng.random() < 0.4:
            return ("rescue", lambda led: led.rescue(PORTFOLIO))
        return ("quota", lambda led: led.quota(PORTFOLIO))

    def _lane(self) -> Lane:
        template = self.rng.choice(TEMPLATES)
        return Lane(
            self.rng.choice(SOURCES),
            self.rng.choice(SENDERS),
            template,
            self.rng.choice([*Priority, Priority.MARKETING, Priority.MARKETING]),
            self.rng.choice(ZONES),
        )

    def _enqueue(self) -> Step:
        lane = self._lane()
        keyed = lane.source.startswith(("journey", "direct"))
        rows = [self._row(keyed=keyed) for _ in range(self.rng.choice([1, 2, 8, 40]))]
        batch = Batch(PORTFOLIO, lane, rows, once_each=keyed and len(rows) == 8)
        if not keyed and self.rng.random() < 0.4:
            batch.rows = alike_rows(rows)
            batch.rows_max = self.rng.choice([0, 0, 60])
        return ("enqueue", lambda led: led.enqueue([batch]))

    def _row(self, *, keyed: bool) -> Row:
        rng = self.rng
        self.rows_made += 1
        again = rng.random() < 0.15
        number = rng.randrange(1, self.rows_made + 1) if again else self.rows_made
        recipient = rng.randrange(FAVOURITES if rng.random() < 0.2 else RECIPIENTS)
        fingerprint = rng.choice([b"A", b"B"] if again else [b"A"]) * 8
        return Row(
            RecipientKey(b"recip" + recipient.to_bytes(3, "big")),
            b"+%d555%d\x1fAnna" % (1 + recipient % 2 * 90, recipient),
            content=rng.choice([0, 1, 300]),
            repeats_max=rng.choice([0, 1, 2]),
            expires_at_ms=rng.choice(ends_of(self.seed, self.now_ms)),
            not_before_ms=rng.choice([0, 0, 0, 0, self.now_ms + 500, self.now_ms + 3_000]),
            dedupe=number.to_bytes(8, "big"),
            fingerprint=fingerprint if keyed else b"",
        )

    def _claim(self) -> Step:
        worker = self.rng.choice(WORKERS)
        draw, counter = self.rng.random(), self.counters[worker]
        if counter and draw > 0.98:
            return ("stale", self._ask(worker, counter - 1))
        if counter and draw > 0.88:  # its reply was lost
            return ("re-ask", self._ask(worker, counter))
        self.counters[worker] += 1
        return ("claim", self._ask(worker, counter + 1))

    def _ask(self, worker: str, counter: int) -> Callable[[Any], Any]:
        most = self.rng.choice([1, 3, 20, 100])
        low = self.rng.choice([0, most, most, most])
        far_ahead = 10**6 if self.rng.random() < 0.002 else 0  # somebody saw what this ledger lost
        told = self._settlements() if self.rng.random() < 0.4 else []
        ask = Ask(PORTFOLIO, worker, counter, most, low, self._ahead(far_ahead), told)
        self.seen["told along"] += bool(told)
        return lambda led: led.claim([ask])

    def _ahead(self, by: int) -> int:
        """Return a sequence number that grows with every such jump."""
        self.jumps += by
        return self.jumps if by else 0

    def _settle(self) -> Step:
        settlements = self._settlements()
        if len(settlements) == 1 and self.rng.random() < 0.1:
            key, attempt = settlements[0].key, settlements[0].attempt
            self.outcomes = {}
            return ("again", lambda led: led.again(PORTFOLIO, key, attempt))
        settle: Step = ("settle", lambda led: led.settle(PORTFOLIO, settlements))
        if may_close(settlements) and self.rng.random() < 0.3:  # its answer was lost
            self.planned.append(("retold", settle[1]))
        return settle

    def _settlements(self) -> list[Settlement]:
        """Return outcomes of jobs in flight, and now and then a late one."""
        rng = self.rng
        chosen: list[tuple[JobKey, int]] = []
        for _ in range(min(len(self.claimed), rng.choice([1, 2, 10]))):
            job = self.claimed.pop(rng.randrange(len(self.claimed)))
            self.past.append(job)
            chosen.append((job.key, job.attempt))
        if self.past and rng.random() < 0.2:
            late = rng.choice(self.past)
            chosen.append((late.key, late.attempt))
        self.touched += [key for key, _ in chosen]
        doubts = is_doubtful(self.seed)
        ends = [an_outcome(rng, self.now_ms, is_doubtful=doubts) for _ in chosen]
        settlements = [Settlement(*job, end) for job, end in zip(chosen, ends, strict=True)]
        self.outcomes = {its.key: outcome_name(its.outcome) for its in settlements}
        return settlements

    def _receive(self) -> Step:
        pool = self.claimed + self.past
        receipts = [a_receipt(self.rng, pool, self.now_ms) for _ in range(self.rng.choice([1, 3]))]
        self.touched = [receipt.key for receipt in receipts if receipt.key]
        return ("receive", lambda led: led.receive(PORTFOLIO, receipts))

    def _cancel_job(self) -> Step:
        """Cancel a job that was claimed once, or any other: most of them still wait."""
        rng = self.rng
        pool = [job.key for job in self.claimed + self.past]
        key = JobKey(rng.randrange(1, 20), rng.randrange(1, 40))
        if self.repeated and rng.random() < 0.3:
            key = self.repeated[-1]
        elif pool and rng.random() < 0.4:
            key = rng.choice(pool)
        self.touched = [key]
        return ("cancel_job", lambda led: led.cancel_job(PORTFOLIO, key))

    def _take_place(self) -> Step:
        wish = a_wish(self.rng, self.past[-3:])
        fails = self.rng.random() < 0.5
        return ("take_place", lambda led: take_place(led, PORTFOLIO, wish, fails=fails))

    def _put(self) -> Step:
        rng = self.rng
        draw = rng.random()
        self.touched = [job.key for job in (self.claimed + self.past)[-40:]]
        if draw < 0.15:
            limit = PortfolioSpec(rng.choice([0, 1, 5, 20, -1]))
            return ("put", lambda led: led.put_portfolio(PORTFOLIO, limit))
        if draw < 0.32:
            return self._put_sender(rng.choice(SENDERS))
        if draw < 0.43:
            return self._put_rare(draw)
        if draw < 0.58:
            place = rng.randrange(3)
            status = rng.choice([TemplateStatus.APPROVED, TemplateStatus.PAUSED])
            category = rng.choice(CATEGORIES) if rng.random() < 0.25 else CATEGORIES[place]
            spec = TemplateSpec(status, category, rng.choice([0, 1]), rng.random() < 0.8)
            return ("put", bind("put_template", TEMPLATES[place], spec))
        if draw < 0.80:
            return self._put_source() if draw < 0.74 else self._put_quiet()
        return self._put_person(draw)

    def _put_rare(self, draw: float) -> Step:
        if draw < 0.345:
            return self._repoint()
        return self._end_template(self.rng.randrange(3)) if draw < 0.37 else self._close_account()

    def _close_account(self) -> Step:
        until_ms = self.rng.choice([0, 0, self.now_ms + 2_000])
        waba = WabaId(self.rng.choice(["w", "w", "v"]))
        return (
            "put",
            bind("close_account", waba, until_ms, some_shut(self.rng, self.now_ms)),
        )

    def _repoint(self) -> Step:
        """Change what a source's rows are, maybe while it runs: then nothing happens."""
        rng = self.rng
        senders = rng.sample(SENDERS, rng.choice([0, 1, 3]))
        gets = {sender: rng.choice(TEMPLATES[:3]) for sender in senders}
        body, priority = rng.choice([b"", b"{}"]), rng.choice(list(Priority))
        expires_ms = rng.choice([None, None, 0, self.now_ms + 2_000, self.now_ms + 20_000])
        source, wish = rng.choice(SOURCES), Repoint(gets, priority, body, expires_ms)
        copies, version = rng.choice([None, None, 0, 1, 2]), rng.choice([0, 0, 1, 2])
        wish = replace(wish, repeats_max=copies, version=version, is_first=rng.random() < 0.1)
        self.planned = [("repoint", bind("repoint", source, wish))]
        state = rng.choice([SourceState.PAUSED, SourceState.SCHEDULED, SourceState.RUNNING])
        spec = SourceSpec(state, 1, self.now_ms + 2_000)
        return ("put", bind("put_source", source, spec))

    def _end_template(self, place: int) -> Step:
        """Disable or delete a template; its jobs end, and later it comes back after all."""
        template, rng = TEMPLATES[place], self.rng
        status = rng.choice([TemplateStatus.DISABLED, TemplateStatus.DELETED])
        if rng.random() < 0.2:
            status = TemplateStatus.PAUSED  # nothing ends then
        since_ms = self.now_ms - rng.choice([0, 5_000, 60_000])
        self.planned = [
            ("end_template", bind("end_template", template)),
            ("users", bind("users", template, since_ms)),
        ]
        return ("put", bind("put_template", template, TemplateSpec(status, CATEGORIES[place])))

    def _put_person(self, draw: float) -> Step:
        rng = self.rng
        recipient = RecipientKey(b"recip" + rng.randrange(RECIPIENTS).to_bytes(3, "big"))
        if draw < 0.85:
            until_ms = self.now_ms + rng.choice([100, 30_000])
            if self.claimed and rng.random() < 0.5:
                self.past.append(self.claimed.pop())
                self.planned = refused_outside(rng, self.past[-1], self.now_ms)
                return self.planned.pop(0)
            return somebody_wrote(rng.choice(SENDERS), recipient, until_ms)
        if draw < 0.93:
            name = rng.choice(["suppress", "unsuppress"])
            category = rng.choice([None, Category.MARKETING])
            if self.rows_made % 3 == 0:  # no draw of its own: that would make other histories
                borders = [border_of("IN", self.now_ms + 2_000)] if name == "suppress" else []
                return ("put", bind("put_borders", WabaId("w"), borders))
            return ("put", bind(name, recipient, category))
        return ("erase", lambda led: erase(led, PORTFOLIO, [recipient]))

    def _put_quiet(self) -> Step:
        """Set or end the quiet hours of a source: calendars that end soon, or are shut just now."""
        rng = self.rng
        source = rng.choice(SOURCES)
        if rng.random() < 0.3:
            return ("put", bind("end_quiet", source))
        zones = rng.sample(["", "Europe/Rome", "A/a+B/b"], rng.choice([1, 2, 3]))
        return (
            "put",
            bind("put_quiet", source, {zone: some_spans(self.rng, self.now_ms) for zone in zones}),
        )

    def _put_source(self) -> Step:
        states = [SourceState.RUNNING] * 4 + [SourceState.PAUSED, SourceState.DRAFT]
        state = self.rng.choice([*states, SourceState.SCHEDULED, SourceState.CANCELLED])
        if state is SourceState.CANCELLED and self.rng.random() < 0.15:
            state = SourceState.RUNNING
        spec = SourceSpec(state, self.rng.choice([1, 2]), self.now_ms + 5_000)
        source = self.rng.choice(SOURCES)
        if state is SourceState.CANCELLED and self.claimed:
            return self._cancel_under_way(self.claimed.pop())
        return ("put", bind("put_source", source, spec))

    def remember(self, jobs: list[Claimed]) -> None:
        """Hold what a claim gave; the same job again replaces what was held of it."""
        held = {job.key for job in jobs}
        self.claimed = [job for job in self.claimed if job.key not in held]
        self.claimed += jobs
        self.touched += held
