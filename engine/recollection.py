"""What this process did in the last minute, told again to a ledger that has lost its tail."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from engine.errors import LedgerError
from engine.imprints import Imprint, WatchedLedger
from engine.model import JobKey, NowMs, PortfolioId
from engine.ports import (
    Again,
    Answer,
    Ask,
    Batch,
    Claimed,
    Enqueued,
    Receipt,
    Receipts,
    Received,
    Recovery,
    Rescued,
    Settled,
    Settlement,
)

T = TypeVar("T")
Order = Callable[[], Awaitable[object]]  # tells the same again; LedgerError: it may not have

REMEMBER_MS = 60_000  # a failover loses a second or two; a minute is far on the safe side
REMEMBER_ROWS = 200_000  # and of what was queued no more than this: an upload has any length
REMEMBER_RECEIPTS = 200_000  # nor of what was received: several seconds, however much it is
BEYOND = 1_000_000  # further than others can have counted before our next wish tells of a loss
ASSERT_EVERY_MS = 10_000  # once per recovery


@dataclass(slots=True)
class Remembered:
    """One portfolio's last minute, and the highest sequence seen of it."""

    sequence: int = 0
    asserted_at_ms: int = 0
    rows: int = 0  # in `enqueued`
    receipts: int = 0  # in `received`
    looks: int = 0  # wishes for nothing, made only to hear whether the tail is there
    enqueued: deque[tuple[int, tuple[Batch, Enqueued]]] = field(default_factory=deque)
    claimed: deque[tuple[int, list[Claimed]]] = field(default_factory=deque)
    settled: deque[tuple[int, Sequence[Settlement]]] = field(default_factory=deque)
    received: deque[tuple[int, Sequence[Receipt]]] = field(default_factory=deque)
    ordered: deque[tuple[int, Order]] = field(default_factory=deque)

    @property
    def is_empty(self) -> bool:
        """Return whether nothing happened lately."""
        return not (self.enqueued or self.claimed or self.settled or self.received or self.ordered)


class Recollection:
    """A Ledger (and the receiving half of Receipts) that remembers what it asked of another.

    Every claim carries the highest sequence this process saw. A ledger that knows less has lost
    its tail (a failover): it answers `recovering` and sends nothing while the processes that are
    alive tell it again what they know. What nobody can know any more is counted in `lost`.
    """

    def __init__(
        self, ledger: WatchedLedger, receipts: Receipts, recovery: Recovery, now_ms: NowMs
    ) -> None:
        self._ledger = ledger
        self._receipts = receipts
        self._recovery = recovery
        self._now_ms = now_ms
        self._portfolios: dict[PortfolioId, Remembered] = {}
        self.lost = 0  # claimed jobs whose queue entry no recovery could find

    # -- Ledger -------------------------------------------------------------------------------

    async def enqueue(self, batches: Sequence[Batch]) -> list[Enqueued]:
        """See Ledger.enqueue."""
        answers = await self._ledger.enqueue(batches)
        for batch, answer in zip(batches, answers, strict=True):
            of = self._of(batch.portfolio, answer.sequence)
            if answer.accepted:
                of.enqueued.append((self._now_ms(), (batch, answer)))
                of.rows += len(batch.rows)
                self._forget_rows(of)
        return answers

    async def claim(self, asks: Sequence[Ask]) -> list[Answer]:
        """See Ledger.claim; tells a recovering ledger what this process knows."""
        knowing = [
            replace(ask, known_sequence=max(ask.known_sequence, self._of(ask.portfolio).sequence))
            for ask in asks
        ]
        answers = await self._ledger.claim(knowing)
        for ask, answer in zip(asks, answers, strict=True):
            of = self._of(ask.portfolio, answer.sequence)
            if answer.jobs:
                of.claimed.append((self._now_ms(), answer.jobs))
                self._forget(of.claimed)
            if ask.settlements:
                of.settled.append((self._now_ms(), ask.settlements))
                self._forget(of.settled)
            if answer.refused == "recovering":
                await self._assert_again(ask.portfolio, of)
        return answers

    async def settle(self, portfolio: PortfolioId, settlements: Sequence[Settlement]) -> Settled:
        """See Ledger.settle."""
        seen = self._of(portfolio).sequence
        answer = await self._ledger.settle(portfolio, settlements)
        of = self._of(portfolio, answer.sequence)
        if answer.sequence <= seen:  # each settlement is counted: a tail has been lost
            of.sequence = seen + BEYOND
        of.settled.append((self._now_ms(), settlements))
        self._forget(of.settled)
        return answer

    async def again(self, portfolio: PortfolioId, key: JobKey, attempt: int) -> Again:
        """See Ledger.again."""
        answer = await self._ledger.again(portfolio, key, attempt)
        self._of(portfolio, answer.sequence)
        return answer

    async def rescue(self, portfolio: PortfolioId) -> Rescued:
        """See Ledger.rescue."""
        answer = await self._ledger.rescue(portfolio)
        self._of(portfolio, answer.sequence)
        return answer

    async def imprints(self, portfolios: Sequence[PortfolioId]) -> list[Imprint]:
        """See Imprints.imprints."""
        return await self._ledger.imprints(portfolios)

    async def receive(self, portfolio: PortfolioId, receipts: Sequence[Receipt]) -> Received:
        """See Receipts.receive."""
        answer = await self._receipts.receive(portfolio, receipts)
        of = self._of(portfolio, answer.sequence)
        of.received.append((self._now_ms(), receipts))
        of.receipts += len(receipts)
        self._forget_receipts(of)
        return answer

    def remember(self, portfolio: PortfolioId, order: Order) -> None:
        """Have what was ordered just now (a cancellation, an erasure) told again after a loss.

        It comes after all else and must be one that nothing takes back: others may have ordered
        something since. What came in since is obeyed to as well.
        """
        of = self._of(portfolio)
        of.ordered.append((self._now_ms(), order))
        self._forget(of.ordered)

    # -- hearing and telling again ------------------------------------------------------------

    async def look(self, worker: str) -> None:
        """Ask each ledger that was told something lately whether it still knows it.

        A process that only queues never claims, and would never hear that a tail was lost. Call
        this about once a second; `worker` names this incarnation of the process.
        """
        for portfolio, of in list(self._portfolios.items()):
            if of.is_empty:
                continue
            self._forget_all(of)
            if of.enqueued or of.received or of.ordered:
                of.looks += 1
                await self.claim([Ask(portfolio, worker, of.looks, 0, 0)])

    async def _assert_again(self, portfolio: PortfolioId, of: Remembered) -> None:
        """Tell the ledger once per recovery, in the order in which things happened."""
        now_ms = self._now_ms()
        if now_ms - of.asserted_at_ms < ASSERT_EVERY_MS:
            return
        of.asserted_at_ms = now_ms
        self._forget_all(of)
        try:
            await self._tell_all(portfolio, of)
        except LedgerError:
            of.asserted_at_ms = 0  # half told: the next answer of a recovering ledger tells it all
            raise

    async def _tell_all(self, portfolio: PortfolioId, of: Remembered) -> None:
        """Tell everything; what was told already changes nothing.

        Others go on remembering while we tell: what is told is what was known at this moment.
        """
        for _, (batch, answer) in list(of.enqueued):
            await self._recovery.restore_enqueued(batch, answer)
        for _, jobs in list(of.claimed):
            self.lost += await self._recovery.restore_claimed(portfolio, jobs)
        for _, settlements in list(of.settled):
            await self._ledger.settle(portfolio, settlements)
        for _, receipts in list(of.received):
            await self._receipts.receive(portfolio, receipts)
        for _, order in list(of.ordered):
            await order()

    def _of(self, portfolio: PortfolioId, sequence: int = 0) -> Remembered:
        of = self._portfolios.get(portfolio)
        if of is None:
            of = self._portfolios[portfolio] = Remembered()
        of.sequence = max(of.sequence, sequence)
        return of

    def _forget_all(self, of: Remembered) -> None:
        """Forget what is older than a minute, also where nothing has come since."""
        self._forget_rows(of)
        self._forget_receipts(of)
        self._forget(of.claimed)
        self._forget(of.settled)
        self._forget(of.ordered)

    def _forget_rows(self, of: Remembered) -> None:
        oldest_ms = self._now_ms() - REMEMBER_MS
        while of.enqueued and (of.enqueued[0][0] < oldest_ms or of.rows > REMEMBER_ROWS):
            _, (batch, _) = of.enqueued.popleft()
            of.rows -= len(batch.rows)

    def _forget_receipts(self, of: Remembered) -> None:
        oldest_ms = self._now_ms() - REMEMBER_MS
        while of.received and (of.received[0][0] < oldest_ms or of.receipts > REMEMBER_RECEIPTS):
            of.receipts -= len(of.received.popleft()[1])

    def _forget(self, happened: deque[tuple[int, T]]) -> None:
        oldest_ms = self._now_ms() - REMEMBER_MS
        while happened and happened[0][0] < oldest_ms:
            happened.popleft()
