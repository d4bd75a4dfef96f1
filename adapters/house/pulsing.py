"""A worker tells all processes what it did, every two seconds; not on the path of a send."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from adapters.house.shared import House
from adapters.redis.pulses import PulseTeller

PULSE_EVERY_S: Final = 2.0


def pulsing(house: House) -> Callable[[], Awaitable[None]]:
    """Return the step that tells all processes what this worker did, once in a while."""
    teller = PulseTeller(house.client, house.clock.now_ms)

    async def pulse() -> None:
        await asyncio.sleep(PULSE_EVERY_S)
        await teller.tell(house.metrics.messages, house.metrics.errors, house.metrics.sent())

    return pulse
