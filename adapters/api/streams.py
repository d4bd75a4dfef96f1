"""Long bodies read piece by piece: the memory they need does not depend on their length."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing
from http import HTTPStatus
from typing import TypeVar

from aiohttp import web

from adapters.api.patience import pieces_in_time
from adapters.api.problems import Problem

PIECE = 2**16  # bytes parsed before others get their turn: about 1,500 rows, a few milliseconds
LINE_MAX = 2**20  # bytes of one line
UNPACKED_MAX = 2**30  # bytes a gzip body may become
ENCODINGS = ("identity", "gzip")
GZIP_BITS = 16 + zlib.MAX_WBITS
T = TypeVar("T")


async def pieces_of(request: web.Request) -> AsyncIterator[bytes]:
    """Yield a body in pieces, unpacked when it is gzip; refuse one that unpacks without end.

    The application must be served with `auto_decompress=False`: aiohttp takes a gzip body that was
    cut off for a whole one.
    """
    encoding = request.headers.get("Content-Encoding", "identity").lower()
    if encoding not in ENCODINGS:
        detail = f"Content-Encoding {encoding} is not taken; use gzip or none"
        raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, detail)
    unpacking = Unpacking() if encoding == "gzip" else None
    async for packed in pieces_in_time(request, PIECE):
        if unpacking is None:
            yield packed
            continue
        for piece in unpacking.unpack(packed):
            yield piece
    if unpacking is not None and not unpacking.is_whole:
        raise _cut_off()


class Unpacking:
    """A gzip body unpacked in bounded pieces; several members in a row are one body."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(GZIP_BITS)
        self._length = 0

    @property
    def is_whole(self) -> bool:
        """Return whether the last member has come to its end."""
        return self._member.eof

    def unpack(self, packed: bytes) -> Iterator[bytes]:
        """Yield what a piece unpacks to."""
        piece = b""
        while packed or len(piece) == PIECE:  # a full piece: zlib may hold back more of it
            if self._member.eof and not packed:
                return
            if self._member.eof:
                self._member = zlib.decompressobj(GZIP_BITS)
            try:
                piece = self._member.decompress(packed, PIECE)
            except zlib.error as error:
                raise _cut_off() from error
            packed = self._member.unconsumed_tail or self._member.unused_data
            self._length += len(piece)
            if self._length > UNPACKED_MAX:
                detail = f"the body unpacks to more than {UNPACKED_MAX} bytes; send it in parts"
                raise Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail, code="too_long")
            if piece:
                yield piece


def _cut_off() -> Problem:
    detail = "the body is cut off or no gzip; what was read is kept, send it again"
    return Problem(HTTPStatus.BAD_REQUEST, detail, code="truncated")


async def blocks_of(request: web.Request) -> AsyncIterator[bytes]:
    """Yield a body in pieces that end with a line's end; the last may lack it."""
    rest = b""
    async for piece in pieces_of(request):
        head, newline, tail = piece.rpartition(b"\n")
        if not newline:
            rest += piece
            if len(rest) > LINE_MAX:
                raise _line_too_long()
            continue
        yield rest + head + b"\n"
        rest = tail
    if rest:
        yield rest


async def lines_of(request: web.Request, most: int) -> AsyncIterator[list[bytes]]:
    """Yield a body's lines, at most `most` at a time; blank ones are left out."""
    async for block in blocks_of(request):
        lines = [line for line in block.splitlines() if line.strip()]
        for start in range(0, len(lines), most):
            yield lines[start : start + most]


async def read_ahead(items: AsyncGenerator[T, None], most: int) -> AsyncGenerator[list[T], None]:
    """Yield what comes while the last was worked on together, of at most `most` items.

    What the source raises is raised after all that came before it. Close it where you leave early
    (`contextlib.aclosing`): the source is read by a task of its own.
    """
    kept = list[T]()
    came, has_room = asyncio.Event(), asyncio.Event()

    async def read() -> None:
        try:
            async with aclosing(items):
                async for item in items:
                    kept.append(item)
                    came.set()
                    await asyncio.sleep(0)  # to make an item took a while
                    if len(kept) >= most:
                        has_room.clear()
                        await has_room.wait()
        finally:
            came.set()

    reading = asyncio.create_task(read())
    try:
        while True:
            await came.wait()
            if not kept:
                await reading
                return
            if not reading.done():
                came.clear()
            taken = kept.copy()
            kept.clear()
            has_room.set()
            yield taken
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)


def _line_too_long() -> Problem:
    detail = f"a line is longer than {LINE_MAX} bytes; is this really one row a line?"
    return Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail, code="too_long")
