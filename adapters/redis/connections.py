"""redis-py's connections, with a write that neither loses a cancellation nor makes a task.

And with commands packed by hiredis, in C: redis-py does so in its blocking connections only.
"""

import asyncio
from collections.abc import Iterable
from typing import Any, Final

import hiredis
from redis.asyncio.connection import (
    AbstractConnection,
    Connection,
    SSLConnection,
    UnixDomainSocketConnection,
)
from redis.asyncio.sentinel import SentinelManagedConnection, SentinelManagedSSLConnection
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import DataError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.typing import EncodableT


async def _send(
    self: AbstractConnection,
    command: bytes | str | Iterable[bytes],
    check_health: bool = True,  # noqa: FBT001, FBT002 - redis-py's signature
) -> None:
    """Write a command.

    redis-py 8 wraps each write in `asyncio.wait_for`, which on Python 3.11 swallows a
    cancellation that comes as the write ends: a worker that is told to stop goes on. It also
    makes a task of each write, a tenth of a command's time. `asyncio.timeout` does neither.
    """
    if not self.is_connected:
        await self.connect_check_health(check_health=False)
    if check_health:
        await self.check_health()
    writer: Any = self._writer
    try:
        writer.writelines(_pieces(command))
        if writer.transport.get_write_buffer_size() > 0:  # mostly the kernel took all of it
            async with asyncio.timeout(self.socket_timeout):
                await writer.drain()
    except TimeoutError:
        await self.disconnect(nowait=True)
        raise RedisTimeoutError("Timeout writing to socket") from None
    except OSError as error:
        await self.disconnect(nowait=True)
        raise RedisConnectionError(f"Error while writing to socket: {error}") from error
    except BaseException:
        # Half a command may be on the wire: nothing else may follow it there.
        await self.disconnect(nowait=True)
        raise


def _pack(self: AbstractConnection, *args: EncodableT) -> list[bytes]:  # noqa: ARG001 (redis-py's)
    """Write a command in the protocol; a name of two words is two arguments."""
    name: Any = args[0]
    words = (name.encode() if isinstance(name, str) else name).split()
    try:
        command: Any = (*words, *args[1:])  # hiredis' stub knows tuples of one only
        return [hiredis.pack_command(command)]
    except TypeError as error:
        raise DataError(str(error)) from error


def _pieces(command: bytes | str | Iterable[bytes]) -> Iterable[bytes]:
    if isinstance(command, str):
        return (command.encode(),)
    return (command,) if isinstance(command, bytes) else command


class TcpConnection(Connection):
    """A connection to `redis://`."""

    send_packed_command = _send
    pack_command = _pack


class TlsConnection(SSLConnection):
    """A connection to `rediss://`."""

    send_packed_command = _send
    pack_command = _pack


class UnixConnection(UnixDomainSocketConnection):
    """A connection to `unix://`."""

    send_packed_command = _send
    pack_command = _pack


class MasterConnection(SentinelManagedConnection):
    """A connection to whom the sentinels call the master."""

    send_packed_command = _send
    pack_command = _pack


class TlsMasterConnection(SentinelManagedSSLConnection):
    """The same with TLS."""

    send_packed_command = _send
    pack_command = _pack


BY_SCHEME: Final[dict[str, type[AbstractConnection]]] = {
    "redis": TcpConnection,
    "rediss": TlsConnection,
    "unix": UnixConnection,
    "redis+cluster": TcpConnection,
    "rediss+cluster": TlsConnection,
    "redis+sentinel": MasterConnection,
    "rediss+sentinel": TlsMasterConnection,
}
