"""What a source's jobs share, compiled once, so that one message is a few joins of bytes.

The shared message is `{"message": {...}, "fields": [...]}`: a Cloud API message without its
recipient, whose string values may hold `{{field}}`, and the order in which each job brings the
values. https://developers.facebook.com/documentation/business-messaging/whatsapp/reference
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from json.encoder import encode_basestring
from operator import itemgetter
from typing import cast

from engine.errors import InvalidJobError
from engine.ports import Claimed

SEPARATOR = b"\x1f"
WHOLE = 0x8000  # content numbers from here on: whole messages, by the version of their template
OURS = ("messaging_product", "to", "recipient", "biz_opaque_callback_data")

_PLACEHOLDER = re.compile(r"\{\{\s*([^{}]+?)\s*\}\}")
_ESCAPED = bytes(set(range(0x20)) - {0x1F}) + b'"\\'  # what JSON forbids in a string as it is
_PLUS = ord("+")

Piece = str | int  # JSON text, or the index of a field


class Shared:
    """One version of a source's message, ready to be joined with a job's values."""

    def __init__(self, pieces: list[Piece], fields: int) -> None:
        self._fields = fields
        literals = [
            piece.replace("%", "%%") if isinstance(piece, str) else "%b" for piece in pieces
        ]
        text = "".join(literals).encode()
        head = b'{"messaging_product":"whatsapp","%s":"%%b","biz_opaque_callback_data":"%%b"'
        self._to_number = head % b"to" + text + b"}"
        self._to_user = head % b"recipient" + text + b"}"
        places = [piece + 2 for piece in pieces if isinstance(piece, int)]
        # The usual message names each of its fields once and in order; then no picking is needed.
        in_order = places == list(range(2, fields + 2))
        self._pick = None if in_order else itemgetter(0, 1, *places)

    def render(self, job: Claimed, opaque: str) -> bytes:
        """Return the body for one job; InvalidJobError when it brings other fields than needed."""
        tail = job.tail
        if len(tail.translate(None, _ESCAPED)) == len(tail):
            values = tail.split(SEPARATOR)
        else:
            values = [_escape(value) for value in tail.split(SEPARATOR)]
        if len(values) != self._fields + 1:
            raise InvalidJobError(
                f"the message needs {self._fields} fields, the job brings {len(values) - 1}",
                pointer="/fields",
                code="fields_differ",
            )
        template = self._to_number if tail[0] == _PLUS else self._to_user
        values.insert(1, opaque.encode())
        return template % (tuple(values) if self._pick is None else self._pick(values))


def whole_for(version: int) -> int:
    """Return the content number of a whole message that was checked for a template's version.

    >>> whole_for(0), whole_for(1), whole_for(WHOLE)
    (0, 32769, 32769)
    """
    return WHOLE | (version - 1) % (WHOLE - 1) + 1 if version else 0


def compile_shared(body: bytes) -> Shared:
    """Return a source's message ready for use; InvalidJobError names the first fault's place."""
    message, fields = _parse(body)
    places = {name: index for index, name in enumerate(fields)}
    pieces: list[Piece] = []
    for name, value in message.items():
        if name not in OURS:
            pieces.append(f",{encode_basestring(name)}:")
            pieces.extend(_write(value, f"/message/{_token(name)}", places))
    return Shared(_merge(pieces), len(fields))


def render_whole(job: Claimed, opaque: str) -> bytes:
    """Return the body of a job that brings its whole message; our members come last and win."""
    to, _, message = job.tail.partition(SEPARATOR)
    if not message.startswith(b"{") or len(message) <= len(b"{}"):
        raise InvalidJobError("the job brings no message", pointer="/message", code="no_message")
    member = b"to" if to[0] == _PLUS else b"recipient"
    return b'%b,"messaging_product":"whatsapp","%b":"%b","biz_opaque_callback_data":"%b"}' % (
        message.rstrip()[:-1],
        member,
        _escape(to),
        opaque.encode(),
    )


def _escape(value: bytes) -> bytes:
    return encode_basestring(value.decode())[1:-1].encode()


def _parse(body: bytes) -> tuple[dict[str, object], list[str]]:
    try:
        given: object = json.loads(body)
    except ValueError as error:
        raise _invalid("the shared message is not JSON", "", "not_json") from error
    if not isinstance(given, dict):
        raise _invalid("the shared message is not an object", "", "not_an_object")
    whole = cast("dict[str, object]", given)
    message, fields = whole.get("message"), whole.get("fields", [])
    if not isinstance(message, dict) or not message:
        raise _invalid("there is no message", "/message", "no_message")
    if not isinstance(fields, list):
        raise _invalid("fields must be a list of names", "/fields", "fields_invalid")
    names = cast("list[object]", fields)
    seen: list[str] = []
    for index, name in enumerate(names):
        if not isinstance(name, str) or not name or name in seen:
            raise _invalid("a field needs a name of its own", f"/fields/{index}", "fields_invalid")
        seen.append(name)
    return cast("dict[str, object]", message), seen


def _write(value: object, pointer: str, places: dict[str, int]) -> Iterator[Piece]:
    """Yield JSON with a field's index wherever a string names it."""
    if isinstance(value, str):
        yield '"'
        yield from _write_text(value, pointer, places)
        yield '"'
    elif isinstance(value, dict):
        members = cast("dict[str, object]", value)
        comma = "{"
        for name, member in members.items():
            yield f"{comma}{encode_basestring(name)}:"
            yield from _write(member, f"{pointer}/{_token(name)}", places)
            comma = ","
        yield "}" if members else "{}"
    elif isinstance(value, list):
        comma = "["
        items = cast("list[object]", value)
        for index, item in enumerate(items):
            yield comma
            yield from _write(item, f"{pointer}/{index}", places)
            comma = ","
        yield "]" if items else "[]"
    else:
        yield json.dumps(value)


def _write_text(text: str, pointer: str, places: dict[str, int]) -> Iterator[Piece]:
    end = 0
    for found in _PLACEHOLDER.finditer(text):
        yield encode_basestring(text[end : found.start()])[1:-1]
        name, end = found.group(1), found.end()
        if name not in places:
            raise _invalid(f"no field is called {name}", pointer, "placeholder_unknown")
        yield places[name]
    yield encode_basestring(text[end:])[1:-1]


def _merge(pieces: list[Piece]) -> list[Piece]:
    """Return the same pieces with neighbouring texts joined."""
    merged: list[Piece] = []
    for piece in pieces:
        last = merged[-1] if merged else None
        if isinstance(piece, str) and isinstance(last, str):
            merged[-1] = last + piece
        else:
            merged.append(piece)
    return merged


def _token(name: str) -> str:
    """Return `name` as a part of a JSON pointer (RFC 6901)."""
    return name.replace("~", "~0").replace("/", "~1")


def _invalid(detail: str, pointer: str, code: str) -> InvalidJobError:
    return InvalidJobError(detail, pointer=pointer, code=code)
