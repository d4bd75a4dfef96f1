"""Every metric: counted in plain integers from the engine's events, rendered when scraped.

Counters and histograms tell of this process. Gauges tell of the whole deployment, and only one
process tells them at a time: whoever adds up over processes counts nothing twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from adapters.prometheus.pieces import (
    Piece,
    Table,
    counter_pieces,
    encoded,
    gauge_pieces,
    histogram_pieces,
)
from adapters.prometheus.standings import Outside, Standings
from adapters.prometheus.tallies import OTHER, UNKNOWN, Labels, Spread, Tally, Values
from engine.books import Books
from engine.directory import Directory
from engine.events import (
    Event,
    GateClosed,
    JobsClaimed,
    JobsEnqueued,
    JobsRescued,
    JobsSettled,
    QuickRetried,
    StatusesReceived,
)
from engine.model import Gate, JobKey, NowMs, PortfolioId, SenderId
from engine.outcomes import (
    Accepted,
    Deferred,
    Dropped,
    InDoubt,
    Outcome,
    Retry,
    Suppressed,
    Unwritten,
    never_left,
)
from engine.ports import FOREVER_MS, Claimed, Receipt

SEND_BUCKETS_US = tuple(
    round(s * 1e6) for s in (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20)
)
QUEUE_BUCKETS_MS = tuple(
    round(s * 1e3) for s in (0.005, 0.025, 0.1, 0.25, 1, 5, 10, 60, 600, 3_600, 21_600, 86_400)
)
LAG_BUCKETS_MS = tuple(round(s * 1e3) for s in (0.1, 0.5, 1, 2.5, 5, 10, 60, 600, 3_600))
REDIS_BUCKETS_US = tuple(
    round(s * 1e6) for s in (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1)
)

SENDER, PRIORITY, SCRIPT = ("sender",), ("priority",), ("script",)
ACCEPTED = "accepted"
OUTCOMES: dict[type[Outcome], str] = {
    Accepted: ACCEPTED,
    Unwritten: "unwritten",
    Retry: "retry",
    Deferred: "deferred",
    InDoubt: "in_doubt",
    Dropped: "failed",
    Suppressed: "suppressed",
}
KINDS: Final = frozenset({"campaign", "journey", "direct"})  # of sources
CODES_MAX: Final = 500  # codes of Meta with a label of their own; it documents about 150
FAILURES_MAX: Final = 20_000  # writes whose failure was told: a repetition comes soon, or seldom
LANES_MAX: Final = 100_000  # a process may live longer than its lanes
SPREADS_MAX: Final = 2_000  # labels of senders, those of former times too, with a histogram

Shelf = tuple[str, str, Spread, Spread]  # sender, category, seconds of sends and in the queue


@dataclass(frozen=True, slots=True)
class Process:
    """What this process knows of itself, counted elsewhere."""

    webhooks: Callable[[], Mapping[Values, int]] = dict  # by field and by what became of them
    lost: Callable[[], int] = int  # jobs that a recovery of the ledger could not find
    is_draining: Callable[[], bool] = bool
    speaks: Callable[[], bool] = lambda: True  # whether it tells the gauges of the deployment


class Metrics:
    """Hears the engine's events; labels are few and bounded: never a recipient, never a job."""

    def __init__(
        self,
        directory: Directory,
        books: Books,
        now_ms: NowMs,
        process: Process | None = None,
        outside: Outside | None = None,
    ) -> None:
        self._directory = directory
        self._now_ms = now_ms
        self.process = process or Process()
        self._labels = Labels(directory)
        outside = outside or Outside()
        self._standings = Standings(directory, books, self._labels, now_ms, outside)
        self._senders: dict[tuple[PortfolioId, int], SenderId] = {}  # of lanes that were served
        self.enqueued = Tally()
        self.messages = Tally()
        self.refusals = Tally()
        self.errors = Tally()
        self.retries = Tally()
        self.closed = Tally()
        self.unanswered = Tally()
        self._codes: set[int] = set()
        self._failures: dict[tuple[PortfolioId, JobKey | None, int], None] = {}  # told later
        self.sends: dict[Values, Spread] = {}
        self.queues: dict[Values, Spread] = {}
        self.scripts: dict[Values, Spread] = {}
        self.lag = Spread(LAG_BUCKETS_MS)
        self.silence_s: float | None = None
        """Since the last webhook to any process, as looked at a moment ago; None: none yet."""

    def __call__(self, event: Event) -> None:
        """Count one event."""
        match event:
            case JobsSettled():
                self._settled(event)
            case JobsClaimed():
                self._refused(event)
            case JobsEnqueued():
                self._enqueued(event)
            case StatusesReceived():
                self._received(event)
            case QuickRetried():
                self.retries.add((self._labels(event.job.lane.sender), "quick"), event.times)
            case GateClosed():
                self.closed.add((event.gate.value,))
            case JobsRescued():
                self._rescued(event)
            case _:
                pass

    def observe_script(self, script: str, took_us: int) -> None:
        """Count one round trip of a script."""
        self._script(script).observe(max(0, took_us))

    def accepted(self) -> int:
        """Return how many messages of this process Meta took."""
        return sum(times for values, times in self.messages.items() if values[2] == ACCEPTED)

    def accepted_by_label(self) -> dict[str, int]:
        """Return the same, by the label of the sender."""
        found = Counter[str]()
        for (sender, _, outcome), times in self.messages.items():
            if outcome == ACCEPTED:
                found[sender] += times
        return found

    def sent(self) -> tuple[int, int]:
        """Return how many Graph calls this process made, and the microseconds of all of them."""
        calls = sum(sum(each.counts) for each in self.sends.values())
        return calls, sum(each.total for each in self.sends.values())

    def label_of(self, sender: str) -> str:
        """Return the label under which a sender is counted."""
        return self._labels(sender)

    async def render(self, accept: str) -> tuple[bytes, str]:
        """Return the scrape and its content type; made in pieces, so that no send waits for it."""
        speaks = self.process.speaks()  # asked once: what it says of itself fits what it tells
        tables = await self._standings.tables() if speaks else []
        return await encoded(self._pieces(tables, speaks=speaks), accept)

    def _pieces(self, gauges: list[Table], *, speaks: bool) -> Iterator[Piece]:
        for table in self._counters():
            yield from counter_pieces(table)
        sends = "One Graph call."
        yield from histogram_pieces("penstock_send_seconds", sends, SENDER, self.sends, 1_000_000)
        queues = "From when a job could leave to its first byte."
        yield from histogram_pieces("penstock_queue_seconds", queues, PRIORITY, self.queues, 1_000)
        steps = "One round trip of an atomic step, for all portfolios it was asked for."
        yield from histogram_pieces(
            "penstock_redis_seconds", steps, SCRIPT, self.scripts, 1_000_000
        )
        lag = "From Meta's time of a status to its folding."
        yield from histogram_pieces("penstock_webhook_lag_seconds", lag, (), {(): self.lag}, 1_000)
        if self.silence_s is not None and speaks:
            text = "Since the last webhook that any process kept."
            silence: dict[Values, float] = {(): self.silence_s}
            yield from gauge_pieces(Table("penstock_webhook_silence_seconds", text, (), silence))
        for table in (*gauges, *self._own(speaks=speaks)):
            yield from gauge_pieces(table)

    # -- counting ------------------------------------------------------------------------------

    def _settled(self, event: JobsSettled) -> None:
        shelves: dict[int, Shelf] = {}  # by the lane's identity: of few lanes, looked up once each
        for job, outcome, sent_us, took_us in event.journeys:
            lane, kind = job.lane, type(outcome)
            shelf = shelves.get(id(lane))
            if shelf is None:
                shelf = shelves[id(lane)] = self._shelf(event.portfolio, job)
            sender, category, sends, queues = shelf
            self.messages.add((sender, category, OUTCOMES[kind]))
            if kind is not Accepted and never_left(outcome):
                continue
            sends.observe(took_us)
            queues.observe(max(0, sent_us // 1_000 - job.due_ms))
            if kind is Accepted:
                continue
            if isinstance(outcome, (Retry, Deferred, Dropped)):
                self._error(sender, outcome)
            if isinstance(outcome, Retry):
                self.retries.add((sender, "backoff"))

    def _shelf(self, portfolio: PortfolioId, job: Claimed) -> Shelf:
        lane, served = job.lane, (portfolio, job.key.lane)
        if served not in self._senders:
            if len(self._senders) >= LANES_MAX:
                del self._senders[next(iter(self._senders))]
            self._senders[served] = lane.sender
        sender = self._labels(lane.sender)
        category = self._category(lane.template)
        return sender, category, self._sends_of(sender), self._queue(lane.priority.name.lower())

    def _sends_of(self, sender: str) -> Spread:
        """Return a sender's histogram; names that senders gave up do not add up for ever."""
        if (sender,) not in self.sends and len(self.sends) >= SPREADS_MAX:
            sender = OTHER
        return self.sends.get((sender,)) or self.sends.setdefault(
            (sender,), Spread(SEND_BUCKETS_US)
        )

    def _enqueued(self, event: JobsEnqueued) -> None:
        sender = self._labels(event.lane.sender)
        kind = event.lane.source.partition(":")[0]
        kind = kind if kind in KINDS else OTHER
        for result, count in (
            ("accepted", event.accepted),
            ("duplicate", event.duplicates),
            ("conflict", event.conflicts),
            (event.refused or "refused", bool(event.refused)),
        ):
            if count:
                self.enqueued.add((sender, kind, result), count)

    def _refused(self, event: JobsClaimed) -> None:
        for each in event.refusals:
            self.refusals.add((self._labels(each.sender), each.gate.value), each.count)

    def _received(self, event: StatusesReceived) -> None:
        now_ms = self._now_ms()
        for receipt in event.receipts:
            self.lag.observe(max(0, now_ms - receipt.at_ms))
            if receipt.code and receipt.key is not None:
                self._told_later(event.portfolio, receipt)

    def _told_later(self, portfolio: PortfolioId, receipt: Receipt) -> None:
        """Count the number of a message that had been accepted; Meta repeats its webhooks."""
        write = (portfolio, receipt.key, receipt.attempt)
        if write in self._failures:
            return
        if len(self._failures) >= FAILURES_MAX:
            del self._failures[next(iter(self._failures))]
        self._failures[write] = None
        self.errors.add((self._labels(receipt.sender), self._code(receipt.code)))

    def _rescued(self, event: JobsRescued) -> None:
        for key in event.repeated:
            sender = self._senders.get((event.portfolio, key.lane), UNKNOWN)
            self.retries.add((self._labels(sender), "repeat"))

    def _category(self, template: str) -> str:
        known = self._directory.templates.get(template)
        return known.category.value if known else "service"

    def _error(self, sender: str, outcome: Retry | Deferred | Dropped) -> None:
        """Count Meta's number; 0 is its own only when it closes the sender for good (a token).

        https://developers.facebook.com/docs/graph-api/guides/error-handling
        """
        if outcome.code or (isinstance(outcome, Deferred) and outcome.until_ms >= FOREVER_MS):
            self.errors.add((sender, self._code(outcome.code)))
        elif isinstance(outcome, Deferred) and outcome.gate is Gate.SENDER:
            self.unanswered.add((sender,))

    def _code(self, code: int) -> str:
        """Return the label of an error code; those beyond CODES_MAX share one."""
        if code not in self._codes:
            if len(self._codes) >= CODES_MAX:
                return OTHER
            self._codes.add(code)
        return str(code)

    def _script(self, name: str) -> Spread:
        return self.scripts.get((name,)) or self.scripts.setdefault(
            (name,), Spread(REDIS_BUCKETS_US)
        )

    def _queue(self, name: str) -> Spread:
        return self.queues.get((name,)) or self.queues.setdefault((name,), Spread(QUEUE_BUCKETS_MS))

    def _own(self, *, speaks: bool) -> Iterable[Table]:
        text = "1 while this very process gives back its work to stop."
        yield Table("penstock_draining", text, (), {(): self.process.is_draining()})
        text = (
            "1 where the gauges of the whole deployment are told (queues, limits, senders, "
            "workers): by one process at a time. Where it is 0 they are told by another."
        )
        yield Table("penstock_speaker", text, (), {(): speaks})

    # -- showing -------------------------------------------------------------------------------

    def _counters(self) -> Iterable[Table]:
        text = "Jobs at the door, by what became of them."
        kinds = ("sender", "source_kind", "result")
        yield Table("penstock_jobs_enqueued", text, kinds, self.enqueued)
        text = "Deliveries, by how they ended."
        yield Table("penstock_messages", text, ("sender", "category", "outcome"), self.messages)
        text = "Job steps that a gate refused."
        yield Table("penstock_gate_refusals", text, ("sender", "gate"), self.refusals)
        text = "Errors that Meta answered, or told later of a message that it had accepted."
        yield Table("penstock_provider_errors", text, ("sender", "code"), self.errors)
        yield Table("penstock_retries", "Writes repeated.", ("sender", "reason"), self.retries)
        text = "Webhook calls (field `all`) and what they brought by field, by what became of it."
        yield Table("penstock_webhooks", text, ("field", "result"), self.process.webhooks())
        text = "Sends put off because nothing that their sender wrote was answered."
        yield Table("penstock_breaker_deferrals", text, SENDER, self.unanswered)
        text = "Gates that an answer of Meta closed."
        yield Table("penstock_gates_closed", text, ("gate",), self.closed)
        text = "Claimed jobs that no recovery of the ledger could find again."
        yield Table("penstock_lost_jobs", text, (), {(): self.process.lost()})
