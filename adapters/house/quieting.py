"""Quiet hours in a house: every process has the ledger know them, whoever of them is alive."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from adapters.redis.registry import RedisRegistry
from adapters.time_zones import TimeZones
from engine.events import Event, JobsClaimed
from engine.model import NowMs
from engine.quiet import QuietLedger
from engine.quiet_keeper import QuietKeeper

EVERY_S: Final = 1.0  # how soon the ledger is told again what it lost


def build_quiet(registry: RedisRegistry, ledger: QuietLedger, now_ms: NowMs) -> QuietKeeper:
    """Return what keeps quiet hours, by the zones of libphonenumber and the time zone database."""
    return QuietKeeper(registry, ledger, TimeZones(), now_ms=now_ms)


def keeping_quiet(quiet: QuietKeeper) -> Callable[[], Awaitable[None]]:
    """Return the step that tells the ledger what it does not know yet, or was told long ago."""

    async def look() -> None:
        await quiet.look()
        await asyncio.sleep(EVERY_S)

    return look


class LostTails:
    """Hears that a ledger recovers, which may have lost what it was told last; says so once."""

    def __init__(self, quiet: QuietKeeper) -> None:
        self._quiet = quiet
        self._recovering: set[str] = set()

    def heard(self, event: Event) -> None:
        """Have quiet hours told again where a recovery began; a claim comes every few ms."""
        if not isinstance(event, JobsClaimed):
            return
        if event.refused != "recovering":
            self._recovering.discard(event.portfolio)
        elif event.portfolio not in self._recovering:
            self._recovering.add(event.portfolio)
            self._quiet.forget()
