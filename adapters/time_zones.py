"""What time it is where: IANA zones, and the zones that a number or a user id tells of."""

from __future__ import annotations

from datetime import tzinfo
from functools import cache, lru_cache
from importlib.resources import files
from importlib.util import find_spec
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from engine.quiet import TOGETHER, UNKNOWN_ZONE

NORTH_AMERICA: Final = "1"  # its area codes tell places also of mobile numbers
MEXICO, MEXICO_MOBILE = "52", "521"  # ids of WhatsApp may keep the 1 that was given up in 2019
CALLING_CODE_DIGITS: Final = (1, 2, 3)
ALIKE_DIGITS: Final = 6  # numbers that share so many, and are as long, are of one kind
FILLERS: Final = "50279"
UNKNOWN_KIND: Final = 99  # PhoneNumberType.UNKNOWN
COUNTRY_COLUMN, ZONE_COLUMN = 0, 2  # of zone.tab


class TimeZones:
    """Zones by libphonenumber's data: where a number was issued; a person may be elsewhere.

    A prefix or country of several zones is all of them, joined: whoever asks must suit each.
    """

    def find(self, name: str) -> tzinfo | None:
        """See Clocks.find."""
        return _zone(name)

    def zone_of(self, identity: str) -> str:
        """See Clocks.zone_of; some microseconds, 100 for the first number of a kind."""
        if not identity[:1].isdigit():
            return _zones_of_countries().get(identity[:2], UNKNOWN_ZONE)
        if not self.knows_numbers:
            return UNKNOWN_ZONE
        if identity.startswith(MEXICO_MOBILE):
            identity = MEXICO + identity.removeprefix(MEXICO_MOBILE)
        if identity.startswith(NORTH_AMERICA):
            return _joined(_by_prefix(identity))
        for digits in CALLING_CODE_DIGITS:  # most countries have one zone
            zones = _prefixes().get(identity[:digits])
            if zones is not None:
                if len(zones) == 1:
                    return _joined(zones)
                of_all = _of_country(identity[:ALIKE_DIGITS], len(identity))
                return _joined(_by_prefix(identity)) if of_all is None else of_all
        return UNKNOWN_ZONE

    @property
    def knows_numbers(self) -> bool:
        """See Clocks.knows_numbers."""
        return _has_numbers()


@cache
def _has_numbers() -> bool:
    return find_spec("phonenumbers") is not None


@cache
def _prefixes() -> dict[str, tuple[str, ...]]:
    """Return libphonenumber's zones by prefix; the import costs 25 ms, once."""
    from phonenumbers.tzdata import TIMEZONE_DATA  # noqa: PLC0415 (an extra)

    return dict(TIMEZONE_DATA)


@cache
def _longest() -> int:
    return max(map(len, _prefixes()))


def _by_prefix(identity: str) -> tuple[str, ...]:
    prefixes = _prefixes()
    for digits in range(min(_longest(), len(identity)), 0, -1):
        if (zones := prefixes.get(identity[:digits])) is not None:
            return zones
    return ()


@lru_cache(maxsize=1 << 16)
def _of_country(alike: str, digits: int) -> str | None:
    """Return the zones of a country where numbers that begin so tell no place; None: they do.

    Mobile numbers of most countries with several zones are such: they have every zone of theirs.
    """
    from phonenumbers import (  # noqa: PLC0415 (an extra)
        NumberParseException,
        is_number_type_geographical,
        number_type,
        parse,
        region_code_for_number,
    )

    for filler in FILLERS:  # the first that makes a number which the country may have given out
        try:
            number = parse(f"+{alike}{filler * (digits - len(alike))}")
        except NumberParseException:
            break
        kind = number_type(number)
        if kind != UNKNOWN_KIND:
            if is_number_type_geographical(kind, number.country_code or 0):
                return None
            return _zones_of_countries().get(region_code_for_number(number) or "", "") or None
    code = next(n for n in CALLING_CODE_DIGITS if alike[:n] in _prefixes())
    return _joined(_prefixes()[alike[:code]])


@cache
def _zones_of_countries() -> dict[str, str]:
    """Return the zones of each ISO 3166 country, as the time zone database has them."""
    found: dict[str, list[str]] = {}
    table = files("tzdata") / "zoneinfo" / "zone.tab"
    for line in table.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            columns = line.split("\t")
            found.setdefault(columns[COUNTRY_COLUMN], []).append(columns[ZONE_COLUMN])
    return {country: _joined(tuple(sorted(zones))) for country, zones in found.items()}


@cache
def _joined(zones: tuple[str, ...]) -> str:
    known = [zone for zone in zones if _zone(zone) is not None]
    return TOGETHER.join(known) if known else UNKNOWN_ZONE


def _zone(name: str) -> ZoneInfo | None:
    """Return a zone that is one on every machine, not what a machine calls its own."""
    return _read(name) if name in _names() else None


@cache
def _read(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # of a database that is broken
        return None


@cache
def _names() -> frozenset[str]:
    return frozenset((files("tzdata") / "zones").read_text(encoding="utf-8").split())
