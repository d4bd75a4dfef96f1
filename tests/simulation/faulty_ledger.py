"""A ledger that is away for a while, or whose replies get lost after the deed was done."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from random import Random
from typing import Protocol, TypeVar

from engine.books import Books
from engine.borders import Border, Borders
from engine.errors import LedgerAwayError
from engine.imprints import Imprint, Imprints
from engine.inbound import Throughput
from engine.model import Category, JobKey, PortfolioId, RecipientKey, SenderId, WabaId
from engine.ports import (
    Again,
    Answer,
    Ask,
    Batch,
    Catalog,
    Contents,
    Enqueued,
    Ledger,
    PortfolioSpec,
    Receipt,
    Receipts,
    Received,
    Rescued,
    SenderSpec,
    Settled,
    Settlement,
    SourceSpec,
    TemplateSpec,
)
from engine.quiet import QuietLedger
from engine.shutting import NOTHING_SHUT, Shut
from engine.template_ports import PlaceWish, TakesBack, TemplateJobs

T = TypeVar("T")


class WholeLedger(
    Ledger,
    Imprints,
    Receipts,
    Catalog,
    Borders,
    Contents,
    Books,
    TemplateJobs,
    QuietLedger,
    Throughput,
    TakesBack,
    Protocol,
):
    """All ports of one ledger, as a factory must give them."""


class FaultyLedger:
    """Passes calls on, or loses them, or loses their replies; the seed decides."""

    def __init__(
        self, inner: WholeLedger, rng: Random, after: Callable[[], Awaitable[None]]
    ) -> None:
        self.inner = inner
        self.is_away = False
        self.lost_calls = 0.0
        self.lost_replies = 0.0
        self.reply_lost: Callable[[str], None] = lambda _call: None
        self.rescued: Callable[[Rescued], None] = lambda _rescued: None
        self.claimed: Callable[[Sequence[Answer]], None] = lambda _answers: None
        self._rng = rng
        self._after = after

    async def _through(self, name: str, call: Callable[[], Awaitable[T]]) -> T:
        if self.is_away or self._rng.random() < self.lost_calls:
            raise LedgerAwayError("the ledger is away")
        answer = await call()
        await self._after()
        if self._rng.random() < self.lost_replies:
            self.reply_lost(name)
            raise LedgerAwayError("the reply got lost")
        return answer

    async def enqueue(self, batches: Sequence[Batch]) -> list[Enqueued]:
        return await self._through("enqueue", lambda: self.inner.enqueue(batches))

    async def claim(self, asks: Sequence[Ask]) -> list[Answer]:
        answers = await self._through("claim", lambda: self.inner.claim(asks))
        self.claimed(answers)
        return answers

    async def settle(self, portfolio: PortfolioId, settlements: Sequence[Settlement]) -> Settled:
        return await self._through("settle", lambda: self.inner.settle(portfolio, settlements))

    async def again(self, portfolio: PortfolioId, key: JobKey, attempt: int) -> Again:
        return await self._through("again", lambda: self.inner.again(portfolio, key, attempt))

    async def rescue(self, portfolio: PortfolioId) -> Rescued:
        async def rescue() -> Rescued:
            rescued = await self.inner.rescue(portfolio)
            self.rescued(rescued)  # it is so, whether the reply arrives or not
            return rescued

        return await self._through("rescue", rescue)

    async def imprints(self, portfolios: Sequence[PortfolioId]) -> list[Imprint]:
        return await self._through("imprints", lambda: self.inner.imprints(portfolios))

    async def receive(self, portfolio: PortfolioId, receipts: Sequence[Receipt]) -> Received:
        return await self._through("receive", lambda: self.inner.receive(portfolio, receipts))

    async def content(self, portfolio: PortfolioId, source: str, version: int) -> bytes:
        return await self._through(
            "content", lambda: self.inner.content(portfolio, source, version)
        )

    async def take_times(self, portfolio: PortfolioId, messages: Mapping[SenderId, int]) -> None:
        if self.is_away:
            raise LedgerAwayError("the ledger is away")
        await self.inner.take_times(portfolio, messages)

    async def give_place(self, portfolio: PortfolioId, wish: PlaceWish, taken_ms: int) -> None:
        await self.inner.give_place(portfolio, wish, taken_ms)

    async def open_window(
        self, portfolio: PortfolioId, sender: SenderId, recipient: RecipientKey, until_ms: int
    ) -> None:
        await self.inner.open_window(portfolio, sender, recipient, until_ms)

    async def put_portfolio(self, portfolio: PortfolioId, spec: PortfolioSpec) -> None:
        await self._through("put", lambda: self.inner.put_portfolio(portfolio, spec))

    async def put_sender(self, portfolio: PortfolioId, sender: SenderId, spec: SenderSpec) -> None:
        await self._through("put", lambda: self.inner.put_sender(portfolio, sender, spec))

    async def put_template(self, portfolio: PortfolioId, template: str, spec: TemplateSpec) -> None:
        await self._through("put", lambda: self.inner.put_template(portfolio, template, spec))

    async def put_source(self, portfolio: PortfolioId, source: str, spec: SourceSpec) -> None:
        await self._through("put", lambda: self.inner.put_source(portfolio, source, spec))

    async def close_account(
        self, portfolio: PortfolioId, waba: WabaId, until_ms: int, shut: Shut = NOTHING_SHUT
    ) -> None:
        await self._through(
            "put", lambda: self.inner.close_account(portfolio, waba, until_ms, shut)
        )

    async def put_borders(
        self, portfolio: PortfolioId, waba: WabaId, borders: Sequence[Border]
    ) -> None:
        await self._through("put", lambda: self.inner.put_borders(portfolio, waba, borders))

    async def put_content(self, portfolio: PortfolioId, source: str, body: bytes) -> int:
        return await self.inner.put_content(portfolio, source, body)

    async def suppress(
        self, portfolio: PortfolioId, recipient: RecipientKey, category: Category | None
    ) -> None:
        await self.inner.suppress(portfolio, recipient, category)

    async def unsuppress(
        self, portfolio: PortfolioId, recipient: RecipientKey, category: Category | None
    ) -> None:
        await self.inner.unsuppress(portfolio, recipient, category)
