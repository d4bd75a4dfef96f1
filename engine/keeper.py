"""Keeps gates, rates and limits as the newest facts have them, in whatever order they came."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Protocol

from engine.borders import Borders, borders_of
from engine.directory import Newsroom, Portfolio, Sender
from engine.events import Emit, FactChanged, guarded
from engine.facts import Fact, Source, of_portfolio, of_sender
from engine.model import NowMs, PortfolioId, SenderId, WabaId
from engine.ports import Catalog, PortfolioSpec, SenderSpec
from engine.quota import UNLIMITED, default_reserve
from engine.senders import (
    LIMIT,
    QUALITY,
    SLOWED,
    Closure,
    QualityGuard,
    account_closures,
    granted_mps,
    last_of,
    sender_closures,
    shut_by,
    value_of,
)
from engine.shutting import NOTHING_SHUT
from engine.silence import silent_since_ms


class World(Catalog, Borders, Protocol):
    """What of the ledger obeys facts."""


class Keeper:
    """Takes news, and has the ledger obey what holds after it.

    What it sets is computed from the registry, and computed again when the registry changed
    meanwhile: of processes that are told different things at once the last one sets all of it.
    """

    def __init__(
        self,
        registry: Newsroom,
        catalog: World,
        *,
        emit: Emit,
        now_ms: NowMs,
        guard: QualityGuard | None = None,
    ) -> None:
        self.now_ms = now_ms
        self.guard = guard or QualityGuard()
        self._registry = registry
        self._catalog = catalog
        self._emit = guarded(emit)

    @property
    def facts(self) -> dict[str, Fact]:
        """Return what holds, by name, as far as this process knows."""
        return self._registry.directory.facts

    async def tell(self, fact: Fact) -> Fact:
        """Take news and obey what holds after it; return that.

        LedgerError: it may not be in force; tell it again.
        """
        before = self.facts.get(fact.id)
        holds = await self._registry.tell(fact)
        if not holds.says_the_same(before):
            self._emit(FactChanged(holds, before))
        kind, name, _ = holds.about
        if kind == "sender":
            await self.obey_sender(name)
        elif kind == "waba":
            await self.obey_account(WabaId(name))
        elif kind == "portfolio":
            await self.obey_limit(PortfolioId(name))
        return holds

    async def order(self, name: str, value: str, until_ms: int = 0, detail: str = "") -> Fact:
        """Take an operator's word: it is newer than all that was told before it."""
        known = self.facts.get(name)
        at_ms = max(self.now_ms(), known.at_ms + 1 if known else 0)
        return await self.tell(Fact(name, value, at_ms, Source.OPERATOR, until_ms, detail))

    async def obey_sender(self, name: str) -> None:
        """Set a number's gate and rate; nothing for one that we do not know."""
        await self._registry.refresh()
        while (sender := self._registry.directory.senders.get(name)) is not None:
            spec = self.sender_spec(sender)
            await self._catalog.put_sender(sender.portfolio_id, sender.id, spec)
            granted = granted_mps(self.facts, name, sender.throughput)
            if granted != sender.throughput:
                await self._registry.change(Sender, name, self._granted)
            await self._registry.refresh()
            now = self._registry.directory.senders.get(name)
            if now is not None and self.sender_spec(now) == spec:
                return

    async def obey_account(self, waba: WabaId) -> None:
        """Set an account's gate and borders in every portfolio that has senders in it."""
        await self._registry.refresh()
        told = False
        while not told:
            closures = list(account_closures(self.facts, waba))
            fact, shut = last_of(closures), shut_by(closures)
            borders = borders_of(self.facts, waba)
            until_ms = fact.until_ms if fact else 0
            for portfolio in self._registry.directory.portfolios_of_waba(waba):
                await self._catalog.close_account(portfolio, waba, until_ms, shut)
                if borders is not None:
                    await self._catalog.put_borders(portfolio, waba, borders)
            await self._registry.refresh()
            told = closures == list(account_closures(self.facts, waba))
            told = told and borders == borders_of(self.facts, waba)

    async def obey_limit(self, name: PortfolioId) -> None:
        """Set a portfolio's limit; nothing for one that we do not know."""
        await self._registry.refresh()
        while (portfolio := self._registry.directory.portfolios.get(name)) is not None:
            places = self.places_of(portfolio)
            await self._catalog.put_portfolio(name, portfolio_spec(portfolio, places))
            if places != portfolio.messaging_limit:
                await self._registry.change(Portfolio, name, self._limited)
            await self._registry.refresh()
            now = self._registry.directory.portfolios.get(name)
            if now is not None and self.places_of(now) == places:
                return

    async def obey_guard(self) -> None:
        """Obey anew what closes or slows only in part: how may be another since the last start."""
        senders = list(self._registry.directory.senders.values())
        for each in senders:
            is_slowed = value_of(self.facts, of_sender(each.id, QUALITY)) in SLOWED
            if is_slowed or shut_by(self.closures_of(each.id)) != NOTHING_SHUT:
                await self.obey_sender(each.id)
        for waba in dict.fromkeys(each.waba_id for each in senders):
            if shut_by(account_closures(self.facts, waba)) != NOTHING_SHUT:
                await self.obey_account(waba)

    def sender_spec(self, sender: Sender) -> SenderSpec:
        """Return what the ledger must know of a number."""
        facts = self.facts
        closures = list(self.closures_of(sender.id))
        fact = last_of(closures)
        limit = value_of(facts, of_sender(sender.id, LIMIT))
        return SenderSpec(
            sender.waba_id,
            granted_mps(facts, sender.id, sender.throughput),
            closed_until_ms=fact.until_ms if fact else 0,
            places=int(limit) if limit else 0,
            is_silent=silent_since_ms(facts, sender.id) > 0,
            shut=shut_by(closures),
            marketing_share=self.share_of(sender.id) or 1.0,  # without a share it is shut
        )

    def _granted(self, known: Sender | None) -> Sender | None:
        """Return a number with the rate that facts give it."""
        if known is None:
            return None
        return replace(known, throughput=granted_mps(self.facts, known.id, known.throughput))

    def _limited(self, known: Portfolio | None) -> Portfolio | None:
        """Return a portfolio with the limit that facts give it."""
        return replace(known, messaging_limit=self.places_of(known)) if known else None

    def closures_of(self, sender: SenderId) -> Iterator[Closure]:
        """Yield what closes a number, or marketing from it, as the guard has it."""
        return sender_closures(self.facts, sender, self.guard)

    def share_of(self, sender: SenderId) -> float:
        """Return the share of a number's send times that its quality leaves to marketing."""
        return self.guard.share(value_of(self.facts, of_sender(sender, QUALITY)))

    def places_of(self, portfolio: Portfolio) -> int:
        """Return a portfolio's limit; -1 is unlimited."""
        told = value_of(self.facts, of_portfolio(portfolio.id, LIMIT))
        return max(UNLIMITED, int(told)) if told else portfolio.messaging_limit


def portfolio_spec(portfolio: Portfolio, places: int) -> PortfolioSpec:
    """Return what the ledger must know of a portfolio."""
    return PortfolioSpec(
        places=places,
        scope=portfolio.quota_scope,
        headroom=portfolio.headroom,
        reserve=default_reserve(places, portfolio.reserve),
        used_before=portfolio.used_before,
    )
