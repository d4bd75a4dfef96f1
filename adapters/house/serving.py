"""Serving an application at an address until the house is closed."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

from aiohttp import web

from adapters.api.patience import HEADS
from adapters.api.unread import Runner
from adapters.house.shared import House

KEEPALIVE_S: Final = 75.0
HEADERS_MAX: Final = 64
LAST_CALLS_S: Final = 8.0  # for calls under way at the end, after a drain of 25 s, before 40 s


class AddressError(Exception):
    """Nobody can listen at an address; the message says why, and what names another."""


@contextmanager
def listening_at(at: str, named_by: str) -> Generator[None]:
    """Tell in a sentence why nobody can listen at `at`, which `named_by` names."""
    try:
        yield
    except (OSError, UnicodeError) as error:
        why = "no such host"
        if isinstance(error, OSError) and not isinstance(error, socket.gaierror):
            why = os.strerror(error.errno or errno.EINVAL).lower()
        remedy = f"Set {named_by} to another, or end what listens there."
        raise AddressError(f"nobody can listen at {at}: {why}. {remedy}") from error


async def listen(house: House, app: web.Application, address: tuple[str, int]) -> None:
    """Serve an application until the house is closed; OSError when nobody can listen there."""
    runner = Runner(
        app,
        access_log=None,
        keepalive_timeout=KEEPALIVE_S,
        handle_signals=False,
        max_headers=HEADERS_MAX,
        auto_decompress=False,  # uploads unpack themselves, nothing else may be packed
        # Of an upload under way nothing more is read from here on: it goes on at another process.
        shutdown_timeout=LAST_CALLS_S,
    )
    await runner.setup()
    house.runners.append(runner)
    if runner.server is not None:
        server = runner.server
        house.keep("heads", lambda: app[HEADS].look(server))
    await web.TCPSite(runner, *address, reuse_address=True).start()
