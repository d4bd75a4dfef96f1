"""A campaign's rows, checked a chunk at a time and packed for the ledger: the bulk path."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import repeat

from engine.model import Row
from engine.recipients import RecipientKeys, canonical, canonical_chunk, on_the_wire, why_not
from engine.template_fit import NOT_IN_URL, Room
from engine.templates import PARAMETER_MAX, SPACES_MAX, why_not_text

US = "\x1f"  # between recipient and fields, and between fields
RS = "\x1e"  # between rows while a chunk is checked as one text
_CONTROL = re.compile(r"[\x00-\x1d\x7f]")
_BLANK = re.compile(r"\x1f\s")  # maybe a field of spaces; there are more of them than one thinks
_SPACES = " " * (SPACES_MAX + 1)


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

    `first` is the place of its first row in the upload.
    """

    rows: Sequence[tuple[str, Sequence[str]]]
    keys: Sequence[str] | None = None
    first: int = 0

    def part(self, start: int, end: int) -> Chunk:
        """Return the rows from `start` to before `end`, counted from this chunk's first."""
        keys = self.keys and self.keys[start:end]
        return Chunk(self.rows[start:end], keys, self.first + start)


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

    rows: list[Row]
    errors: list[RowError] = field(default_factory=list)


def pack(chunk: Chunk, sheet: Sheet, recipients: RecipientKeys) -> Packed:
    """Return a chunk packed; the whole is checked first, row by row only when that finds something.

    A row without a key is known by its recipient.
    """
    packed = _pack_sound(chunk, sheet, recipients) if chunk.keys is None else None
    return packed or _pack_each(chunk, sheet, recipients)


def _pack_sound(chunk: Chunk, sheet: Sheet, recipients: RecipientKeys) -> Packed | None:
    """Return the chunk packed when every row is sound, else None."""
    rows, first = chunk.rows, chunk.first
    width = len(sheet.fields)
    identities = canonical_chunk([row[0] for row in rows]) if rows else None
    if identities is None or {len(row[1]) for row in rows} != {width}:
        return None
    if width:
        lines = [
            f"+{identity}{US}{US.join(row[1])}"
            for identity, row in zip(identities, rows, strict=True)
        ]
    else:
        lines = ["+" + identity for identity in identities]
    text = RS.join(lines)
    if not _is_sound(text, len(rows), width) or max(map(len, lines)) > sheet.line_max:
        return None
    if sheet.suffixes and any(
        NOT_IN_URL.search(row[1][place]) for row in rows for place in sheet.suffixes
    ):
        return None
    try:
        tails = text.encode().split(b"\x1e")
    except UnicodeEncodeError:
        return None
    people = recipients.keys("\n".join(identities).encode().split(b"\n"))
    return Packed(
        list(
            map(
                Row,
                people,
                tails,
                repeat(sheet.content),
                repeat(sheet.repeats_max),
                repeat(sheet.expires_at_ms),
                repeat(0),
                people,
                repeat(b""),
                range(first, first + len(rows)),
            )
        )
    )


def _is_sound(text: str, rows: int, width: int) -> bool:
    """Return whether a joined chunk holds nothing that a parameter must not hold."""
    return (
        text.count(US) == rows * width
        and text.count(RS) == rows - 1
        and (width == 0 or not (US + US in text or US + RS in text or text.endswith(US)))
        and _BLANK.search(text) is None
        and _SPACES not in text
        and _CONTROL.search(text) is None
    )


def _pack_each(chunk: Chunk, sheet: Sheet, recipients: RecipientKeys) -> Packed:
    first, keys = chunk.first, chunk.keys
    packed = Packed([])
    for place, (to, values) in enumerate(chunk.rows):
        identity = canonical(to)
        errors = _errors(first + place, values, sheet) if identity is not None else []
        if identity is None:
            errors = [RowError(first + place, "to", *why_not(to))]
        if errors or identity is None:
            packed.errors += errors
            continue
        person = recipients.key(identity)
        name = keys[place] if keys else ""
        tail = US.join((on_the_wire(identity), *values)).encode()
        row = Row(person, tail, sheet.content, sheet.repeats_max, sheet.expires_at_ms, 0)
        row.place = first + place
        row.dedupe = recipients.dedupe(name) if name else person
        if name:
            row.fingerprint = recipients.fingerprint(tail)
        packed.rows.append(row)
    return packed


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


def deal(rows: list[Row], hands: list[list[Row]], shares: Sequence[int] = ()) -> None:
    """Give each row to a sender by its recipient, so that a person always hears from the same.

    `shares` says how many parts of the people each hand gets; empty: all get as many.

    >>> from engine.model import Row
    >>> rows = [Row(number.to_bytes(8, "big"), b"") for number in range(8)]
    >>> hands: list[list[Row]] = [[], []]
    >>> deal(rows, hands, (3, 1))
    >>> [len(hand) for hand in hands]
    [6, 2]
    """
    if len(hands) == 1:
        hands[0] += rows
        return
    shared = zip(hands, shares or repeat(1), strict=False)
    parts = [hand for hand, share in shared for _ in range(share)]
    count = len(parts)
    for row in rows:
        recipient = row.recipient
        parts[(recipient[5] << 16 | recipient[6] << 8 | recipient[7]) % count].append(row)
