"""A campaign's rows as they are dealt to lanes: by sender, and by time zone where that counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import chain

from engine.alike import AlikeRows, Rows, recipients_of, tails_of
from engine.contents import SEPARATOR
from engine.errors import InvalidJobError
from engine.model import Lane
from engine.quiet import UNKNOWN_ZONE, ZoneOf
from engine.rows import deal

SHARE_MAX = 100


def share_objections(shares: Mapping[str, int], senders: Sequence[str]) -> list[InvalidJobError]:
    """Return what is wrong with the parts of the people that senders are to be dealt."""
    errors: list[InvalidJobError] = []
    for name, share in shares.items():
        pointer = f"/shares/{name}"
        if name not in senders:
            detail = "is none of the campaign's senders"
            errors.append(InvalidJobError(detail, pointer=pointer, code="unknown_sender"))
        elif not 1 <= share <= SHARE_MAX:
            detail = f"must be from 1 to {SHARE_MAX} parts of the people"
            errors.append(InvalidJobError(detail, pointer=pointer, code="range"))
    return errors


class Hands:
    """The rows of one trip to the ledger, lane by lane."""

    def __init__(
        self, lanes: Sequence[Lane], zone_of: ZoneOf | None, shares: Sequence[int] = ()
    ) -> None:
        self._lanes = lanes
        self._shares = shares
        self._zone_of = zone_of
        self._taken: list[Rows] = []
        self._count = 0
        self._hands: list[list[int]] = [[] for _ in lanes]  # places in what was taken
        self._by_zone: dict[tuple[int, str], list[int]] = {}

    def take(self, rows: Rows) -> None:
        """Deal rows; a person is always dealt to the same sender."""
        first, people = self._count, recipients_of(rows)
        self._taken.append(rows)
        self._count += len(people)
        if self._zone_of is None:
            deal(people, first, self._hands, self._shares)
            return
        hands: list[list[int]] = [[] for _ in self._lanes]
        deal(people, first, hands, self._shares)
        tails = tails_of(rows)
        for place, hand in enumerate(hands):
            for at in hand:
                identity = tails[at - first].partition(SEPARATOR)[0].decode().removeprefix("+")
                zone = self._zone_of(identity)
                self._by_zone.setdefault((place, zone), []).append(at)

    @property
    def zones(self) -> set[str]:
        """Return the time zones that rows were dealt to."""
        return {zone for _, zone in self._by_zone} or {UNKNOWN_ZONE}

    def dealt(self) -> list[tuple[Lane, Rows]]:
        """Return each lane that got rows, with them."""
        if self._zone_of is None:
            hands = list(zip(self._lanes, self._hands, strict=True))
        else:
            hands = [
                (replace(self._lanes[place], zone=zone), hand)
                for (place, zone), hand in self._by_zone.items()
            ]
        rows = _joined(self._taken)
        return [(lane, _picked(rows, hand)) for lane, hand in hands if hand]


def _joined(parts: Sequence[Rows]) -> Rows:
    """Return rows of one sheet together."""
    alike = [part for part in parts if isinstance(part, AlikeRows)]
    if not alike or len(alike) < len(parts):
        return list(chain.from_iterable(parts))
    return replace(
        alike[0],
        recipients=list(chain.from_iterable(part.recipients for part in alike)),
        tails=list(chain.from_iterable(part.tails for part in alike)),
        places=list(chain.from_iterable(part.places for part in alike)),
    )


def _picked(rows: Rows, hand: Sequence[int]) -> Rows:
    if len(hand) == len(rows):
        return rows
    return rows.picked(hand) if isinstance(rows, AlikeRows) else [rows[at] for at in hand]
