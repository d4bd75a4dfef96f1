"""People of one source who sleep: where they are, and a judge with a clock for each wall."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from adapters.memory.registry import MemoryRegistry
from adapters.time_zones import TimeZones
from engine.directory import Journey
from engine.model import NowMs, PortfolioId
from engine.quiet import QuietHours, QuietLedger
from engine.quiet_keeper import QuietKeeper

SOURCE = "journey:evening"
ZONES = ("Europe/Rome", "America/New_York", "Asia/Tokyo+Australia/Perth", "")
AT_HOME = "Europe/Lisbon"  # where people of no known zone are
SINCE, UNTIL = "21:00", "08:00"
LATE_S = 2  # between the claim and the arrival


async def a_keeper(portfolio: PortfolioId, ledger: QuietLedger, now_ms: NowMs) -> QuietKeeper:
    """Return what keeps the quiet hours of the one source that has some."""
    registry = MemoryRegistry()
    hours = QuietHours(SINCE, UNTIL, AT_HOME, by_recipient=True)
    await registry.put(Journey(SOURCE.partition(":")[2], "Evening", portfolio, quiet=hours))
    return QuietKeeper(registry, ledger, TimeZones(), now_ms=now_ms)


def sleepers(zone: str, now_ms: int) -> list[str]:
    """Return the places of a zone where a message that arrives now wakes somebody."""
    claimed = datetime.fromtimestamp(now_ms / 1000, UTC) - timedelta(seconds=LATE_S)
    arrived = datetime.fromtimestamp(now_ms / 1000, UTC)
    found: list[str] = []
    for place in (zone or AT_HOME).split("+"):
        walls = [at.astimezone(ZoneInfo(place)).strftime("%H:%M") for at in (claimed, arrived)]
        if all(wall >= SINCE or wall < UNTIL for wall in walls):
            found.append(place)
    return found
