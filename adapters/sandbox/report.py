"""The report: what was accepted, what was refused, which rule was broken, and how full it got."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence

from msgspec import Struct

from adapters.sandbox.rules.book import Entry
from adapters.sandbox.rules.judge import Judge
from adapters.sandbox.rules.quota import QuotaWindow
from adapters.sandbox.webhooks.postman import Postman
from adapters.sandbox.world import Send


class Spread(Struct, frozen=True):
    """The spread of a measure in milliseconds."""

    count: int = 0
    p50_ms: int = 0
    p99_ms: int = 0
    max_ms: int = 0


class WindowReport(Struct, frozen=True):
    """One quota window: the fullest moment, the limit the client had to keep then, the rest.

    `excess_max` is how far the window was ever above that limit at an acceptance; 0 is lawful.
    `reuse` is QuotaWindow.reuse_ms: see there what exactly is measured.
    """

    limit: int
    used: int
    fullest: int
    fullest_limit: int
    fullest_at_ms: int
    excess_max: int
    unique_recipients: int
    reuse: Spread


class RateReport(Struct, frozen=True):
    """One number: the most messages in any sliding second at arrival, and its limit."""

    limit_mps: int
    peak_mps: int


class WebhookReport(Struct, frozen=True):
    """What was posted: batches answered 200, given up, repeated; and single updates in them."""

    posts_sent: int
    posts_failed: int
    posts_repeated: int
    updates_sent: int


class Report(Struct, frozen=True):
    """The verdict over one run; `clean` is: no violation of any rule."""

    clean: bool
    accepted: int
    invalid: int
    errors: dict[str, int]
    failed_later: dict[str, int]
    violations: dict[str, Entry]
    windows: dict[str, WindowReport]
    rates: dict[str, RateReport]
    unique_recipients: int
    duplicates: int
    sends_per_s_peak: int
    sends_per_s_average: float
    first_accepted_at_ms: int | None
    last_accepted_at_ms: int | None
    faults: dict[str, int]
    webhooks: WebhookReport
    management_calls: int


class AcceptedMessage(Struct, frozen=True):
    """One accepted message, as far as a test may look at it."""

    at_ms: int
    id: str
    phone_number_id: str
    recipient: str
    template: str
    opaque: str
    values: tuple[str, ...]
    kind: str
    reply_to: str


class Tally:
    """The plain counts of a run."""

    def __init__(self, keep_max: int) -> None:
        self.accepted = 0
        self.invalid = 0
        self.errors: Counter[int] = Counter()
        self.failed_later: Counter[int] = Counter()
        self.management_calls = 0
        self.first_at_ms: int | None = None
        self.last_at_ms: int | None = None
        self.messages: deque[AcceptedMessage] = deque(maxlen=keep_max)
        self._seconds: dict[int, int] = {}
        self._keeps = keep_max > 0

    def accept(self, send: Send, wamid: str, at_ms: int) -> None:
        """Count one accepted message."""
        self.accepted += 1
        if self.first_at_ms is None:
            self.first_at_ms = at_ms
        self.last_at_ms = at_ms
        second = at_ms // 1_000
        self._seconds[second] = self._seconds.get(second, 0) + 1
        if self._keeps:
            self.messages.append(
                AcceptedMessage(
                    at_ms,
                    wamid,
                    send.number.id,
                    send.recipient,
                    send.template_name,
                    send.opaque,
                    send.values,
                    send.kind,
                    send.reply_to,
                )
            )

    def peak(self) -> int:
        """Return the most messages accepted in one second of the clock."""
        return max(self._seconds.values(), default=0)

    def average(self) -> float:
        """Return messages per second from the first to the last accepted, at least one second."""
        if self.first_at_ms is None or self.last_at_ms is None:
            return 0.0
        return self.accepted / (max(self.last_at_ms - self.first_at_ms, 1_000) / 1_000)


def report_of(
    judge: Judge, tally: Tally, postman: Postman, faults: dict[str, int], at_ms: int
) -> Report:
    """Return the verdict at `at_ms`."""
    windows = {name: _window(quota, at_ms) for name, quota in judge.quotas.items()}
    return Report(
        clean=not judge.book.entries,
        accepted=tally.accepted,
        invalid=tally.invalid,
        errors={str(code): count for code, count in sorted(tally.errors.items())},
        failed_later={str(code): count for code, count in sorted(tally.failed_later.items())},
        violations=dict(judge.book.entries),
        windows=windows,
        rates={
            number_id: RateReport(judge.world.numbers[number_id].throughput_mps, throughput.peak)
            for number_id, throughput in judge.throughputs.items()
            if throughput.peak
        },
        unique_recipients=sum(window.unique_recipients for window in windows.values()),
        duplicates=judge.duplicates,
        sends_per_s_peak=tally.peak(),
        sends_per_s_average=round(tally.average(), 1),
        first_accepted_at_ms=tally.first_at_ms,
        last_accepted_at_ms=tally.last_at_ms,
        faults=dict(faults),
        webhooks=WebhookReport(
            postman.posts_sent,
            postman.posts_failed,
            postman.posts_repeated,
            postman.updates_sent,
        ),
        management_calls=tally.management_calls,
    )


def spread(values: Sequence[int]) -> Spread:
    """Return count, median, 99th percentile (nearest rank) and maximum."""
    if not values:
        return Spread()
    ordered = sorted(values)
    last = len(ordered) - 1
    return Spread(len(ordered), ordered[last // 2], ordered[-(-last * 99 // 100)], ordered[last])


def _window(quota: QuotaWindow, at_ms: int) -> WindowReport:
    """Return the report of one quota window."""
    return WindowReport(
        limit=quota.limit,
        used=quota.used(at_ms),
        fullest=quota.fullest,
        fullest_limit=quota.fullest_limit,
        fullest_at_ms=quota.fullest_at_ms,
        excess_max=quota.excess_max,
        unique_recipients=len(quota.unique_ever),
        reuse=spread(quota.reuse_ms),
    )
