"""Play many random histories on both ledgers: `python -m tests.contract --histories N`."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from redis.asyncio import Redis

from adapters.redis.connect import connect, disconnect
from adapters.redis.embedded import EmbeddedServer
from tests.contract.playing import STEPS, DisagreementError, play
from tests.contract.visits import MUST_VISIT, missing
from tests.redis_servers import require_server


async def play_all(url: str, first: int, histories: int, steps: int) -> Counter[str]:
    """Play the histories one after the other; return what they visited together."""
    client = connect(url)
    assert isinstance(client, Redis)
    seen: Counter[str] = Counter()
    try:
        for seed in range(first, first + histories):
            seen += await play(seed, client, steps)
    finally:
        await disconnect(client)
    return seen


def main() -> int:
    """Run, print what was visited, and return 1 when the ledgers disagreed or all was not met."""
    parser = argparse.ArgumentParser(prog="python -m tests.contract", description=__doc__)
    default = int(os.environ.get("PENSTOCK_TEST_HISTORIES", "200"))
    parser.add_argument("--histories", type=int, default=default)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=STEPS)
    chosen = parser.parse_args()
    started_s = time.monotonic()
    with tempfile.TemporaryDirectory() as directory:
        found = require_server("embedded")
        with EmbeddedServer(Path(directory), found=found, appendfsync="no") as server:
            work = play_all(server.url, chosen.first_seed, chosen.histories, chosen.steps)
            try:
                seen = asyncio.run(work)
            except DisagreementError as error:
                print(error)  # noqa: T201 (a runner prints its verdict)
                return 1
    width = max(map(len, MUST_VISIT))
    lines = [f"{name:{width}} {seen[name]:>9,}" for name in MUST_VISIT]
    print("\n".join(lines))  # noqa: T201
    taken_s = time.monotonic() - started_s
    print(f"{chosen.histories} histories agree, {taken_s:.1f} s")  # noqa: T201
    unmet = missing(seen) if chosen.histories > 1 else []
    if unmet:
        print("never visited: " + ", ".join(unmet))  # noqa: T201
    return 1 if unmet else 0


if __name__ == "__main__":
    sys.exit(main())
