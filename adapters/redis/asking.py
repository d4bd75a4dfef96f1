"""One command of Redis: its reply, or that the ledger is away."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, cast

from redis import RedisError

from engine.errors import LedgerAwayError


async def reply_to(call: object) -> Any:  # noqa: ANN401 (redis-py's replies)
    """Return the reply to a command; LedgerAwayError: it may have been done, and it may not.

    Only the kind of an error is told: its text may repeat what was asked.
    """
    try:
        return await cast("Awaitable[Any]", call)
    except (TimeoutError, RedisError, OSError) as error:
        raise away(error) from error


def away(error: Exception) -> LedgerAwayError:
    """Return what an error of Redis means to who asked."""
    told = LedgerAwayError(f"Redis does not answer: {type(error).__name__}")
    told.__cause__ = error
    return told
