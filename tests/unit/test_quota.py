"""The window of people: half open, the latest proof of each, exact when one is taken away."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.model import Priority
from engine.quota import (
    DAY_MS,
    UNLIMITED,
    Limit,
    Window,
    default_reserve,
    may_enter,
    parse_limit,
)
from tests.builders import a_recipient
from tests.virtual_time import START_MS

ANNA, BERT = a_recipient(1), a_recipient(2)


@pytest.mark.parametrize(
    ("value", "limit"),
    [
        ("TIER_250", 250),
        ("tier_10k", 10_000),
        ("TIER_UNLIMITED", UNLIMITED),
        ("TIER_30K", 30_000),
        ("TIER_777", 777),
        ("500", 500),
        (-1, UNLIMITED),
        (-2, None),
        (0, 0),
        (True, None),
        (None, None),
        (2.5, None),
        ("", None),
        ("777K", 777_000),
        ("TIER_NOT_SET", None),
        (10**12, None),
        ("9" * 20, None),
        ("\u0661\u0660", None),  # digits, but none of Meta's
    ],
)
def test_a_limit_is_what_meta_says_or_nothing(value: object, limit: int | None) -> None:
    assert parse_limit(value) == limit


@pytest.mark.parametrize(
    ("priority", "places"),
    [
        (Priority.AUTHENTICATION, 900),
        (Priority.SERVICE, 890),
        (Priority.UTILITY, 890),
        (Priority.MARKETING, 885),
    ],
)
def test_what_a_priority_keeps_is_closed_to_those_after_it(priority: Priority, places: int) -> None:
    limit = Limit(1_000, headroom=0.1, reserve=(0.01, 0.0, 0.005, 0.5))
    assert limit.ceiling(priority) == places
    assert Limit(UNLIMITED, 0.1).ceiling(priority) == UNLIMITED


def test_a_small_limit_keeps_nothing_back_unless_told_to() -> None:
    assert default_reserve(250, {}) == (0.0, 0.0, 0.0, 0.0)
    assert default_reserve(1_000, {}) == (0.01, 0.0, 0.005, 0.0)
    assert default_reserve(250, {"service": 0.2}) == (0.0, 0.2, 0.0, 0.0)


@pytest.mark.parametrize(("after_ms", "used"), [(0, 1), (DAY_MS - 1, 1), (DAY_MS, 0)])
def test_a_person_counts_for_one_span_and_not_a_millisecond_longer(
    after_ms: int, used: int
) -> None:
    window = Window(DAY_MS)
    window.replace(ANNA, 0, START_MS, START_MS)
    assert window.used(START_MS + after_ms) == used
    assert window.counts(ANNA, START_MS + after_ms) is bool(used)


def test_taking_a_proof_away_restores_what_the_others_prove() -> None:
    window = Window(DAY_MS)
    window.replace(ANNA, 0, START_MS, START_MS)
    window.replace(ANNA, 0, START_MS + 30_000, START_MS)
    window.replace(ANNA, START_MS + 30_000, 0, START_MS + 1)
    assert window.scores == {ANNA: START_MS}
    window.replace(ANNA, START_MS, 0, START_MS + 2)
    assert window.scores == {}
    assert window.proofs == {}


def test_a_place_falls_free_with_the_oldest_that_exceeds() -> None:
    window = Window(DAY_MS)
    window.replace(ANNA, 0, START_MS, START_MS)
    window.replace(BERT, 0, START_MS + 5, START_MS)
    assert window.frees_at_ms(2, START_MS + 6) == START_MS + DAY_MS
    assert window.frees_at_ms(1, START_MS + 6) == START_MS + 5 + DAY_MS
    assert window.frees_at_ms(3, START_MS + 6) is None
    assert window.frees_at_ms(0, START_MS + 6) is None


@given(
    st.lists(
        st.tuples(st.integers(0, 4), st.integers(0, 300), st.booleans()), min_size=1, max_size=60
    )
)
def test_the_window_is_the_plain_count_of_latest_proofs(
    steps: list[tuple[int, int, bool]],
) -> None:
    span_ms, now_ms = 100, START_MS
    window, proofs = Window(span_ms), dict[bytes, list[int]]()
    for number, pause_ms, takes_away in steps:
        now_ms += pause_ms
        person = a_recipient(number)
        known = [moment for moment in proofs.get(person, []) if moment > now_ms - span_ms]
        if takes_away and known:
            window.replace(person, known[0], 0, now_ms)
            known.pop(0)
        else:
            window.replace(person, 0, now_ms, now_ms)
            known.append(now_ms)
        proofs[person] = known
        if pause_ms % 3 == 0:
            window.prune(now_ms)
        expected = sum(max(p, default=0) > now_ms - span_ms for p in proofs.values())
        assert window.used(now_ms) == expected


@pytest.mark.parametrize(
    ("counted", "used", "priority", "may"),
    [
        pytest.param(False, 9, Priority.MARKETING, True, id="a free place"),
        pytest.param(False, 10, Priority.AUTHENTICATION, False, id="none left, for nobody"),
        pytest.param(True, 10, Priority.MARKETING, True, id="a repeat needs none"),
        pytest.param(True, 11, Priority.MARKETING, False, id="in debt no low repeat"),
        pytest.param(True, 11, Priority.SERVICE, True, id="in debt a reply goes on"),
        pytest.param(False, 11, Priority.SERVICE, False, id="in debt nobody new"),
    ],
)
def test_who_may_enter(counted: bool, used: int, priority: Priority, may: bool) -> None:  # noqa: FBT001
    entered = may_enter(counted=counted, used=used, ceiling=10, places=10, priority=priority)
    assert entered is may
