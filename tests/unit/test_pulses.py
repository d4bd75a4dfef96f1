"""What pulses come to: rates, paces and errors, however they lie in time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.pulses import Pulse, errors_by_code, paces_per_s, rates_per_s


def a_pulse(at_ms: int, took_ms: int = 2_000, accepted: int = 10, **others: int) -> Pulse:
    return Pulse(at_ms, took_ms, {"shop": {"accepted": accepted, **others}})


def test_two_workers_add_up() -> None:
    pulses = [a_pulse(2_000), a_pulse(2_000), Pulse(2_000, 2_000, {"news": {"accepted": 4}})]
    assert rates_per_s(pulses, 0, 2_000) == {"shop": 10.0, "news": 2.0}


def test_what_lies_outside_the_span_does_not_count() -> None:
    assert rates_per_s([a_pulse(2_000)], 2_000, 4_000) == {}
    assert rates_per_s([a_pulse(9_000)], 0, 7_000) == {}


@given(
    st.lists(
        st.tuples(st.integers(5_000, 55_000), st.integers(1, 5_000), st.integers(0, 500)),
        max_size=20,
    )
)
def test_no_message_is_lost_between_two_steps(
    told: list[tuple[int, int, int]],
) -> None:
    pulses = [a_pulse(at_ms, took_ms, accepted) for at_ms, took_ms, accepted in told]
    accepted, others = paces_per_s(pulses, 0, 5_000, 12)
    assert sum(accepted) * 5 == pytest.approx(sum(each[2] for each in told))
    assert not any(others)


def test_an_even_pace_looks_even() -> None:
    pulses = [a_pulse(at_ms, 1_700, 17) for at_ms in range(1_700, 60_000, 1_700)]
    accepted, _ = paces_per_s(pulses, 5_000, 5_000, 8)
    assert accepted == pytest.approx([10.0] * 8)


def test_what_was_not_accepted_is_a_line_of_its_own() -> None:
    pulse = a_pulse(5_000, 5_000, 5, retry=10, in_doubt=5, unwritten=1_000)
    accepted, others = paces_per_s([pulse], 0, 5_000, 1)
    assert (accepted, others) == ([1.0], [3.0])


def test_errors_are_added_by_code() -> None:
    first = Pulse(9, 1, errors={"shop": {"130429": 2, "131026": 1}})
    second = Pulse(9, 1, errors={"news": {"130429": 3}, "shop": {"130429": 1}})
    assert errors_by_code([first, second], 0) == {
        "130429": {"shop": 3, "news": 3},
        "131026": {"shop": 1},
    }
    assert errors_by_code([first], 9) == {}
