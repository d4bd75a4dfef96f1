"""The messaging limit: how many different people a portfolio may reach in a rolling window.

The limit counts unique people, outside customer service windows, in a moving 24 hours:
https://developers.facebook.com/documentation/business-messaging/whatsapp/messaging-limits
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Mapping
from dataclasses import dataclass

from engine.model import Priority, RecipientKey

DAY_MS = 86_400_000
UNLIMITED = -1
TEXT_MAX = 24  # characters of a limit; a longer word is none
PLACES_MAX = 10**10  # more people than there are: such a number is none
RESERVE_FROM = 1_000  # below this limit no class keeps places back unless told to

TIERS = {
    "TIER_50": 50,
    "TIER_250": 250,
    "TIER_1K": 1_000,
    "TIER_2K": 2_000,
    "TIER_10K": 10_000,
    "TIER_100K": 100_000,
    "TIER_UNLIMITED": UNLIMITED,
    "UNLIMITED": UNLIMITED,
}


def parse_limit(value: object) -> int | None:
    """Return the limit Meta means by `value`; None when it says nothing (keep the last one).

    One parser for all forms that are documented, for they contradict each other: numbers, -1,
    `UNLIMITED`, `TIER_` and a number with or without K. A word we do not know is never unlimited:
    https://developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/reference/business_capability_update

    >>> parse_limit("TIER_2K"), parse_limit(250), parse_limit(-1), parse_limit("TIER_NOT_SET")
    (2000, 250, -1, None)
    """
    if isinstance(value, int) and not isinstance(value, bool):
        return value if UNLIMITED <= value <= PLACES_MAX else None
    text = value.strip().upper() if isinstance(value, str) else ""
    if len(text) > TEXT_MAX or not text.isascii():
        return None
    if text in TIERS:
        return TIERS[text]
    places = _parse_number(text.removeprefix("TIER_"), is_named=text.startswith("TIER_"))
    return places if places is not None and places <= PLACES_MAX else None


def _parse_number(digits: str, *, is_named: bool) -> int | None:
    """Return the limit a text of digits means, in thousands when it ends in K."""
    if digits.endswith("K") and digits[:-1].isdecimal():
        return int(digits[:-1]) * 1_000
    if digits.isdecimal():
        return int(digits)
    return UNLIMITED if digits == str(UNLIMITED) and not is_named else None


@dataclass(frozen=True, slots=True)
class Limit:
    """How many places there are, and how many of them each priority may use."""

    places: int  # unique recipients; UNLIMITED is no limit
    headroom: float = 0.0  # share kept free for deliveries that come late
    reserve: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)  # share kept per priority
    used_before: int = 0  # places already taken elsewhere when this ledger started
    used_before_until_ms: int = 0

    def ceiling(self, priority: Priority) -> int:
        """Return how many places may be taken when one of `priority` asks; UNLIMITED is no limit.

        What a priority keeps back is closed to all that go after it, and open to itself.

        >>> Limit(1000, reserve=(0.05, 0.0, 0.0, 0.0)).ceiling(Priority.MARKETING)
        950
        """
        if self.places == UNLIMITED:
            return UNLIMITED
        kept = int(self.places * self.headroom)
        for higher in range(priority):
            kept += int(self.places * self.reserve[higher])
        return max(0, self.places - kept)


def default_reserve(places: int, shares: Mapping[str, float]) -> tuple[float, float, float, float]:
    """Return the share each priority keeps back; none below RESERVE_FROM unless `shares` says."""
    if not shares and (places == UNLIMITED or places < RESERVE_FROM):
        return (0.0, 0.0, 0.0, 0.0)
    chosen = shares or {"authentication": 0.01, "utility": 0.005}
    authentication, service, utility, marketing = (
        chosen.get(priority.name.lower(), 0.0) for priority in Priority
    )
    return (authentication, service, utility, marketing)


class Window:
    """Who counts now: each person's score is the latest moment that a send of theirs proves.

    Half open: a score exactly `span_ms` ago no longer counts. `proofs` is kept only for people
    with more than one proof, so that taking one away restores exactly what the others prove.
    """

    def __init__(self, span_ms: int) -> None:
        self.span_ms = span_ms
        self.scores: dict[RecipientKey, int] = {}
        self.proofs: dict[RecipientKey, list[int]] = {}
        self.arrivals: dict[
            RecipientKey, int
        ] = {}  # latest delivery no open or ended job stands for
        self._order: list[tuple[int, RecipientKey]] = []

    def used(self, now_ms: int) -> int:
        """Return how many people count at `now_ms`."""
        return len(self._order) - self._first_counted(now_ms)

    def counts(self, recipient: RecipientKey, now_ms: int) -> bool:
        """Return whether `recipient` counts at `now_ms`."""
        return self.scores.get(recipient, 0) > now_ms - self.span_ms

    def score(self, recipient: RecipientKey, now_ms: int) -> int:
        """Return the latest moment that a send to `recipient` proves; 0 when none counts."""
        return self.scores.get(recipient, 0) if self.counts(recipient, now_ms) else 0

    def replace(self, recipient: RecipientKey, old_ms: int, with_ms: int, now_ms: int) -> None:
        """Take away one proof `old_ms` (0: none) and add `with_ms` (0: none).

        Proofs that no longer count are forgotten on the way.
        """
        proofs = self._proofs_of(recipient)
        if old_ms in proofs:
            proofs.remove(old_ms)
        if with_ms:
            proofs.append(with_ms)
        self._store(recipient, proofs, now_ms - self.span_ms)

    def prove(self, recipient: RecipientKey, at_ms: int, now_ms: int) -> None:
        """Note a delivery that no job stands for; the same one told again changes nothing."""
        cut_ms = now_ms - self.span_ms
        if at_ms > cut_ms:
            proofs = self._proofs_of(recipient)
            self.arrivals[recipient] = max(self.arrivals.get(recipient, 0), at_ms)
            self._store(recipient, proofs, cut_ms)

    def frees_at_ms(self, places: int, now_ms: int) -> int | None:
        """Return when fewer than `places` people will count if nothing else happens.

        None when that is so already, or never (no places at all).
        """
        excess = self.used(now_ms) - places
        if excess < 0 or places <= 0:
            return None
        return self._order[self._first_counted(now_ms) + excess][0] + self.span_ms

    def prune(self, now_ms: int) -> None:
        """Forget whom no answer depends on any more; only memory changes."""
        first = self._first_counted(now_ms)
        for _, recipient in self._order[:first]:
            self.scores.pop(recipient, None)
            self.proofs.pop(recipient, None)
            self.arrivals.pop(recipient, None)
        del self._order[:first]

    def _first_counted(self, now_ms: int) -> int:
        return bisect_right(self._order, (now_ms - self.span_ms, b"\xff" * 9))

    def _proofs_of(self, recipient: RecipientKey) -> list[int]:
        if recipient in self.proofs or recipient in self.arrivals:
            return list(self.proofs.get(recipient, ()))
        score = self.scores.get(recipient, 0)
        return [score] if score else []

    def _store(self, recipient: RecipientKey, proofs: list[int], cut_ms: int) -> None:
        score = self.scores.pop(recipient, None)
        if score is not None:
            del self._order[bisect_left(self._order, (score, recipient))]
        self.proofs.pop(recipient, None)
        proofs = [moment for moment in proofs if moment > cut_ms]
        arrival_ms = self.arrivals.pop(recipient, 0)
        moments = [*proofs, arrival_ms] if arrival_ms > cut_ms else proofs
        if not moments:
            return
        self.scores[recipient] = max(moments)
        insort(self._order, (max(moments), recipient))
        if len(moments) > len(proofs):
            self.arrivals[recipient] = arrival_ms
        if len(moments) > 1:
            self.proofs[recipient] = proofs


def may_enter(*, counted: bool, used: int, ceiling: int, places: int, priority: Priority) -> bool:
    """Return whether one more send to this person keeps the limit.

    A repeat to a counted person needs no place; in debt (more count than there are places) it
    would prolong the breach, so only those who wait at a login or in a conversation may.
    """
    if places == UNLIMITED:
        return True
    if counted:
        return used <= places or priority <= Priority.SERVICE
    return used < ceiling
