"""Forgetting what is over: lanes without jobs, and at last the sources that had them."""

from __future__ import annotations

from typing import Final, Protocol

from engine.directory import Campaign, Registry
from engine.model import NowMs, PortfolioId, SourceState
from engine.quota import DAY_MS

SOURCE_KEPT_MS: Final = 30 * DAY_MS  # after the last of its lanes was forgotten
LANES_AT_ONCE: Final = 50  # bites of lanes in one step
SOURCES_AT_ONCE: Final = 100
REST_MS: Final = 600_000  # what is forgotten has been over for days


class Pruner(Protocol):
    """What keeps lanes and the books of sources; LedgerError when it cannot answer."""

    async def prune_lanes(self, portfolio: PortfolioId, after: int) -> int:
        """Forget idle lanes among some that come after one; return where to go on, 0 at the end.

        A lane is idle when it has no job that waits or is under way, and its ended ones were
        forgotten. No number of a lane is given twice.
        """
        ...

    async def idle_sources(self, portfolio: PortfolioId, until_ms: int, most: int) -> list[str]:
        """Return sources that have had no lane since `until_ms` or longer."""
        ...

    async def forget_source(self, portfolio: PortfolioId, source: str, until_ms: int) -> bool:
        """Forget a source's books and what it knew; False when it had a lane after `until_ms`.

        It stays among the idle ones until this is called again.
        """
        ...

    async def keep_source(self, portfolio: PortfolioId, source: str) -> None:
        """Do not name an idle source for as long again."""
        ...


class Pruning:
    """Looks through the lanes of a portfolio, some at a time, again and again.

    What stays for ever: the journeys that somebody described, with their books, until they are
    described no more; campaigns that were never cancelled and never had a row; and the number of
    the last lane.
    """

    def __init__(self, pruner: Pruner, registry: Registry, now_ms: NowMs) -> None:
        self._pruner = pruner
        self._registry = registry
        self._now_ms = now_ms
        self._after: dict[PortfolioId, int] = {}
        self._rests_until_ms: dict[PortfolioId, int] = {}

    async def step(self, portfolio: PortfolioId) -> list[Campaign]:
        """Look at some lanes and idle sources, every minute; return campaigns that are no more.

        A portfolio of which all lanes were seen is left alone for a while.
        """
        if self._now_ms() < self._rests_until_ms.get(portfolio, 0):
            return []
        after = self._after.get(portfolio, 0)
        for _ in range(LANES_AT_ONCE):
            after = await self._pruner.prune_lanes(portfolio, after)
            if not after:
                break
        self._after[portfolio] = after
        until_ms, gone = self._now_ms() - SOURCE_KEPT_MS, list[Campaign]()
        for source in await self._pruner.idle_sources(portfolio, until_ms, SOURCES_AT_ONCE):
            await self._forget(portfolio, source, until_ms, gone)
        for campaign in self._empty(portfolio, until_ms)[:SOURCES_AT_ONCE]:
            await self._forget(portfolio, campaign.source, until_ms, gone)
        if not after:
            self._rests_until_ms[portfolio] = self._now_ms() + REST_MS
        return gone

    def _empty(self, portfolio: PortfolioId, until_ms: int) -> list[Campaign]:
        """Return campaigns that were cancelled: those that never had a row are in no lane."""
        return [
            campaign
            for campaign in self._registry.directory.campaigns.values()
            if campaign.portfolio_id == portfolio
            and campaign.state is SourceState.CANCELLED
            and campaign.created_at_ms <= until_ms
        ]

    async def _forget(
        self, portfolio: PortfolioId, source: str, until_ms: int, gone: list[Campaign]
    ) -> None:
        directory, (kind, _, name) = self._registry.directory, source.partition(":")
        if kind == "journey" and name in directory.journeys:
            await self._pruner.keep_source(portfolio, source)
            return
        if not await self._pruner.forget_source(portfolio, source, until_ms):
            return
        campaign = directory.campaigns.get(name) if kind == "campaign" else None
        if campaign is not None and campaign.portfolio_id == portfolio:
            await self._registry.change(Campaign, name, lambda _: None)
            gone.append(campaign)
