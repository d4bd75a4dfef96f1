"""Rows in columns are the rows they stand for, also as they are dealt."""

from __future__ import annotations

from random import Random

from engine.alike import AlikeRows
from engine.hands import Hands
from engine.model import Lane, Row
from tests.builders import a_lane, a_recipient, a_row, alike_rows

ROWS = [a_row(n, dedupe=a_recipient(n), content=3, repeats_max=1, place=n + 5) for n in range(9)]
LANES = [a_lane(zone=name) for name in "abc"]


def some_rows(count: int) -> list[Row]:
    """Return rows of people whose keys are as mixed as a hash is."""
    rng = Random(count)
    numbers = [rng.randrange(2**63) for _ in range(count)]
    rows = [a_row(number, dedupe=a_recipient(number)) for number in numbers]
    for place, row in enumerate(rows):
        row.tail, row.place = b"+%d\x1fx" % rng.choice([491511234567, 15551234567]), place
    return rows


def zone_of(identity: str) -> str:
    return identity[:2]


def dealt(
    parts: list[list[Row]], *, alike: bool, by_zone: bool = False
) -> list[tuple[Lane, list[Row]]]:
    hands = Hands(LANES, zone_of if by_zone else None, (1, 2, 1))
    for part in parts:
        hands.take(alike_rows(part) if alike else part)
    return [(lane, list(rows)) for lane, rows in hands.dealt()]


def test_each_row_is_there_and_so_are_several() -> None:
    alike = alike_rows(ROWS)
    assert (len(alike), list(alike), alike[-1]) == (9, ROWS, ROWS[-1])
    assert isinstance(alike[2:5], AlikeRows)
    assert list(alike[2:5]) == ROWS[2:5]
    assert list(alike.picked([7, 0, 3])) == [ROWS[7], ROWS[0], ROWS[3]]


def test_a_row_is_known_by_its_recipient() -> None:
    assert all(row.dedupe is row.recipient for row in alike_rows(ROWS))


def test_alike_rows_are_dealt_as_others_are() -> None:
    rows = some_rows(400)
    parts = [rows[:150], rows[150:151], rows[151:]]
    for by_zone in (False, True):
        each = dealt(parts, alike=False, by_zone=by_zone)
        assert dealt(parts, alike=True, by_zone=by_zone) == each
        assert sorted(row.place for _, its in each for row in its) == list(range(400))
    assert len(each) == len(LANES) * 2


def test_shares_are_parts_of_the_people_and_everybody_keeps_his_lane() -> None:
    rows = some_rows(4_000)
    whole = dict(dealt([rows], alike=True))
    assert [round(len(whole[lane]) / 1_000) for lane in LANES] == [1, 2, 1]
    in_parts = dict(dealt([rows[:7], rows[7:]], alike=True))
    assert in_parts == whole


def test_a_lane_that_gets_nobody_is_left_out() -> None:
    assert dealt([], alike=True) == []
    assert len(dealt([some_rows(1)], alike=True)) == 1
