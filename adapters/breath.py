"""A long look at many things lets whoever waits go on in between: a send waits for no picture."""

import asyncio
from typing import Final

AT_ONCE: Final = 100  # things looked at before whoever waits goes on


async def breathe(place: int) -> None:
    """Let whoever waits go on, each AT_ONCE places of a long look."""
    if place % AT_ONCE == AT_ONCE - 1:
        await asyncio.sleep(0)
