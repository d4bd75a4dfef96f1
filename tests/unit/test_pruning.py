"""A portfolio of which all lanes were seen is left alone; one with more goes on every minute."""

from typing import Final

import pytest

from adapters.memory.registry import MemoryRegistry
from engine.model import PortfolioId
from engine.pruning import LANES_AT_ONCE, REST_MS, Pruning

P, Q = PortfolioId("p"), PortfolioId("q")
MINUTE_MS: Final = 60_000


class Lanes:
    """So many bites of lanes, none of them idle; counts the bites that are looked at."""

    def __init__(self, bites: int) -> None:
        self.now_ms = 1_780_000_000_000
        self.bites = bites
        self.looks: list[PortfolioId] = []
        self.pruning = Pruning(self, MemoryRegistry(), lambda: self.now_ms)

    async def prune_lanes(self, portfolio: PortfolioId, after: int) -> int:
        self.looks.append(portfolio)
        return (after + 1) % self.bites

    async def idle_sources(self, portfolio: PortfolioId, until_ms: int, most: int) -> list[str]:
        assert (portfolio in (P, Q), until_ms < self.now_ms, most > 0) == (True, True, True)
        return []

    async def forget_source(self, portfolio: PortfolioId, source: str, until_ms: int) -> bool:
        raise AssertionError((portfolio, source, until_ms))

    async def keep_source(self, portfolio: PortfolioId, source: str) -> None:
        raise AssertionError((portfolio, source))


@pytest.mark.parametrize("bites", [1, LANES_AT_ONCE, 2 * LANES_AT_ONCE])
async def test_it_goes_on_until_it_is_through_and_then_rests(bites: int) -> None:
    lanes = Lanes(bites)
    for _ in range(-(-bites // LANES_AT_ONCE)):
        await lanes.pruning.step(P)
        lanes.now_ms += MINUTE_MS
    assert len(lanes.looks) == bites
    lanes.now_ms += REST_MS - MINUTE_MS - 1
    await lanes.pruning.step(P)
    assert len(lanes.looks) == bites
    lanes.now_ms += 1
    await lanes.pruning.step(P)
    assert len(lanes.looks) == bites + min(bites, LANES_AT_ONCE)


async def test_each_portfolio_rests_by_itself() -> None:
    lanes = Lanes(1)
    await lanes.pruning.step(P)
    await lanes.pruning.step(Q)
    await lanes.pruning.step(P)
    assert lanes.looks == [P, Q]
