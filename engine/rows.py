"""A campaign's rows, checked a chunk at a time and packed for the ledger: the bulk path."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import repeat
from struct import unpack
from typing import NamedTuple

from engine.alike import AlikeRows, Rows
from engine.model import RecipientKey
from engine.recipients import RecipientKeys, canonical, canonical_chunk, on_the_wire, why_not
from engine.template_fit import NOT_IN_URL, Room
from engine.templates import PARAMETER_MAX, SPACES_MAX, why_not_text

US = "\x1f"  # between recipient and fields, and between fields
RS = "\x1e"  # between rows while a chunk is checked as one text
_CONTROL = bytes((*range(0x1E), 0x7F))
# A field of nothing or maybe of spaces, of which there are more than one thinks: US and RS, too.
_BLANK = re.compile(r"\x1f\s")
_SPACES = " " * (SPACES_MAX + 1)
PART_ROWS = 25  # looked at one by one where one of them is wrong: one in a hundred often is


@dataclass(frozen=True, slots=True)
class Sheet:
    """What all rows of a campaign share."""

    fields: tuple[str, ...]
    content: int
    repeats_max: int
    rooms: tuple[Room, ...] = ()  # how long its texts may become
    suffixes: tuple[int, ...] = ()  # places of fields that become part of a URL
    expires_at_ms: int = 0

    @property
    def line_max(self) -> int:
        """Return how long a row may be that surely fits; a longer one is looked at by itself."""
        sure = [room.left // max(room.weights) for room in self.rooms]
        return min([PARAMETER_MAX, *sure])


@dataclass(frozen=True, slots=True)
class Chunk:
    """Rows of an upload: recipient and field values, maybe with keys.

    `places` are those of its rows in the upload.
    """

    rows: Sequence[tuple[str, Sequence[str]]]
    keys: Sequence[str] | None
    places: Sequence[int]

    def part(self, start: int, end: int) -> Chunk:
        """Return the rows from `start` to before `end`, counted from this chunk's first."""
        keys = self.keys and self.keys[start:end]
        return Chunk(self.rows[start:end], keys, self.places[start:end])


@dataclass(slots=True)
class RowError:
    """Why a row was refused; `index` is its place in the upload, from 0."""

    index: int
    field: str
    code: str
    detail: str


@dataclass(slots=True)
class Packed:
    """The good rows of a chunk, in order, and what is wrong with the others."""

    rows: Rows
    errors: list[RowError] = field(default_factory=list)


class _Looked(NamedTuple):
    """Ids, tails and places of the sound rows of a chunk, and what is wrong with the others."""

    identities: list[bytes]
    tails: list[bytes]
    places: Sequence[int]
    errors: list[RowError]


def pack(chunk: Chunk, sheet: Sheet, recipients: RecipientKeys) -> Packed:
    """Return a chunk packed; it is checked as a whole, row by row only where that finds something.

    A row without a key is known by its recipient.
    """
    found = _look(chunk, sheet)
    people = recipients.keys(found.identities)
    shared = sheet.content, sheet.repeats_max, sheet.expires_at_ms
    alike = AlikeRows(people, found.tails, found.places, *shared)
    if chunk.keys is None:
        return Packed(alike, found.errors)
    names = dict(zip(chunk.places, chunk.keys, strict=True))
    rows = list(alike)
    for row in rows:
        if name := names[row.place]:
            row.dedupe, row.fingerprint = recipients.dedupe(name), recipients.fingerprint(row.tail)
    return Packed(rows, found.errors)


def _look(chunk: Chunk, sheet: Sheet) -> _Looked:
    """Look at a chunk as a whole; where something is wrong, at each small part of it."""
    rows = chunk.rows
    sound = _sound_tails(rows, sheet)
    if sound is not None:
        return _Looked(*sound, chunk.places, [])
    if len(rows) <= PART_ROWS:
        return _look_at_each(chunk, sheet)
    starts = range(0, len(rows), PART_ROWS)
    parts = [_look(chunk.part(start, start + PART_ROWS), sheet) for start in starts]
    return _Looked(
        [identity for part in parts for identity in part.identities],
        [tail for part in parts for tail in part.tails],
        [place for part in parts for place in part.places],
        [error for part in parts for error in part.errors],
    )


def _sound_tails(
    rows: Sequence[tuple[str, Sequence[str]]], sheet: Sheet
) -> tuple[list[bytes], list[bytes]] | None:
    """Return ids and tails of rows when every one is sound, else None."""
    width = len(sheet.fields)
    identities = canonical_chunk([row[0] for row in rows]) if rows else None
    if identities is None or {len(row[1]) for row in rows} != {width}:
        return None
    if width:
        told = zip(identities.split("\n"), rows, strict=True)
        lines = [f"+{identity}{US}{US.join(row[1])}" for identity, row in told]
    else:
        lines = ["+" + identity for identity in identities.split("\n")]
    text = RS.join(lines)
    if not _is_sound(text, len(rows), width):
        return None
    if sheet.suffixes and any(
        NOT_IN_URL.search(row[1][place]) for row in rows for place in sheet.suffixes
    ):
        return None
    try:
        packed = text.encode()
    except UnicodeEncodeError:
        return None
    tails = packed.split(b"\x1e")
    # A text has no more characters than bytes.
    if len(packed.translate(None, _CONTROL)) < len(packed) or max(map(len, tails)) > sheet.line_max:
        return None
    return identities.encode().split(b"\n"), tails


def _is_sound(text: str, rows: int, width: int) -> bool:
    """Return whether a joined chunk has a text in each field, and no run of spaces too long."""
    return (
        text.count(US) == rows * width
        and text.count(RS) == rows - 1
        and not text.endswith(US)
        and _BLANK.search(text) is None
        and _SPACES not in text
    )


def _look_at_each(chunk: Chunk, sheet: Sheet) -> _Looked:
    identities, tails = list[bytes](), list[bytes]()
    places, errors = list[int](), list[RowError]()
    for place, (to, values) in zip(chunk.places, chunk.rows, strict=True):
        identity = canonical(to)
        if identity is None:
            errors.append(RowError(place, "to", *why_not(to)))
        elif wrong := _errors(place, values, sheet):
            errors += wrong
        else:
            identities.append(identity.encode())
            tails.append(US.join((on_the_wire(identity), *values)).encode())
            places.append(place)
    return _Looked(identities, tails, places, errors)


def _errors(index: int, values: Sequence[str], sheet: Sheet) -> list[RowError]:
    """Return what is wrong with the fields of one row."""
    if len(values) != len(sheet.fields):
        missing = sheet.fields[len(values)] if len(values) < len(sheet.fields) else "to"
        detail = f"the row has {len(values)} fields, the campaign wants {len(sheet.fields)}"
        return [RowError(index, missing, "field_count", detail)]
    errors: list[RowError] = []
    for name, value in zip(sheet.fields, values, strict=True):
        if (objection := why_not_text(value)) is not None:
            errors.append(RowError(index, name, *objection))
        elif not _is_text(value):
            detail = "is no valid UTF-8 text; save the file as `CSV UTF-8`"
            errors.append(RowError(index, name, "not_text", detail))
    return errors or row_misfits(index, values, sheet)


def row_misfits(index: int, values: Sequence[str], sheet: Sheet) -> list[RowError]:
    """Return which texts a row makes too long, and which of its values no URL may hold."""
    errors: list[RowError] = []
    for place in sheet.suffixes:
        if (found := NOT_IN_URL.search(values[place])) is not None:
            detail = f"holds {found.group()!r}, which no URL may; percent-encode it"
            errors.append(RowError(index, sheet.fields[place], "not_in_url", detail))
    for room in sheet.rooms:
        length = sum(
            weight * len(value) for weight, value in zip(room.weights, values, strict=True)
        )
        if length > room.left:
            longest = max(
                range(len(values)), key=lambda place: room.weights[place] * len(values[place])
            )
            detail = f"makes the {room.what} {length - room.left} characters too long; shorten it"
            errors.append(RowError(index, sheet.fields[longest], "too_long", detail))
    return errors


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def deal(
    people: Sequence[RecipientKey],
    first: int,
    hands: Sequence[list[int]],
    shares: Sequence[int] = (),
) -> None:
    """Give each person's row to a sender by the person, who so always hears from the same.

    The rows are counted from `first`. `shares` says how many parts of the people each hand gets;
    empty: all get as many.

    >>> people = [RecipientKey(number.to_bytes(8, "big")) for number in range(8)]
    >>> hands: list[list[int]] = [[], []]
    >>> deal(people, 100, hands, (3, 1))
    >>> hands
    [[100, 101, 102, 104, 105, 106], [103, 107]]
    """
    if len(hands) == 1:
        hands[0].extend(range(first, first + len(people)))
        return
    shared = zip(hands, shares or repeat(1), strict=False)
    parts = [hand.append for hand, share in shared for _ in range(share)]
    count = len(parts)
    numbers = unpack(f">{len(people)}Q", b"".join(people))
    for at, number in enumerate(numbers, first):
        parts[(number & 0xFFFFFF) % count](at)
