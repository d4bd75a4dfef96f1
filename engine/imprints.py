"""What proves that nothing happened in a portfolio's slot since somebody last looked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from engine.books import Books
from engine.model import PortfolioId
from engine.ports import Ledger


class Imprint(NamedTuple):
    """What the last call that wrote in a slot left of itself; the same again: none has since.

    What time alone brings (a lease, a doubt, an expiry, an opening) was told when somebody looked.
    """

    at_ms: int  # the slot's clock, epoch ms; 0 before the first call
    sequence: int


class Imprints(Protocol):
    """Reading them costs a ledger next to nothing: a field a portfolio, many in one round trip."""

    async def imprints(self, portfolios: Sequence[PortfolioId]) -> list[Imprint]:
        """Return them in this order; LedgerError: of none is anything known."""
        ...


class WatchedLedger(Ledger, Imprints, Protocol):
    """A ledger that tells whether a look at a slot is worth its while."""


class WatchedBooks(Books, Imprints, Protocol):
    """Books that tell whether they can have changed."""
