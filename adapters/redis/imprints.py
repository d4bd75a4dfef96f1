"""Imprints of slots: one field of each, hundreds in one call."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from redis.asyncio.cluster import RedisCluster

from adapters.redis import keys
from adapters.redis.asking import reply_to
from adapters.redis.connect import Client
from adapters.redis.scripts import Call, Reply, Scripts
from engine.imprints import Imprint
from engine.model import PortfolioId

AT_ONCE: Final = 200
"""A tenth of a millisecond of the server's. redis-py takes thirty times as long for a reply as for
an item of one, so that one script is asked, and a pipeline only where slots are on many servers."""
UNREADABLE: Final = Imprint(0, -1)  # like no other: whoever compares goes and looks


async def read_imprints(
    client: Client, scripts: Scripts, portfolios: Sequence[PortfolioId]
) -> list[Imprint]:
    """Return the imprint of each slot; LedgerAwayError: none is known."""
    found: list[Imprint] = []
    for start in range(0, len(portfolios), AT_ONCE):
        names = [keys.meta(portfolio) for portfolio in portfolios[start : start + AT_ONCE]]
        if isinstance(client, RedisCluster):
            states = await _asked_each(client, names)
        else:
            [states] = await scripts.run([Call("imprints_read", names[0], names[1:])])
        found += [_imprint(state) for state in states]
    return found


async def _asked_each(client: RedisCluster, names: Sequence[str]) -> Reply:
    pipeline = client.pipeline(transaction=False)
    for name in names:
        pipeline.hget(name, "state")
    return await reply_to(pipeline.execute())


def _imprint(state: bytes | None) -> Imprint:
    """Read the begin of what part_meta.lua writes: clock|sequence|ended|pruned.

    >>> _imprint(b"1780000000000|41|3|0"), _imprint(None)
    (Imprint(at_ms=1780000000000, sequence=41), Imprint(at_ms=0, sequence=0))
    >>> _imprint(b"?") == UNREADABLE
    True
    """
    if state is None:
        return Imprint(0, 0)
    clock, _, rest = state.partition(b"|")
    sequence = rest.partition(b"|")[0]
    if not (clock.isdigit() and sequence.isdigit()):
        return UNREADABLE
    return Imprint(int(clock), int(sequence))
