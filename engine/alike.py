"""Rows of a campaign that differ only in who and what, in columns instead of objects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import overload

from engine.model import RecipientKey, Row


@dataclass(slots=True)
class AlikeRows(Sequence[Row]):
    """Due at once, of one message and one expiry, each known by its recipient.

    An upload has a million of them: to make an object of each took longer than to check it.
    """

    recipients: Sequence[RecipientKey]
    tails: Sequence[bytes]
    places: Sequence[int]
    content: int
    repeats_max: int
    expires_at_ms: int

    def __len__(self) -> int:
        """Return how many they are."""
        return len(self.recipients)

    @overload
    def __getitem__(self, at: int) -> Row: ...

    @overload
    def __getitem__(self, at: slice) -> AlikeRows: ...

    def __getitem__(self, at: int | slice) -> Row | AlikeRows:
        """Return one as a row of its own, or several."""
        if isinstance(at, slice):
            return replace(
                self, recipients=self.recipients[at], tails=self.tails[at], places=self.places[at]
            )
        person, shared = self.recipients[at], (self.content, self.repeats_max, self.expires_at_ms)
        return Row(person, self.tails[at], *shared, dedupe=person, place=self.places[at])

    def picked(self, order: Sequence[int]) -> AlikeRows:
        """Return those at some places of these columns, in that order."""
        return replace(
            self,
            recipients=list(map(self.recipients.__getitem__, order)),
            tails=list(map(self.tails.__getitem__, order)),
            places=list(map(self.places.__getitem__, order)),
        )


Rows = list[Row] | AlikeRows


def recipients_of(rows: Rows) -> Sequence[RecipientKey]:
    """Return whom each row is for."""
    return rows.recipients if isinstance(rows, AlikeRows) else [row.recipient for row in rows]


def tails_of(rows: Sequence[Row]) -> Sequence[bytes]:
    """Return what each row says."""
    return rows.tails if isinstance(rows, AlikeRows) else [row.tail for row in rows]
