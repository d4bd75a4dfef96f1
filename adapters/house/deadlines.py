"""What time makes of numbers by the chosen rules: a flag ends, the days to be verified are over."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from adapters.meta.facts import limit_name
from engine.directory import Registry
from engine.keeper import Keeper
from engine.model import SenderId
from engine.profiles import Rules, after_flag, offline_at_ms
from engine.senders import value_of

LOOK_EVERY_S: Final = 30.0
ASK_AGAIN_MS: Final = 3_600_000  # about a number whose days are over


class Deadlines:
    """Looks at the numbers; of one whose days are over Meta is asked, and its word is obeyed."""

    def __init__(
        self, rules: Rules, registry: Registry, keeper: Keeper, ask: Callable[[SenderId], None]
    ) -> None:
        self._rules = rules
        self._registry = registry
        self._keeper = keeper
        self._ask = ask
        self._asked_ms: dict[str, int] = {}

    async def look(self) -> None:
        """Look once; LedgerError: what could not be told is told at the next look."""
        facts, now_ms = self._keeper.facts, self._keeper.now_ms()
        directory = self._registry.directory
        for sender in list(directory.senders.values()):
            portfolio = directory.portfolios.get(sender.portfolio_id)
            if portfolio is None:
                continue
            name = limit_name(sender, directory)
            limit = int(value_of(facts, name) or portfolio.messaging_limit)
            for fact in after_flag(self._rules, facts, sender.id, name, limit, now_ms):
                await self._keeper.tell(fact)
            offline_ms = offline_at_ms(self._rules, facts, sender.id, sender.added_at_ms)
            asked_ms = self._asked_ms.get(sender.id, 0)
            if 0 < offline_ms <= now_ms and now_ms - asked_ms >= ASK_AGAIN_MS:
                self._asked_ms[sender.id] = now_ms
                self._ask(sender.id)


def keeping_deadlines(deadlines: Deadlines) -> Callable[[], Awaitable[None]]:
    """Return the step that looks once in a while."""

    async def look() -> None:
        await asyncio.sleep(LOOK_EVERY_S)
        await deadlines.look()

    return look
