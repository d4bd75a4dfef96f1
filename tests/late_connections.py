"""asyncio's servers forget who they accepted as they were closed: end such a connection here.

A server that is closed between the accept of a connection and the making of its transport leaves
both open (https://github.com/python/cpython/issues/109564): a ResourceWarning that the collector
brings up in whatever test runs by then, a failure there. Only the end of a test closes servers
while others connect, and only on a busy machine does that fall together.
"""

import socket
from asyncio import AbstractServer, Server
from asyncio.selector_events import BaseSelectorEventLoop
from collections.abc import Awaitable, Callable
from typing import Any

Accept = Callable[..., Awaitable[None]]


def end_late_connections() -> None:
    """Have the loops of this process close what a closed server would forget."""
    accept: Accept = BaseSelectorEventLoop._accept_connection2  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]  # not in typeshed

    async def accept_or_end(
        loop: BaseSelectorEventLoop,
        factory: Callable[[], Any],
        connection: socket.socket,
        extra: object,
        tls: object = None,
        server: AbstractServer | None = None,
        *waits: float,
    ) -> None:
        if isinstance(server, Server) and not server.sockets:
            connection.close()
        else:
            await accept(loop, factory, connection, extra, tls, server, *waits)

    BaseSelectorEventLoop._accept_connection2 = accept_or_end  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]  # the same
