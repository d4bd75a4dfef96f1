"""What a house has told again after a loss: cancellations and erasures, and nothing else."""

from collections.abc import Sequence
from typing import Any, cast

from adapters.house.retelling import RetoldEraser, retold
from adapters.memory.ledger import MemoryLedger
from adapters.memory.registry import MemoryRegistry
from engine.directory import Campaign, Journey
from engine.erasing import Erased
from engine.model import Category, PortfolioId, Priority, RecipientKey, SenderId, SourceState
from engine.ports import SourceSpec
from engine.recollection import Order
from engine.terms import Terms
from tests.builders import a_recipient

P = PortfolioId("p")


class Remembered:
    """Orders, as a Recollection keeps them."""

    def __init__(self) -> None:
        self.orders: list[tuple[PortfolioId, Order]] = []

    def __call__(self, portfolio: PortfolioId, order: Order) -> None:
        self.orders.append((portfolio, order))


def a_campaign(state: SourceState) -> Campaign:
    kinds = (Category.UTILITY, Priority.UTILITY)
    return Campaign("c", "c", P, (SenderId("1"),), {}, (), ("w/order/en",), *kinds, 1, state)


async def test_a_cancellation_is_ordered_again_and_a_pause_is_not() -> None:
    ledger, registry, remembered = MemoryLedger(Terms(), lambda: 1), MemoryRegistry(), Remembered()
    seen: list[Campaign | Journey] = []

    async def moved(source: Campaign | Journey) -> None:
        seen.append(source)

    move = retold(moved, remembered, ledger, cast("Any", registry))
    for state in (SourceState.PAUSED, SourceState.RUNNING, SourceState.CANCELLED):
        await move(a_campaign(state))
    assert len(seen) == 3
    [(portfolio, order)] = remembered.orders
    await ledger.put_source(P, "campaign:c", SourceSpec())  # what a lost tail brings back
    await order()
    assert portfolio == P
    assert ledger.slot(P)[0].sources["campaign:c"].spec.state is SourceState.CANCELLED
    assert registry.directory.campaigns["c"].state is SourceState.CANCELLED


async def test_an_erasure_is_made_again_of_the_same_people() -> None:
    made: list[tuple[PortfolioId, Sequence[RecipientKey]]] = []
    remembered = Remembered()

    class Eraser:
        async def erase(self, portfolio: PortfolioId, recipients: Sequence[RecipientKey]) -> Erased:
            made.append((portfolio, recipients))
            return Erased(1, 2, 0)

    people = [a_recipient(1), a_recipient(2)]
    answer = await RetoldEraser(Eraser(), remembered).erase(P, people)
    [(portfolio, order)] = remembered.orders
    await order()
    assert (answer, portfolio, made) == (Erased(1, 2, 0), P, [(P, people)] * 2)
