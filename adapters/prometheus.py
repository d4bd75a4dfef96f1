"""Every metric: counted in plain integers from the engine's events, rendered when scraped."""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from engine.directory import Directory
from engine.errors import LedgerError
from engine.events import (
    Event,
    JobsClaimed,
    JobsEnqueued,
    JobsSettled,
    QuickRetried,
    StatusesReceived,
)
from engine.model import NowMs, PortfolioId, TemplateStatus
from engine.outcomes import Accepted, Deferred, Dropped, InDoubt, Outcome, Retry, Unwritten
from engine.ports import Books, Quota

CACHE_MS = 1_500  # cluster facts are the same for all processes: no scrape asks twice for them
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

OUTCOMES: dict[type[Outcome], str] = {
    Accepted: "accepted",
    Unwritten: "unwritten",
    Retry: "retry",
    Deferred: "deferred",
    InDoubt: "in_doubt",
    Dropped: "failed",
}
K = TypeVar("K")


class Tally(dict[K, int]):
    """Counts by label values."""

    def add(self, labels: K, by: int = 1) -> None:
        """Count."""
        self[labels] = self.get(labels, 0) + by


class Spread:
    """A histogram of integers; its bounds are in the unit of what is observed."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[int]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0

    def observe(self, value: int) -> None:
        """Count one value; a bound is inside its bucket."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def buckets(self, per_second: int) -> list[tuple[str, float]]:
        """Return Prometheus's cumulative buckets in seconds."""
        names = [str(bound / per_second) for bound in self.bounds] + ["+Inf"]
        sums: list[tuple[str, float]] = []
        running = 0
        for name, count in zip(names, self.counts, strict=True):
            running += count
            sums.append((name, running))
        return sums

    def quantile(self, share: float) -> int:
        """Return the bound below which `share` of the values lie."""
        wanted, running = share * sum(self.counts), 0
        for bound, count in zip((*self.bounds, self.bounds[-1]), self.counts, strict=True):
            running += count
            if running >= wanted:
                return bound
        return self.bounds[-1]


@dataclass(slots=True)
class Facts:
    """What the ledger and the door know, taken at most once in CACHE_MS."""

    quotas: dict[PortfolioId, Quota] = field(default_factory=dict[PortfolioId, Quota])
    webhooks: dict[str, int] = field(default_factory=dict[str, int])
    taken_at_ms: int = 0


class Metrics(Collector):
    """Hears the engine's events; labels are few and bounded: never a recipient, never a job."""

    def __init__(
        self,
        directory: Directory,
        books: Books,
        now_ms: NowMs,
        webhooks: Callable[[], dict[str, int]] = dict,
    ) -> None:
        self._directory = directory
        self._books = books
        self._now_ms = now_ms
        self._webhooks = webhooks
        self._facts = Facts()
        self.enqueued: Tally[tuple[str, str, str]] = Tally()
        self.messages: Tally[tuple[str, str, str]] = Tally()
        self.refusals: Tally[tuple[str, str]] = Tally()
        self.errors: Tally[tuple[str, str]] = Tally()
        self.retries: Tally[tuple[str, str]] = Tally()
        self.sends: dict[str, Spread] = {}
        self.queues: dict[str, Spread] = {}
        self.scripts: dict[str, Spread] = {}
        self.lag = Spread(LAG_BUCKETS_MS)
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)

    def __call__(self, event: Event) -> None:
        """Count one event."""
        match event:
            case JobsSettled():
                self._settled(event)
            case JobsClaimed():
                self._script("claim").observe(event.took_us)
                for each in event.refusals:
                    self.refusals.add((self._label(each.sender), each.gate.value), each.count)
            case JobsEnqueued():
                self._enqueued(event)
            case StatusesReceived():
                now_ms = self._now_ms()
                for receipt in event.receipts:
                    self.lag.observe(max(0, now_ms - receipt.at_ms))
            case QuickRetried():
                self.retries.add((self._label(event.job.lane.sender), "quick"), event.times)
            case _:
                pass

    async def render(self, accept: str) -> tuple[bytes, str]:
        """Return the scrape and its content type; made aside, so that no send waits for it."""
        await self._take_facts()
        encode, content_type = choose_encoder(accept)
        return await asyncio.to_thread(encode, self._registry), content_type

    def collect(self) -> Iterator[Metric]:
        """Yield all families, from what was counted and taken."""
        yield from self._counters()
        yield _histograms(
            "penstock_send_seconds", "One Graph call.", "sender", self.sends, 1_000_000
        )
        yield _histograms(
            "penstock_queue_seconds",
            "From when a job could leave to its first byte.",
            "priority",
            self.queues,
            1_000,
        )
        yield _histograms(
            "penstock_redis_seconds", "One atomic step.", "script", self.scripts, 1_000_000
        )
        lag = HistogramMetricFamily(
            "penstock_webhook_lag_seconds", "From Meta's time of a status to its folding."
        )
        lag.add_metric([], self.lag.buckets(1_000), self.lag.total / 1_000)
        yield lag
        yield from self._gauges()

    # -- counting ------------------------------------------------------------------------------

    def _settled(self, event: JobsSettled) -> None:
        self._script("settle").observe(event.took_us)
        for job, outcome, sent_us, took_us in event.journeys:
            lane = job.lane
            sender = self._label(lane.sender)
            word = OUTCOMES[type(outcome)]
            self.messages.add((sender, self._category(lane.template), word))
            if isinstance(outcome, Unwritten):
                continue
            spread = self.sends.get(sender)
            if spread is None:
                spread = self.sends[sender] = Spread(SEND_BUCKETS_US)
            spread.observe(took_us)
            self._queue(lane.priority.name.lower()).observe(max(0, sent_us // 1_000 - job.due_ms))
            if isinstance(outcome, (Retry, Deferred, Dropped)):
                self.errors.add((sender, str(outcome.code)))
            if isinstance(outcome, Retry):
                self.retries.add((sender, "backoff"))

    def _enqueued(self, event: JobsEnqueued) -> None:
        sender = self._label(event.lane.sender)
        kind = event.lane.source.partition(":")[0]
        for result, count in (
            ("accepted", event.accepted),
            ("duplicate", event.duplicates),
            ("conflict", event.conflicts),
            (event.refused or "refused", bool(event.refused)),
        ):
            if count:
                self.enqueued.add((sender, kind, result), count)

    def _label(self, sender: str) -> str:
        known = self._directory.senders.get(sender)
        return known.alias or sender if known else "unknown"

    def _category(self, template: str) -> str:
        known = self._directory.templates.get(template)
        return known.category.value if known else "service"

    def _script(self, name: str) -> Spread:
        return self.scripts.get(name) or self.scripts.setdefault(name, Spread(REDIS_BUCKETS_US))

    def _queue(self, name: str) -> Spread:
        return self.queues.get(name) or self.queues.setdefault(name, Spread(QUEUE_BUCKETS_MS))

    # -- facts ---------------------------------------------------------------------------------

    async def _take_facts(self) -> None:
        now_ms = self._now_ms()
        if now_ms - self._facts.taken_at_ms < CACHE_MS:
            return
        facts = Facts(webhooks=self._webhooks(), taken_at_ms=now_ms)
        for portfolio in list(self._directory.portfolios.values()):
            try:
                facts.quotas[portfolio.id] = await self._books.quota(portfolio.id)
            except LedgerError:
                break  # what is not known is not shown
        self._facts = facts

    def _counters(self) -> Iterable[Metric]:
        for name, text, labels, tally in (
            (
                "penstock_jobs_enqueued",
                "Jobs at the door, by what became of them.",
                ("sender", "source_kind", "result"),
                self.enqueued,
            ),
            (
                "penstock_messages",
                "Deliveries, by how they ended.",
                ("sender", "category", "outcome"),
                self.messages,
            ),
            (
                "penstock_gate_refusals",
                "Job steps that a gate refused.",
                ("sender", "gate"),
                self.refusals,
            ),
            (
                "penstock_provider_errors",
                "Errors that Meta answered.",
                ("sender", "code"),
                self.errors,
            ),
            ("penstock_retries", "Writes repeated.", ("sender", "reason"), self.retries),
            (
                "penstock_webhooks",
                "Webhook calls, by what became of them.",
                ("field", "result"),
                {("all", result): n for result, n in self._facts.webhooks.items()},
            ),
        ):
            family = CounterMetricFamily(name, text, labels=labels)
            for values, count in list(tally.items()):
                family.add_metric(list(values), count)
            yield family

    def _gauges(self) -> Iterable[Metric]:
        quotas = self._facts.quotas
        now_ms = self._now_ms()
        yield _gauges("limit", "Messaging limit; -1 is unlimited.", quotas, lambda q: q.limit)
        yield _gauges("used", "People who count now.", quotas, lambda q: q.used)
        yield _gauges("reserved", "Places of sends under way.", quotas, lambda q: q.reserved)
        yield _gauges(
            "next_free_seconds",
            "Until the next place falls free; 0 when one is free.",
            quotas,
            lambda q: max(0, (q.next_free_at_ms or now_ms) - now_ms) / 1000,
        )
        throughput = GaugeMetricFamily(
            "penstock_throughput", "Messages a second Meta grants.", labels=["sender"]
        )
        for sender in list(self._directory.senders.values()):
            throughput.add_metric([sender.alias or sender.id], sender.throughput)
        yield throughput
        sendable = GaugeMetricFamily(
            "penstock_template_sendable",
            "1 while Meta calls the template APPROVED.",
            labels=["waba", "template", "language"],
        )
        for each in list(self._directory.templates.values()):
            is_sendable = each.status is TemplateStatus.APPROVED
            sendable.add_metric([each.waba_id, each.name, each.language], is_sendable)
        yield sendable


def _gauges(
    name: str, text: str, quotas: dict[PortfolioId, Quota], read: Callable[[Quota], float]
) -> Metric:
    family = GaugeMetricFamily(f"penstock_quota_{name}", text, labels=["portfolio"])
    for portfolio, quota in quotas.items():
        family.add_metric([portfolio], read(quota))
    return family


def _histograms(
    name: str, text: str, label: str, spreads: dict[str, Spread], per_second: int
) -> Metric:
    family = HistogramMetricFamily(name, text, labels=[label])
    for value, spread in list(spreads.items()):
        family.add_metric([value], spread.buckets(per_second), spread.total / per_second)
    return family
