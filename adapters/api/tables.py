"""Recipient files: CSV and NDJSON in pieces, into rows in the campaign's field order."""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from operator import itemgetter

import msgspec

from adapters.api.bodies import Strict, field_error_of
from adapters.api.problems import FieldError, Problem
from adapters.api.repeats import repeated_in
from adapters.api.streams import LINE_MAX

ROW_LINES_MAX = 50  # lines a quoted field may go on for; more is a quote that never closes
FIELD_MAX = csv.field_size_limit()
DELIMITERS = (",", ";", "\t")
WRONG_ENCODINGS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_NO_TEXT = re.compile("[\x00-\x08\x0e-\x1f\ud800-\udfff]")  # also of what decoding could not read

_NUMBER = re.compile(r"[0-9]{6}")


@dataclass(slots=True)
class Reject:
    """A row that cannot be sent; `row` counts from 1 as a spreadsheet does, header included."""

    row: int
    field: str
    code: str
    detail: str


@dataclass(slots=True)
class Rows:
    """Rows ready for the engine, each with its number in the file, and those that are not."""

    rows: list[tuple[str, Sequence[str]]] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)


def together(parts: Sequence[Rows]) -> Rows:
    """Return the rows of several pieces, in their order."""
    if len(parts) == 1:
        return parts[0]
    whole, has_keys = Rows(), any(part.keys for part in parts)
    for part in parts:
        whole.rows += part.rows
        whole.numbers += part.numbers
        whole.rejects += part.rejects
        if has_keys:
            whole.keys += part.keys or [""] * len(part.rows)
    return whole


class TableState(msgspec.Struct):
    """What is known of a file after its first rows, so that the rest can be read by itself."""

    row: int
    delimiter: str = ","
    width: int = 0
    to: int = 0
    key: int | None = None
    places: list[int] = []


class CsvTable:
    """A CSV file read in pieces: header row, column `to`, other columns are fields."""

    def __init__(self, fields: tuple[str, ...], after: TableState | None = None) -> None:
        begin = after or TableState(0)
        self._fields = fields
        decoder = codecs.getincrementaldecoder("utf-8" if after else "utf-8-sig")
        self._decoder = decoder("surrogateescape")
        self._rest = ""
        self._fed = 0
        self._row = begin.row
        self._delimiter = begin.delimiter
        self._width = begin.width
        self._to = begin.to
        self._key = begin.key
        self._places = begin.places

    @property
    def taken(self) -> int:
        """Return how many bytes of the file are in rows that were returned."""
        kept, _ = self._decoder.getstate()
        return self._fed - len(kept) - len(self._rest.encode("utf-8", "surrogateescape"))

    @property
    def state(self) -> TableState:
        """Return what reading the rest needs."""
        key, places = self._key, self._places
        return TableState(self._row, self._delimiter, self._width, self._to, key, places)

    def feed(self, piece: bytes, *, is_last: bool = False) -> Rows:
        """Return the rows that a piece completes; raise the problem of a header that cannot do."""
        if not self._row and piece.startswith(WRONG_ENCODINGS):
            raise _wrong_encoding("the file is UTF-16")
        self._fed += len(piece)
        text = self._rest + self._decoder.decode(piece, final=is_last)
        head, self._rest = (text, "") if is_last else _whole_rows(text)
        lines = head.splitlines(keepends=True) if head.isascii() else _split(head)
        found = Rows()
        if not self._row and lines:
            lines = self._read_header(lines)
        elif not self._row and is_last:
            raise _no_header()
        for number, record in self._records(lines):
            self._add(found, number, record)
        return found

    def _read_header(self, lines: list[str]) -> list[str]:
        first = lines[0]
        self._delimiter = max(DELIMITERS, key=first.count)
        names = _names_in(first, self._delimiter)
        lowered = [name.lower() for name in names]
        errors: list[FieldError] = []
        if lowered.count("to") != 1:
            detail = f"the header row needs one column `to`; it has {shown_names(names)}"
            errors.append(FieldError("/to", "missing_column", detail))
        for name in self._fields:
            if name not in names:
                detail = f"the campaign's message names {{{{{name}}}}}; add a column `{name}`"
                errors.append(FieldError(f"/{name}", "missing_column", detail))
            elif names.count(name) > 1:
                detail = f"column `{name}` is there twice"
                errors.append(FieldError(f"/{name}", "repeated_column", detail))
        if errors and _NO_TEXT.search(first):
            raise _wrong_encoding("the file is no UTF-8 text (a workbook, or packed twice?)")
        if errors:
            status = HTTPStatus.UNPROCESSABLE_ENTITY
            raise Problem(status, errors[0].detail, code=errors[0].code, errors=errors)
        self._row, self._width = 1, len(names)
        self._to = lowered.index("to")
        self._key = lowered.index("key") if "key" in lowered else None
        self._places = [names.index(name) for name in self._fields]
        return lines[1:]

    def _records(self, lines: list[str]) -> Iterator[tuple[int, list[str]]]:
        """Yield each record with its row number; one whose quote never closes costs one line."""
        start = 0
        while start < len(lines):
            reader = csv.reader(lines[start:], delimiter=self._delimiter)
            before = 0
            try:
                for record in reader:
                    used, before = reader.line_num - before, reader.line_num
                    self._row += 1
                    end = start + before
                    if used > 1 and not self._is_one(record, lines[end - used : end]):
                        before -= used - 1
                        yield self._row, [""]
                        break
                    yield self._row, record
                else:
                    return
            except csv.Error:
                self._row += 1
                before += 1
                yield self._row, [""]
            start += before

    def _is_one(self, record: list[str], lines: list[str]) -> bool:
        """Return whether several lines are one record, and not what an open quote swallowed.

        A quote that closes where a field ends was meant; what it swallowed ends in another row's.
        """
        if len(record) != self._width or len(lines) > ROW_LINES_MAX:
            return False
        try:
            next(csv.reader(lines, delimiter=self._delimiter, strict=True))
        except csv.Error:
            return False
        return True

    def _add(self, found: Rows, number: int, record: list[str]) -> None:
        if len(record) == self._width:
            to = record[self._to].strip()
            found.rows.append((to, [record[place].strip() for place in self._places]))
            found.numbers.append(number)
            if self._key is not None:
                found.keys.append(record[self._key].strip())
        elif record == [""] and self._width > 1:
            detail = (
                f"a quote opens and never closes, or a field has over {FIELD_MAX:,} characters; "
                "close it, or shorten it"
            )
            found.rejects.append(Reject(number, "", "malformed", detail))
        elif record:
            detail = f"has {len(record)} columns, the header has {self._width}"
            found.rejects.append(Reject(number, "", "columns", detail))


def _wrong_encoding(what: str) -> Problem:
    detail = f"{what}; save it as `CSV UTF-8`"
    return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail, code="encoding")


def _no_header() -> Problem:
    detail = "the file is empty; its first row names the columns, one of them `to`"
    wrong = FieldError("/to", "missing_column", detail)
    status = HTTPStatus.UNPROCESSABLE_ENTITY
    return Problem(status, detail, code=wrong.code, errors=[wrong])


class Recipient(Strict, gc=False):  # of a million at a time; nothing in it leads back to it
    """One NDJSON line: who, and the values of the fields."""

    to: str
    fields: dict[str, str] = {}  # noqa: RUF012 (msgspec copies it)
    key: str = ""


class LooseRecipient(Strict):
    """The same with whatever stands among the fields, so that it can be named."""

    to: str
    fields: dict[str, object] = {}  # noqa: RUF012 (msgspec copies it)
    key: str = ""


class NdjsonTable:
    """An NDJSON file read in pieces."""

    def __init__(self, fields: tuple[str, ...], after: TableState | None = None) -> None:
        self._fields = fields
        self._row = after.row if after else 0
        self.taken = 0
        self._decoder = msgspec.json.Decoder(Recipient)
        self._pick = itemgetter(*fields) if len(fields) > 1 else None

    def feed(self, piece: bytes, *, is_last: bool = False) -> Rows:
        """Return the rows of a piece of whole lines."""
        del is_last
        self.taken += len(piece)
        if not self._row:
            piece = piece.removeprefix(codecs.BOM_UTF8)  # as spreadsheets and Windows write it
        has_keys = b'"key"' in piece
        rows: list[tuple[str, Sequence[str]]]
        try:
            recipients = self._decoder.decode_lines(piece)
            if self._pick is not None:
                pick = self._pick
                rows = [(each.to, pick(each.fields)) for each in recipients]
            else:
                fields = self._fields
                rows = [(each.to, [each.fields[name] for name in fields]) for each in recipients]
        except (msgspec.MsgspecError, KeyError, ValueError, RecursionError):
            return self._feed_each(piece)
        names = sum([len(each.fields) for each in recipients])
        names += len(rows) + piece.count(b'"fields"')
        names += sum([1 for each in recipients if each.key]) if has_keys else 0
        if piece.count(b'":') != names:
            return self._feed_each(piece)  # maybe a name that is there twice
        if b"\n\n" in piece or b"\r" in piece or piece.startswith(b"\n"):
            return self._feed_each(piece)  # blank lines shift the numbers
        first = self._row + 1
        self._row += len(rows)
        keys = [each.key for each in recipients] if has_keys else []
        return Rows(rows, list(range(first, first + len(rows))), keys)

    @property
    def state(self) -> TableState:
        """Return what reading the rest needs."""
        return TableState(self._row)

    def _feed_each(self, piece: bytes) -> Rows:
        found = Rows()
        has_keys = b'"key"' in piece
        for line in piece.removesuffix(b"\n").split(b"\n"):
            self._row += 1
            if not line.strip():
                continue
            if (repeated := repeated_in(line)) is not None:
                found.rejects.append(_rejected(self._row, repeated))
                continue
            try:
                each = msgspec.json.decode(line, type=LooseRecipient)
            except (msgspec.MsgspecError, ValueError, RecursionError) as error:
                found.rejects.append(_rejected(self._row, field_error_of(error, LooseRecipient)))
                continue
            faults = self._faults_of(each.fields)
            found.rejects += faults
            if not faults:
                values = [str(each.fields[name]) for name in self._fields]
                found.rows.append((each.to, values))
                found.numbers.append(self._row)
                if has_keys:
                    found.keys.append(each.key)
        return found

    def _faults_of(self, fields: dict[str, object]) -> list[Reject]:
        """Return which fields a row lacks, and which of its fields are no texts."""
        missing = "the campaign's message names {{%s}}; give it"
        faults = [
            Reject(self._row, name, "missing", missing % name)
            for name in self._fields
            if name not in fields
        ]
        for name, value in fields.items():
            if not isinstance(value, str | int | float):  # a bool is an int
                detail = "is no text; write a text, a number or a truth value"
                faults.append(Reject(self._row, name, "invalid", detail))
        return faults


def _rejected(row: int, wrong: FieldError) -> Reject:
    """Return what is wrong with an NDJSON line as what is wrong with a row."""
    pointer = wrong.pointer.removesuffix("/-")  # which of the fields is not told
    name = pointer.removeprefix("/fields/").removeprefix("/")
    return Reject(row, name, wrong.code, wrong.detail)


def _names_in(header: str, delimiter: str) -> list[str]:
    try:
        return [name.strip() for name in next(csv.reader([header], delimiter=delimiter), [])]
    except csv.Error as error:
        detail = "the header row is no CSV; save the file as `CSV UTF-8`"
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail, code="malformed") from error


def shown_names(names: Sequence[str]) -> str:
    """Return column names for people; a file without a header may have a person's number there.

    >>> shown_names(["phone", "name"]), shown_names(["+4915112345678", "Ada"])
    ('phone, name', 'what looks like a row')
    """
    if any(_NUMBER.search(name) for name in names):
        return "what looks like a row"
    return "".join(each for each in ", ".join(names) if each.isprintable())[:200]


def _whole_rows(text: str) -> tuple[str, str]:
    """Return the text up to a line's end outside quotes, and the rest.

    An odd number of quotes means that the last line goes on in the next piece; a text that has
    grown long without ever closing is given up to the reader as it is.
    """
    end = text.rfind("\n") + 1
    tries = 0
    while end and text.count('"', 0, end) % 2 and tries < ROW_LINES_MAX:
        end = text.rfind("\n", 0, end - 1) + 1
        tries += 1
    if not end and len(text) > LINE_MAX:
        end = text.rfind("\n") + 1 or len(text)
    return text[:end], text[end:]


def _split(text: str) -> list[str]:
    """Return the lines of a text, split at CR and LF only: U+2028 and the like are data."""
    lines = text.replace("\r\n", "\n").split("\n")
    return [line + "\n" for line in lines[:-1]] + lines[-1:] * bool(lines[-1])
