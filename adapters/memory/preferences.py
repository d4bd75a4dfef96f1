"""What people want and who is the same person, with nothing behind it, for tests."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from engine.model import PortfolioId, RecipientKey
from engine.ports import Contents
from engine.resting import END_MS, Miss, Reason
from engine.suppressions import Leads, Pair, Whom, Word, Words


class MemoryPreferences:
    """See engine.suppressions: Choices and People in one."""

    def __init__(self) -> None:
        self.words: dict[tuple[PortfolioId, Whom], Word] = {}
        self.pairs: set[tuple[PortfolioId, RecipientKey, RecipientKey]] = set()
        self.led: dict[tuple[PortfolioId, RecipientKey], RecipientKey] = {}

    async def tell(self, portfolio: PortfolioId, words: Words) -> dict[Whom, Word]:
        """See Choices.tell."""
        for whom, word in words.items():
            self.words[portfolio, whom] = max(word, self.words.get((portfolio, whom), word))
        return await self.known(portfolio, list(words))

    async def known(self, portfolio: PortfolioId, whom: Sequence[Whom]) -> dict[Whom, Word]:
        """See Choices.known."""
        known = self.words
        return {each: known[portfolio, each] for each in whom if (portfolio, each) in known}

    async def page(self, portfolio: PortfolioId, cursor: int) -> tuple[dict[Whom, Word], int]:
        """See Choices.page; all of them at once."""
        assert cursor == 0, "there is one page"
        return {whom: word for (of, whom), word in self.words.items() if of == portfolio}, 0

    async def forget(self, portfolio: PortfolioId, recipients: Sequence[RecipientKey]) -> None:
        """See Choices.forget."""
        for name in [*self.words]:
            if name[0] == portfolio and name[1].recipient in recipients:
                del self.words[name]

    async def unite(self, portfolio: PortfolioId, pairs: Iterable[Pair]) -> None:
        """See People.unite."""
        for one, other in pairs:
            self.pairs |= {(portfolio, one, other), (portfolio, other, one)}

    async def beside(
        self, portfolio: PortfolioId, recipients: Sequence[RecipientKey]
    ) -> dict[RecipientKey, list[RecipientKey]]:
        """See People.beside."""
        return {
            key: sorted(other for of, one, other in self.pairs if (of, one) == (portfolio, key))
            for key in recipients
        }

    async def part(self, portfolio: PortfolioId, recipients: Sequence[RecipientKey]) -> None:
        """See People.part."""
        self.pairs = {
            pair
            for pair in self.pairs
            if pair[0] != portfolio or not {pair[1], pair[2]} & {*recipients}
        }
        for name in [*self.led]:
            if name[0] == portfolio and {name[1], self.led[name]} & {*recipients}:
                del self.led[name]

    async def lead(self, portfolio: PortfolioId, leads: Leads) -> None:
        """See People.lead."""
        self.led |= {(portfolio, key): to for key, to in leads.items()}

    async def leads(
        self, portfolio: PortfolioId, recipients: Sequence[RecipientKey]
    ) -> dict[RecipientKey, RecipientKey]:
        """See People.leads."""
        led = self.led
        return {key: led[portfolio, key] for key in recipients if (portfolio, key) in led}


class OneByOne:
    """See engine.suppressions.Slots: of a ledger that takes one at a time."""

    def __init__(self, contents: Contents) -> None:
        self._contents = contents

    async def suppress_all(self, portfolio: PortfolioId, stops: Mapping[Whom, bool]) -> None:
        """See Slots.suppress_all."""
        for (recipient, category), stop in stops.items():
            act = self._contents.suppress if stop else self._contents.unsuppress
            await act(portfolio, recipient, category)


class MemoryRests:
    """See engine.resting: Rests and Misses in one."""

    def __init__(self) -> None:
        self.untils: dict[tuple[PortfolioId, Reason], int] = {}
        self.misses: set[tuple[PortfolioId, Miss]] = set()

    async def count(self, portfolio: PortfolioId, miss: Miss, within_ms: int) -> int:
        """See Misses.count."""
        self.misses.add((portfolio, miss))
        first_ms = miss.at_ms - within_ms
        return sum(
            (of, known.reason) == (portfolio, miss.reason) and first_ms <= known.at_ms <= miss.at_ms
            for of, known in self.misses
        )

    async def begin(self, portfolio: PortfolioId, untils: Mapping[Reason, int]) -> None:
        """See Rests.begin."""
        for reason, until_ms in untils.items():
            known_ms = self.untils.get((portfolio, reason), 0)
            self.untils[portfolio, reason] = max(until_ms, known_ms)

    async def cut_short(self, portfolio: PortfolioId, reasons: Sequence[Reason]) -> None:
        """See Rests.cut_short."""
        for name in [(portfolio, reason) for reason in reasons]:
            if name in self.untils:
                self.untils[name] = END_MS

    async def known(self, portfolio: PortfolioId, reasons: Sequence[Reason]) -> dict[Reason, int]:
        """See Rests.known."""
        untils = self.untils
        return {each: untils[portfolio, each] for each in reasons if (portfolio, each) in untils}

    async def over(self, portfolio: PortfolioId, now_ms: int) -> dict[Reason, int]:
        """See Rests.over."""
        rests = {reason: until for (of, reason), until in self.untils.items() if of == portfolio}
        return {reason: until_ms for reason, until_ms in rests.items() if until_ms <= now_ms}

    async def end(self, portfolio: PortfolioId, last_ms: int) -> None:
        """See Rests.end."""
        for name, until_ms in [*self.untils.items()]:
            if name[0] == portfolio and until_ms <= last_ms:
                del self.untils[name]
