"""enqueue of rows with keys, each person once: part_once."""

from __future__ import annotations

from engine.model import JobKey, RecipientKey, Row
from engine.ports import Batch, Enqueued, NotNew
from tests.builders import a_row
from tests.lua.slot_state import LANE, PORTFOLIO, Slot

ADA, BOB = RecipientKey(b"ada-----"), RecipientKey(b"bob-----")


def a_keyed(person: RecipientKey, key: bytes, says: bytes = b"A") -> Row:
    """Return a row that has a key of its caller's, and what it says."""
    return a_row(1, recipient=person, dedupe=key * 8, fingerprint=says * 8)


def a_plain(person: RecipientKey) -> Row:
    """Return a row that is known by its person."""
    return a_row(1, recipient=person, dedupe=person)


async def queue(slot: Slot, *rows: Row) -> Enqueued:
    """Queue rows, each person once."""
    return (await slot.ledger.enqueue([Batch(PORTFOLIO, LANE, rows, once_each=True)]))[0]


def known(index: int, job: int = 0, *, conflict: bool = False) -> NotNew:
    return NotNew(index, JobKey(1, job) if job else None, conflict)


async def test_another_key_is_no_second_row_for_a_person(slot: Slot) -> None:
    await slot.furnish()
    rows = a_keyed(ADA, b"1"), a_keyed(ADA, b"2"), a_keyed(BOB, b"3")
    assert (await queue(slot, *rows)).not_new == [known(1)]
    later = a_keyed(ADA, b"4"), a_keyed(ADA, b"1"), a_keyed(BOB, b"1", b"B"), a_plain(BOB)
    answer = await queue(slot, *later)
    assert answer.not_new == [known(0), known(1, 1), known(2, 1, conflict=True), known(3)]
    assert answer.accepted == 0


async def test_rows_with_keys_and_rows_without_are_one_crowd(slot: Slot) -> None:
    await slot.furnish()
    assert (await queue(slot, a_plain(ADA))).accepted == 1
    assert (await queue(slot, a_keyed(ADA, b"1"), a_plain(BOB))).not_new == [known(0)]
    assert (await queue(slot, a_plain(BOB))).accepted == 0
    assert (await queue(slot, a_keyed(BOB, b"2"))).accepted == 0


async def test_what_is_queued_again_after_a_loss_is_known_by_person_again(slot: Slot) -> None:
    await slot.furnish()
    batch = Batch(PORTFOLIO, LANE, [a_keyed(ADA, b"1"), a_plain(BOB)], once_each=True)
    await slot.ledger.restore_enqueued(batch, Enqueued(1, 1, 2, []))
    rows = a_keyed(ADA, b"2"), a_keyed(BOB, b"3"), a_keyed(ADA, b"1")
    assert (await queue(slot, *rows)).not_new == [known(0), known(1), known(2, 1)]
