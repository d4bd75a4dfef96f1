"""Who must not be written to: the newest word, under each id of a person, in every portfolio."""

import asyncio
from collections.abc import Mapping

from adapters.memory.preferences import MemoryPreferences
from engine.model import Category, PortfolioId, RecipientKey
from engine.suppressions import EVERYWHERE, IDS_MAX, Suppressions, Whom, Word

P, Q = PortfolioId("p"), PortfolioId("q")
MARKETING = Category.MARKETING


def key(number: int) -> RecipientKey:
    return RecipientKey(number.to_bytes(8, "big"))


class Slots:
    """The gates' copies; `meanwhile` happens while one is written."""

    def __init__(self) -> None:
        self.refused: set[tuple[PortfolioId, Whom]] = set()
        self.meanwhile: list[tuple[MemoryPreferences, Mapping[Whom, Word]]] = []

    async def suppress_all(self, portfolio: PortfolioId, stops: Mapping[Whom, bool]) -> None:
        for whom, stop in stops.items():
            self.refused.discard((portfolio, whom))
            if stop:
                self.refused.add((portfolio, whom))
        if self.meanwhile:
            choices, words = self.meanwhile.pop()
            await choices.tell(portfolio, words)


class House:
    def __init__(self, *portfolios: PortfolioId) -> None:
        self.choices, self.slots = MemoryPreferences(), Slots()
        parts = (self.choices, self.choices, self.slots)
        self.suppressions = Suppressions(*parts, lambda: portfolios or (P,))

    def refused(self, portfolio: PortfolioId = P) -> set[Whom]:
        return {whom for of, whom in self.slots.refused if of == portfolio}


def test_an_operator_is_newer_than_a_word_from_a_clock_that_is_ahead() -> None:
    async def main() -> None:
        house, whom = House(), Whom(key(1), MARKETING)
        await house.suppressions.tell(P, {whom: Word(900, stops=False)})
        await house.suppressions.order(P, {whom: True}, 100)
        assert house.refused() == {whom}
        assert house.choices.words[P, whom] == (901, True)
        await house.suppressions.tell(P, {whom: Word(900, stops=False)})  # the webhook again
        assert house.refused() == {whom}
        await house.suppressions.tell(P, {whom: Word(902, stops=False)})
        assert house.refused() == set()

    asyncio.run(main())


def test_a_stop_reaches_an_id_that_was_known_to_be_the_same_before() -> None:
    async def main() -> None:
        house = House()
        await house.suppressions.unite(P, [(key(1), key(2)), (key(2), key(3)), (key(4), key(4))])
        await house.suppressions.tell(P, {Whom(key(3), MARKETING): Word(5, stops=True)})
        assert house.refused() == {Whom(key(number), MARKETING) for number in (1, 2, 3)}
        await house.suppressions.order(P, {Whom(key(1), MARKETING): False}, 4)
        assert house.refused() == set()
        assert await house.suppressions.of(P, key(3)) == {}

    asyncio.run(main())


def test_a_word_that_was_there_before_the_evidence_follows_it() -> None:
    async def main() -> None:
        house = House()
        await house.suppressions.order(P, {Whom(key(1), None): True}, 5)
        await house.suppressions.unite(P, [(key(2), key(1))])
        assert house.refused() == {Whom(key(1), None), Whom(key(2), None)}

    asyncio.run(main())


def test_a_number_that_is_passed_around_does_not_stop_the_world() -> None:
    async def main() -> None:
        house = House()
        chain = [(key(number), key(number + 1)) for number in range(3 * IDS_MAX)]
        await house.suppressions.unite(P, chain)
        await house.suppressions.tell(P, {Whom(key(0), MARKETING): Word(5, stops=True)})
        assert len(house.refused()) == IDS_MAX
        assert Whom(key(0), MARKETING) in house.refused()

    asyncio.run(main())


def test_what_another_process_takes_meanwhile_is_in_force_too() -> None:
    async def main() -> None:
        house, whom = House(), Whom(key(1), None)
        house.slots.meanwhile = [(house.choices, {whom: Word(6, stops=False)})]
        await house.suppressions.tell(P, {whom: Word(5, stops=True)})
        assert house.refused() == set()

    asyncio.run(main())


def test_everywhere_is_in_each_portfolio_and_in_those_to_come() -> None:
    async def main() -> None:
        house, one, other = House(P), Whom(key(1), None), Whom(key(2), MARKETING)
        await house.suppressions.order(EVERYWHERE, {one: True, other: True}, 5)
        await house.suppressions.order(EVERYWHERE, {other: False}, 6)
        assert (house.refused(P), house.refused(Q)) == ({one}, set())
        await house.suppressions.adopt(Q)
        assert house.refused(Q) == {one}

    asyncio.run(main())


def test_who_is_forgotten_leaves_nothing() -> None:
    async def main() -> None:
        house = House()
        await house.suppressions.unite(P, [(key(1), key(2))])
        await house.suppressions.order(P, {Whom(key(1), None): True, Whom(key(3), None): True}, 5)
        await house.suppressions.forget(P, [key(1), key(2)])
        assert house.refused() == {Whom(key(3), None)}
        assert list(house.choices.words) == [(P, Whom(key(3), None))]
        assert house.choices.pairs == set()

    asyncio.run(main())
