"""Today's rules about numbers and the seed's: how many, until when, and what a flag costs."""

from dataclasses import replace

import pytest

from engine.facts import Fact, Source, newest, of_portfolio, of_sender
from engine.profiles import (
    RULES,
    SEED,
    TODAY,
    Profile,
    Rules,
    after_flag,
    flag_ends_at_ms,
    limit_after_flag,
    numbers_max,
    offline_at_ms,
)
from engine.quota import DAY_MS, UNLIMITED

SENDER = "1065"


def facts(**told: str) -> dict[str, Fact]:
    """Return what was told of the sender, at one moment."""
    names = {of_sender(SENDER, aspect): value for aspect, value in told.items()}
    return {name: Fact(name, value, 100, Source.REFRESH) for name, value in names.items()}


@pytest.mark.parametrize(
    ("rules", "name", "most"),
    [(SEED, "", 2), (SEED, "PENDING", 2), (SEED, "APPROVED", 50), (TODAY, "APPROVED", 20)],
)
def test_a_display_name_that_is_approved_allows_more_numbers(
    rules: Rules, name: str, most: int
) -> None:
    assert numbers_max(rules, facts(name=name), "p1", [SENDER]) == most


def test_metas_own_word_on_numbers_wins() -> None:
    name = of_portfolio("p1", "numbers")
    told = {name: Fact(name, "7", 100, Source.WEBHOOK)}
    assert numbers_max(SEED, told, "p1", [SENDER]) == 7


@pytest.mark.parametrize(
    ("told", "at_ms"),
    [
        ({"name": "PENDING_REVIEW"}, 5 + 30 * DAY_MS),
        ({"name": "APPROVED", "verification": "NOT_VERIFIED"}, 5 + 30 * DAY_MS),
        ({"name": "APPROVED", "verification": "VERIFIED"}, 0),
        ({"name": "AVAILABLE_WITHOUT_REVIEW"}, 0),
        ({}, 0),  # nobody told: nothing is known
    ],
)
def test_a_number_that_nobody_verified_goes_offline_after_thirty_days(
    told: dict[str, str], at_ms: int
) -> None:
    assert offline_at_ms(SEED, facts(**told), SENDER, 5) == at_ms
    assert offline_at_ms(TODAY, facts(**told), SENDER, 5) == 0
    assert offline_at_ms(SEED, facts(**told), SENDER, 0) == 0


def test_a_flag_lasts_seven_days_by_the_seed_and_is_none_today() -> None:
    flagged = facts(status="FLAGGED")
    assert flag_ends_at_ms(SEED, flagged, SENDER) == 100 + 7 * DAY_MS
    assert flag_ends_at_ms(TODAY, flagged, SENDER) == 0
    assert flag_ends_at_ms(SEED, facts(status="CONNECTED"), SENDER) == 0


@pytest.mark.parametrize(
    ("quality", "limit", "after"),
    [
        ("RED", 10_000, 1_000),
        ("RED", 1_000, 250),
        ("RED", 250, 250),
        ("RED", UNLIMITED, 100_000),
        ("YELLOW", 10_000, 10_000),
        ("GREEN", UNLIMITED, UNLIMITED),
        ("UNKNOWN", 10_000, 1_000),
    ],
)
def test_a_flag_costs_one_level_unless_the_quality_is_better(
    quality: str, limit: int, after: int
) -> None:
    assert limit_after_flag(SEED, facts(quality=quality), SENDER, limit) == after


def test_every_profile_has_rules_with_a_source() -> None:
    assert RULES.keys() == set(Profile)
    assert all(rules.source for rules in RULES.values())


def test_the_end_of_a_flag_is_told_once_and_undoes_no_later_word_of_metas() -> None:
    name, ends_ms = of_portfolio("p1", "limit"), 100 + 7 * DAY_MS
    flagged = facts(status="FLAGGED", quality="RED")
    assert after_flag(SEED, flagged, SENDER, name, 10_000, ends_ms - 1) == []
    limit, status = after_flag(SEED, flagged, SENDER, name, 10_000, ends_ms + 5)
    assert (limit.id, limit.value, limit.at_ms) == (name, "1000", ends_ms)
    assert (status.value, status.until_ms, status.at_ms) == ("CONNECTED", 0, ends_ms)
    later = Fact(name, "10000", ends_ms + 1, Source.WEBHOOK)
    assert newest(later, limit) == later
    assert after_flag(SEED, flagged | {status.id: status}, SENDER, name, 1_000, ends_ms + 9) == []
    good = after_flag(SEED, facts(status="FLAGGED", quality="GREEN"), SENDER, name, 250, ends_ms)
    assert [each.value for each in good] == ["CONNECTED"]


def test_a_flag_is_paid_once_though_somebody_looks_between_its_two_facts() -> None:
    """Another process does, or the next one after whoever told the first has died."""
    name, ends_ms = of_portfolio("p1", "limit"), 100 + 7 * DAY_MS
    flagged = facts(status="FLAGGED", quality="RED")
    limit, status = after_flag(SEED, flagged, SENDER, name, 10_000, ends_ms)
    between = flagged | {limit.id: limit}
    assert after_flag(SEED, between, SENDER, name, 1_000, ends_ms + 5) == [status]
    twins = replace(limit, detail=limit.detail.replace(SENDER, "another number"))
    lowered, _ = after_flag(SEED, flagged | {twins.id: twins}, SENDER, name, 1_000, ends_ms + 5)
    assert lowered.value == "250"
