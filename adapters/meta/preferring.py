"""What people want, and who is the same person: a stop follows its person to each id.

https://developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/reference/user_preferences
https://developers.facebook.com/documentation/business-messaging/whatsapp/business-scoped-user-ids
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Final

from adapters.meta.news import Person, Preference
from engine.model import Category, PortfolioId, RecipientKey
from engine.recipients import RecipientKeys
from engine.resting import Miss, Reason, Resting
from engine.suppressions import Leads, Pair, Suppressions, Whom, Word

STOP: Final = "stop"
RESUMED: Final = frozenset({"resume", "signup"})  # a word we do not know lifts no stop
STOPPED_CODE: Final = 131050  # a send failed because its recipient stopped marketing messages


class Preferring:
    """Has in force what people want, and what failures say of them, under each of their ids."""

    def __init__(
        self, suppressions: Suppressions, resting: Resting, recipients: RecipientKeys
    ) -> None:
        self._suppressions = suppressions
        self._resting = resting
        self._recipients = recipients

    async def prefer(self, portfolio: PortfolioId, preference: Preference, at_ms: int) -> None:
        """Take a preference of a person, under each id that is told."""
        if preference.value == STOP or preference.value in RESUMED:
            word = Word(at_ms, preference.value == STOP)
            await self.obey(portfolio, dict.fromkeys(self.keys(preference.person), word))

    async def obey(self, portfolio: PortfolioId, words: Mapping[RecipientKey, Word]) -> None:
        """Take words about marketing messages."""
        told = {Whom(key, Category.MARKETING): word for key, word in words.items()}
        await self._suppressions.tell(portfolio, told)

    def is_about_people(self, code: int) -> bool:
        """Return whether a failure may keep the next message from its person."""
        return self._resting.is_about_people(code)

    async def miss(self, portfolio: PortfolioId, person: Person, code: int, at_ms: int) -> None:
        """Take a failure that speaks of its person, under each id."""
        keys = await self._all_keys(portfolio, person)
        await self._resting.learn(portfolio, [Miss(Reason(key, code), at_ms) for key in keys])

    async def wrote(self, portfolio: PortfolioId, person: Person) -> None:
        """Take that a person wrote."""
        await self._resting.wrote(portfolio, await self._all_keys(portfolio, person))

    async def answered_as(self, portfolio: PortfolioId, person: Person) -> list[RecipientKey]:
        """Return the keys under which a person who wrote may be answered.

        Who tells only a user id is counted under a number all the same, where that is known.
        """
        keys = self.keys(person)
        if not person.digits:
            keys += (await self._suppressions.leads(portfolio, keys)).values()
        return keys

    async def unite(self, portfolio: PortfolioId, pairs: Iterable[Pair]) -> None:
        """Let words follow a person to each id; only on Meta's evidence."""
        await self._suppressions.unite(portfolio, pairs)

    async def lead(
        self, portfolio: PortfolioId, leads: Leads, persons: Iterable[Person] = ()
    ) -> Leads:
        """Count people under their numbers, whichever of their ids is dialled; only on evidence.

        Return what of that was not so before.
        """
        key = self._recipients.key
        both = {key(each.user_id): key(each.digits) for each in persons if is_both(each)}
        return await self._suppressions.lead(portfolio, {**leads, **both})

    async def _all_keys(self, portfolio: PortfolioId, person: Person) -> list[RecipientKey]:
        groups = await self._suppressions.ids_of(portfolio, self.keys(person))
        return list(dict.fromkeys(key for group in groups.values() for key in group))

    def keys(self, person: Person) -> list[RecipientKey]:
        """Return the keys of all ids of a person: either may be what a job was sent to."""
        ids = (person.digits, person.user_id)
        return [self._recipients.key(identity) for identity in ids if identity]

    def pairs(self, *persons: Person) -> list[Pair]:
        """Return pairs of all ids of one person, who may have had others before."""
        keys = [key for person in persons for key in self.keys(person)]
        return list(pairwise(keys))


def is_both(person: Person) -> bool:
    """Return whether a person was told of by number and by user id at once."""
    return bool(person.digits and person.user_id)
