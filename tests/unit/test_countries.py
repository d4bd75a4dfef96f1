"""Rules of countries: who is in the United States, and what is refused at the door."""

import asyncio

import phonenumbers
import pytest

from adapters.memory.ledger import MemoryLedger
from engine.border_door import BorderDoor
from engine.countries import ELSEWHERE, RULES, CountryRules, is_in_the_us
from engine.directory import Campaign, Directory
from engine.front_door import FrontDoor
from engine.model import Category, PortfolioId, Priority, SenderId
from engine.recipients import RecipientKeys
from engine.row_intake import CampaignRows
from engine.terms import Terms

SUFFIXES = ("2345678", "2015550", "5550123", "9871234", "6612345")


def regions_of(area: int) -> set[str | None]:
    """Return where libphonenumber sees numbers of an area code."""
    return {
        phonenumbers.region_code_for_number(phonenumbers.parse(f"+1{area}{suffix}"))
        for suffix in SUFFIXES
    } - {None}


def test_area_codes_agree_with_libphonenumber() -> None:
    known = {area: regions for area in range(200, 1_000) if (regions := regions_of(area))}
    assert len(known) > 300
    assert {
        area: regions
        for area, regions in known.items()
        if (regions == {"US"}) != is_in_the_us(f"1{area}2345678")
    } == {}


def test_what_is_no_number_of_the_plan_is_not_in_the_us() -> None:
    for identity in ("1650555123", "165055512345", "4916505551234", "CA.1650", "USA"):
        assert not is_in_the_us(identity), identity
    assert all(200 <= area <= 999 for area in ELSEWHERE)


def test_only_the_kind_of_message_and_the_countries_in_force_are_refused() -> None:
    rules = CountryRules(["US"])
    assert rules.forbids("+16505551234", Category.MARKETING) is RULES["US"]
    assert rules.forbids("US.134912", Category.MARKETING) is RULES["US"]
    assert rules.forbids("16505551234", Category.UTILITY) is None
    assert rules.forbids("14165551234", Category.MARKETING) is None
    assert CountryRules().forbids("16505551234", Category.MARKETING) is None
    assert (rules.applies_to(Category.MARKETING), rules.applies_to(Category.UTILITY)) == (
        True,
        False,
    )


@pytest.mark.parametrize("category", [Category.MARKETING, Category.UTILITY])
def test_rows_of_a_file_are_refused_by_their_place_and_the_others_queued(
    category: Category,
) -> None:
    ledger, keys = MemoryLedger(Terms(), lambda: 1_000_000), RecipientKeys(b"secret-of-a-test")
    borders = BorderDoor(Directory(), lambda: 1_000_000, CountryRules(["US"]))
    door = CampaignRows(FrontDoor(ledger, Directory(), keys, lambda _: None, borders))
    campaign = Campaign(
        id="c1",
        name="c1",
        portfolio_id=PortfolioId("p"),
        senders=(SenderId("1"),),
        message={},
        fields=("name",),
        templates=("w/offer/en",),
        category=category,
        priority=Priority.MARKETING,
        content=1,
    )
    numbers = ["+4915112345678", "16505551234", "0151", "+14165551234", "US.12", "1650555"]
    rows = [(number, ["Ada"]) for number in numbers]
    result = asyncio.run(door.accept(campaign, rows, [f"k{at}" for at in range(6)]))
    refused = [(error.index, error.code) for error in result.errors]
    if category is Category.MARKETING:
        assert result.accepted == 2
        assert refused == [
            (1, "country_marketing"),
            (2, "no_country_code"),
            (4, "country_marketing"),
            (5, "too_short"),
        ]
    else:
        assert result.accepted == 4
        assert refused == [(2, "no_country_code"), (5, "too_short")]
