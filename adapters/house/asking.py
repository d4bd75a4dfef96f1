"""Asks Meta about numbers: when an operator wants it, and when a webhook says that it must."""

from __future__ import annotations

import asyncio
from typing import Final

import structlog

from adapters.house.dead_tokens import accepted_facts, refused_facts
from adapters.meta.codes import TOKEN_CODES
from adapters.meta.facts import facts_of_number
from adapters.meta.management import Management
from adapters.redis.registry import RedisRegistry
from engine.directory import Sender
from engine.errors import EngineError, ProviderRefusedError
from engine.facts import Fact, Source, of_account
from engine.keeper import Keeper
from engine.model import SenderId
from engine.senders import REVIEW

ASK_AGAIN_S: Final = 300.0  # after Meta gave no answer about a number

log = structlog.get_logger("penstock")


class Asking:
    """Asks Meta about numbers: when an operator wants it, and when a webhook says that it must."""

    def __init__(self, registry: RedisRegistry, keeper: Keeper, management: Management) -> None:
        self._registry = registry
        self._keeper = keeper
        self._management = management
        self._waiting: dict[SenderId, None] = {}
        self._has_come = asyncio.Event()
        self._asked: asyncio.Task[None] | None = None

    def soon(self, sender: SenderId) -> None:
        """Ask about a number in its turn."""
        self._waiting[sender] = None
        self._has_come.set()

    def ask_about_unknown(self) -> None:
        """Ask about the numbers of which Meta never answered anything."""
        asked = {
            fact.about[1]
            for fact in self._keeper.facts.values()
            if fact.source is Source.REFRESH and fact.about[0] == "sender"
        }
        for name in self._registry.directory.senders:
            if name not in asked:
                self.soon(SenderId(name))

    async def ask_next(self) -> None:
        """Wait for a number to ask about, and ask; without an answer, later again."""
        await self._has_come.wait()
        if not self._waiting:
            self._has_come.clear()
            return
        name = next(iter(self._waiting))
        del self._waiting[name]
        sender = self._registry.directory.senders.get(name)
        if sender is None:
            return
        self._asked = asyncio.create_task(self.refresh(sender))
        try:
            await self._asked
        except EngineError as error:
            log.warning("number_not_asked", sender=name, error=str(error), again_s=ASK_AGAIN_S)
            asyncio.get_running_loop().call_later(ASK_AGAIN_S, self.soon, name)

    async def stop(self) -> None:
        """Give up what is being asked, and ask nothing more in turn."""
        self._waiting.clear()
        if self._asked is not None:
            self._asked.cancel()
            await asyncio.gather(self._asked, return_exceptions=True)

    async def refresh(self, sender: Sender) -> None:
        """Ask Meta about a number and obey what it answers; EngineError when it does not.

        A refused token closes all numbers that use it, as a refused send would, and one that Meta
        takes opens them. What was told
        while Meta was asked is newer than its answer, or nobody knows: it stays, and Meta is asked
        again; but not what another call brought that had begun before.
        """
        await self._registry.refresh()
        token = self._registry.token_of(sender.id)
        before, asked_ms = dict(self._keeper.facts), self._keeper.now_ms()
        try:
            number = await self._management.number(sender.waba_id, sender.id, token)
        except ProviderRefusedError as error:
            if error.code in TOKEN_CODES:
                await self._registry.refresh()
                if self._registry.token_of(sender.id) == token:  # else it has a new one by now
                    for fact in refused_facts(self._registry, sender.id, error.code, asked_ms):
                        await self._keeper.tell(fact)
            raise
        await self._registry.refresh()
        directory = self._registry.directory
        told = facts_of_number(number, sender, directory, asked_ms)
        for fact in told:
            if came_meanwhile(directory.facts.get(fact.id), before.get(fact.id), asked_ms):
                self.soon(sender.id)
            else:
                await self._keeper.tell(fact)
        if self._registry.token_of(sender.id) == token:
            for fact in accepted_facts(self._registry, sender.id, before, asked_ms):
                await self._keeper.tell(fact)
        await self._refresh_account(sender, token)

    async def _refresh_account(self, sender: Sender, token: str) -> None:
        """Ask about the account's review; a token that may read only numbers is no fault."""
        asked_ms = self._keeper.now_ms()
        try:
            review = await self._management.review(sender.waba_id, token)
        except ProviderRefusedError as error:
            log.info("account_not_asked", waba=sender.waba_id, error=str(error))
            return
        if review:
            name = of_account(sender.waba_id, REVIEW)
            await self._keeper.tell(Fact(name, review, asked_ms, Source.REFRESH))


def came_meanwhile(known: Fact | None, before: Fact | None, asked_ms: int) -> bool:
    """Return whether what is known was told after Meta was asked, at `asked_ms`.

    Not what another call read that had begun before: that is older than this answer.
    """
    if known == before or known is None:
        return False
    return known.source is not Source.REFRESH or known.at_ms >= asked_ms
