"""Countries of ids, and what is refused at the door because Meta closed one to an account."""

import phonenumbers

from engine.border_door import CLOSED, BorderDoor
from engine.borders import (
    REMEMBERED_MS,
    Border,
    border_fact,
    border_of,
    border_to,
    borders_of,
    country_of,
    is_behind,
    sides,
)
from engine.dial_codes import COUNTRIES
from engine.directory import Campaign, Directory, Sender
from engine.errors import InvalidJobError
from engine.facts import Fact, Source
from engine.model import Category, PortfolioId, Priority, SenderId, WabaId

NOW_MS = 1_764_000_000_000
# They live with a neighbour under its calling code, and count with it here.
SHARED = frozenset(
    ("AC", "SH", "TA", "GG", "JE", "IM", "SJ", "AX", "EH", "YT", "BL", "MF", "BQ", "CC", "CX", "VA")
)


def test_a_country_s_numbers_are_its_own_as_libphonenumber_has_them() -> None:
    regions = sorted(phonenumbers.SUPPORTED_REGIONS - SHARED)
    assert len(regions) > 200
    for region in regions:
        number = phonenumbers.example_number_for_type(region, phonenumbers.PhoneNumberType.MOBILE)
        assert number is not None, region
        digits = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)[1:]
        country = country_of(digits)
        if digits.startswith("1") and region != "US":
            assert country == digits[:4], region
        else:
            assert country == region, digits
        begins = sides([border_of(country, NOW_MS + 1)], NOW_MS)
        assert is_behind(begins, "+" + digits), region


def test_all_calling_codes_agree_with_libphonenumber() -> None:
    theirs = phonenumbers.COUNTRY_CODE_TO_REGION_CODE
    assert all(theirs[int(code)][0] == country for code, country in COUNTRIES.items())
    missing = {code for code, regions in theirs.items() if regions[0] != "001"} - {1, 7}
    assert missing == {int(code) for code in COUNTRIES}


def a_world(*facts: Fact) -> tuple[Directory, BorderDoor]:
    directory = Directory()
    for number, waba in (("1", "w"), ("2", "w"), ("3", "v")):
        sender = Sender(SenderId(number), PortfolioId("p"), WabaId(waba), "+1 555 0100")
        directory.senders[sender.id] = sender
    directory.facts.update({fact.id: fact for fact in facts})
    return directory, BorderDoor(directory, lambda: NOW_MS)


def a_campaign(*senders: str) -> Campaign:
    named = tuple(SenderId(sender) for sender in senders)
    kinds = (Category.UTILITY, Priority.UTILITY)
    return Campaign("c", "c", PortfolioId("p"), named, {}, ("name",), ("w/order/en",), *kinds, 1)


def test_the_door_refuses_a_country_while_its_border_lasts() -> None:
    directory, door = a_world()

    def refusals(identity: str, sender: str = "1") -> list[InvalidJobError]:
        return door.refusals(identity, Category.UTILITY, directory.senders[sender])

    assert refusals("919812345678") == []
    fact = border_to("w", "+919812345678", NOW_MS - REMEMBERED_MS + 1)
    assert fact is not None
    directory.facts[fact.id] = fact
    (refusal,) = refusals("919812345678")
    assert (refusal.pointer, refusal.code) == ("/to", CLOSED)
    assert "IN" in str(refusal)
    assert refusals("919812345678", sender="3") == []
    assert refusals("4915112345678") == []
    directory.facts[fact.id] = Fact(fact.id, "opened", NOW_MS, Source.OPERATOR)
    assert refusals("919812345678") == []


def test_rows_are_refused_at_the_door_only_where_no_account_may_send_them() -> None:
    closed = [border_fact(waba, "IN", NOW_MS) for waba in ("w", "v")]
    _, door = a_world(closed[0])
    assert set(door.bars(a_campaign("1", "2")).closed) == {"IN"}
    assert door.bars(a_campaign("1", "3")).closed == {}
    _, door = a_world(*closed)
    assert set(door.bars(a_campaign("1", "3")).closed) == {"IN"}
    assert door.bars(a_campaign()).closed == {}


def test_what_is_of_no_country_closes_nothing() -> None:
    assert border_to("w", "+999123456789", NOW_MS) is None
    assert border_to("w", "nonsense", NOW_MS) is None


def test_an_account_that_was_opened_has_no_borders_and_one_without_never_had_any() -> None:
    facts = {fact.id: fact for fact in (border_fact("w", "IN", 5), border_fact("w", "FR", 5))}
    assert borders_of(facts, "v") is None
    until_ms = 5 + REMEMBERED_MS
    assert borders_of(facts, "w") == [
        Border(until_ms, ("+91", "IN.")),
        Border(until_ms, ("+33", "FR.")),
    ]
    opened = {name: Fact(name, "opened", 9, Source.OPERATOR) for name in facts}
    assert borders_of(opened, "w") == []
