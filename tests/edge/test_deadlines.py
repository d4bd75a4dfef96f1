"""Meta is asked by itself about numbers that may have been mended; nothing tells of that."""

import pytest

from adapters.house.deadlines import ASK_AGAIN_MS, Deadlines
from adapters.memory.ledger import MemoryLedger
from adapters.memory.registry import MemoryRegistry
from engine.directory import Portfolio, Sender
from engine.facts import Fact, Source, of_sender
from engine.keeper import Keeper
from engine.model import PortfolioId, SenderId, WabaId
from engine.ports import FOREVER_MS
from engine.profiles import TODAY
from engine.senders import status_fact
from engine.terms import Terms

NOW_MS = 1_780_000_000_000
P, NUMBER = PortfolioId("p"), SenderId("1065")
MINUTE_MS = 60_000


class Clock:
    """A look at the numbers, and who was asked about."""

    def __init__(self) -> None:
        self.now_ms = NOW_MS
        self.asked: list[str] = []
        self.registry = MemoryRegistry()
        ledger = MemoryLedger(Terms(), lambda: self.now_ms)
        self.keeper = Keeper(
            self.registry, ledger, emit=lambda _event: None, now_ms=lambda: self.now_ms
        )

        async def debt_of(_sender: Sender) -> int:
            return 0

        parts = (TODAY, self.registry, self.keeper, self.asked.append, debt_of)
        self.deadlines = Deadlines(*parts)

    async def furnish(self, fact: Fact) -> None:
        await self.registry.put(Portfolio(P, 250))
        await self.registry.put(Sender(NUMBER, P, WabaId("w"), "+1 555 0100"))
        await self.keeper.tell(fact)

    async def asked_after(self, minutes: int) -> list[str]:
        """Let time pass, look a few times, and return who was asked about meanwhile."""
        for _ in range(minutes):
            self.now_ms += MINUTE_MS
            await self.deadlines.look()
        asked, self.asked[:] = list(self.asked), []
        return asked


def refused(code: str, until_ms: int = FOREVER_MS) -> Fact:
    return Fact(of_sender(NUMBER, "answer"), code, NOW_MS, Source.ANSWER, until_ms)


@pytest.mark.parametrize(
    "fact",
    [
        status_fact(NUMBER, "OFFLINE", NOW_MS, Source.REFRESH),
        status_fact(NUMBER, "PENDING", NOW_MS, Source.REFRESH),
        status_fact(NUMBER, "RESTRICTED", NOW_MS, Source.WEBHOOK),
        refused("133010"),
    ],
    ids=lambda fact: fact.value,
)
async def test_a_closed_number_is_asked_about_every_hour(fact: Fact) -> None:
    clock = Clock()
    await clock.furnish(fact)
    hour = ASK_AGAIN_MS // MINUTE_MS
    assert await clock.asked_after(hour - 1) == []
    assert await clock.asked_after(1) == [NUMBER]
    assert await clock.asked_after(2 * hour) == [NUMBER] * 2
    await clock.keeper.order(fact.id, "CONNECTED")
    assert await clock.asked_after(2 * hour) == []


@pytest.mark.parametrize(
    "fact",
    [
        status_fact(NUMBER, "CONNECTED", NOW_MS, Source.REFRESH),
        status_fact(NUMBER, "FLAGGED", NOW_MS, Source.WEBHOOK),
        refused("131057", NOW_MS + MINUTE_MS),
        Fact(of_sender(NUMBER, "pause"), "paused", NOW_MS, Source.OPERATOR, FOREVER_MS),
        Fact(of_sender(NUMBER, "token"), "refused", NOW_MS, Source.ANSWER, FOREVER_MS),
    ],
    ids=lambda fact: f"{fact.about[2]} {fact.value}",
)
async def test_nobody_is_asked_about_what_is_open_or_waits_for_a_person(fact: Fact) -> None:
    clock = Clock()
    await clock.furnish(fact)
    assert await clock.asked_after(3 * ASK_AGAIN_MS // MINUTE_MS) == []
