"""Who is left alone for a while: failures that speak of the person and not of the message."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

from engine.model import Category, NowMs, PortfolioId, RecipientKey
from engine.suppressions import Choices, Slots, Whom

END_MS: Final = 1  # the end of a rest that was cut short


@dataclass(frozen=True, slots=True)
class Rest:
    """What a failure asks for: no marketing message to this person for a while."""

    for_ms: int
    source: str
    times: int = 1  # so many of them
    within_ms: int = 0  # in this time
    until_written: bool = False  # over as soon as the person writes


class Reason(NamedTuple):
    """Whom a number of Meta's is about."""

    recipient: RecipientKey
    code: int


class Miss(NamedTuple):
    """A failure and when it happened."""

    reason: Reason
    at_ms: int


class Misses(Protocol):
    """Where failures are counted; each call raises LedgerAwayError."""

    async def count(self, portfolio: PortfolioId, miss: Miss, within_ms: int) -> int:
        """Note a failure; return how many there were in the time before, this one included."""
        ...


class Rests(Protocol):
    """Where rests last; each call raises LedgerAwayError."""

    async def begin(self, portfolio: PortfolioId, untils: Mapping[Reason, int]) -> None:
        """Note until when people rest; the later end holds."""
        ...

    async def cut_short(self, portfolio: PortfolioId, reasons: Sequence[Reason]) -> None:
        """Have rests be over at once: END_MS is their end."""
        ...

    async def known(self, portfolio: PortfolioId, reasons: Sequence[Reason]) -> dict[Reason, int]:
        """Return until when those rest that do."""
        ...

    async def over(self, portfolio: PortfolioId, now_ms: int) -> dict[Reason, int]:
        """Return rests that are over, all until the end of the last one; empty when none is."""
        ...

    async def end(self, portfolio: PortfolioId, last_ms: int) -> None:
        """Forget all that ended until then."""
        ...


class Resting:
    """Has people rest, and ends their rests; the slots refuse marketing messages meanwhile."""

    def __init__(
        self,
        rests: Rests,
        misses: Misses,
        choices: Choices,
        slots: Slots,
        table: Mapping[int, Rest],
        now_ms: NowMs,
    ) -> None:
        self._rests = rests
        self._misses = misses
        self._choices = choices
        self._slots = slots
        self._table = table
        self._now_ms = now_ms

    def is_about_people(self, code: int) -> bool:
        """Return whether a number of Meta's asks for a rest, at once or when it is repeated."""
        return code in self._table

    async def learn(self, portfolio: PortfolioId, misses: Iterable[Miss]) -> None:
        """Have people rest as their failures ask; the same failure again changes nothing."""
        untils: dict[Reason, int] = {}
        for miss in misses:
            rest = self._table[miss.reason.code]
            until_ms = miss.at_ms + rest.for_ms
            if until_ms <= self._now_ms():
                continue
            if rest.times > 1:
                times = await self._misses.count(portfolio, miss, rest.within_ms)
                if times < rest.times:
                    continue
            untils[miss.reason] = max(until_ms, untils.get(miss.reason, 0))
        if untils:
            await self._rests.begin(portfolio, untils)
            await self._slots.suppress_all(portfolio, {_whom(each): True for each in untils})

    async def wrote(self, portfolio: PortfolioId, recipients: Sequence[RecipientKey]) -> None:
        """End the rests that are over as soon as a person writes."""
        codes = [code for code, rest in self._table.items() if rest.until_written]
        await self._cut_short(portfolio, recipients, codes)

    async def end_over(self, portfolio: PortfolioId) -> int:
        """End rests whose time is over; return how many, and call again while there are any."""
        over = await self._rests.over(portfolio, self._now_ms())
        if over:
            await self._end(portfolio, over, max(over.values()))
        return len(over)

    async def of(self, portfolio: PortfolioId, recipient: RecipientKey) -> dict[int, int]:
        """Return until when a person rests, by the number that asked for it."""
        reasons = [Reason(recipient, code) for code in self._table]
        now_ms, known = self._now_ms(), await self._rests.known(portfolio, reasons)
        return {reason.code: until for reason, until in known.items() if until > now_ms}

    async def forget(self, portfolio: PortfolioId, recipients: Sequence[RecipientKey]) -> None:
        """Forget the rests of these ids."""
        await self._cut_short(portfolio, recipients, list(self._table))

    async def _cut_short(
        self, portfolio: PortfolioId, recipients: Sequence[RecipientKey], codes: Sequence[int]
    ) -> None:
        reasons = [Reason(key, code) for key in recipients for code in codes]
        known = await self._rests.known(portfolio, reasons) if reasons else {}
        if known:
            await self._rests.cut_short(portfolio, list(known))
            while await self.end_over(portfolio):
                pass

    async def _end(self, portfolio: PortfolioId, ended: Mapping[Reason, int], last_ms: int) -> None:
        """Allow people again whom nothing else stops; then forget, so that a crash repeats it.

        Who is to rest again meanwhile has a later end by now, and is stopped again here.
        """
        whom = {_whom(reason) for reason in ended}
        free = whom - await self._held(portfolio, whom, last_ms)
        await self._slots.suppress_all(portfolio, dict.fromkeys(free, False))
        if again := await self._held(portfolio, free, last_ms):
            await self._slots.suppress_all(portfolio, dict.fromkeys(again, True))
        await self._rests.end(portfolio, last_ms)

    async def _held(self, portfolio: PortfolioId, whom: set[Whom], last_ms: int) -> set[Whom]:
        """Return who is stopped by a word, or rests beyond a moment."""
        words = await self._choices.known(portfolio, list(whom))
        every = [Reason(each.recipient, code) for each in whom for code in self._table]
        known = await self._rests.known(portfolio, every)
        stopped = {each for each, word in words.items() if word.stops}
        return stopped | {_whom(each) for each, until_ms in known.items() if until_ms > last_ms}


def _whom(reason: Reason) -> Whom:
    return Whom(reason.recipient, Category.MARKETING)
