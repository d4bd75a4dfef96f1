"""The proxy of the tests leaves nothing behind, however late somebody came."""

import asyncio
import gc
import socket
from contextlib import suppress

import pytest

from tests.tcp_proxy import TcpProxy


@pytest.mark.parametrize("turns", range(8))
async def test_who_is_accepted_as_it_refuses_is_not_forgotten(turns: int) -> None:
    served = asyncio.Event()

    async def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        served.set()
        writer.transport.abort()

    upstream = await asyncio.start_server(serve, "127.0.0.1", 0)
    proxy = TcpProxy(upstream.sockets[0].getsockname()[:2])
    await proxy.accept()
    before = asyncio.all_tasks()
    with socket.socket() as late:
        late.setblocking(False)  # noqa: FBT003 (the library's)
        with suppress(BlockingIOError):
            late.connect(("127.0.0.1", proxy.port))
        for _ in range(turns):  # of the loop: as far as accepting it may have come
            await asyncio.sleep(0)
        await proxy.refuse()
        for _ in range(20):
            await asyncio.sleep(0)
        assert asyncio.all_tasks() - before == set()
        assert proxy._writers == set()
    upstream.close()
    gc.collect()  # what was left open would be told of, and fail this test
