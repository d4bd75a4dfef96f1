"""What people want, and who is the same person: a stop follows its person to each id.

https://developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/reference/user_preferences
https://developers.facebook.com/documentation/business-messaging/whatsapp/business-scoped-user-ids
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Final, Protocol

from adapters.meta.news import Person, Preference
from engine.model import Category, PortfolioId, RecipientKey
from engine.ports import Contents
from engine.recipients import RecipientKeys

STOP: Final = "stop"
RESUMED: Final = frozenset({"resume", "signup"})  # a word we do not know lifts no stop
STOPPED_CODE: Final = 131050  # a send failed because its recipient stopped marketing messages

Choice = tuple[int, bool]  # when, and whether it is a stop
Pair = tuple[RecipientKey, RecipientKey]  # two ids of one person


class Preferences(Protocol):
    """Where the newest choice of each id lasts; each call raises LedgerAwayError."""

    async def tell(
        self, portfolio: PortfolioId, recipient: RecipientKey, at_ms: int, *, stops: bool
    ) -> Choice:
        """Take a choice; return the newest one."""
        ...

    async def known(
        self, portfolio: PortfolioId, recipients: Sequence[RecipientKey]
    ) -> dict[RecipientKey, Choice]:
        """Return the choices of those who ever had one."""
        ...


class Preferring:
    """Has the ledger obey the newest choice of each person."""

    def __init__(self, choices: Preferences, contents: Contents, recipients: RecipientKeys) -> None:
        self._choices = choices
        self._contents = contents
        self._recipients = recipients

    async def prefer(self, portfolio: PortfolioId, preference: Preference, at_ms: int) -> None:
        """Take a preference of a person, under each id that is told."""
        if preference.value != STOP and preference.value not in RESUMED:
            return
        for key in self.keys(preference.person):
            await self.obey(portfolio, key, at_ms, stops=preference.value == STOP)

    async def obey(
        self, portfolio: PortfolioId, key: RecipientKey, at_ms: int, *, stops: bool
    ) -> None:
        """Take a choice and have the newest in force, also when another process takes one now."""
        choice = await self._choices.tell(portfolio, key, at_ms, stops=stops)
        obeyed: Choice | None = None
        while choice != obeyed:
            act = self._contents.suppress if choice[1] else self._contents.unsuppress
            await act(portfolio, key, Category.MARKETING)
            obeyed = choice
            choice = await self._choices.tell(portfolio, key, at_ms, stops=stops)

    async def unite(self, portfolio: PortfolioId, pairs: Iterable[Pair]) -> None:
        """Give the newest choice of one id of a person to the other."""
        told = list(dict.fromkeys(pairs))
        keys = list(dict.fromkeys(key for pair in told for key in pair))
        known = await self._choices.known(portfolio, keys) if keys else {}
        if not known:
            return
        for pair in told:
            choices = [known[key] for key in pair if key in known]
            newest = max(choices, default=None)
            for key in pair:
                if newest is not None and known.get(key) != newest:
                    await self.obey(portfolio, key, newest[0], stops=newest[1])
                    known[key] = newest

    def keys(self, person: Person) -> list[RecipientKey]:
        """Return the keys of all ids of a person: either may be what a job was sent to."""
        ids = (person.digits, person.user_id)
        return [self._recipients.key(identity) for identity in ids if identity]

    def pairs(self, *persons: Person) -> list[Pair]:
        """Return pairs of all ids of one person, who may have had others before."""
        keys = [key for person in persons for key in self.keys(person)]
        return list(pairwise(keys))
