"""What stands in each portfolio: all of them at every look, or in turns where they are many."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from engine.books import Books, Depth, Quota
from engine.directory import Directory
from engine.model import NowMs, PortfolioId, SenderId

READ_AT_ONCE: Final = 1_000  # portfolios that one look reads; the others are as at their last turn
READ_MS: Final = 1_500  # and how long it may take; each has its turn, however slow the ledger is

CountDead = Callable[[PortfolioId, Sequence[SenderId]], Awaitable[Mapping[SenderId, int]]]


@dataclass(frozen=True, slots=True)
class Standing:
    """What the ledger told of one portfolio."""

    quota: Quota
    depths: Sequence[Depth]
    dead: Mapping[SenderId, int]


class Rounds:
    """Looks at all portfolios, those first that were read longest ago."""

    def __init__(
        self, directory: Directory, books: Books, count_dead: CountDead | None, now_ms: NowMs
    ) -> None:
        self.books = books
        self._directory = directory
        self._count_dead = count_dead
        self._now_ms = now_ms
        self._last: dict[str, Standing] = {}  # in the order in which they were read

    async def look(self) -> dict[str, Standing] | None:
        """Return what stands in each, None until each was read; LedgerError: nobody told."""
        senders: dict[str, list[SenderId]] = {}
        for each in self._directory.senders.values():
            senders.setdefault(each.portfolio_id, []).append(each.id)
        portfolios = self._directory.portfolios
        self._last = {name: its for name, its in self._last.items() if name in portfolios}
        unread = [name for name in portfolios if name not in self._last]
        until_ms = self._now_ms() + READ_MS
        for name in [*unread, *self._last][:READ_AT_ONCE]:
            standing = await self._read(PortfolioId(name), senders.get(name, []))
            self._last.pop(name, None)
            self._last[name] = standing
            if self._now_ms() >= until_ms:
                break
        return dict(self._last) if len(self._last) >= len(portfolios) else None

    async def _read(self, portfolio: PortfolioId, senders: Sequence[SenderId]) -> Standing:
        dead = await self._count_dead(portfolio, senders) if self._count_dead and senders else {}
        return Standing(await self.books.quota(portfolio), await self.books.depths(portfolio), dead)
