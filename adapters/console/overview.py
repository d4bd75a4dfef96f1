"""The picture is put together: directory, books, windows, campaigns and pulses, each asked once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

from adapters.console.shapes import (
    CampaignShown,
    Curve,
    Overview,
    WindowShown,
    moment,
)
from adapters.console.sums import Sums, error_rows, pace_of
from engine.books import Books, Depth, Quota, shown_counts
from engine.campaigns import CampaignStatus
from engine.directory import Campaign, Directory
from engine.errors import EngineError, LedgerError
from engine.model import DeliveryStatus, NowMs, PortfolioId, Priority, SenderId
from engine.pulses import Pulse, Pulses
from engine.quota import Limit, default_reserve
from engine.senders import UNGUARDED, QualityGuard

TAKE_S: Final = 5.0  # of one picture; what the ledger has not told by then is an old picture
WINDOWS_MAX: Final = 100
SENDERS_MAX: Final = 200
CAMPAIGNS_MAX: Final = 50
GOING_MAX: Final = 200  # campaigns that are not over and are looked at
READ_AGAIN: Final = 10  # campaigns that are over and whose receipts still come in
CURVE_STEPS: Final = 60
CURVES_A_SPAN: Final = 240  # a curve is read anew this often in a window, at most every picture
CURVE_AGE_MAX_MS: Final = 30_000
OVER: Final = frozenset({"completed", "cancelled"})
ORDER: Final = ("running", "scheduled", "paused", "stopped", "draft", "completed")


class Frees(Protocol):
    """When the places of a window fall free."""

    async def freed_by(
        self, portfolio: PortfolioId, scope: str, moments_ms: Sequence[int]
    ) -> list[int]:
        """Return how many of those who count now have stopped to count by each moment."""
        ...


@dataclass(slots=True)
class Sources:
    """Where the picture comes from."""

    directory: Directory
    books: Books
    status_of: Callable[[str], Awaitable[CampaignStatus]]  # of a campaign's id
    pulses: Pulses
    frees: Frees
    count_workers: Callable[[], Awaitable[int]]
    title_of: Callable[[str], str]  # of one of Meta's codes
    now_ms: NowMs
    span_ms: int  # how long a recipient counts
    window_ms: int
    guard: QualityGuard = UNGUARDED  # what quality holds back


@dataclass(slots=True)
class _Found:
    """What the ledger told for one picture."""

    workers: int = 0
    pulses: Sequence[Pulse] = ()
    depths: list[Depth] = field(default_factory=list[Depth])
    windows: list[WindowShown] = field(default_factory=list[WindowShown])
    campaigns: list[CampaignShown] = field(default_factory=list[CampaignShown])


class Overviews:
    """Takes pictures; one that cannot be taken is the last one, with the reason."""

    def __init__(self, sources: Sources) -> None:
        self._from = sources
        self._last = Overview(at=datetime.fromtimestamp(0, UTC))
        self._curves: dict[tuple[str, str], tuple[int, list[int]]] = {}  # when read, and freed by
        self._over: dict[str, CampaignShown] = {}  # campaigns that have ended, as last seen
        self._turn = 0  # which of them is read though it is not among the newest

    async def take(self) -> Overview:
        """Return a picture of this moment."""
        now_ms = self._from.now_ms()
        at = datetime.fromtimestamp(now_ms / 1_000, UTC)
        try:
            async with asyncio.timeout(TAKE_S):
                found = await self._find(now_ms)
        except (LedgerError, TimeoutError):
            problem = "The ledger does not answer: nothing is sent until it does, nothing is lost."
            return replace(self._last, at=at, problem=problem)
        self._last = await self._put_together(found, now_ms, at)
        return self._last

    async def _find(self, now_ms: int) -> _Found:
        sources, found = self._from, _Found()
        found.workers = await sources.count_workers()
        found.pulses = await sources.pulses.newest()
        for place, name in enumerate(sorted(sources.directory.portfolios)):
            found.depths += await sources.books.depths(PortfolioId(name))
            if place < WINDOWS_MAX:
                found.windows += await self._windows(PortfolioId(name), now_ms)
        found.campaigns = await self._campaigns()
        return found

    async def _put_together(self, found: _Found, now_ms: int, at: datetime) -> Overview:
        sources = self._from
        sums = Sums(sources.directory, found.pulses, now_ms, sources.guard)
        await sums.look_around()
        for depth in found.depths:
            sums.add(depth)
        errors = error_rows(found.pulses, sources.title_of)
        sums.totals.errors = sum(each.times for each in errors)
        return Overview(
            at=at,
            workers=found.workers,
            window_seconds=sources.window_ms / 1_000,
            totals=sums.totals,
            pace=pace_of(found.pulses, now_ms),
            senders=sums.senders()[:SENDERS_MAX],
            senders_in_all=len(sources.directory.senders),
            windows=_fullest(found.windows)[:WINDOWS_MAX],
            windows_in_all=len(found.windows),
            campaigns=found.campaigns,
            campaigns_in_all=len(sources.directory.campaigns),
            waiting=sums.waiting(found.windows),
            errors=errors,
        )

    # -- windows -----------------------------------------------------------------------------------

    async def _windows(self, portfolio: PortfolioId, now_ms: int) -> Iterable[WindowShown]:
        directory, books = self._from.directory, self._from.books
        if directory.portfolios[portfolio].quota_scope == "portfolio":
            quota = await books.quota(portfolio)
            return [await self._window(portfolio, "", "", quota, now_ms)]
        shown: list[WindowShown] = []
        for sender in list(directory.senders.values()):
            if sender.portfolio_id == portfolio and len(shown) < WINDOWS_MAX:
                quota = await books.quota(portfolio, SenderId(sender.id))
                label = sender.alias or sender.id
                shown.append(await self._window(portfolio, sender.id, label, quota, now_ms))
        return shown

    async def _window(
        self, portfolio: PortfolioId, scope: str, label: str, quota: Quota, now_ms: int
    ) -> WindowShown:
        curve = None
        if quota.limit >= 0:
            curve = await self._curve(portfolio, scope, quota, now_ms)
        kept = self._kept(portfolio, quota.limit)
        return WindowShown(
            portfolio=portfolio,
            sender=label,
            limit=quota.limit,
            used=quota.used,
            debt=quota.debt,
            reserved=quota.reserved,
            available=quota.available,
            kept=kept,
            next_free_at=moment(quota.next_free_at_ms) or _next_free(curve, kept),
            curve=curve,
        )

    def _kept(self, portfolio: PortfolioId, limit: int) -> int:
        """Return how many places marketing has to leave to others."""
        known = self._from.directory.portfolios[portfolio]
        reserve = default_reserve(limit, known.reserve)
        return limit - Limit(limit, known.headroom, reserve).ceiling(Priority.MARKETING)

    async def _curve(self, portfolio: PortfolioId, scope: str, quota: Quota, now_ms: int) -> Curve:
        span_ms = self._from.span_ms
        step_ms = span_ms // CURVE_STEPS
        read_at_ms, freed = self._curves.get((portfolio, scope), (0, []))
        if now_ms - read_at_ms >= min(CURVE_AGE_MAX_MS, span_ms // CURVES_A_SPAN):
            read_at_ms = now_ms
            moments_ms = [now_ms + step * step_ms for step in range(CURVE_STEPS + 1)]
            freed = await self._from.frees.freed_by(portfolio, scope, moments_ms)
            self._curves[(portfolio, scope)] = (read_at_ms, freed)
        free_now = quota.limit - quota.used  # below zero in debt
        begin = datetime.fromtimestamp(read_at_ms / 1_000, UTC)
        free = [max(0, min(quota.limit, free_now + by)) for by in freed]
        return Curve(begin, step_ms / 1_000, free)

    # -- campaigns ---------------------------------------------------------------------------------

    async def _campaigns(self) -> list[CampaignShown]:
        """Return those that go on, then those that are over.

        Of these the newest are read, and one of the others in turn: rows may be tried once more.
        """
        known = self._from.directory.campaigns
        campaigns = sorted(known.values(), key=lambda each: -each.created_at_ms)
        self._over = {name: its for name, its in self._over.items() if name in known}
        going = [each for each in campaigns if each.id not in self._over][:GOING_MAX]
        over = [each for each in campaigns if each.id in self._over]
        older = over[READ_AGAIN:]
        self._turn += 1
        turn = [older[self._turn % len(older)]] if older else []
        read = {each.id: await self._campaign(each) for each in going + over[:READ_AGAIN] + turn}
        latest = [read.get(each.id, self._over.get(each.id)) for each in going + over]
        shown = [each for each in latest if each is not None]
        shown.sort(key=lambda each: _rank(each.state))
        return shown[:CAMPAIGNS_MAX]

    async def _campaign(self, campaign: Campaign) -> CampaignShown | None:
        try:
            status = await self._from.status_of(campaign.id)
        except LedgerError:
            raise
        except EngineError:  # made a moment ago: the ledger does not know its source yet
            return None
        shown = _shown_campaign(status)
        if shown.state in OVER:
            self._over[campaign.id] = shown
        else:
            self._over.pop(campaign.id, None)
        return shown


def _next_free(curve: Curve | None, kept: int) -> datetime | None:
    """Return by when a place falls free that marketing may take, where it may take none now."""
    if curve is None or curve.free[0] > kept:
        return None
    for step, free in enumerate(curve.free):
        if free > kept:
            return curve.begin + timedelta(seconds=step * curve.step_seconds)
    return None


def _rank(state: str) -> int:
    return ORDER.index(state) if state in ORDER else len(ORDER)


def _shown_campaign(status: CampaignStatus) -> CampaignShown:
    campaign, counts = status.campaign, status.counts
    return CampaignShown(
        id=campaign.id,
        name=campaign.name,
        state=status.state,
        portfolio=campaign.portfolio_id,
        enqueued=counts.enqueued,
        counts=shown_counts(counts),
        delivery={
            each.value: counts.delivery.get(each, 0)
            for each in DeliveryStatus
            if each is not DeliveryStatus.NONE
        },
        eta=moment(status.eta_ms),
        warnings=status.warnings,
    )


def _fullest(windows: list[WindowShown]) -> list[WindowShown]:
    """Return windows, the fullest first; those without a limit last."""

    def fill(window: WindowShown) -> float:
        return window.used / max(1, window.limit) if window.limit >= 0 else -1.0

    return sorted(windows, key=lambda each: (-fill(each), each.portfolio, each.sender))
