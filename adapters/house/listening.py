"""Listening for silence: messages leave, and no webhook comes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

import structlog

from engine.model import NowMs
from engine.silence import Silence

LOOK_EVERY_S: Final = 5.0

log = structlog.get_logger("penstock")


class Scrapes(Protocol):
    """What of the metrics it needs and sets."""

    silence_s: float | None

    def accepted(self) -> int:
        """Return how many messages of this process Meta took."""
        ...


def listening(
    heard_at_ms: Callable[[], Awaitable[int]], metrics: Scrapes, now_ms: NowMs, longest_ms: int
) -> Callable[[], Awaitable[None]]:
    """Return the step that looks once; it says when a silence begins and when it ends."""
    silence = Silence(longest_ms)
    was_silent = False

    async def listen() -> None:
        nonlocal was_silent
        await asyncio.sleep(LOOK_EVERY_S)
        heard_ms, at_ms = await heard_at_ms(), now_ms()
        metrics.silence_s = max(0, at_ms - heard_ms) / 1_000 if heard_ms else None
        is_silent = silence.look(at_ms, metrics.accepted(), heard_ms)
        if is_silent and not was_silent:
            log.warning("webhooks_silent", since_ms=silence.since_ms, last_webhook_ms=heard_ms)
        elif was_silent and not is_silent:
            log.info("webhooks_heard", last_webhook_ms=heard_ms)
        was_silent = is_silent

    return listen
