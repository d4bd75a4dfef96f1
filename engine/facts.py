"""What was told of the world, each thing with its time: older news never undoes newer.

A fact has a name, and of each name only the newest is kept, in the registry, for all processes:
`tell` takes news and answers what holds now. Whoever acts on news acts on that answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class Source(StrEnum):
    """Who told it."""

    WEBHOOK = "webhook"  # Meta, by itself
    REFRESH = "refresh"  # Meta, asked by us
    ANSWER = "answer"  # Meta, refusing a send
    OPERATOR = "operator"  # a person who may know better
    NOTICED = "noticed"  # by Penstock itself


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing and what it is since `at_ms`; empty when it is over."""

    id: str  # `sender/ID/quality`, `waba/ID/restriction`, `portfolio/ID/limit`, …
    value: str  # Meta's word, or ours
    at_ms: int  # when it became so, by the clock of whoever told it
    source: Source
    until_ms: int = 0  # until when it closes something, where that is its meaning; 0 is open
    detail: str = ""  # for people; fit for logs

    @property
    def about(self) -> tuple[str, str, str]:
        """Return the kind, the name and the aspect of what it is about.

        >>> Fact("sender/1065/quality", "GREEN", 0, Source.REFRESH).about
        ('sender', '1065', 'quality')
        """
        kind, _, rest = self.id.partition("/")
        name, _, aspect = rest.rpartition("/")
        return kind, name, aspect

    def says_the_same(self, other: Fact | None) -> bool:
        """Return whether another fact means the same, whoever told it and when."""
        return other is not None and _meaning(self) == _meaning(other)

    def replaces(self, known: Fact | None) -> bool:
        """Return whether it is worth keeping in the place of `known`, which is not newer.

        Meta repeats itself: a webhook that says the same again leaves the time since when it is so.
        Who asks, or sets something, wants to see that this was heard.
        """
        if self.source in {Source.REFRESH, Source.OPERATOR}:
            return self != known
        return not self.says_the_same(known)


def of_sender(sender: str, aspect: str) -> str:
    """Return the name of a fact about a number."""
    return f"sender/{sender}/{aspect}"


def of_account(waba: str, aspect: str) -> str:
    """Return the name of a fact about a WhatsApp Business Account."""
    return f"waba/{waba}/{aspect}"


def of_portfolio(portfolio: str, aspect: str) -> str:
    """Return the name of a fact about a portfolio."""
    return f"portfolio/{portfolio}/{aspect}"


def newest(known: Fact | None, told: Fact) -> Fact:
    """Return which of two facts of one name holds: the later; of one moment the stricter.

    Meta's times are whole seconds, so two webhooks of one second come in any order.

    >>> first = Fact("waba/1/ban", "DISABLE", 5, Source.WEBHOOK, 9)
    >>> newest(first, Fact("waba/1/ban", "REINSTATE", 5, Source.WEBHOOK)).value
    'DISABLE'
    """
    if known is None:
        return told
    return max(known, told, key=lambda fact: (fact.at_ms, packed(fact)))


def packed(fact: Fact) -> bytes:
    """Return what a fact says, without its name and time; sorts as `newest` wants it.

    >>> fact = Fact("sender/1/quality", "RED", 7, Source.REFRESH)
    >>> unpacked(fact.id, packed(fact), 7) == fact
    True
    """
    parts = (f"{fact.until_ms:015d}", fact.value, fact.source.value, fact.detail)
    return SEPARATOR.join(part.replace(SEPARATOR, " ") for part in parts).encode()


def unpacked(name: str, content: bytes, at_ms: int) -> Fact:
    """Return the fact that was packed."""
    until_ms, value, source, detail = content.decode().split(SEPARATOR)
    return Fact(name, value, at_ms, Source(source), int(until_ms), detail)


SEPARATOR = "\x1f"


def _meaning(fact: Fact) -> tuple[str, str, int, str]:
    return fact.id, fact.value, fact.until_ms, fact.detail


class Facts(Protocol):
    """Where the newest facts last, over restarts and for all processes."""

    async def tell(self, fact: Fact) -> Fact:
        """Take news; return what holds now, which is older news' answer too.

        The same news again changes nothing. LedgerAwayError: it may not have been taken.
        """
        ...


Known = Mapping[str, Fact]  # by name
