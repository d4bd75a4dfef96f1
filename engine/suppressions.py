"""Who must not be written to: of each person and category the newest word is in force."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, NamedTuple, Protocol

from engine.model import Category, PortfolioId, RecipientKey

EVERYWHERE: Final = PortfolioId("")  # words for all portfolios, those to come included
IDS_MAX: Final = 16  # ids of one person that a word follows; more is a number passed around
AT_ONCE: Final = 500  # words in force with one step of a slot

Pair = tuple[RecipientKey, RecipientKey]  # two ids of one person
Leads = Mapping[RecipientKey, RecipientKey]  # an id, and the number Meta says is the person's


class Whom(NamedTuple):
    """A person, and what kind of message; None is all kinds."""

    recipient: RecipientKey
    category: Category | None


class Word(NamedTuple):
    """When it was said, and whether it stops; of one moment the stop holds: it is the larger."""

    at_ms: int
    stops: bool


Words = Mapping[Whom, Word]


class Choices(Protocol):
    """Where the newest word of each person lasts; each call raises LedgerAwayError."""

    async def tell(self, portfolio: PortfolioId, words: Words) -> dict[Whom, Word]:
        """Take words; return the newest of each."""
        ...

    async def known(self, portfolio: PortfolioId, whom: Sequence[Whom]) -> dict[Whom, Word]:
        """Return the words of those of whom there is one."""
        ...

    async def page(self, portfolio: PortfolioId, cursor: int) -> tuple[dict[Whom, Word], int]:
        """Return some of all words, and where to go on; 0 begins, and is returned at the end."""
        ...

    async def forget(self, portfolio: PortfolioId, recipients: Sequence[RecipientKey]) -> None:
        """Forget all words of these ids."""
        ...


class People(Protocol):
    """Which ids Meta says are one person's; each call raises LedgerAwayError."""

    async def unite(self, portfolio: PortfolioId, pairs: Iterable[Pair]) -> None:
        """Note that two ids are one person's; again changes nothing."""
        ...

    async def beside(
        self, portfolio: PortfolioId, recipients: Sequence[RecipientKey]
    ) -> dict[RecipientKey, list[RecipientKey]]:
        """Return the ids that were named in one breath with each of these."""
        ...

    async def part(self, portfolio: PortfolioId, recipients: Sequence[RecipientKey]) -> None:
        """Forget what was noted of these ids, both ways."""
        ...

    async def lead(self, portfolio: PortfolioId, leads: Leads) -> None:
        """Note under which id a person is counted who has others, too."""
        ...

    async def leads(
        self, portfolio: PortfolioId, recipients: Sequence[RecipientKey]
    ) -> dict[RecipientKey, RecipientKey]:
        """Return the id to count each under; those that count as themselves are left out."""
        ...


class Slots(Protocol):
    """What the gate reads: a copy in each portfolio's slot."""

    async def suppress_all(self, portfolio: PortfolioId, stops: Mapping[Whom, bool]) -> None:
        """Refuse sends to these from now on, or allow them again; LedgerError: maybe not all."""
        ...


class Suppressions:
    """Takes words of people and operators, and has them in force in every slot they are for.

    A call answers when that is so. LedgerError means that it may be so in part: the same call
    again does the rest and changes nothing of what is done.
    """

    def __init__(
        self,
        choices: Choices,
        people: People,
        slots: Slots,
        portfolios: Callable[[], Iterable[PortfolioId]],
    ) -> None:
        self._choices = choices
        self._people = people
        self._slots = slots
        self._portfolios = portfolios

    async def tell(self, portfolio: PortfolioId, words: Words) -> None:
        """Take words with their times, in whatever order they come; each follows its person."""
        told = await self._of_all_ids(portfolio, words)
        newest = await self._choices.tell(portfolio, told) if told else {}
        in_force: dict[Whom, Word] = {}
        while newest != in_force:  # another process may take words now
            stops = {
                whom: word.stops for whom, word in newest.items() if in_force.get(whom) != word
            }
            await self._slots.suppress_all(portfolio, stops)
            in_force = newest
            newest = await self._choices.known(portfolio, list(newest))

    async def order(self, portfolio: PortfolioId, stops: Mapping[Whom, bool], now_ms: int) -> None:
        """Take an operator's wishes: they are newer than all that was said before.

        EVERYWHERE is every portfolio there is, and each that will be added.
        """
        everywhere = [*self._portfolios()] if portfolio == EVERYWHERE else []
        for each in (portfolio, *everywhere):
            wishes = {whom: Word(now_ms, stop) for whom, stop in stops.items()}
            wishes = await self._of_all_ids(each, wishes)
            known = await self._choices.known(each, list(wishes))
            words = {
                whom: Word(max(now_ms, known[whom].at_ms + 1 if whom in known else 0), wish.stops)
                for whom, wish in wishes.items()
            }
            if each == EVERYWHERE:
                await self._choices.tell(each, words)
            else:
                await self.tell(each, words)

    async def ordered_everywhere(
        self, portfolio: PortfolioId, stops: Mapping[Whom, bool]
    ) -> set[Whom]:
        """Return which wishes of one portfolio would lift what was ordered for all of them."""
        lifted = {whom: Word(0, stop) for whom, stop in stops.items() if not stop}
        groups = await self.ids_of(portfolio, {whom.recipient for whom in lifted})
        asked = [Whom(key, whom.category) for whom in lifted for key in groups[whom.recipient]]
        known = await self._choices.known(EVERYWHERE, asked) if asked else {}
        held = {whom for whom, word in known.items() if word.stops}
        return {
            whom
            for whom in lifted
            if any(Whom(key, whom.category) in held for key in groups[whom.recipient])
        }

    async def adopt(self, portfolio: PortfolioId) -> None:
        """Have in a portfolio that was added what was ordered everywhere before."""
        cursor = -1
        while cursor:
            words, cursor = await self._choices.page(EVERYWHERE, max(0, cursor))
            if words:
                await self.tell(portfolio, words)

    async def unite(self, portfolio: PortfolioId, pairs: Iterable[Pair]) -> None:
        """Note which ids Meta says are one person's, and let words follow to the other ids."""
        told = [pair for pair in dict.fromkeys(pairs) if pair[0] != pair[1]]
        if not told:
            return
        await self._people.unite(portfolio, told)
        keys = list(dict.fromkeys(key for pair in told for key in pair))
        known = await self._choices.known(portfolio, all_categories(keys))
        if known:
            await self.tell(portfolio, known)

    async def lead(self, portfolio: PortfolioId, leads: Leads) -> Leads:
        """Count people under the number that Meta says is theirs, whichever id is dialled.

        Return what of that was not so before.
        """
        told = {key: to for key, to in leads.items() if key != to}
        known = await self._people.leads(portfolio, list(told)) if told else {}
        fresh = {key: to for key, to in told.items() if known.get(key) != to}
        if fresh:
            await self._people.lead(portfolio, fresh)
        return fresh

    async def leads(
        self, portfolio: PortfolioId, recipients: Sequence[RecipientKey]
    ) -> dict[RecipientKey, RecipientKey]:
        """See People.leads."""
        return await self._people.leads(portfolio, recipients)

    async def of(self, portfolio: PortfolioId, recipient: RecipientKey) -> dict[Whom, Word]:
        """Return the stops that hold for a person in a portfolio."""
        known = await self._choices.known(portfolio, all_categories([recipient]))
        return {whom: word for whom, word in known.items() if word.stops}

    async def ids_of(
        self, portfolio: PortfolioId, recipients: Iterable[RecipientKey]
    ) -> dict[RecipientKey, list[RecipientKey]]:
        """Return all ids of each person, their own among them; by Meta's evidence only."""
        groups = {key: [key] for key in recipients}
        asked: dict[RecipientKey, list[RecipientKey]] = {}
        while fresh := [*{key for group in groups.values() for key in group} - asked.keys()]:
            asked |= {key: [] for key in fresh} | await self._people.beside(portfolio, fresh)
            for group in groups.values():
                more = [other for key in list(group) for other in asked[key]]
                group += [key for key in dict.fromkeys(more) if key not in group]
                del group[IDS_MAX:]
        return groups

    async def forget(
        self,
        portfolio: PortfolioId,
        recipients: Sequence[RecipientKey],
        *,
        obeys_all: bool = False,
    ) -> None:
        """Forget what these ids wanted and that they are one person's; nothing is refused then.

        `obeys_all`: but what was ordered everywhere, which holds in this portfolio as in a new one.
        """
        if portfolio == EVERYWHERE:
            await self._choices.forget(portfolio, recipients)
            return
        whom = all_categories(recipients)
        ordered = await self._choices.known(EVERYWHERE, whom) if obeys_all else {}
        stops = {each: each in ordered and ordered[each].stops for each in whom}
        await self._slots.suppress_all(portfolio, stops)
        await self._choices.forget(portfolio, recipients)
        await self._people.part(portfolio, recipients)
        if ordered:
            await self.tell(portfolio, ordered)

    async def _of_all_ids(self, portfolio: PortfolioId, words: Words) -> dict[Whom, Word]:
        """Return the words under each id of their people; of several about one the newest."""
        groups = await self.ids_of(portfolio, {whom.recipient for whom in words})
        told: dict[Whom, Word] = {}
        for (recipient, category), word in words.items():
            for key in groups[recipient]:
                whom = Whom(key, category)
                told[whom] = max(word, told.get(whom, word))
        return told


def all_categories(recipients: Sequence[RecipientKey]) -> list[Whom]:
    """Return each person with each category, and with all of them."""
    return [Whom(key, category) for key in recipients for category in (None, *Category)]
