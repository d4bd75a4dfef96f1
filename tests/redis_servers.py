"""The real servers a test runs on: found, required in CI, or a reason to skip."""

import os
import random
import re
import shutil
import socket
from collections import deque
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from adapters.redis.embedded import EmbeddedServerError, FoundServer, find_server
from adapters.redis.server_program import OLDEST, identify_server

PORTS, PORTS_A_WORKER = range(20_000, 32_000), 1_500
_given: deque[int] = deque(maxlen=100)


def in_ci() -> bool:
    """Whether a missing server fails a test instead of skipping it."""
    return os.environ.get("PENSTOCK_CI") == "1"


def server_names() -> list[str]:
    """Return the servers to test on: `embedded`, and `system` where redis-server is on PATH.

    PENSTOCK_TEST_SERVERS names them instead; then each of them has to be there.
    """
    named = os.environ.get("PENSTOCK_TEST_SERVERS", "")
    wanted = [name.strip() for name in named.split(",") if name.strip()]
    if wanted:
        return wanted
    return ["embedded", "system"] if shutil.which("redis-server") else ["embedded"]


def require_server(name: str) -> FoundServer:
    """Return the named server's program; fail in CI, skip at a desk when it is not there."""
    try:
        return _found(name)
    except EmbeddedServerError as error:
        if in_ci():
            pytest.fail(f"no {name} server, and PENSTOCK_CI=1: {error}")
        pytest.skip(f"no {name} server: {error}")


def free_port() -> int:
    """Return a loopback port that nobody has at this moment."""
    return free_row(1)


def free_row(length: int) -> int:
    """Return the first of some loopback ports in a row that nobody has at this moment.

    Below those the kernel gives to connections: whoever connects meanwhile takes none of them.
    Each xdist worker looks among ports of its own, and gives none twice in a test: whoever has
    one need not listen there yet.
    """
    worker = int(re.sub(r"\D", "", os.environ.get("PYTEST_XDIST_WORKER", "")) or 0)
    begin = PORTS.start + worker * PORTS_A_WORKER % len(PORTS)
    while True:
        first = random.randrange(begin, begin + PORTS_A_WORKER - length)
        row = range(first, first + length)
        if any(port in row for port in _given):
            continue
        with ExitStack() as probes, suppress(OSError):
            for port in row:
                probes.enter_context(socket.socket()).bind(("127.0.0.1", port))
            _given.extend(row)
            return first


def _found(name: str) -> FoundServer:
    if name == "embedded":
        return find_server()
    if name != "system":
        raise EmbeddedServerError(f"PENSTOCK_TEST_SERVERS knows embedded and system, not {name}")
    path = shutil.which("redis-server")
    server = identify_server(Path(path)) if path else None
    if server is None or server.version_numbers < OLDEST[server.flavour]:
        raise EmbeddedServerError("there is no redis-server >= 7.0 on PATH")
    return server
