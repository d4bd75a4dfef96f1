"""Whether a server may be written to now: one that is full or read-only still answers reads."""

from __future__ import annotations

from typing import Final

from redis import RedisError

from adapters.redis.connect import Client
from engine.errors import LedgerAwayError

WRITTEN: Final = "ps:written"  # STRING: somebody asked whether it can be; expires by itself
KEPT_MS: Final = 60_000


async def require_writing(client: Client) -> None:
    """Write something that matters to nobody; LedgerAwayError has the server's own words.

    In a cluster this asks the node that has the key: the registry and the other nodes may differ.
    """
    try:
        await client.set(WRITTEN, b"1", px=KEPT_MS)
    except (TimeoutError, RedisError, OSError) as error:
        raise LedgerAwayError(
            f"Redis takes no writes: {str(error) or type(error).__name__}"
        ) from error
