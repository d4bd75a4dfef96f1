"""The lengths all ledgers of one deployment agree on."""

import pytest

from engine.model import Category
from engine.quota import DAY_MS
from engine.terms import Terms


def test_the_guard_is_five_minutes_a_day_and_part_of_the_span() -> None:
    terms = Terms()
    assert terms.guard_ms == 300_000
    assert terms.span_ms == DAY_MS + 300_000


def test_every_category_has_a_doubt_time_and_codes_the_shortest() -> None:
    doubts = Terms().doubt_ms
    assert set(doubts) == set(Category)
    assert min(doubts, key=doubts.__getitem__) is Category.AUTHENTICATION


@pytest.mark.parametrize(
    "changes", [{"window_ms": 0}, {"guard_ms": -1}, {"lease_ms": 0}, {"attempts_max": 0}]
)
def test_lengths_that_contradict_each_other_are_refused(changes: dict[str, int]) -> None:
    with pytest.raises(AssertionError):
        Terms(**changes)  # type: ignore[arg-type]  # whole numbers, all of them
