"""Stand between a client and a server, and lose, delay, freeze or cut what passes."""

import asyncio
from contextlib import suppress
from enum import Enum, auto
from types import TracebackType
from typing import Final, Self

CHUNK_BYTES: Final = 65_536


class Loss(Enum):
    """What the client sees of a reply that is lost."""

    SILENCE = auto()  # the connection stays open and nothing comes
    CUT = auto()  # the connection ends where the reply should be


class TcpProxy:
    """One loopback port in front of `upstream`: a `(host, port)` or the path of a unix socket.

    A reply is what the server sends in one piece, which holds for one small request at a time.
    """

    def __init__(self, upstream: tuple[str, int] | str) -> None:
        self._upstream = upstream
        self._server: asyncio.Server | None = None
        self._port = 0
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._lost_in: int | None = None
        self._lost_marker: bytes | None = None
        self._loss = Loss.SILENCE
        self.delay_ms = 0
        self.connections_total = 0
        self.requests = bytearray()

    @property
    def port(self) -> int:
        """The port a client connects to on 127.0.0.1; the same after `refuse` and `accept`."""
        return self._port

    async def __aenter__(self) -> Self:
        await self.accept()
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        await self.refuse()

    def lose_reply(self, number: int = 1, loss: Loss = Loss.SILENCE) -> None:
        """Lose the reply that comes `number`th from now; its command has run by then."""
        self._lost_in, self._loss = number, loss

    def lose_reply_to(self, marker: bytes, loss: Loss = Loss.SILENCE) -> None:
        """Lose the reply to the next request that contains `marker`, such as a command's name."""
        self._lost_marker, self._loss = marker, loss

    def times_sent(self, marker: bytes) -> int:
        """Return how often `marker` went to the server."""
        return self.requests.count(marker)

    def freeze(self) -> None:
        """Pass nothing on in either direction, with all connections open."""
        self._flowing.clear()

    def thaw(self) -> None:
        """Pass on again, also what was held."""
        self._flowing.set()

    def cut(self) -> None:
        """End every connection now; new ones are accepted."""
        for writer in self._writers:
            writer.transport.abort()

    async def accept(self) -> None:
        """Listen, on the port of the first time."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    async def refuse(self) -> None:
        """End every connection and listen no more: connecting fails until `accept`."""
        if self._server is not None:
            self._server.close()
        self._server = None
        self.cut()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._server is None:  # accepted a moment before `refuse`: nobody would end it
            writer.transport.abort()
            return
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections_total += 1
        self._writers.add(writer)
        try:
            await self._join(reader, writer)
        except (OSError, asyncio.CancelledError):
            pass  # the end of one connection is what this class is for
        finally:
            self._tasks.discard(task)
            await self._drop(writer)

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if isinstance(self._upstream, str):
            up_reader, up_writer = await asyncio.open_unix_connection(self._upstream)
        else:
            up_reader, up_writer = await asyncio.open_connection(*self._upstream)
        self._writers.add(up_writer)
        pumps = {
            asyncio.ensure_future(self._pump_requests(reader, up_writer)),
            asyncio.ensure_future(self._pump_replies(up_reader, writer)),
        }
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            await self._drop(up_writer)

    async def _drop(self, writer: asyncio.StreamWriter) -> None:
        self._writers.discard(writer)
        writer.transport.abort()
        with suppress(OSError):
            await writer.wait_closed()

    async def _pump_requests(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        while chunk := await reader.read(CHUNK_BYTES):
            self.requests += chunk
            await self._flowing.wait()
            if self._lost_marker is not None and self._lost_marker in chunk:
                self._lost_marker, self._lost_in = None, 1
            writer.write(chunk)
            await writer.drain()

    async def _pump_replies(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        while chunk := await reader.read(CHUNK_BYTES):
            await self._flowing.wait()
            if self.delay_ms:
                await asyncio.sleep(self.delay_ms / 1000)
            if self._is_lost():
                if self._loss is Loss.CUT:
                    return
                continue
            writer.write(chunk)
            await writer.drain()

    def _is_lost(self) -> bool:
        if self._lost_in is None:
            return False
        self._lost_in -= 1
        if self._lost_in > 0:
            return False
        self._lost_in = None
        return True
