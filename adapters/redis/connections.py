"""redis-py's connections, with a write that neither loses a cancellation nor makes a task."""

import asyncio
from collections.abc import Iterable
from typing import Any, Final

from redis.asyncio.connection import (
    AbstractConnection,
    Connection,
    SSLConnection,
    UnixDomainSocketConnection,
)
from redis.asyncio.sentinel import SentinelManagedConnection, SentinelManagedSSLConnection
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError


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
        async with asyncio.timeout(self.socket_timeout):
            writer.writelines(_pieces(command))
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


def _pieces(command: bytes | str | Iterable[bytes]) -> Iterable[bytes]:
    if isinstance(command, str):
        return (command.encode(),)
    return (command,) if isinstance(command, bytes) else command


class TcpConnection(Connection):
    """A connection to `redis://`."""

    send_packed_command = _send


class TlsConnection(SSLConnection):
    """A connection to `rediss://`."""

    send_packed_command = _send


class UnixConnection(UnixDomainSocketConnection):
    """A connection to `unix://`."""

    send_packed_command = _send


class MasterConnection(SentinelManagedConnection):
    """A connection to whom the sentinels call the master."""

    send_packed_command = _send


class TlsMasterConnection(SentinelManagedSSLConnection):
    """The same with TLS."""

    send_packed_command = _send


BY_SCHEME: Final[dict[str, type[AbstractConnection]]] = {
    "redis": TcpConnection,
    "rediss": TlsConnection,
    "unix": UnixConnection,
    "redis+cluster": TcpConnection,
    "rediss+cluster": TlsConnection,
    "redis+sentinel": MasterConnection,
    "rediss+sentinel": TlsMasterConnection,
}
