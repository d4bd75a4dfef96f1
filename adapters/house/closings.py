"""Gates that an answer of Meta closed, on their way into the registry; no send waits for that."""

from __future__ import annotations

import asyncio
from typing import Final

from adapters.house.dead_tokens import refused_facts
from adapters.meta.codes import TOKEN_CODES, verdict
from adapters.meta.facts import SPREAD_MS, closing_facts
from adapters.redis.registry import RedisRegistry
from engine.borders import border_to
from engine.errors import EngineError
from engine.events import GateClosed, Journey
from engine.facts import Fact
from engine.keeper import Keeper
from engine.model import Gate, SenderId, WabaId
from engine.outcomes import Deferred
from engine.ports import FOREVER_MS

HELD: Final = frozenset({Gate.SENDER, Gate.ACCOUNT})


class Closings:
    """Gates that an answer closed, on their way into the registry; no send waits for that.

    The ledger has closed them already. Here all processes learn why, and a gate that was closed by
    an answer to an old token opens again.
    """

    def __init__(self, registry: RedisRegistry, keeper: Keeper) -> None:
        self._registry = registry
        self._keeper = keeper
        self._waiting: asyncio.Queue[GateClosed] = asyncio.Queue()

    def add(self, event: GateClosed) -> None:
        """Take what an answer closed."""
        if event.gate in HELD:
            self._waiting.put_nowait(event)

    async def note_next(self) -> None:
        """Wait for a closing and have it known; one that could not be told comes again."""
        event = await self._waiting.get()
        try:
            await self._registry.refresh()
            for fact in self.facts_of(event):
                await self._keeper.tell(fact)
        except EngineError:
            self._waiting.put_nowait(event)
            raise

    async def note_border(self, sender: SenderId, to: str, at_ms: int) -> None:
        """Have known that Meta refused an account's message because of its person's country."""
        known = self._registry.directory.senders.get(sender)
        fact = border_to(known.waba_id, to, at_ms) if known else None
        if fact is not None:
            await self._keeper.tell(fact)

    def facts_of(self, event: GateClosed) -> list[Fact]:
        """Return what a closing means: of a refused token, for everybody who has the same."""
        causes = [each for each in event.causes if self._is_of(each, event)]
        if not causes:
            return []
        job, outcome, sent_us, _ = max(causes, key=_opens_at_ms)
        if not isinstance(outcome, Deferred) or _is_ours(outcome):
            return []
        sender, waba, at_ms = job.lane.sender, WabaId(event.key), sent_us // 1_000
        row = verdict(outcome.code)
        if row.code not in TOKEN_CODES:
            directory, until_ms = self._registry.directory, outcome.until_ms
            return closing_facts(directory, row, waba, sender, at_ms, until_ms)
        return refused_facts(self._registry, sender, row.code, at_ms - SPREAD_MS)

    def _is_of(self, cause: Journey, event: GateClosed) -> bool:
        """Return whether an answer was to a number that this gate is about."""
        sender = cause[0].lane.sender
        if event.gate is Gate.SENDER:
            return sender == event.key
        known = self._registry.directory.senders.get(sender)
        return known is not None and known.waba_id == event.key


def _is_ours(outcome: Deferred) -> bool:
    """Return whether no answer closed it: no token yet, or a breaker; it opens in a moment."""
    return not outcome.code and outcome.until_ms < FOREVER_MS


def _opens_at_ms(cause: Journey) -> int:
    return cause[1].until_ms if isinstance(cause[1], Deferred) else 0
