"""Files of people's wishes: CSV with `to`, `category`, `action`, or the same as NDJSON."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec

from adapters.api.bodies import Strict, field_error_of
from adapters.api.tables import CsvTable, Reject, Rows
from engine.model import Category, RecipientKey
from engine.recipients import RecipientKeys, canonical, why_not
from engine.suppressions import Whom

ADD, REMOVE = "add", "remove"
ORDERED: Final = "ordered_everywhere"
ALL: Final = "all"  # as a category: every kind of message
COLUMNS: Final = ("category", "action")  # beside `to`; each may be missing
NAMES: Final = re.compile(r'[,;\t"]')


@dataclass(slots=True)
class Wishes:
    """Wishes of a piece of a file, the last of a person counts, and the rows that are none."""

    stops: dict[Whom, bool] = field(default_factory=dict[Whom, bool])
    added: int = 0
    removed: int = 0
    rejects: list[Reject] = field(default_factory=list[Reject])
    lifts: dict[Whom, int] = field(default_factory=dict[Whom, int])  # the row that takes it back

    def add(self, number: int, row: Sequence[str], recipients: RecipientKeys) -> None:
        """Take one row: to, category, action."""
        to, category, action = row
        identity = canonical(to)
        if identity is None:
            self.rejects.append(Reject(number, "to", *why_not(to)))
        elif category not in {"", ALL, *Category}:
            detail = f"is none of {ALL}, {', '.join(Category)}"
            self.rejects.append(Reject(number, "category", "unknown_category", detail))
        elif action not in {"", ADD, REMOVE}:
            detail = f"is neither {ADD} nor {REMOVE}"
            self.rejects.append(Reject(number, "action", "unknown_action", detail))
        else:
            is_stop = action != REMOVE
            self.added += is_stop
            self.removed += not is_stop
            named = whom_of(recipients.key(identity), category, action)
            self.stops |= dict.fromkeys(named, is_stop)
            if not is_stop:
                self.lifts |= dict.fromkeys(named, number)

    def refuse(self, held: Collection[Whom], detail: str) -> None:
        """Refuse the rows that would lift what may not be lifted here."""
        rows = {self.lifts[whom] for whom in held}
        self.stops = {
            whom: stop
            for whom, stop in self.stops.items()
            if stop or self.lifts.get(whom) not in rows
        }
        self.removed -= len(rows)
        self.rejects += [Reject(row, "to", ORDERED, detail) for row in sorted(rows)]


def whom_of(recipient: RecipientKey, category: str, action: str = ADD) -> list[Whom]:
    """Return whom a wish is about; taking back `all` takes back each category too."""
    if category not in {"", ALL}:
        return [Whom(recipient, Category(category))]
    others = [Whom(recipient, each) for each in Category] if action == REMOVE else []
    return [Whom(recipient, None), *others]


class WishCsv:
    """A CSV file of wishes read in pieces."""

    def __init__(self, recipients: RecipientKeys) -> None:
        self._recipients = recipients
        self._head = b""
        self._table: CsvTable | None = None
        self._places: list[int] = []

    def feed(self, piece: bytes, *, is_last: bool = False) -> Wishes:
        """Return the wishes that a piece completes; a Problem when the header cannot do."""
        if self._table is None:
            self._head += piece
            if b"\n" not in self._head and not is_last:
                return Wishes()
            piece = self._head
            header = piece.partition(b"\n")[0].decode("utf-8-sig", "replace")
            names = {name.strip() for name in NAMES.split(header)}
            present = [name for name in COLUMNS if name in names]
            self._places = [present.index(name) if name in names else -1 for name in COLUMNS]
            self._table = CsvTable(tuple(present))
        rows = self._table.feed(piece, is_last=is_last)
        return self._wishes(rows)

    def _wishes(self, rows: Rows) -> Wishes:
        wishes = Wishes(rejects=rows.rejects)
        for number, (to, values) in zip(rows.numbers, rows.rows, strict=True):
            category, action = [values[at] if at >= 0 else "" for at in self._places]
            wishes.add(number, (to, category, action), self._recipients)
        return wishes


class WishLine(Strict):
    """One NDJSON line."""

    to: str
    category: str = ""
    action: str = ""


class WishNdjson:
    """An NDJSON file of wishes read in blocks of whole lines."""

    def __init__(self, recipients: RecipientKeys) -> None:
        self._recipients = recipients
        self._row = 0
        self._decoder = msgspec.json.Decoder(WishLine)

    def feed(self, block: bytes) -> Wishes:
        """Return the wishes of a block."""
        wishes = Wishes()
        for line in block.removesuffix(b"\n").split(b"\n"):
            self._row += 1
            if not line.strip():
                continue
            try:
                wish = self._decoder.decode(line)
            except (msgspec.MsgspecError, ValueError, RecursionError) as error:
                wrong = field_error_of(error, WishLine)
                place = wrong.pointer.removeprefix("/")
                wishes.rejects.append(Reject(self._row, place, wrong.code, wrong.detail))
                continue
            row = (wish.to.strip(), wish.category, wish.action)
            wishes.add(self._row, row, self._recipients)
        return wishes
