"""How far uploads of recipients came, for one process and its tests."""

from __future__ import annotations

from engine.model import PortfolioId

Name = tuple[PortfolioId, str, str]


class MemoryUploads:
    """See adapters.redis.uploads.RedisUploads."""

    def __init__(self) -> None:
        self._states: dict[Name, bytes] = {}
        self._holders: dict[Name, str] = {}

    async def read(self, portfolio: PortfolioId, source: str, name: str) -> bytes | None:
        """Return how far an upload came, as it was noted; None when nobody knows it."""
        return self._states.get((portfolio, source, name))

    async def take(
        self, portfolio: PortfolioId, source: str, name: str, holder: str
    ) -> bytes | None:
        """Make `holder` the one who takes an upload from now on; return how far it came."""
        self._holders[portfolio, source, name] = holder
        return self._states.get((portfolio, source, name))

    async def note(
        self, portfolio: PortfolioId, source: str, name: str, holder: str, state: bytes
    ) -> bool:
        """Note how far an upload came; whether `holder` still is the one who takes it."""
        if self._holders.get((portfolio, source, name)) != holder:
            return False
        self._states[portfolio, source, name] = state
        return True
