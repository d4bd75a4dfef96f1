"""A body is read ahead while what came before is worked on: in order, bounded, to its fault."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest

from adapters.api.streams import read_ahead
from adapters.api.tables import Reject, Rows, together


class Source:
    """Gives numbers, and knows how many were asked for and whether it was left."""

    def __init__(self, count: int, fault: Exception | None = None) -> None:
        self.count, self.fault = count, fault
        self.given = 0
        self.is_left = False

    async def items(self) -> AsyncGenerator[int, None]:
        try:
            for number in range(self.count):
                self.given = number + 1
                yield number
            if self.fault is not None:
                raise self.fault
        finally:
            self.is_left = True


async def turns(count: int = 20) -> None:
    """Let everybody else go on as far as they can."""
    for _ in range(count):
        await asyncio.sleep(0)


async def test_what_comes_while_the_last_is_worked_on_comes_together() -> None:
    taken: list[list[int]] = []
    async with aclosing(read_ahead(Source(10).items(), 4)) as trips:
        async for trip in trips:
            taken.append(trip)
            await turns()
    assert [number for trip in taken for number in trip] == list(range(10))
    assert [len(trip) for trip in taken] == [1, 4, 4, 1]


async def test_others_get_their_turn_between_two_that_are_there_already() -> None:
    async with aclosing(read_ahead(Source(9).items(), 9)) as trips:
        assert await anext(trips) == [0]


async def test_no_more_than_so_many_wait() -> None:
    source = Source(100)
    async with aclosing(read_ahead(source.items(), 3)) as trips:
        await anext(trips)
        await turns()
        assert source.given <= 2 * 3 + 1


async def test_who_waits_for_the_source_gets_what_there_is() -> None:
    gate = asyncio.Event()

    async def slow() -> AsyncGenerator[int, None]:
        yield 1
        await gate.wait()
        yield 2

    async with aclosing(read_ahead(slow(), 8)) as trips:
        assert await anext(trips) == [1]
        gate.set()
        assert [trip async for trip in trips] == [[2]]


async def test_a_fault_comes_after_all_that_came_before_it() -> None:
    taken: list[int] = []

    async def take() -> None:
        async with aclosing(read_ahead(Source(5, ValueError("cut")).items(), 2)) as trips:
            async for trip in trips:
                taken.extend(trip)
                await turns()

    with pytest.raises(ValueError, match="cut"):
        await take()
    assert taken == list(range(5))


async def test_a_fault_of_an_empty_source_is_raised() -> None:
    async with aclosing(read_ahead(Source(0, ValueError("cut")).items(), 2)) as trips:
        with pytest.raises(ValueError, match="cut"):
            await anext(trips)


@pytest.mark.parametrize("most", [1, 3])
async def test_who_leaves_early_leaves_nobody_reading(most: int) -> None:
    source = Source(100)
    async with aclosing(read_ahead(source.items(), most)) as trips:
        await anext(trips)
    assert source.is_left
    assert source.given < 100


async def test_a_fault_that_nobody_waits_for_any_more_is_nobody_s() -> None:
    told: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    async with aclosing(read_ahead(Source(3, ValueError("cut")).items(), 9)) as trips:
        await anext(trips)
        await turns()
    gc.collect()
    assert told == []


def test_rows_of_pieces_are_together_in_their_order() -> None:
    reject = Reject(2, "to", "missing", "there is no recipient")
    one = Rows([("1", ["a"])], [1], [], [reject])
    two = Rows([("2", ["b"]), ("3", ["c"])], [3, 4], ["k", ""], [])
    whole = together([one, two, Rows()])
    assert whole == Rows(
        [("1", ["a"]), ("2", ["b"]), ("3", ["c"])], [1, 3, 4], ["", "k", ""], [reject]
    )
    assert together([one, Rows()]).keys == []
    assert together([one]) is one
