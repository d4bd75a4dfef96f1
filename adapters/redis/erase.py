"""Forgetting a person's messages in a slot, bite by bite, and in the exported log."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, Final

from adapters.redis.calls import Calls
from adapters.redis.erase_rows import RowEraser
from adapters.redis.scripts import Argument, Call, Scripts
from engine.erasing import Erased
from engine.model import NowMs, PortfolioId, RecipientKey
from engine.recipients import KEY_BYTES

OF_LANES: Final = ("queue", "parked", "done")
NOBODY: Final = b"0" * (2 * KEY_BYTES)  # as long as what it replaces: a file is written in place
PIECE_BYTES: Final = 2**20


class RedisEraser:
    """See engine.erasing.Eraser."""

    def __init__(
        self, scripts: Scripts, calls: Calls, now_ms: NowMs, rows: RowEraser | None = None
    ) -> None:
        self._rows = rows
        self._scripts = scripts
        self._calls = calls
        self._now_ms = now_ms

    async def erase(self, portfolio: PortfolioId, recipients: Sequence[RecipientKey]) -> Erased:
        """See Eraser.erase."""
        await self._run(portfolio, [("pairs", 0)], recipients)
        unsent = (await self._run(portfolio, [("aside", 0)], recipients))["aside"]
        ended, last = 0, 0
        while numbers := await self._lanes(portfolio, last):
            last = numbers[-1]
            parts = [(part, number) for number in numbers for part in OF_LANES]
            found = await self._run(portfolio, parts, recipients)
            unsent += found["queue"] + found["parked"]
            ended += found["done"]
        await self._run(portfolio, [("dead_rows", 0)], recipients)
        still_open = (await self._run(portfolio, [("open", 0)], recipients))["open"]
        if self._rows is not None:
            await self._rows.erase(portfolio, recipients)
        return Erased(unsent, ended, still_open)

    async def _lanes(self, portfolio: PortfolioId, after: int) -> list[int]:
        """Return the numbers of some lanes that come after one."""
        call = self._call(portfolio, "lanes", 0, str(after).encode(), [])
        return [int(number) for number in (await self._scripts.run([call]))[0]]

    async def _run(
        self,
        portfolio: PortfolioId,
        parts: Sequence[tuple[str, int]],
        recipients: Sequence[RecipientKey],
    ) -> dict[str, int]:
        """Run parts to their ends; return what was found in each."""
        found = dict.fromkeys([part for part, _ in parts], 0)
        todo = [(part, number, b"0") for part, number in parts]
        while todo:
            calls = [self._call(portfolio, *each, recipients) for each in todo]
            replies = await self._scripts.run(calls)
            following: list[tuple[str, int, bytes]] = []
            for (part, number, _), (cursor, jobs) in zip(todo, replies, strict=True):
                found[part] += jobs
                if cursor != b"0":
                    following.append((part, number, cursor))
            todo = following
        return found

    def _call(
        self,
        portfolio: PortfolioId,
        part: str,
        number: int,
        cursor: bytes,
        recipients: Sequence[RecipientKey],
    ) -> Call:
        arguments: list[Argument] = [part, number, cursor, *recipients]
        return self._calls.call("person_erase", portfolio, self._now_ms(), arguments)


def erase_log(directory: Path, portfolio: PortfolioId, recipients: Sequence[RecipientKey]) -> int:
    """Write zeros over a person in a portfolio's exported log files; return how many lines.

    The files may be appended to meanwhile: nothing of them moves. OSError: a file cannot be
    written.
    """
    lines = 0
    for path in sorted(directory.glob(f"outcomes-{portfolio}-*.ndjson")):
        with path.open("r+b") as file:
            for recipient in recipients:
                lines += _overwrite(file, b'"recipient":"' + recipient.hex().encode() + b'"')
    return lines


def _overwrite(file: BinaryIO, wanted: bytes) -> int:
    """Replace a person wherever it stands; the file is read in pieces that overlap."""
    found, at, rest = 0, 0, b""
    file.seek(0)
    while piece := file.read(PIECE_BYTES):
        text = rest + piece
        begin = at - len(rest)
        place = text.find(wanted)
        while place >= 0:
            file.seek(begin + place + len(wanted) - 1 - len(NOBODY))
            file.write(NOBODY)
            found += 1
            place = text.find(wanted, place + len(wanted))
        at += len(piece)
        file.seek(at)
        rest = text[-(len(wanted) - 1) :]
    return found
