"""Quiet hours: when a source leaves people alone, by the clock of the place where they are."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Final, Protocol

from engine.model import Category, PortfolioId
from engine.quota import DAY_MS

AHEAD_DAYS: Final = 8  # how far calendars reach; what a ledger does not know of is shut
BACK_MS: Final = DAY_MS  # and how far back: no clock is that far behind
TOGETHER: Final = "+"  # between the time zones of one prefix: quiet where any of them is
UNKNOWN_ZONE: Final = ""  # of people whose number tells none, and of rows not sorted by zone
NEVER_QUIET: Final = (Category.AUTHENTICATION, Category.SERVICE)  # somebody waits for them
SHOWN_ZONES: Final = 3
_BETWEEN: Final = re.compile(r"\+(?![0-9])")
_CLOCK: Final = re.compile(r"(?:[01][0-9]|2[0-3]):[0-5][0-9]")

Spans = tuple[tuple[int, int], ...]  # when sending is allowed: from, until; epoch ms, in order
ZoneOf = Callable[[str], str]  # a canonical id -> its zone, or UNKNOWN_ZONE


class Clocks(Protocol):
    """What time it is where."""

    def find(self, name: str) -> tzinfo | None:
        """Return an IANA time zone; None when there is none of this name."""
        ...

    def zone_of(self, identity: str) -> str:
        """Return the zone of a canonical id: one name, several with `+` between, or empty."""
        ...

    @property
    def knows_numbers(self) -> bool:
        """Return whether zone_of can tell anything of phone numbers."""
        ...


@dataclass(frozen=True, slots=True)
class QuietHours:
    """From when until when a source writes to nobody; `until` before `since` is the next morning.

    With `by_recipient` each person's own zone counts, and `time_zone` for those who have none.
    """

    since: str  # HH:MM
    until: str
    time_zone: str
    by_recipient: bool = False

    @property
    def text(self) -> str:
        """Return them for people.

        >>> QuietHours("21:00", "08:00", "Europe/Rome").text
        'quiet from 21:00 to 08:00 (Europe/Rome)'
        """
        where = self.time_zone
        if self.by_recipient:
            where = f"where the recipient is; {self.time_zone} where that is not known"
        return f"quiet from {self.since} to {self.until} ({where})"


@dataclass(frozen=True, slots=True)
class ZoneStanding:
    """A zone of a source in the ledger: how many jobs wait there, and when it opens."""

    zone: str
    jobs: int = 0  # queued or waiting for a place, in lanes of this zone
    held: int = 0  # those of them that nothing but quiet hours holds
    opens_at_ms: int | None = None  # FOREVER_MS: nobody has told yet; None: it is open
    senders: Mapping[str, int] = field(default_factory=dict[str, int])  # the jobs, by their sender


class QuietLedger(Protocol):
    """The quiet hours of sources, as the gate `schedule` reads them in the step of the claim."""

    async def put_quiet(self, portfolio: PortfolioId, source: str, open_: dict[str, Spans]) -> None:
        """Set when each of these zones is open; O(lanes). Other zones keep what they have.

        A zone that has spans is shut outside them, and one that nobody named is shut.
        """
        ...

    async def end_quiet(self, portfolio: PortfolioId, source: str) -> None:
        """Take a source's quiet hours away: whoever waits for them may go. It keeps the names."""
        ...

    async def zones(self, portfolio: PortfolioId, source: str) -> list[ZoneStanding]:
        """Return the zones of a source that were ever told or have jobs, by name."""
        ...


def is_clock(text: str) -> bool:
    """Return whether a text is a time of day, HH:MM.

    >>> [is_clock(each) for each in ("08:00", "8:00", "24:00", "23:59")]
    [True, False, False, True]
    """
    return _CLOCK.fullmatch(text) is not None


def places_in(zone: str) -> list[str]:
    """Return the names that a zone has: a few of them have a plus of their own, before digits.

    >>> places_in("Europe/Rome+Etc/GMT+5"), places_in("")
    (['Europe/Rome', 'Etc/GMT+5'], [''])
    """
    return _BETWEEN.split(zone)


def unknown_places(zone: str, clocks: Clocks) -> list[str]:
    """Return the names in a zone that are none."""
    return [each for each in places_in(zone) if clocks.find(each) is None]


def shown_zone(zone: str) -> str:
    """Return a zone for people.

    >>> shown_zone("Europe/Rome"), shown_zone("A/a+B/b+C/c+D/d")
    ('Europe/Rome', 'A/a, B/b, C/c and 1 more')
    """
    names = places_in(zone)
    more = len(names) - SHOWN_ZONES
    shown = ", ".join(names[:SHOWN_ZONES])
    return f"{shown} and {more} more" if more > 0 else shown


def shut_until_ms(spans: Spans, now_ms: int, forever_ms: int) -> int | None:
    """Return until when spans are shut: None while open, `forever_ms` where they end.

    >>> [shut_until_ms(((10, 20), (30, 40)), now, 99) for now in (5, 10, 20, 39, 40)]
    [10, None, 30, None, 99]
    """
    for since_ms, until_ms in spans:
        if now_ms < until_ms:
            return since_ms if now_ms < since_ms else None
    return forever_ms


def open_spans(hours: QuietHours, zone: str, clocks: Clocks, now_ms: int) -> Spans:
    """Return when people of a zone may be written to, from a day ago until AHEAD_DAYS from now.

    A zone of several places is open when all of them are. Where that is never, or nothing is known
    of the zone, `time_zone` of the hours counts.
    """
    names = [zone, hours.time_zone] if hours.by_recipient and zone else [hours.time_zone]
    for name in names:
        places = [found for each in places_in(name) if (found := clocks.find(each))]
        if places and (spans := _gaps(_quiet(hours, places, now_ms), now_ms)):
            return spans
    return ()


def after_open_ms(spans: Spans, now_ms: int, need_ms: int) -> int | None:
    """Return when `need_ms` of open time have passed; None when the spans do not reach that far.

    >>> after_open_ms(((0, 10), (30, 40)), 5, 7), after_open_ms(((0, 10),), 5, 7)
    (32, None)
    """
    for since_ms, until_ms in spans:
        begin_ms = max(since_ms, now_ms)
        if begin_ms < until_ms and need_ms <= until_ms - begin_ms:
            return begin_ms + need_ms
        need_ms -= max(0, until_ms - begin_ms)
    return None


def _quiet(hours: QuietHours, places: Sequence[tzinfo], now_ms: int) -> list[tuple[int, int]]:
    """Return when it is quiet in any of the places, in order."""
    since, until = time.fromisoformat(hours.since), time.fromisoformat(hours.until)
    overnight = timedelta(days=int(until <= since))
    quiet: list[tuple[int, int]] = []
    for place in places:
        today = datetime.fromtimestamp(now_ms / 1000, UTC).date()
        for days in range(-3, AHEAD_DAYS + 3):
            day = today + timedelta(days=days)
            ends = _moments(day + overnight, until, place)
            quiet.append((min(_moments(day, since, place)), max(ends)))
    return sorted(quiet)


def _moments(day: date, clock: time, place: tzinfo) -> list[int]:
    """Return when a clock shows a time on a day: two moments where it is put back or forward.

    In an hour that is left out it is both of what the clock would have shown before and after.
    """
    shown = datetime.combine(day, clock, place)
    moments = [shown.replace(fold=fold).astimezone(UTC) for fold in (0, 1)]
    return [int(each.timestamp()) * 1000 for each in moments]


def _gaps(quiet: Iterable[tuple[int, int]], now_ms: int) -> Spans:
    """Return what lies between quiet times, as far as anything is told."""
    gaps: list[tuple[int, int]] = []
    at_ms, end_ms = now_ms - BACK_MS, now_ms + AHEAD_DAYS * DAY_MS
    for since_ms, until_ms in quiet:
        if at_ms < min(since_ms, end_ms):
            gaps.append((at_ms, min(since_ms, end_ms)))
        at_ms = max(at_ms, until_ms)
    return tuple(gaps)
