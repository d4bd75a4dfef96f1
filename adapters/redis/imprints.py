"""Imprints of slots: one field of each, a hundred in one round trip."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from adapters.redis import keys
from adapters.redis.asking import reply_to
from adapters.redis.connect import Client
from engine.imprints import Imprint
from engine.model import PortfolioId

AT_ONCE: Final = 100  # a millisecond of ours: a letter may wait for its moment meanwhile
UNREADABLE: Final = Imprint(0, -1)  # like no other: whoever compares goes and looks


async def read_imprints(client: Client, portfolios: Sequence[PortfolioId]) -> list[Imprint]:
    """Return the imprint of each slot; LedgerAwayError: none is known."""
    found: list[Imprint] = []
    for start in range(0, len(portfolios), AT_ONCE):
        pipeline = client.pipeline(transaction=False)
        for portfolio in portfolios[start : start + AT_ONCE]:
            pipeline.hget(keys.meta(portfolio), "state")
        found += [_imprint(state) for state in await reply_to(pipeline.execute())]
    return found


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
