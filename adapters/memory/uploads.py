"""How far uploads of recipients came, for one process and its tests."""

from __future__ import annotations

from collections.abc import Sequence

from adapters.memory.ledger import MemoryLedger
from adapters.memory.results import MemoryResults
from engine.model import PortfolioId
from engine.results import Taken, Upload

Name = tuple[PortfolioId, str]


class MemoryUploads:
    """See engine.results.UploadStore."""

    def __init__(self, ledger: MemoryLedger, results: MemoryResults) -> None:
        self._ledger = ledger
        self._results = results
        self._states: dict[Name, bytes] = {}
        self._complete: set[Name] = set()
        self._takers: dict[Name, str] = {}

    async def take(self, portfolio: PortfolioId, upload: Upload, *, anew: bool) -> Taken:
        """See UploadStore.take."""
        place = (portfolio, upload.tally)
        tallies = self._ledger.slot(portfolio)[0].tallies
        if not anew and place not in self._states:
            return Taken(None, 0)
        if anew and place in self._complete:
            tallies.pop(place[1], None)
            self._complete.discard(place)
        self._takers[place] = upload.taker
        return Taken(self._states.get(place), tallies.get(place[1], 0))

    async def note(
        self,
        portfolio: PortfolioId,
        upload: Upload,
        state: bytes,
        rejects: Sequence[bytes],
        *,
        complete: bool,
    ) -> int | None:
        """See UploadStore.note."""
        place = (portfolio, upload.tally)
        if self._takers.get(place) != upload.taker:
            return None
        self._states[place] = state
        if complete:
            self._complete.add(place)
        await self._results.reject(portfolio, upload.source, rejects)
        return self._ledger.slot(portfolio)[0].tallies.get(place[1], 0)
