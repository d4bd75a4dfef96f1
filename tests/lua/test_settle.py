"""settle: what each way a write can end leaves behind.

With it its parts: part_settle, part_repeats, part_outcomes, part_apply, part_late, part_books,
part_log. What part_accepted does is in test_plain_work.
"""

from __future__ import annotations

from typing import Any

import pytest

from adapters.redis.ledger import DAY_MS, RedisLedger
from engine.model import Gate, JobKey, SourceState
from engine.outcomes import (
    Accepted,
    Deferred,
    Dropped,
    InDoubt,
    Outcome,
    Retry,
    Suppressed,
    Unwritten,
)
from engine.pace import PAIR_BURST, PAIR_SLACK_MS
from engine.ports import Settlement
from engine.terms import ANSWER_HOLDS_MS
from tests.builders import a_source
from tests.lua.slot_state import (
    DOUBT_MS,
    GONE,
    LEASE_MS,
    PORTFOLIO,
    START_MS,
    TEMPLATE,
    End,
    Packed,
    Slot,
    State,
)

AT = 1_000  # when the outcome comes, after START_MS
LATER = 3_000
ANSWERED = AT + ANSWER_HOLDS_MS  # no put opens sooner what an answer closed
OWED = (START_MS + LATER - PAIR_SLACK_MS) * 64 + PAIR_BURST  # as gate_pair packs it


async def in_flight(slot: Slot, *numbers: int, **changes: Any) -> State:  # noqa: ANN401
    """Have jobs in flight since START_MS, and return the state before their outcome."""
    await slot.furnish()
    await slot.queue(*(numbers or (1,)), **changes)
    await slot.claim()
    slot.now_ms += AT
    return await slot.state()


ENDED: State = {"open 1.1": GONE, "src:campaign:a s:in_flight": 0}
KEPT: State = {"win: 1": AT}
FREED: State = {"win: 1": GONE}
BACK: State = {"q:1": [Packed(1, 1, fence=1)]}


def aside(letter: str, failures: int = 0) -> State:
    """Return how a job is kept aside."""
    return {"aside 1.1": (letter, Packed(1, 1, fence=1, failures=failures)), "later 1.1": LATER}


UNTIL_MS = START_MS + LATER
CASES: list[tuple[str, Outcome, State]] = [
    (
        "accepted keeps the place, counted from now",
        Accepted("wamid.1"),
        ENDED
        | KEPT
        | {"done:1:0 1": End("A", mark=AT, wamid="wamid.1"), "src:campaign:a s:accepted": 1},
    ),
    (
        "accepted and held is counted so",
        Accepted("wamid.1", held=True),
        ENDED
        | KEPT
        | {
            "done:1:0 1": End("A", delivery=1, mark=AT, wamid="wamid.1"),
            "src:campaign:a s:accepted": 1,
            "src:campaign:a d:held": 1,
        },
    ),
    (
        "in doubt stays counted, from now, until its doubt time is over",
        InDoubt("silence"),
        KEPT
        | {
            "open 1.1": ("D", AT, Packed(1, 1, fence=1)),
            "doubts 1.1": AT + DOUBT_MS,
            "src:campaign:a s:in_flight": 0,
            "src:campaign:a s:in_doubt": 1,
        },
    ),
    ("unwritten goes back to the front and burns nothing", Unwritten("late"), ENDED | FREED | BACK),
    (
        "a retry costs an attempt and waits",
        Retry(131000, UNTIL_MS, "unknown"),
        ENDED | FREED | aside("T", failures=1) | {"src:campaign:a w:retry": 1},
    ),
    (
        "deferred by the pair waits alone and spends the pair's budget",
        Deferred(Gate.PAIR, 131056, UNTIL_MS, "slow"),
        ENDED
        | FREED
        | aside("P")
        | {
            "pairs s:1": OWED,
            "pair_waits s:1": (START_MS + AT) * 8 + 1,
            "src:campaign:a w:pair": 1,
        },
    ),
    (
        "deferred by the rate waits",
        Deferred(Gate.RATE, 130429, UNTIL_MS, "slow"),
        ENDED | FREED | aside("R") | {"src:campaign:a w:rate": 1},
    ),
    (
        "deferred by a retry waits alone and costs no attempt",
        Deferred(Gate.RETRY, 131016, UNTIL_MS, "Meta is down"),
        ENDED | FREED | aside("T") | {"src:campaign:a w:retry": 1},
    ),
    (
        "deferred by the account closes it for all",
        Deferred(Gate.ACCOUNT, 80007, UNTIL_MS, "slow"),
        ENDED | FREED | BACK | {"accounts W": LATER, "answered account|W": ANSWERED},
    ),
    (
        "deferred by the sender goes back",
        Deferred(Gate.SENDER, 131031, UNTIL_MS, "slow"),
        ENDED | FREED | BACK | {"answered sender|s": ANSWERED},
    ),
    (
        "deferred by the template parks this sender's use of it",
        Deferred(Gate.TEMPLATE, 132015, UNTIL_MS, "paused"),
        ENDED | FREED | BACK | {f"struck s|{TEMPLATE}": True},
    ),
    (
        "dropped gives the place back and says why",
        Dropped(131026, "never"),
        ENDED | FREED | {"done:1:0 1": End("F", code=131026), "src:campaign:a s:failed": 1},
    ),
    (
        "dropped for what does not fit any more names it",
        Dropped(132000, "2 wanted", field="/message/template"),
        ENDED
        | FREED
        | {
            "done:1:0 1": End("F", code=132000, wamid="!/message/template 2 wanted"),
            "src:campaign:a s:failed": 1,
        },
    ),
    (
        "suppressed by a rule gives the place back and says why",
        Suppressed(131049, "marketing now"),
        ENDED | FREED | {"done:1:0 1": End("S", code=131049), "src:campaign:a s:suppressed": 1},
    ),
    (
        "dropped for an unknown reason counts a strike",
        Dropped(999, "what?", strikes=True),
        ENDED
        | FREED
        | {
            "done:1:0 1": End("F", code=999),
            "src:campaign:a s:failed": 1,
            f"strikes s|{TEMPLATE}": 1,
        },
    ),
]


@pytest.mark.parametrize(
    ("outcome", "after"), [pytest.param(o, a, id=name) for name, o, a in CASES]
)
async def test_an_outcome_ends_the_lease(slot: Slot, outcome: Outcome, after: State) -> None:
    before = await in_flight(slot)
    answer = await slot.settle(outcome)
    assert answer.ignored == []
    assert await slot.changes(before) == after
    assert await slot.ledger.audit(PORTFOLIO) == []


@pytest.mark.parametrize(
    ("outcome", "told"),
    [
        pytest.param(Deferred(Gate.RATE, 1, UNTIL_MS, ""), [(Gate.RATE, "s")], id="rate"),
        pytest.param(Deferred(Gate.ACCOUNT, 1, UNTIL_MS, ""), [(Gate.ACCOUNT, "W")], id="account"),
        pytest.param(Deferred(Gate.SENDER, 1, UNTIL_MS, ""), [(Gate.SENDER, "s")], id="sender"),
        pytest.param(
            Deferred(Gate.TEMPLATE, 1, UNTIL_MS, ""),
            [(Gate.TEMPLATE, f"s|{TEMPLATE}")],
            id="template",
        ),
        pytest.param(Deferred(Gate.PAIR, 1, UNTIL_MS, ""), [], id="a pair is no news"),
    ],
)
async def test_a_gate_that_closes_is_told_once(
    slot: Slot, outcome: Outcome, told: list[tuple[Gate, str]]
) -> None:
    await in_flight(slot, 1, 2)
    assert (await slot.settle(outcome, job=1)).closed == told
    assert (await slot.settle(outcome, job=2)).closed == []


async def test_a_rate_error_lowers_the_rate_once_a_second_of_send_times(slot: Slot) -> None:
    await in_flight(slot, 1, 2)
    await slot.settle(Deferred(Gate.RATE, 130429, UNTIL_MS, "slow"), job=1)
    state = await slot.state(everything=True)
    assert (state["s:s learned"], state["s:s decreased"], state["s:s raised"]) == (700, AT, AT)
    await slot.settle(Deferred(Gate.RATE, 130429, UNTIL_MS, "slow"), job=2)
    assert (await slot.state(everything=True))["s:s learned"] == 700


async def test_a_rate_error_of_a_send_long_ago_teaches_nothing(slot: Slot) -> None:
    await in_flight(slot)
    slot.now_ms += 10_000
    answer = await slot.settle(Deferred(Gate.RATE, 130429, slot.now_ms, "slow"))
    assert answer.closed == []


async def test_the_last_attempt_ends_the_job(slot: Slot) -> None:
    await in_flight(slot)
    for attempt in (1, 2, 3):
        await slot.settle(Retry(131000, slot.now_ms, "unknown"), attempt=attempt)
        await slot.claim()
        slot.now_ms += 10
    assert (await slot.state())["done:1:0 1"] == End("F", fence=3, code=131000)


async def test_a_retry_after_the_job_expires_ends_it_now(slot: Slot) -> None:
    await in_flight(slot, expires_at_ms=UNTIL_MS)
    await slot.settle(Retry(131000, UNTIL_MS, "unknown"))
    assert (await slot.state())["done:1:0 1"].state == "F"


async def test_the_fifth_unknown_code_in_a_row_parks_the_template_of_the_sender(
    slot: Slot,
) -> None:
    await in_flight(slot, *range(1, 8))
    for job in range(1, 5):
        assert (await slot.settle(Dropped(999, "?", strikes=True), job=job)).closed == []
    fifth = await slot.settle(Dropped(999, "?", strikes=True), job=5)
    assert fifth.closed == [(Gate.TEMPLATE, f"s|{TEMPLATE}")]


async def test_an_accepted_message_forgives_the_strikes_before_it(slot: Slot) -> None:
    await in_flight(slot, 1, 2)
    await slot.settle(Dropped(999, "?", strikes=True), job=1)
    before = await slot.state()
    await slot.settle(Accepted("wamid.2"), job=2)
    assert (await slot.changes(before))[f"strikes s|{TEMPLATE}"] is GONE


async def test_an_outcome_under_an_old_fence_changes_nothing(slot: Slot) -> None:
    await in_flight(slot)
    await slot.settle(Unwritten("late"))
    await slot.claim()
    before = await slot.state()
    answer = await slot.settle(Dropped(131026, "never"), attempt=1)
    assert answer.ignored == [JobKey(1, 1)]
    assert await slot.changes(before) == {}


async def test_a_late_acceptance_settles_a_doubt(slot: Slot) -> None:
    await in_flight(slot)
    await slot.settle(InDoubt("silence"))
    slot.now_ms += 500
    before = await slot.state()
    assert (await slot.settle(Accepted("wamid.1"))).ignored == []
    assert await slot.changes(before) == {
        "open 1.1": GONE,
        "doubts 1.1": GONE,
        "win: 1": AT + 500,
        "done:1:0 1": End("A", mark=AT + 500, wamid="wamid.1"),
        "src:campaign:a s:in_doubt": 0,
        "src:campaign:a s:accepted": 1,
    }


async def test_a_late_acceptance_names_a_message_that_ended_unknown(slot: Slot) -> None:
    await in_flight(slot)
    await slot.settle(InDoubt("silence"))
    slot.now_ms += DOUBT_MS
    await slot.ledger.rescue(PORTFOLIO)
    before = await slot.state()
    await slot.settle(Accepted("wamid.1"))
    ended = End("U", mark=AT, wamid="wamid.1")
    assert await slot.changes(before) == {"done:1:0 1": ended}


async def test_a_late_acceptance_cancels_a_repeat_that_waits(slot: Slot) -> None:
    await in_flight(slot, repeats_max=1)
    await slot.settle(InDoubt("silence"))
    slot.now_ms += DOUBT_MS
    assert (await slot.ledger.rescue(PORTFOLIO)).repeated == [JobKey(1, 1)]
    before = await slot.state()
    await slot.settle(Accepted("wamid.1"))
    assert await slot.changes(before) == {
        "repeating 1.1": GONE,
        "done:1:0 1": End("A", mark=0, wamid="wamid.1"),
        "src:campaign:a s:accepted": 1,
    }
    assert await slot.take() == []  # what is left of it in the queue is no job any more
    assert await slot.ledger.audit(PORTFOLIO) == []


async def test_the_same_outcome_twice_in_one_call_counts_once(slot: Slot) -> None:
    await in_flight(slot)
    twice = [Settlement(JobKey(1, 1), 1, Accepted("wamid.1"))] * 2
    answer = await slot.ledger.settle(PORTFOLIO, twice)
    assert answer.ignored == [JobKey(1, 1)]
    assert (await slot.state())["src:campaign:a s:accepted"] == 1


@pytest.mark.parametrize(
    "outcome",
    [
        pytest.param(Unwritten("late"), id="unwritten"),
        pytest.param(Retry(131000, UNTIL_MS, ""), id="retry"),
        pytest.param(Deferred(Gate.PAIR, 131056, UNTIL_MS, ""), id="deferred"),
    ],
)
async def test_a_job_whose_source_was_cancelled_ends_instead_of_waiting(
    slot: Slot, outcome: Outcome
) -> None:
    await in_flight(slot)
    await slot.put_source(a_source(state=SourceState.CANCELLED))
    await slot.settle(outcome)
    assert await slot.books() == {"cancelled": 1}
    assert await slot.used() == 0
    assert await slot.ledger.audit(PORTFOLIO) == []


async def test_a_failure_restores_what_the_others_prove_for_that_person(slot: Slot) -> None:
    await slot.furnish()
    await slot.queue(1)
    await slot.claim()
    await slot.settle(Accepted("wamid.1"))
    slot.now_ms += AT
    await slot.queue(1)
    await slot.claim()
    state = await slot.state()
    assert (state["win: 1"], state["proofs: 1"]) == (AT + LEASE_MS, [0, AT + LEASE_MS])
    await slot.settle(Dropped(131026, "never"), job=2)
    state = await slot.state()
    assert state["win: 1"] == 0
    assert "proofs: 1" not in state


async def test_a_batch_is_logged_once(slot: Slot) -> None:
    await in_flight(slot, 1, 2)
    before = await slot.state(everything=True)
    both = [Settlement(JobKey(1, job), 1, Accepted("w")) for job in (1, 2)]
    await slot.ledger.settle(PORTFOLIO, both)
    assert (await slot.changes(before, everything=True))["log"] == before["log"] + 1


async def test_an_end_is_kept_for_as_long_as_the_operator_says(slot: Slot) -> None:
    keep_days = 3
    slot.ledger = RedisLedger(
        slot.client, slot.terms, lambda: slot.now_ms, tolerance_ms=0, keep_days=keep_days
    )
    await in_flight(slot)
    await slot.settle(Accepted("wamid.1"))
    left_ms = await slot.client.pttl("ps:{acme}:done:1:0")
    assert keep_days * DAY_MS - 60_000 < left_ms <= keep_days * DAY_MS


async def test_nothing_settled_moves_only_the_clock(slot: Slot) -> None:
    before = await in_flight(slot)
    assert (await slot.ledger.settle(PORTFOLIO, [])).ignored == []
    assert await slot.changes(before) == {}
