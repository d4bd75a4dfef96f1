"""Borders: countries whose people Meta does not let an account write to, learned from refusals.

https://developers.facebook.com/documentation/business-messaging/whatsapp/support/error-codes
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from engine.countries import ELSEWHERE, UNITED_STATES, is_in_the_us
from engine.dial_codes import COUNTRIES
from engine.facts import Fact, Known, Source, of_account
from engine.model import PortfolioId, WabaId
from engine.quota import DAY_MS
from engine.recipients import canonical

BORDER_CODE: Final = 130497  # the account may not write to people in this country
REMEMBERED_MS: Final = 7 * DAY_MS  # then one message asks anew: Meta tells nobody when it is lifted
ASPECT: Final = "country-"  # and a country: an aspect of an account
CODE_DIGITS_MAX: Final = 3  # of a calling code
AREA_DIGITS: Final = 3
KAZAKH: Final = ("6", "7")  # after +7; what else begins so is Russian
BEGIN_MAX: Final = 5  # `+1416`
BEGIN_MIN: Final = 2  # `+7`


@dataclass(frozen=True, slots=True)
class Border:
    """How recipients begin that an account may not write to until a moment.

    The longest begin decides, and one that stands in `but` allows.
    """

    until_ms: int
    begins: tuple[str, ...]
    but: tuple[str, ...] = ()


class Borders(Protocol):
    """Where the ledger learns of them."""

    async def put_borders(
        self, portfolio: PortfolioId, waba: WabaId, borders: Sequence[Border]
    ) -> None:
        """Refuse an account's jobs to these people, those queued too; replaces what was put."""
        ...


def country_of(identity: str) -> str:
    """Return the country of a canonical id; `1` and an area code where +1 is of no one country.

    Empty for a number that no country's begins like.

    >>> [country_of(each) for each in ("4915112345678", "16505551234", "14165551234", "IN.98")]
    ['DE', 'US', '1416', 'IN']
    >>> country_of("77012345678"), country_of("79161234567"), country_of("999123456")
    ('KZ', 'RU', '')
    """
    if not identity[0].isdigit():
        return identity[:2]
    if identity.startswith("1"):
        return UNITED_STATES if is_in_the_us(identity) else identity[: 1 + AREA_DIGITS]
    if identity.startswith("7"):
        return "KZ" if identity[1:2] in KAZAKH else "RU"
    codes = (identity[:length] for length in range(1, CODE_DIGITS_MAX + 1))
    return next((COUNTRIES[code] for code in codes if code in COUNTRIES), "")


def border_of(country: str, until_ms: int) -> Border:
    """Return how the people of a country are recognized.

    >>> border_of("IN", 9)
    Border(until_ms=9, begins=('+91', 'IN.'), but=())
    >>> border_of("RU", 9).but
    ('+76', '+77')
    """
    if country[0].isdigit():
        return Border(until_ms, (f"+{country}",))
    own = f"{country}."
    if country == UNITED_STATES:
        return Border(until_ms, ("+1", own), tuple(f"+1{area}" for area in sorted(ELSEWHERE)))
    if country == "RU":
        return Border(until_ms, ("+7", own), tuple(f"+7{digit}" for digit in KAZAKH))
    if country == "KZ":
        return Border(until_ms, (*(f"+7{digit}" for digit in KAZAKH), own))
    codes = [code for code, name in COUNTRIES.items() if name == country]
    return Border(until_ms, (*(f"+{code}" for code in codes), own))


def sides(borders: Iterable[Border], now_ms: int) -> dict[str, bool]:
    """Return which begins are behind a border now, and which are not though a shorter one is."""
    found: dict[str, bool] = {}
    for border in borders:
        if border.until_ms > now_ms:
            found |= dict.fromkeys(border.begins, True)
            found = dict.fromkeys(border.but, False) | found
    return found


def is_behind(begins: Mapping[str, bool], to: str) -> bool:
    """Return whether a recipient, as a row has it, is behind a border.

    >>> [is_behind({"+7": True, "+77": False}, to) for to in ("+7916", "+7701", "+4915")]
    [True, False, False]
    """
    for length in range(BEGIN_MAX, BEGIN_MIN - 1, -1):
        side = begins.get(to[:length])
        if side is not None:
            return side
    return False


def border_fact(waba: str, country: str, at_ms: int) -> Fact:
    """Return that Meta refused an account's message to a country."""
    name, until_ms = of_account(waba, ASPECT + country), at_ms + REMEMBERED_MS
    detail = f"Meta does not let this account write to {country}"
    return Fact(name, str(BORDER_CODE), at_ms, Source.ANSWER, until_ms, detail)


def border_to(waba: str, to: str, at_ms: int) -> Fact | None:
    """Return the same of a recipient's country; None for one of no country that we know."""
    country = country_of(canonical(to) or "0")
    return border_fact(waba, country, at_ms) if country else None


def border_facts(facts: Known, waba: str) -> Iterator[tuple[str, Fact]]:
    """Yield each country that an account was ever told of, with what holds."""
    first = of_account(waba, ASPECT)
    for name, fact in facts.items():
        if name.startswith(first):
            yield name.removeprefix(first), fact


def closed_countries(facts: Known, waba: str, now_ms: int) -> dict[str, int]:
    """Return which countries are closed to an account, each with until when."""
    found = border_facts(facts, waba)
    return {country: fact.until_ms for country, fact in found if fact.until_ms > now_ms}


def borders_of(facts: Known, waba: str) -> list[Border] | None:
    """Return an account's borders, also those that are over; None where it never had any."""
    found = dict(border_facts(facts, waba))
    if not found:
        return None
    return [border_of(country, fact.until_ms) for country, fact in found.items() if fact.until_ms]
