"""What each server says of its memory and its files, for gauges and for `doctor`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from redis import RedisError

from adapters.redis.connect import Client
from adapters.redis.fitness import AOF, _facts
from engine.errors import LedgerAwayError

ALONE: Final = "redis"  # the name of a server that is no cluster's
FILE_STATUS: Final = ("aof_last_write_status", "aof_last_bgrewrite_status")


@dataclass(frozen=True, slots=True)
class ServerHealth:
    """One primary's memory and persistence at this moment."""

    node: str
    used_bytes: int
    most_bytes: int  # maxmemory, else the machine's; 0 when it does not tell
    is_durable: bool  # an append-only file is on, and its last writes succeeded


async def read_health(client: Client) -> list[ServerHealth]:
    """Return each primary's health; empty of what an access list hides; LedgerAwayError."""
    try:
        facts = await _facts(client)
    except (RedisError, OSError, TimeoutError) as error:
        raise LedgerAwayError(f"Redis does not answer: {type(error).__name__}") from error
    return [health_of(node or ALONE, its) for node, its in facts.items() if "used_memory" in its]


def health_of(node: str, facts: Mapping[str, Any]) -> ServerHealth:
    """Return a server's health as its INFO tells it."""
    most_bytes = int(facts.get("maxmemory", 0)) or int(facts.get("total_system_memory", 0))
    is_written = all(_is_ok(facts.get(name, "ok")) for name in FILE_STATUS)
    has_file = facts.get(AOF) in {1, "yes"}
    return ServerHealth(node, int(facts["used_memory"]), most_bytes, has_file and is_written)


def _is_ok(status: object) -> bool:
    return status in {"ok", b"ok"}
