"""A process tells all others what it did and heard, every two seconds; not on a send's path."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from adapters.prometheus.metrics import Metrics
from adapters.redis.connect import Client
from adapters.redis.pulses import PulseTeller
from engine.model import NowMs

PULSE_EVERY_S: Final = 2.0


def pulsing(client: Client, now_ms: NowMs, metrics: Metrics) -> Callable[[], Awaitable[None]]:
    """Return the step that tells all processes, once in a while, what this one did and heard.

    Who writes no messages may hear of failures: they are told later, by webhook.
    """
    teller = PulseTeller(client, now_ms)

    async def pulse() -> None:
        await asyncio.sleep(PULSE_EVERY_S)
        await teller.tell(metrics.messages, metrics.errors, metrics.sent())

    return pulse
