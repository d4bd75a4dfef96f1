"""What stands in the ledger and the directory: told by one process, read once in a while."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from adapters.breath import breathe
from adapters.prometheus.known import Known
from adapters.prometheus.pieces import Table
from adapters.prometheus.rounds import CountDead, Rounds, Standing
from adapters.prometheus.tallies import Gauge, Labels, PortfolioLabels, add_to
from adapters.prometheus.wanted import permitted_mps, wanted_workers
from engine.books import Books, Depth, Quota
from engine.directory import Directory
from engine.errors import LedgerError
from engine.model import Gate, JobState, NowMs
from engine.senders import UNGUARDED, QualityGuard

CACHE_MS: Final = 1_500  # no two scrapes within it ask the ledger
TAKE_S: Final = 3.0  # of a scrape's usual ten: what the ledger has not told by then is not shown
SERVERS_MAX: Final = 1_000  # primaries of a cluster: as many as Redis advises to have at most

CountWorkers = Callable[[], Awaitable[int]]


class Server(Protocol):
    """What one server of the ledger tells about itself."""

    @property
    def node(self) -> str:
        """Return its address."""
        ...

    @property
    def used_bytes(self) -> int:
        """Return how much memory it uses."""
        ...

    @property
    def most_bytes(self) -> int:
        """Return how much it may use; 0 if unknown."""
        ...

    @property
    def is_durable(self) -> bool:
        """Return whether what it is told reaches its file."""
        ...


@dataclass(frozen=True, slots=True)
class Outside:
    """What else stands outside this process, and how to ask for it; None shows nothing."""

    count_workers: CountWorkers | None = None
    count_dead: CountDead | None = None
    read_servers: Callable[[], Awaitable[Sequence[Server]]] | None = None
    read_latency_s: Callable[[], Awaitable[float]] | None = None  # of a Graph call
    concurrency: int = 512  # of one worker
    guard: QualityGuard = UNGUARDED  # what quality holds back


class Standings:
    """The gauges of a deployment."""

    def __init__(
        self,
        directory: Directory,
        books: Books,
        labels: Labels,
        now_ms: NowMs,
        outside: Outside,
    ) -> None:
        self._labels = labels
        self._portfolios = PortfolioLabels(directory)
        self._known = Known(directory, labels, self._portfolios, outside.guard)
        self.rounds = Rounds(directory, books, outside.count_dead, now_ms)
        self._now_ms = now_ms
        self._outside = outside
        self._tables: list[Table] = []
        self._taken_at_ms = 0
        self._taking = asyncio.Lock()

    async def tables(self) -> list[Table]:
        """Return every gauge; the ledger is asked unless it was a moment ago."""
        async with self._taking:
            now_ms = self._now_ms()
            if now_ms - self._taken_at_ms >= CACHE_MS:
                self._tables = [*await self._known.tables(now_ms), *await self._of_ledger(now_ms)]
                self._taken_at_ms = now_ms
            return self._tables

    async def _of_ledger(self, now_ms: int) -> list[Table]:
        """Return what the ledger tells in time; a part of it would look like all, so none then."""
        quotas: dict[str, Quota] = {}
        depths = _Depths(self._labels, now_ms)
        try:
            async with asyncio.timeout(TAKE_S):
                apart = await self._of_outside()
                latency_s = await self._latency_s()
                found = await self.rounds.look()
        except (LedgerError, TimeoutError):
            return []
        if found is None:
            return apart  # a sum of some would look like the sum of all
        for name, standing in found.items():
            label = self._portfolios(name)
            quotas[label] = _fuller(quotas.get(label), standing.quota)
            await depths.add(standing)
        wanted = wanted_workers(depths.permitted_mps, latency_s, self._outside.concurrency)
        text = "Workers that what may leave now keeps busy: what an autoscaler follows."
        shown = Table("penstock_wanted_workers", text, (), {(): wanted})
        return [*_of_quotas(quotas, now_ms), *depths.tables(), *apart, shown]

    async def _latency_s(self) -> float:
        read = self._outside.read_latency_s
        return await read() if read is not None else 0.0

    async def _of_outside(self) -> list[Table]:
        outside, tables = self._outside, list[Table]()
        if outside.count_workers is not None:
            workers: Gauge = {(): await outside.count_workers()}
            tables.append(
                Table("penstock_workers", "Workers alive in the last seconds.", (), workers)
            )
        if outside.read_servers is not None:
            tables += _of_servers(await outside.read_servers())
        return tables


class _Depths:
    """What the senders have to do, by their labels: several senders may share one."""

    def __init__(self, labels: Labels, now_ms: int) -> None:
        self._labels = labels
        self._now_ms = now_ms
        self._jobs: Gauge = {}
        self._oldest: Gauge = {}
        self._doubts: Gauge = {}
        self._rates: Gauge = {}
        self._dead: Gauge = {}
        self._added = 0
        self.permitted_mps = 0  # messages a second that may leave now, of all

    async def add(self, standing: Standing) -> None:
        """Add a portfolio's."""
        self.permitted_mps += permitted_mps(standing.depths)
        for each in standing.depths:
            self._add(each)
            self._added += 1
            await breathe(self._added)
        for sender, jobs in standing.dead.items():
            add_to(self._dead, (self._labels(sender),), jobs)

    def _add(self, depth: Depth) -> None:
        sender = self._labels(depth.sender)
        if depth.sender:
            add_to(self._rates, (sender,), depth.rate_mps)
            add_to(self._doubts, (sender,), 0)
        for (priority, word), jobs in depth.jobs.items():
            state = f"waiting_{word}" if isinstance(word, Gate) else word.value
            add_to(self._jobs, (sender, priority.name.lower(), state), jobs)
            if word is JobState.IN_DOUBT:
                add_to(self._doubts, (sender,), jobs)
        for priority, due_ms in depth.oldest_due_ms.items():
            labels = (sender, priority.name.lower())
            age_s = max(0, self._now_ms - due_ms) / 1000
            self._oldest[labels] = max(self._oldest.get(labels, 0), age_s)

    def tables(self) -> Iterable[Table]:
        """Return the gauges of all that was added."""
        text = "Jobs that have not ended, by state or by the gate they wait behind."
        three = ("sender", "priority", "state")
        yield Table("penstock_queue_depth", text, three, self._jobs)
        text = "Since when the oldest job that its source lets go could have left."
        yield Table("penstock_oldest_job_seconds", text, three[:2], self._oldest)
        text = "Jobs that may have been sent: evidence or their policy decides."
        yield Table("penstock_in_doubt", text, three[:1], self._doubts)
        text = "Messages a second that may leave now: as granted, or less where Meta taught us so."
        yield Table("penstock_rate_limit", text, three[:1], self._rates)
        if self._dead:
            text = "Jobs that failed for good and are kept to be looked at."
            yield Table("penstock_dead_letters", text, three[:1], self._dead)


def _of_servers(servers: Sequence[Server]) -> Iterable[Table]:
    def table(name: str, text: str, read: Callable[[Server], float]) -> Table:
        values: Gauge = {(each.node,): read(each) for each in servers[:SERVERS_MAX]}
        return Table(f"penstock_redis_{name}", text, ("node",), values)

    yield table("memory_bytes", "Memory a primary uses.", lambda its: its.used_bytes)
    text = "Memory it may use: maxmemory, else the machine's; 0 if unknown."
    yield table("memory_max_bytes", text, lambda its: its.most_bytes)
    text = "1 while its append-only file is on and written without errors."
    yield table("durable", text, lambda its: its.is_durable)


def _of_quotas(quotas: dict[str, Quota], now_ms: int) -> Iterable[Table]:
    def table(name: str, text: str, read: Callable[[Quota], float]) -> Table:
        values: Gauge = {(each,): read(quota) for each, quota in quotas.items()}
        return Table(f"penstock_quota_{name}", text, ("portfolio",), values)

    yield table("limit", "Messaging limit; -1 is unlimited.", lambda quota: quota.limit)
    yield table(
        "used",
        "People who count now; of `other`, of the one with the least left.",
        lambda quota: quota.used,
    )
    yield table("reserved", "Places of sends under way.", lambda quota: quota.reserved)
    yield table(
        "next_free_seconds",
        "Until the next place falls free; 0 when one is free.",
        lambda quota: max(0, (quota.next_free_at_ms or now_ms) - now_ms) / 1000,
    )


def _fuller(one: Quota | None, other: Quota) -> Quota:
    """Return the account of which less is left: whoever is told of `other` looks for that one."""
    if one is None:
        return other
    return max(one, other, key=_used_share)


def _used_share(quota: Quota) -> float:
    """Return which part of its limit is used; nothing of an unlimited one, all of a limit of 0."""
    if quota.limit < 0:
        return 0.0
    return quota.used / quota.limit if quota.limit else 1.0
