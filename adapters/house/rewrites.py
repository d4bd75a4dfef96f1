"""Campaigns that were rewritten: every process forgets what it knew of them before."""

from __future__ import annotations

from collections.abc import Callable

from adapters.redis.ledger import RedisLedger
from adapters.redis.letterbox import Hints
from engine.directory import Campaign, Directory
from engine.pool import Pool

State = tuple[int, int, tuple[str, ...]]  # version, priority, templates


class Rewrites:
    """Tells of rewritten campaigns, and looks after each refresh for those no hint told of."""

    def __init__(
        self,
        directory: Directory,
        ledger: RedisLedger,
        hints: Hints,
        pool: Callable[[], Pool | None],
    ) -> None:
        self._directory = directory
        self._ledger = ledger
        self._hints = hints
        self._pool = pool
        self._seen: dict[str, State] = {}

    async def tell(self, campaign: Campaign) -> None:
        """Tell all processes: what they claimed of it and did not write goes back for the new."""
        self.look()
        await self._hints.stop(campaign.portfolio_id, campaign.source)

    def look(self) -> None:
        """Compare every campaign with what it was; one that is new is only remembered."""
        campaigns = self._directory.campaigns
        for name, campaign in campaigns.items():
            state = (campaign.content, int(campaign.priority), campaign.templates)
            if self._seen.setdefault(name, state) != state:
                self._seen[name] = state
                self._forget(campaign)
        if len(self._seen) > len(campaigns):
            self._seen = {name: state for name, state in self._seen.items() if name in campaigns}

    def _forget(self, campaign: Campaign) -> None:
        """Read anew what this process knows of a campaign; what it claimed of it goes back."""
        self._ledger.forget_lanes(campaign.portfolio_id)
        pool = self._pool()
        if pool is not None:
            pool.stop_heard(campaign.portfolio_id, campaign.source)
