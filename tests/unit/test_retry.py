"""Waits after failures: the curve, the jitter, and quick retries that end within a second."""

import asyncio
from random import Random

import pytest

from engine.retry import QUICK_FOR_MS, backoff_ms, delay_ms, quick_retries
from tests.virtual_time import VirtualTimeLoop, run_virtual


@pytest.mark.parametrize("failures", [0, 1, 2, 7, 8, 9, 10_000])
def test_jitter_stays_between_half_the_curve_and_all_of_it(failures: int) -> None:
    whole_ms = delay_ms(failures)
    waits = [backoff_ms(failures, Random(seed)) for seed in range(200)]
    assert min(waits) >= whole_ms // 2
    assert max(waits) <= whole_ms
    assert len(set(waits)) > 20


def test_the_same_generator_gives_the_same_waits() -> None:
    one, same, other = Random(7), Random(7), Random(8)
    waits = [[backoff_ms(3, rng) for _ in range(5)] for rng in (one, same, other)]
    assert waits[0] == waits[1] != waits[2]


@pytest.mark.parametrize("took_s", [0.0, 0.2, 0.6])
def test_at_most_two_quick_retries_and_none_starts_after_a_second(took_s: float) -> None:
    async def main(loop: VirtualTimeLoop) -> list[float]:
        starts: list[float] = []

        async def fail() -> str:
            starts.append(loop.time())
            if len(starts) > 1:
                await asyncio.sleep(took_s)
            return "failed"

        assert await quick_retries(lambda _: True, Random(1))(fail) == "failed"
        return starts

    starts = run_virtual(main)
    assert len(starts) == 3
    assert max(starts) <= QUICK_FOR_MS / 1_000


def test_a_result_that_may_not_be_repeated_ends_it() -> None:
    async def main(_: VirtualTimeLoop) -> int:
        calls = 0

        async def succeed_at_once_more() -> bool:
            nonlocal calls
            calls += 1
            return calls < 2

        await quick_retries(lambda again: again, Random(1))(succeed_at_once_more)
        return calls

    assert run_virtual(main) == 2
