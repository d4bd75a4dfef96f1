"""What time makes of numbers, and when Meta is asked: flags, unverified days, spam, closings."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from adapters.breath import breathe
from adapters.meta.facts import limit_name
from engine.directory import Registry, Sender
from engine.facts import Fact, Source, of_sender
from engine.keeper import Keeper
from engine.model import SenderId
from engine.profiles import Rules, after_flag, offline_at_ms
from engine.senders import ANSWER, QUALITY, SLOWED, STATUS, value_of

LOOK_EVERY_S: Final = 30.0
ASK_AGAIN_MS: Final = 3_600_000  # about a number whose days are over
SPAM: Final = "131048"  # refused for its quality, or at its limit: both may be others by now


class Deadlines:
    """Looks at the numbers, by the chosen rules.

    Of one whose days are over, that was refused as spam, or that is closed for what it is, Meta is
    asked, and its word is obeyed: of its mending no webhook need tell.
    `debt_of` tells how many people count beyond a number's limit.
    """

    def __init__(
        self,
        rules: Rules,
        registry: Registry,
        keeper: Keeper,
        ask: Callable[[SenderId], None],
        debt_of: Callable[[Sender], Awaitable[int]],
    ) -> None:
        self._rules = rules
        self._registry = registry
        self._keeper = keeper
        self._ask = ask
        self._debt_of = debt_of
        self._asked_ms: dict[str, int] = {}

    async def look(self) -> None:
        """Look once; LedgerError: what could not be told is told at the next look."""
        facts, now_ms = self._keeper.facts, self._keeper.now_ms()
        directory = self._registry.directory
        for place, sender in enumerate(list(directory.senders.values())):
            await breathe(place)
            portfolio = directory.portfolios.get(sender.portfolio_id)
            if portfolio is None:
                continue
            name = limit_name(sender, directory)
            limit = int(value_of(facts, name) or portfolio.messaging_limit)
            for fact in after_flag(self._rules, facts, sender.id, name, limit, now_ms):
                await self._keeper.tell(fact)
            await self._look_at_spam(sender, now_ms)
            self._look_at_closings(sender.id, now_ms)
            offline_ms = offline_at_ms(self._rules, facts, sender.id, sender.added_at_ms)
            if 0 < offline_ms <= now_ms:
                self._ask_again(sender.id, now_ms)

    def _look_at_closings(self, sender: SenderId, now_ms: int) -> None:
        """Ask, every hour, about a number that its status or a refusal closed an hour ago."""
        facts = self._keeper.facts
        told = [facts.get(of_sender(sender, aspect)) for aspect in (STATUS, ANSWER)]
        since_ms = [each.at_ms for each in told if each is not None and each.until_ms > now_ms]
        if since_ms and now_ms - min(since_ms) >= ASK_AGAIN_MS:
            self._ask_again(sender, now_ms)

    def _ask_again(self, sender: SenderId, now_ms: int) -> None:
        if now_ms - self._asked_ms.get(sender, 0) >= ASK_AGAIN_MS:
            self._note_and_ask(sender, now_ms)

    async def _look_at_spam(self, sender: Sender, now_ms: int) -> None:
        """Ask about a number that was refused as spam, once for each refusal; obey the answer.

        What was on its way when Meta lowered the limit is refused so too. Where nobody complains
        and more people count than the limit has places, that was it: the window holds back what
        must wait, and the number goes on when the debt is paid.
        """
        facts = self._keeper.facts
        refused = facts.get(of_sender(sender.id, ANSWER))
        if refused is None or refused.value != SPAM or refused.until_ms <= now_ms:
            return
        if self._asked_ms.get(sender.id, 0) < refused.at_ms:
            self._note_and_ask(sender.id, now_ms)
        read = facts.get(of_sender(sender.id, STATUS))
        if read is None or read.source is not Source.REFRESH or read.at_ms <= refused.at_ms:
            return
        is_disliked = value_of(facts, of_sender(sender.id, QUALITY)) in SLOWED
        if not is_disliked and (debt := await self._debt_of(sender)):
            detail = f"not spam: the limit was lowered, and {debt} more count than it has places"
            await self._keeper.tell(Fact(refused.id, "", now_ms, Source.NOTICED, detail=detail))

    def _note_and_ask(self, sender: SenderId, now_ms: int) -> None:
        self._asked_ms[sender] = now_ms
        self._ask(sender)


def keeping_deadlines(deadlines: Deadlines) -> Callable[[], Awaitable[None]]:
    """Return the step that looks once in a while."""

    async def look() -> None:
        await asyncio.sleep(LOOK_EVERY_S)
        await deadlines.look()

    return look
