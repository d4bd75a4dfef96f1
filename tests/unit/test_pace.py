"""Send times never come closer than the rate allows; what Meta teaches is learned once."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.pace import (
    NOTHING_SPENT,
    PAIR_BURST,
    PAIR_INTERVAL_MS,
    PAIR_SLACK_MS,
    SendSlots,
    pair_after,
    pair_ready_at_ms,
)
from tests.virtual_time import START_MS


@given(st.sampled_from([1, 3, 20, 80, 1_000]), st.lists(st.integers(0, 2_000), max_size=80))
def test_no_second_has_more_send_times_than_the_rate(mps: int, pauses: list[int]) -> None:
    slots, now_ms, times = SendSlots(mps), START_MS, list[int]()
    for pause_ms in pauses:
        now_ms += pause_ms
        times += [slots.take_us(now_ms) for _ in range(3)]
    assert all(later - earlier >= 1_000_000 / mps for earlier, later in pairwise(times))
    for first in times:
        assert sum(first <= moment < first + 1_000_000 for moment in times) <= mps


def test_a_slot_is_ready_exactly_when_it_says() -> None:
    slots = SendSlots(80)
    for _ in range(10):
        slots.take_us(START_MS)
    ready_ms = slots.ready_at_ms(10)
    assert slots.has_slot(ready_ms, 10)
    assert not slots.has_slot(ready_ms - 1, 10)


def test_one_second_of_errors_lowers_the_rate_once() -> None:
    slots = SendSlots(1_000)
    assert slots.learn_down(START_MS, START_MS + 50)
    assert not slots.learn_down(START_MS + 40, START_MS + 90)
    assert slots.rate_mps == 700
    assert slots.learn_down(START_MS + 1_050, START_MS + 1_100)
    assert slots.rate_mps == 490


def test_an_old_error_teaches_nothing() -> None:
    slots = SendSlots(1_000)
    assert not slots.learn_down(START_MS, START_MS + 10_001)
    assert slots.rate_mps == 1_000


def test_a_lowered_rate_comes_back_step_by_step_and_never_above_nominal() -> None:
    slots = SendSlots(80)
    slots.learn_down(START_MS, START_MS)
    rates: list[int] = []
    for second in range(1, 40):
        slots.learn_up(START_MS + second * 1_000)
        slots.learn_up(START_MS + second * 1_000 + 500)
        rates.append(slots.rate_mps)
    assert rates[0] == 57
    assert rates == sorted(rates)
    assert rates[-1] == 80
    assert slots.learned_mps == 0


@pytest.mark.parametrize("mps", [1, 2])
def test_the_slowest_rate_never_becomes_zero(mps: int) -> None:
    slots = SendSlots(mps)
    for second in range(10):
        slots.learn_down(START_MS + second * 2_000, START_MS + second * 2_000)
    assert slots.rate_mps == 1


def test_a_pair_may_burst_and_pays_it_back_whole() -> None:
    spent = NOTHING_SPENT
    sent = 0
    while pair_ready_at_ms(spent, START_MS) <= START_MS:
        spent = pair_after(spent, START_MS)
        sent += 1
    assert sent == PAIR_BURST
    owed_ms = PAIR_BURST * PAIR_INTERVAL_MS + PAIR_SLACK_MS
    assert pair_ready_at_ms(spent, START_MS) - START_MS == owed_ms
    assert pair_after(spent, START_MS + owed_ms) == (START_MS + owed_ms + PAIR_INTERVAL_MS, 1)
