"""What processes leave for each other in Redis: webhook bodies until folded, and hints."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final, cast

from adapters.redis.asking import away, reply_to
from adapters.redis.connect import Client
from engine.errors import LedgerAwayError

INBOX: Final = "ps:inbox"  # stream: `b`, the body of one webhook; acknowledged and deleted
GROUP: Final = "fold"
HINTS: Final = "ps:hints"  # stream: `wake`, portfolios; or `stop`, portfolio and source
HINTS_MAX: Final = 1_000  # entries; who missed more looks by itself within a second
ABANDONED_MS: Final = 60_000  # a body that its reader has not folded by then is somebody else's
US: Final = b"\x1f"
WRITTEN_MAX: Final = 64  # bodies in one round trip

Entry = tuple[bytes, bytes]  # its id and its content
Arrival = tuple[bytes, "asyncio.Future[None]"]  # a body, and who waits until it is kept


class Inbox:
    """Webhook bodies, each kept until it was folded; folding one twice changes nothing."""

    def __init__(self, client: Client, blocking: Client, reader: str) -> None:
        self._client = client
        self._blocking = blocking
        self._reader = reader
        self._arrived: list[Arrival] = []
        self._writing: asyncio.Task[None] | None = None

    async def keep(self, body: bytes) -> None:
        """Keep one body; raise LedgerAwayError when it may not have been kept.

        Bodies that come while others are written are written next, together: a round trip costs
        as much as all else that is done with a body.
        """
        kept = asyncio.get_running_loop().create_future()
        self._arrived.append((body, kept))
        if self._writing is None:
            self._writing = asyncio.create_task(self._write())
        await kept

    async def _write(self) -> None:
        """Write what has arrived, until nothing arrives any more."""
        try:
            while self._arrived:
                some, self._arrived = self._arrived[:WRITTEN_MAX], self._arrived[WRITTEN_MAX:]
                for (_, kept), error in zip(some, await self._add(some), strict=True):
                    if kept.done():  # who brought it went away
                        continue
                    if error is None:
                        kept.set_result(None)
                    else:
                        kept.set_exception(error)
        finally:
            self._writing = None

    async def _add(self, arrived: Sequence[Arrival]) -> list[Exception | None]:
        """Return of each body the error that it met."""
        pipeline = self._client.pipeline(transaction=False)
        for body, _ in arrived:
            pipeline.execute_command("XADD", INBOX, "*", b"b", body)
        try:
            replies = await reply_to(pipeline.execute(raise_on_error=False))
        except Exception as error:  # noqa: BLE001  # whatever it is, who waits must hear of it
            return [error] * len(arrived)
        return [away(reply) if isinstance(reply, Exception) else None for reply in replies]

    async def open(self) -> None:
        """Make the group of readers."""
        try:
            await reply_to(self._client.xgroup_create(INBOX, GROUP, id="0", mkstream=True))
        except LedgerAwayError as error:
            if "BUSYGROUP" not in str(error.__cause__):
                raise  # else the group is there already

    async def read(self, most: int, block_ms: int) -> list[Entry]:
        """Wait for bodies that nobody reads yet."""
        reply = await reply_to(
            self._blocking.xreadgroup(GROUP, self._reader, {INBOX: ">"}, count=most, block=block_ms)
        )
        return _entries(reply, b"b")

    async def take_over(self, most: int) -> list[Entry]:
        """Return bodies whose reader died."""
        reply = await reply_to(
            self._client.xautoclaim(
                INBOX, GROUP, self._reader, min_idle_time=ABANDONED_MS, count=most
            )
        )
        return [(entry, fields[b"b"]) for entry, fields in reply[1] if fields]

    async def drop(self, entries: Sequence[bytes]) -> None:
        """Note that these were folded."""
        pipeline = self._client.pipeline(transaction=False)
        pipeline.execute_command("XACK", INBOX, GROUP, *entries)
        pipeline.execute_command("XDEL", INBOX, *entries)
        await reply_to(pipeline.execute())

    async def length(self) -> int:
        """Return how many bodies wait."""
        return int(await reply_to(self._client.xlen(INBOX)))

    async def heard_at_ms(self) -> int:
        """Return when the last body was kept, by any process; 0 when none ever was."""
        about = await reply_to(self._client.xinfo_stream(INBOX))
        return int(about["last-generated-id"].partition(b"-")[0])


class Hints:
    """Who may have something to claim, and which source was stopped: for all processes."""

    def __init__(self, client: Client, blocking: Client) -> None:
        self._client = client
        self._blocking = blocking

    async def wake(self, portfolios: Sequence[str]) -> None:
        """Tell all processes that these portfolios have new jobs."""
        await self._add(b"wake", "\n".join(portfolios).encode())

    async def stop(self, portfolio: str, source: str) -> None:
        """Tell all processes that a source was paused, stopped or cancelled."""
        await self._add(b"stop", portfolio.encode() + US + source.encode())

    async def heard(self, block_ms: int) -> AsyncIterator[tuple[str, list[str]]]:
        """Yield what is told from now on: `wake` and portfolios, or `stop` and [portfolio, source].

        Yields `quiet` and nothing after each `block_ms` of silence; ends with LedgerAwayError.
        """
        last: bytes | str = "$"
        while True:
            reply = await reply_to(self._blocking.xread({HINTS: last}, count=100, block=block_ms))
            found = _raw_entries(reply)
            if not found:
                yield "quiet", []
                continue
            last = found[-1][0]
            for _, fields in found:
                for name, content in fields.items():
                    separator = "\n" if name == b"wake" else US.decode()
                    yield name.decode(), content.decode().split(separator)

    async def _add(self, name: bytes, content: bytes) -> None:
        await reply_to(
            self._client.xadd(HINTS, {name: content}, maxlen=HINTS_MAX, approximate=True)
        )


def _raw_entries(reply: Any) -> list[tuple[bytes, dict[bytes, bytes]]]:  # noqa: ANN401
    """Return the entries of the one stream that was read, whichever shape the protocol gives."""
    if not reply:
        return []
    streams = list(reply.values()) if isinstance(reply, dict) else [reply[0][1]]
    entries = streams[0]
    if entries and isinstance(entries[0], list):
        entries = entries[0]
    return cast("list[tuple[bytes, dict[bytes, bytes]]]", entries)


def _entries(reply: Any, name: bytes) -> list[Entry]:  # noqa: ANN401
    return [(entry, fields[name]) for entry, fields in _raw_entries(reply) if fields]
