"""A campaign's rows as they are dealt to lanes: by sender, and by time zone where that counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from engine.contents import SEPARATOR
from engine.errors import InvalidJobError
from engine.model import Lane, Row
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
        self._rows: list[list[Row]] = [[] for _ in lanes]
        self._by_zone: dict[tuple[int, str], list[Row]] = {}

    def take(self, rows: list[Row]) -> None:
        """Deal rows; a person is always dealt to the same sender."""
        if self._zone_of is None:
            deal(rows, self._rows, self._shares)
            return
        hands: list[list[Row]] = [[] for _ in self._lanes]
        deal(rows, hands, self._shares)
        for place, hand in enumerate(hands):
            for row in hand:
                identity = row.tail.partition(SEPARATOR)[0].decode().removeprefix("+")
                zone = self._zone_of(identity)
                self._by_zone.setdefault((place, zone), []).append(row)

    @property
    def zones(self) -> set[str]:
        """Return the time zones that rows were dealt to."""
        return {zone for _, zone in self._by_zone} or {UNKNOWN_ZONE}

    def dealt(self) -> list[tuple[Lane, list[Row]]]:
        """Return each lane with its rows."""
        if self._zone_of is None:
            return list(zip(self._lanes, self._rows, strict=True))
        return [
            (replace(self._lanes[place], zone=zone), rows)
            for (place, zone), rows in self._by_zone.items()
        ]
