"""Room: how much may be claimed, and how it shrinks while letters leave too late."""

from __future__ import annotations

from engine.served import LATE_FROM_US, Room


def test_a_tenth_is_kept_for_high_priorities() -> None:
    room = Room(200)
    assert (room.free, room.low_now) == (200, 180)


def test_letters_in_time_cost_no_room() -> None:
    room = Room(200)
    room.note_late(LATE_FROM_US - 1)
    assert (room.free, room.low_now) == (200, 180)


def test_late_letters_cost_low_priorities_an_eighth_and_high_ones_nothing() -> None:
    room = Room(200)
    room.note_late(LATE_FROM_US)
    assert (room.free, room.low_now) == (200, 155)


def test_a_quarter_stays_however_late_they_leave() -> None:
    room = Room(200)
    for _ in range(100):
        room.note_late(1_000_000)
    assert room.low_now == 180 - 150


def test_the_room_comes_back_while_they_leave_in_time() -> None:
    room = Room(200)
    room.note_late(LATE_FROM_US)
    batches = 0
    while room.low_now < 180:
        room.note_late(0)
        batches += 1
    assert batches == 9
