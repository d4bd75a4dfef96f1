"""Quiet hours become moments: by the clock on the wall, also where it is put forward or back."""

from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.quiet import (
    AHEAD_DAYS,
    QuietHours,
    open_spans,
    shown_zone,
    shut_until_ms,
    unknown_places,
)
from engine.quota import DAY_MS

FOREVER = 9_000_000_000_000
ZONES = [
    *("UTC", "Europe/Rome", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"),
    *("America/Sao_Paulo", "Pacific/Apia", "Pacific/Honolulu", "Africa/Casablanca", "Etc/GMT+5"),
]


class Clocks:
    """The zones of the time zone database; no number tells any."""

    knows_numbers = False

    def find(self, name: str) -> tzinfo | None:
        return ZoneInfo(name) if name in ZONES else None

    def zone_of(self, identity: str) -> str:
        return "" if identity else "UTC"


def ms(text: str) -> int:
    """Return a moment as epoch ms."""
    return int(datetime.fromisoformat(text).timestamp()) * 1_000


def shut(hours: QuietHours, now: str, zone: str = "") -> str | None:
    """Return until when it is shut, as the calendar made at that moment has it; None is open."""
    now_ms = ms(now)
    until_ms = shut_until_ms(open_spans(hours, zone, Clocks(), now_ms), now_ms, FOREVER)
    if until_ms is None:
        return None
    return datetime.fromtimestamp(until_ms / 1000, UTC).isoformat().removesuffix("+00:00")


ROME = QuietHours("21:00", "08:00", "Europe/Rome")


@pytest.mark.parametrize(
    ("now", "until"),
    [
        ("2026-07-01T18:59:59+00:00", None),  # 20:59:59 there
        ("2026-07-01T19:00:00+00:00", "2026-07-02T06:00:00"),
        ("2026-07-02T05:59:59+00:00", "2026-07-02T06:00:00"),
        ("2026-07-02T06:00:00+00:00", None),
        ("2026-12-01T19:00:00+00:00", None),  # winter: 20:00 there
        ("2026-12-01T20:00:00+00:00", "2026-12-02T07:00:00"),
    ],
)
def test_a_night_begins_and_ends_by_the_clock_on_the_wall(now: str, until: str | None) -> None:
    assert shut(ROME, now) == until


@pytest.mark.parametrize(
    ("night", "until"),
    [
        ("2026-03-28T23:00:00+00:00", "2026-03-29T06:00:00"),  # put forward: an hour less of night
        ("2026-10-24T22:00:00+00:00", "2026-10-25T07:00:00"),  # put back: an hour more
    ],
)
def test_the_night_in_which_clocks_change_ends_by_the_new_time(night: str, until: str) -> None:
    assert shut(ROME, night) == until


@pytest.mark.parametrize(
    ("hours", "now", "until"),
    [
        # 02:30 is not on 29 March in Rome: the quiet begins before the gap, and ends after it.
        (("02:30", "05:00"), "2026-03-29T00:29:00+00:00", None),
        (("02:30", "05:00"), "2026-03-29T00:31:00+00:00", "2026-03-29T03:00:00"),
        (("00:30", "02:30"), "2026-03-29T01:00:00+00:00", "2026-03-29T01:30:00"),
        # 02:30 is there twice on 25 October: from the first, until the second.
        (("02:30", "05:00"), "2026-10-25T00:31:00+00:00", "2026-10-25T04:00:00"),
        (("00:30", "02:30"), "2026-10-25T00:45:00+00:00", "2026-10-25T01:30:00"),
    ],
)
def test_an_hour_that_is_left_out_or_comes_twice_is_quiet_rather_than_not(
    hours: tuple[str, str], now: str, until: str | None
) -> None:
    assert shut(QuietHours(*hours, "Europe/Rome"), now) == until


def test_hours_of_one_day_are_quiet_at_noon_and_not_at_night() -> None:
    noon = QuietHours("12:00", "14:00", "UTC")
    assert shut(noon, "2026-05-01T13:00:00+00:00") == "2026-05-01T14:00:00"
    assert shut(noon, "2026-05-01T23:00:00+00:00") is None


def test_a_zone_of_several_places_is_open_when_all_of_them_are() -> None:
    hours = QuietHours("21:00", "08:00", "UTC", by_recipient=True)
    both = "Europe/Rome+America/New_York"
    assert shut(hours, "2026-07-01T11:59:00+00:00", both) == "2026-07-01T12:00:00"  # 8 in New York
    assert shut(hours, "2026-07-01T12:00:00+00:00", both) is None
    assert shut(hours, "2026-07-01T19:00:00+00:00", both) == "2026-07-02T12:00:00"  # 21 in Rome


@pytest.mark.parametrize("zone", ["", "Mars/Base", "Pacific/Apia+Pacific/Honolulu+UTC"])
def test_where_no_zone_is_known_or_none_fits_all_the_fallback_counts(zone: str) -> None:
    hours = QuietHours("18:00", "09:00", "Europe/Rome", by_recipient=True)
    assert shut(hours, "2026-07-01T16:30:00+00:00", zone) == "2026-07-02T07:00:00"
    assert shut(hours, "2026-07-01T12:00:00+00:00", zone) is None


def test_a_zone_may_have_a_plus_in_its_name() -> None:
    hours = QuietHours("21:00", "08:00", "Etc/GMT+5")
    assert shut(hours, "2026-07-02T01:59:00+00:00") is None
    assert shut(hours, "2026-07-02T02:00:00+00:00") == "2026-07-02T13:00:00"
    assert (unknown_places("Etc/GMT+5", Clocks()), shown_zone("Etc/GMT+5")) == ([], "Etc/GMT+5")
    assert unknown_places("Europe/Rome+Mars/Base", Clocks()) == ["Mars/Base"]


def test_a_fixed_time_zone_asks_nobody_where_he_is() -> None:
    assert shut(ROME, "2026-07-01T19:30:00+00:00", "America/New_York") == "2026-07-02T06:00:00"


def test_what_a_calendar_does_not_tell_is_shut() -> None:
    now_ms = ms("2026-07-01T12:00:00+00:00")
    spans = open_spans(QuietHours("01:00", "02:00", "UTC"), "", Clocks(), now_ms)
    end_ms = now_ms + AHEAD_DAYS * DAY_MS
    assert shut_until_ms(spans, end_ms - 1, FOREVER) is None
    assert shut_until_ms(spans, end_ms, FOREVER) == FOREVER
    assert shut_until_ms((), now_ms, FOREVER) == FOREVER


CLOCK = st.integers(0, 24 * 60 - 1).map(lambda minute: f"{minute // 60:02}:{minute % 60:02}")


@given(
    since=CLOCK,
    until=CLOCK,
    zone=st.sampled_from(ZONES),
    minutes=st.integers(0, 366 * 24 * 60),
    ahead=st.integers(0, 7 * 24 * 60),
)
def test_no_moment_is_open_while_the_wall_shows_a_quiet_time(
    since: str, until: str, zone: str, minutes: int, ahead: int
) -> None:
    made_ms = ms("2026-01-01T00:00:00+00:00") + minutes * 60_000
    moment_ms = made_ms + ahead * 60_000
    spans = open_spans(QuietHours(since, until, zone), "", Clocks(), made_ms)
    wall = datetime.fromtimestamp(moment_ms / 1000, ZoneInfo(zone)).strftime("%H:%M")
    is_quiet = since <= wall < until if since < until else wall >= since or wall < until
    is_open = shut_until_ms(spans, moment_ms, FOREVER) is None
    assert not (is_open and is_quiet)
    # What is shut though the wall shows no quiet time is within an hour of a change of clocks.
    if not is_open and not is_quiet:
        place, hour = ZoneInfo(zone), 3_600_000
        near = [moment_ms + by * hour for by in (-2, -1, 0, 1, 2)]
        assert len({datetime.fromtimestamp(at / 1000, place).utcoffset() for at in near}) > 1
