"""Viewers share looks: whoever asks first takes it, those who see the same get the same bytes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import msgspec

from adapters.console.shapes import Overview

EVERY_S: Final = 1.0  # no two looks are closer, however many look
REST: Final = 4.0  # times as long as a look took nobody looks again: a fifth of the time at most


@dataclass(frozen=True, slots=True)
class Look:
    """One picture, as it goes over the wire."""

    number: int
    body: bytes


class Pacing:
    """What all viewers of a process keep: one look at a time, and the ledger has its rest after."""

    def __init__(self) -> None:
        self.taking = asyncio.Lock()
        self.due_s = 0.0


class Viewers:
    """The newest look of those who see the same; with nobody there nothing is read."""

    def __init__(
        self, take: Callable[[], Awaitable[Overview]], pacing: Pacing | None = None
    ) -> None:
        self._take = take
        self._pacing = pacing or Pacing()
        self._taking = asyncio.Lock()
        self._last = Look(0, b"")
        self._due_s = 0.0

    async def newest(self) -> Look:
        """Return a look that is a second old at most, or as old as its making was long."""
        return await self.after(self._last.number if self._is_due() else self._last.number - 1)

    async def after(self, number: int) -> Look:
        """Wait for a look that is newer than `number`."""
        async with self._taking:
            if self._last.number <= number:
                await asyncio.sleep(self._due_s - asyncio.get_running_loop().time())
                self._last = await self._look()
            return self._last

    def _is_due(self) -> bool:
        return asyncio.get_running_loop().time() >= self._due_s

    async def _look(self) -> Look:
        loop = asyncio.get_running_loop()
        async with self._pacing.taking:
            await asyncio.sleep(self._pacing.due_s - loop.time())
            began_s = loop.time()
            overview = await self._take()
            ended_s = loop.time()
            self._pacing.due_s = ended_s + REST * (ended_s - began_s)
        self._due_s = max(began_s + EVERY_S, self._pacing.due_s)
        return Look(self._last.number + 1, msgspec.json.encode(overview))
