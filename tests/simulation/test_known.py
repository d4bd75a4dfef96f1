"""The judge's book of what the engine was told: order, ties and ends; and that it convicts."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest

from adapters.memory.ledger import MemoryLedger
from engine.model import Gate, NowMs
from engine.terms import Terms
from tests.simulation.histories import live_through
from tests.simulation.judge import DAY_MS, Judge
from tests.simulation.known import FOREVER_MS, KnownWorld

NOW_MS = 1_800_000_000_000


class Book:
    """A judge, his book, and a clock that a test moves."""

    def __init__(self) -> None:
        self.now_ms = NOW_MS
        self.judge = Judge({"MARKETING": 1_000, "UTILITY": 1_000, "AUTHENTICATION": 1_000})
        self.judge.told_limit(NOW_MS - DAY_MS, 5)
        self._later: list[tuple[int, Callable[[], None]]] = []
        self.known = KnownWorld(
            self.judge, lambda: self.now_ms, lambda at_ms, do: self._later.append((at_ms, do))
        )

    def pass_ms(self, length_ms: int) -> None:
        self.now_ms += length_ms
        due = [do for at_ms, do in self._later if at_ms <= self.now_ms]
        self._later = [each for each in self._later if each[0] > self.now_ms]
        for do in due:
            do()

    def arrive(self, mps: int = 80) -> list[str]:
        """Let a message through the gate arrive; return which promises that broke."""
        before = len(self.judge.breaches)
        number = len(self.judge.writes)
        self.judge.arrive(
            job=f"1.{number}",
            recipient=f"p{number % 5}",
            sender="s",
            priority="MARKETING",
            gates=["gate"],
            mps=mps,
            repeats_max=0,
            counts=True,
            taken=False,
            now_ms=self.now_ms,
        )
        return [breach.split()[1] for breach in self.judge.breaches[before:]]


def test_a_send_after_the_news_of_a_pause_is_a_breach() -> None:
    book = Book()
    book.known.told("gate", "template", NOW_MS - 9_000, 0)
    book.pass_ms(5_000)
    assert book.arrive() == []
    book.known.told("gate", "template", NOW_MS - 2_000, FOREVER_MS)
    book.pass_ms(1_200)
    assert book.arrive() == ["I3:"]


def test_older_news_opens_nothing_and_closes_nothing() -> None:
    book = Book()
    book.known.told("gate", "ban", NOW_MS, FOREVER_MS)
    book.known.told("gate", "ban", NOW_MS - 1_000, 0)
    book.pass_ms(5_000)
    assert book.arrive() == ["I3:"]
    book.known.told("gate", "ban", NOW_MS + 1_000, 0)
    book.known.told("gate", "ban", NOW_MS, FOREVER_MS)
    book.pass_ms(5_000)
    assert book.arrive() == []


def test_of_one_second_the_stricter_counts_and_each_aspect_closes_apart() -> None:
    book = Book()
    book.known.told("gate", "template", NOW_MS, FOREVER_MS)
    book.known.told("gate", "template", NOW_MS, 0)
    assert not book.known.is_open("gate")
    book.known.told("gate", "template", NOW_MS + 1_000, 0)
    assert book.known.is_open("gate")
    book.known.told("gate", "pause", NOW_MS, FOREVER_MS)
    assert not book.known.is_open("gate")


def test_a_restriction_ends_when_it_said_it_would() -> None:
    book = Book()
    book.known.told("gate", "restriction", NOW_MS, NOW_MS + 60_000)
    book.pass_ms(30_000)
    assert book.arrive() == ["I3:"]
    book.pass_ms(29_999)
    book.pass_ms(1)
    assert book.arrive() == []


def test_a_number_that_is_known_to_be_red_may_not_go_on_as_before() -> None:
    book = Book()
    book.known.told("gate", "status", NOW_MS, 0)
    book.known.told_quality("s", "RED", NOW_MS, 4)
    book.pass_ms(3_000)
    assert [book.arrive() for _ in range(7)][-1] == ["I8:"]
    book.known.told_quality("s", "GREEN", NOW_MS - 1, 80)  # older
    book.pass_ms(3_000)
    assert [book.arrive() for _ in range(7)][-1] == ["I8:"]


@pytest.mark.parametrize("gate", [Gate.TEMPLATE, Gate.ACCOUNT, Gate.SENDER, Gate.SOURCE])
def test_a_ledger_without_a_gate_is_convicted(gate: Gate) -> None:
    def careless(terms: Terms, now_ms: NowMs) -> MemoryLedger:
        return MemoryLedger(replace(terms, gates_off=frozenset({gate})), now_ms)

    async def first_breach() -> str:
        for seed in range(200):
            judge = await live_through(seed, careless)
            if judge.breaches:
                return judge.breaches[0]
        return ""

    assert asyncio.run(first_breach()).startswith("I3:")
