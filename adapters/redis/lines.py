"""A few connections kept at hand, so that a script costs no way through the pool."""

from __future__ import annotations

from typing import Any, Final
from weakref import WeakKeyDictionary

from redis.asyncio import Redis
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import RedisError
from redis.typing import EncodableT

LINES_MAX: Final = 4
"""As many scripts as a process mostly has under way at once."""


class Lines:
    """Runs one command at a time on each of a few connections of a client's pool.

    To take a connection from redis-py's pool and to give it back costs more of a process's time
    than the command: a third of what a small claim costs a worker. A line is given back to the pool
    when anything is the matter with it, and the pool makes it whole before it lends it again.
    """

    def __init__(self, client: Redis) -> None:
        self._pool = client.connection_pool
        self._most = min(LINES_MAX, self._pool.max_connections // 4)
        self._idle: list[AbstractConnection] = []

    async def call(self, *command: EncodableT) -> Any:  # noqa: ANN401 (as redis-py's replies)
        """Send a command and return its reply; raise what redis-py raises.

        A command whose reply is lost *may have run*: it is never sent twice.
        """
        line = await self._take()
        try:
            await line.send_command(*command)
            return await line.read_response()
        finally:
            await self._give_back(line)

    async def _take(self) -> AbstractConnection:
        while self._idle:
            line = self._idle.pop()
            if await _is_whole(line):
                return line
            await self._pool.release(line)
        lent: AbstractConnection = await self._pool.get_connection()
        return lent

    async def _give_back(self, line: AbstractConnection) -> None:
        is_kept = line.is_connected and not line.should_reconnect()
        if is_kept and len(self._idle) < self._most:
            self._idle.append(line)
        else:
            await self._pool.release(line)


_by_client: WeakKeyDictionary[Redis, Lines] = WeakKeyDictionary()


def lines_of(client: Redis) -> Lines:
    """Return a client's lines, the same to all: nobody gives back what another one keeps."""
    return _by_client.setdefault(client, Lines(client))


async def _is_whole(line: AbstractConnection) -> bool:
    """Return whether a line is open, with nothing on it that nobody asked for."""
    try:
        return line.is_connected and not await line.can_read()
    except (RedisError, OSError):
        return False
