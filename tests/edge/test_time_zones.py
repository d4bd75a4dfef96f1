"""Which time zone a number or a user id tells, and what a name of a zone may be."""

import pytest

from adapters.time_zones import TimeZones

ZONES = TimeZones()


@pytest.mark.parametrize(
    ("identity", "zone"),
    [
        ("4915112345678", "Europe/Berlin"),
        ("16505551234", "America/Los_Angeles"),
        ("14165551234", "America/Toronto"),
        ("12421234567", "America/Nassau"),
        ("525512345678", "America/Mexico_City"),
        ("5215512345678", "America/Mexico_City"),  # the same person as before 2019
        ("5592987654321", "America/Manaus"),
        ("447400123456", "Europe/London"),
        ("IT.1349120865530274", "Europe/Rome"),
        ("78432345678", "Europe/Moscow"),
        ("61892345678", "Australia/Adelaide+Australia/Perth"),
        ("NZ.ENT.1349120865530274", "Pacific/Auckland+Pacific/Chatham"),
    ],
)
def test_a_prefix_or_a_country_tells_the_zone(identity: str, zone: str) -> None:
    assert ZONES.zone_of(identity) == zone


@pytest.mark.parametrize(
    ("identity", "some", "at_least"),
    [
        ("79161234567", "Asia/Vladivostok", 11),  # a mobile number tells only the country
        ("77012345678", "Asia/Almaty", 2),
        ("61412345678", "Australia/Perth", 5),
        ("351912345678", "Atlantic/Azores", 2),
        ("18005551234", "Pacific/Honolulu", 9),  # no place at all
        ("US.13491208655302741918", "America/New_York", 9),
    ],
)
def test_who_may_be_in_several_zones_is_in_all_of_them(
    identity: str, some: str, at_least: int
) -> None:
    zones = ZONES.zone_of(identity).split("+")
    assert some in zones
    assert len(zones) >= at_least
    assert all(ZONES.find(each) for each in zones)


def test_kazakh_numbers_are_not_held_by_russian_nights() -> None:
    assert not {"Europe/Moscow", "Asia/Kamchatka"} & {*ZONES.zone_of("77012345678").split("+")}


@pytest.mark.parametrize("identity", ["88312345678", "99999999999", "XX.1", "", "999", "0"])
def test_what_tells_nothing_has_no_zone(identity: str) -> None:
    assert ZONES.zone_of(identity) == ""


@pytest.mark.parametrize(
    "name",
    [
        *("", "Mars/Base", "../etc/passwd", "/etc/localtime", "Europe", "\0"),
        *("localtime", "posixrules", "right/Europe/Rome", "posix/Europe/Rome"),  # of one machine
    ],
)
def test_no_text_but_a_zone_is_one(name: str) -> None:
    assert ZONES.find(name) is None


def test_without_the_extra_numbers_tell_nothing_and_user_ids_still_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("adapters.time_zones._has_numbers", lambda: False)
    assert not ZONES.knows_numbers
    assert ZONES.zone_of("4915112345678") == ""
    assert ZONES.zone_of("IT.1") == "Europe/Rome"
