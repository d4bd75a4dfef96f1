"""receive: statuses only ever add, in any order and any number of times.

With it its parts: part_receipts, part_ends, part_asked, part_evidence, part_marks, part_throttled.
"""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from adapters.redis.keys import tag
from adapters.redis.receipts import RECEIPTS_MAX
from engine.model import DeliveryStatus, Gate, JobKey, JobState
from engine.outcomes import Accepted, InDoubt, Retry
from engine.ports import Receipt, Received
from tests.builders import a_portfolio, a_recipient, a_sender
from tests.lua.slot_state import (
    DOUBT_MS,
    GONE,
    OTHER,
    PORTFOLIO,
    SENDER,
    SPAN_MS,
    START_MS,
    End,
    Packed,
    Slot,
)

ONE = JobKey(1, 1)
HELD, SENT, FAILED = DeliveryStatus.HELD, DeliveryStatus.SENT, DeliveryStatus.UNDELIVERED
DELIVERED, READ = DeliveryStatus.DELIVERED, DeliveryStatus.READ


async def in_flight(slot: Slot, **changes: Any) -> None:  # noqa: ANN401 (as a_row)
    """Have one job in flight."""
    await slot.furnish()
    await slot.queue(1, **changes)
    await slot.claim()
    slot.now_ms += 1_000


async def accepted(slot: Slot) -> None:
    """Have one job accepted at 1,000."""
    await in_flight(slot)
    await slot.settle(Accepted("wamid.1"))


async def repeated(slot: Slot, repeats_max: int = 1) -> None:
    """Have one job wait for its second copy."""
    await in_flight(slot, repeats_max=repeats_max)
    await slot.settle(InDoubt("silence"))
    slot.now_ms += DOUBT_MS
    await slot.ledger.rescue(PORTFOLIO)


async def foreign(slot: Slot, at_ms: int, *, counted: bool = True) -> Received:
    """Receive a delivery of somebody else's message to person 9."""
    receipt = Receipt(None, 0, a_recipient(9), DELIVERED, at_ms, counted=counted)
    return await slot.ledger.receive(PORTFOLIO, [receipt])


@pytest.mark.parametrize(("status", "rank"), [(SENT, 2), (DELIVERED, 4), (READ, 5)])
async def test_a_status_before_the_response_settles_the_job(
    slot: Slot, status: DeliveryStatus, rank: int
) -> None:
    await in_flight(slot)
    before = await slot.state()
    assert (await slot.receive(status, wamid="wamid.1")).settled == [ONE]
    assert await slot.changes(before) == {
        "open 1.1": GONE,
        "win: 1": 1_000,
        "done:1:0 1": End("A", rank, mark=1_000, wamid="wamid.1"),
        "src:campaign:a s:in_flight": 0,
        "src:campaign:a s:accepted": 1,
        f"src:campaign:a d:{status}": 1,
    }
    before = await slot.state()
    answer = await slot.settle(Accepted("wamid.1"))  # the response comes after it
    assert answer.ignored == [ONE]
    assert await slot.changes(before) == {}


async def test_a_failure_before_the_response_ends_the_job_and_gives_the_place_back(
    slot: Slot,
) -> None:
    await in_flight(slot)
    before = await slot.state()
    assert (await slot.receive(FAILED, code=131026)).settled == [ONE]
    changes = await slot.changes(before)
    assert changes["win: 1"] is GONE
    assert changes["done:1:0 1"]._replace(delivery=0) == End("F", code=131026)
    assert changes["src:campaign:a s:failed"] == 1


async def test_a_failure_after_somebody_was_reached_keeps_the_place(slot: Slot) -> None:
    await in_flight(slot)
    await slot.receive(FAILED, code=131053, undelivered=False)
    assert await slot.used() == 1


async def test_a_delivery_moves_the_mark_to_when_it_happened(slot: Slot) -> None:
    await accepted(slot)
    slot.now_ms += 5_000
    before = await slot.state()
    await slot.receive(DELIVERED, at_ms=slot.now_ms - 1_000)
    assert await slot.changes(before) == {
        "win: 1": 5_000,
        "done:1:0 1": End("A", 4, mark=5_000, wamid="wamid.1"),
        "src:campaign:a d:delivered": 1,
    }


async def test_a_delivery_from_the_future_counts_from_now(slot: Slot) -> None:
    await accepted(slot)
    await slot.receive(DELIVERED, at_ms=slot.now_ms + 10**6)
    assert (await slot.state())["win: 1"] == 1_000


async def test_a_delivery_that_meta_does_not_count_moves_nothing(slot: Slot) -> None:
    await accepted(slot)
    slot.now_ms += 5_000
    await slot.receive(DELIVERED, counted=False)
    assert (await slot.state())["win: 1"] == 1_000


async def test_a_failure_later_gives_the_place_back(slot: Slot) -> None:
    await accepted(slot)
    before = await slot.state()
    await slot.receive(FAILED, code=131026)
    assert await slot.changes(before) == {
        "win: 1": GONE,
        "done:1:0 1": End("A", 3, mark=0, code=131026, wamid="wamid.1"),
        "src:campaign:a d:undelivered": 1,
    }


async def test_the_same_status_again_changes_nothing(slot: Slot) -> None:
    await accepted(slot)
    for status in (SENT, DELIVERED, READ):
        at_ms = slot.now_ms
        await slot.receive(status, at_ms=at_ms)
        before = await slot.state()
        slot.now_ms += 10
        await slot.receive(status, at_ms=at_ms)
        assert await slot.changes(before) == {}


@pytest.mark.parametrize("order", list(itertools.permutations([SENT, DELIVERED, READ])))
async def test_statuses_in_any_order_end_the_same(
    slot: Slot, order: tuple[DeliveryStatus, ...]
) -> None:
    await accepted(slot)
    at_ms = {SENT: 1_500, DELIVERED: 2_000, READ: 2_000}
    slot.now_ms += 2_000
    for status in order:
        await slot.receive(status, at_ms=START_MS + at_ms[status])
    state = await slot.state()
    assert state["done:1:0 1"] == End("A", 5, mark=2_000, wamid="wamid.1")
    counts = await slot.ledger.counts(PORTFOLIO, "campaign:a")
    assert counts.delivery == {READ: 1}


async def test_a_delivery_after_its_mark_expired_enters_again_and_makes_a_debt(
    slot: Slot,
) -> None:
    await accepted(slot)
    await slot.put_portfolio(a_portfolio(1))
    slot.now_ms += SPAN_MS
    assert await slot.used() == 0
    await slot.queue(2)
    assert await slot.take() == [2]
    await slot.receive(DELIVERED, at_ms=slot.now_ms - 5)
    quota = await slot.ledger.quota(PORTFOLIO)
    assert (quota.used, quota.debt) == (2, 1)


async def test_a_status_cancels_a_repeat_that_waits(slot: Slot) -> None:
    await repeated(slot)
    answer = await slot.receive(SENT, wamid="wamid.1")
    assert (answer.settled, answer.cancelled_repeats) == ([], [ONE])
    assert await slot.books() == {JobState.ACCEPTED: 1}
    assert await slot.take() == []
    assert await slot.ledger.audit(PORTFOLIO) == []


async def test_a_failure_of_the_first_copy_does_not_cancel_its_repeat(slot: Slot) -> None:
    await repeated(slot)
    answer = await slot.receive(FAILED, code=131026)
    assert answer.cancelled_repeats == []
    assert await slot.take() == [1]


async def test_a_failure_of_the_first_copy_does_not_end_the_second(slot: Slot) -> None:
    await repeated(slot)
    await slot.claim()
    before = await slot.state()
    assert (await slot.receive(FAILED, attempt=1)).settled == []
    assert await slot.changes(before) == {}
    await slot.settle(Accepted("wamid.2"), attempt=2)
    before = await slot.state()
    await slot.receive(FAILED, attempt=1)  # a webhook for attempt 1 after attempt 2
    assert await slot.changes(before) == {}


async def test_a_delivery_of_the_first_copy_settles_the_second_in_flight(slot: Slot) -> None:
    await repeated(slot)
    await slot.claim()
    assert (await slot.receive(DELIVERED, attempt=1)).settled == [ONE]
    assert await slot.books() == {JobState.ACCEPTED: 1}


async def test_a_status_cancels_a_repeat_that_waits_for_a_retry(slot: Slot) -> None:
    await repeated(slot)
    await slot.claim()
    await slot.settle(Retry(131000, slot.now_ms + 10**5, "unknown"), attempt=2)
    assert (await slot.state())["aside 1.1"] == ("T", Packed(1, 1, 2, 1, 1))
    assert (await slot.receive(DELIVERED, attempt=1)).cancelled_repeats == [ONE]
    state = await slot.state()
    assert "aside 1.1" not in state
    assert "later 1.1" not in state
    assert await slot.ledger.audit(PORTFOLIO) == []


async def test_a_foreign_delivery_counts_and_may_make_a_debt(slot: Slot) -> None:
    await slot.furnish(places=0)
    before = await slot.state()
    await foreign(slot, slot.now_ms - 500)
    assert await slot.changes(before) == {"win: 9": -500, "proofs: 9": [-500]}
    assert (await slot.ledger.quota(PORTFOLIO)).debt == 1
    await foreign(slot, slot.now_ms - 800)  # an older one proves nothing more
    assert (await slot.state())["win: 9"] == -500


async def test_a_foreign_delivery_that_does_not_count_is_not_counted(slot: Slot) -> None:
    await slot.furnish()
    await foreign(slot, slot.now_ms, counted=False)
    await foreign(slot, slot.now_ms - SPAN_MS)
    assert await slot.used() == 0


async def test_a_foreign_delivery_takes_from_the_window_of_its_number(slot: Slot) -> None:
    await slot.put_portfolio(a_portfolio(10, scope="phone_number"))
    for sender in (SENDER, OTHER):
        await slot.put_sender(a_sender(), sender)
    receipt = Receipt(None, 0, a_recipient(9), DELIVERED, slot.now_ms, sender=OTHER)
    await slot.ledger.receive(PORTFOLIO, [receipt])
    used = [(await slot.ledger.quota(PORTFOLIO, sender)).used for sender in (SENDER, OTHER)]
    assert used == [0, 1]
    assert not await slot.client.exists(tag(PORTFOLIO) + "win:"), "nobody counts in the portfolio's"


async def test_a_status_of_a_job_that_is_not_there_changes_nothing(slot: Slot) -> None:
    await accepted(slot)
    before = await slot.state()
    receipt = Receipt(JobKey(7, 1), 1, a_recipient(1), DELIVERED, slot.now_ms)
    assert (await slot.ledger.receive(PORTFOLIO, [receipt])).settled == []
    assert await slot.changes(before) == {}


async def test_one_batch_may_bring_all_statuses_of_a_job(slot: Slot) -> None:
    await in_flight(slot)
    receipts = [
        Receipt(ONE, 1, a_recipient(1), status, slot.now_ms, "wamid.1")
        for status in (READ, SENT, DELIVERED, SENT)
    ]
    assert (await slot.ledger.receive(PORTFOLIO, receipts)).settled == [ONE]
    counts = await slot.ledger.counts(PORTFOLIO, "campaign:a")
    assert counts.delivery == {READ: 1}


async def test_one_batch_may_tell_of_all_kinds_of_jobs_at_once(slot: Slot) -> None:
    """Ended, open, foreign, unknown and told twice: each as if it had come alone."""
    await slot.furnish()
    await slot.queue(1, 2, 3)
    await slot.claim()
    for job in (1, 2):
        await slot.settle(Accepted(f"wamid.{job}"), job=job)
    slot.now_ms += 1_000
    now_ms, person = slot.now_ms, a_recipient
    receipts = [
        Receipt(JobKey(1, 1), 1, person(1), DELIVERED, now_ms - 300, "wamid.1"),
        Receipt(JobKey(1, 3), 1, person(3), SENT, now_ms, "w" * 20_000),
        Receipt(None, 0, person(9), DELIVERED, now_ms - 10, "theirs", sender="t"),
        Receipt(JobKey(1, 2), 1, person(2), FAILED, now_ms, code=131026),
        Receipt(JobKey(8, 1), 1, person(8), DELIVERED, now_ms),
        Receipt(JobKey(1, 1), 1, person(1), READ, now_ms, "wamid.1"),
        Receipt(JobKey(1, 1), 1, person(1), SENT, now_ms, "wamid.1"),
        Receipt(JobKey(1, 77), 1, person(7), DELIVERED, now_ms - 20, sender="s"),
        Receipt(JobKey(1, 3), 1, person(3), FAILED, now_ms, code=-1, undelivered=False),
    ]
    before = await slot.state()
    answer = await slot.ledger.receive(PORTFOLIO, receipts)
    assert answer.settled == [JobKey(1, 3)]
    assert await slot.changes(before) == {
        "done:1:0 1": End("A", 5, mark=700, wamid="wamid.1"),
        "done:1:0 2": End("A", 3, mark=0, code=131026, wamid="wamid.2"),
        "done:1:0 3": End("A", 3, mark=1_000, wamid="w" * 16_000),
        "open 1.3": GONE,
        "win: 1": 700,
        "win: 2": GONE,
        "win: 3": 1_000,
        "win: 7": 980,
        "win: 9": 990,
        "proofs: 7": [980],
        "proofs: 9": [990],
        "src:campaign:a s:in_flight": 0,
        "src:campaign:a s:accepted": 3,
        "src:campaign:a d:undelivered": 2,
        "src:campaign:a d:read": 1,
    }


async def test_a_batch_of_any_length_is_folded_in_steps(slot: Slot) -> None:
    await accepted(slot)
    slot.now_ms += 1_000
    foreign_many = [
        Receipt(None, 0, a_recipient(100 + number), DELIVERED, slot.now_ms)
        for number in range(2 * RECEIPTS_MAX)
    ]
    last = Receipt(ONE, 1, a_recipient(1), READ, slot.now_ms, "wamid.1")
    answer = await slot.ledger.receive(PORTFOLIO, [*foreign_many, last])
    assert await slot.used() == 2 * RECEIPTS_MAX + 1
    assert (await slot.ledger.counts(PORTFOLIO, "campaign:a")).delivery == {READ: 1}
    following = await slot.ledger.receive(PORTFOLIO, [])
    assert following.sequence == answer.sequence + 1


async def learned(slot: Slot) -> int:
    """Return the learned rate of the sender; 0 when it was taught nothing."""
    return int((await slot.state(everything=True)).get("s:s learned", 0))


async def test_a_status_that_says_too_fast_teaches_the_rate_as_an_answer_would(slot: Slot) -> None:
    await accepted(slot)
    slot.now_ms += 3_000
    answer = await slot.receive(FAILED, code=130429, throttled=True)
    assert (answer.closed, await learned(slot)) == ([(Gate.RATE, "s")], 700)
    again = await slot.receive(FAILED, code=130429, throttled=True)
    assert (again.closed, await learned(slot)) == ([], 700)


async def test_what_was_sent_before_the_last_lesson_teaches_nothing(slot: Slot) -> None:
    await slot.furnish()
    await slot.queue(1, 2)
    await slot.claim()
    for job in (1, 2):
        await slot.settle(Accepted(f"wamid.{job}"), job=job)
    slot.now_ms += 1_500
    await slot.receive(FAILED, code=130429, throttled=True)
    slot.now_ms += 1_500  # Meta tells later of the other, which was sent at the same time
    assert (await slot.receive(FAILED, job=2, code=130429, throttled=True)).closed == []
    assert await learned(slot) == 700


async def test_what_was_sent_long_ago_teaches_nothing(slot: Slot) -> None:
    await accepted(slot)
    slot.now_ms += 10_001
    assert (await slot.receive(FAILED, code=130429, throttled=True)).closed == []
    assert await learned(slot) == 0


async def test_too_fast_of_a_message_in_flight_counts_from_its_lease(slot: Slot) -> None:
    await in_flight(slot)
    slot.now_ms += 700
    answer = await slot.receive(FAILED, code=130429, throttled=True)
    assert (answer.settled, answer.closed) == ([ONE], [(Gate.RATE, "s")])


async def bare(slot: Slot, sender: str = SENDER, at_ms: int | None = None) -> Received:
    """Receive "too fast" of a number, with no message named."""
    told_ms = slot.now_ms if at_ms is None else at_ms
    receipt = Receipt(None, 0, a_recipient(0), FAILED, told_ms, sender=sender, throttled=True)
    return await slot.ledger.receive(PORTFOLIO, [receipt])


async def test_too_fast_of_a_number_alone_teaches_its_rate_once_a_second(slot: Slot) -> None:
    await slot.furnish()
    before = await slot.state(everything=True)
    assert (await bare(slot)).closed == [(Gate.RATE, "s")]
    assert (await bare(slot)).closed == []
    assert await learned(slot) == 700
    assert "log" not in {*before, *await slot.state(everything=True)}  # nobody's message moved
    slot.now_ms += 2_000
    assert (await bare(slot)).closed == [(Gate.RATE, "s")]
    assert await learned(slot) < 700
    assert (await bare(slot, at_ms=slot.now_ms - 10_000)).closed == []  # it waited for long


async def test_too_fast_of_a_number_nobody_knows_changes_nothing(slot: Slot) -> None:
    await slot.furnish()
    before = await slot.state(everything=True)
    assert (await bare(slot, "999")).closed == []
    changed = await slot.changes(before, everything=True)
    assert [name for name in changed if not name.startswith("meta ")] == []
