"""What of a sender or an account is shut: part_shut and part_sources, through the scripts.

sender_put and account_put set it, claim obeys it and ends it, job_read, books_read, depths_read and
again tell it, template_put moves lanes from one category to another.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from engine.model import Category, Gate, JobKey, Lane, Priority, WabaId
from engine.outcomes import Accepted
from engine.ports import FOREVER_MS
from engine.shutting import NOTHING_SHUT, NOTIFICATIONS, Shut
from tests.builders import a_portfolio, a_recipient, a_sender, a_source, a_template
from tests.lua.slot_state import GONE, LANE, OTHER, PORTFOLIO, SENDER, SOURCE, START_MS, Slot

CODE, ORDER = "W/code/en", "W/order/en"
LANES = {
    Category.AUTHENTICATION: Lane(SOURCE, SENDER, CODE, Priority.AUTHENTICATION),
    Category.SERVICE: Lane(SOURCE, SENDER, "", Priority.SERVICE),
    Category.UTILITY: Lane(SOURCE, SENDER, ORDER, Priority.UTILITY),
    Category.MARKETING: LANE,
}
ALL = list(LANES)
LATER_MS = START_MS + 3_000


async def furnish(slot: Slot) -> None:
    """Make a world with a lane of each category, and a job for recipient 1 to 4 in each."""
    await slot.furnish(places=-1)
    await slot.put_template(a_template(category=Category.AUTHENTICATION), CODE)
    await slot.put_template(a_template(category=Category.UTILITY), ORDER)
    await slot.ledger.open_window(PORTFOLIO, SENDER, a_recipient(2), START_MS + 60_000)
    for number, lane in enumerate(LANES.values(), 1):
        await slot.queue(number, lane=lane)


async def shut(slot: Slot, what: Shut, gate: Gate = Gate.SENDER) -> None:
    """Shut categories of the sender, or of its account."""
    if gate is Gate.SENDER:
        await slot.put_sender(a_sender(throughput_mps=1_000, shut=what))
    else:
        await slot.ledger.close_account(PORTFOLIO, WabaId("W"), 0, what)


async def left(slot: Slot) -> list[Category]:
    """Claim, and return the categories that left, in their order."""
    places = {lane: category for category, lane in LANES.items()}
    return [places[job.lane] for job in (await slot.claim()).jobs]


@pytest.mark.parametrize("gate", [Gate.SENDER, Gate.ACCOUNT])
@pytest.mark.parametrize(
    ("what", "leave"),
    [
        pytest.param(NOTHING_SHUT, ALL, id="nothing"),
        pytest.param(Shut(marketing=FOREVER_MS), ALL[:3], id="marketing"),
        pytest.param(NOTHING_SHUT.also(NOTIFICATIONS, LATER_MS), [ALL[1]], id="notifications"),
        pytest.param(Shut(service=LATER_MS), [ALL[0], *ALL[2:]], id="answers"),
        pytest.param(Shut(LATER_MS, LATER_MS, LATER_MS, LATER_MS), [], id="everything"),
        pytest.param(Shut(marketing=START_MS), ALL, id="a moment that is over"),
    ],
)
async def test_what_is_shut_waits_and_the_rest_leaves(
    slot: Slot, gate: Gate, what: Shut, leave: list[Category]
) -> None:
    await furnish(slot)
    await shut(slot, what, gate)
    assert await left(slot) == leave
    waiting = (await slot.ledger.counts(PORTFOLIO, SOURCE)).waiting
    assert waiting == ({gate: 4 - len(leave)} if len(leave) < 4 else {})
    assert await slot.ledger.audit(PORTFOLIO) == []


async def test_what_is_shut_is_written_down_and_forgotten_with_its_end(slot: Slot) -> None:
    await furnish(slot)
    before = await slot.state(everything=True)
    await shut(slot, Shut(utility=FOREVER_MS, marketing=LATER_MS))
    found = await slot.changes(before, everything=True)
    assert found["shut sender|s"] == f"0|0|{FOREVER_MS}|{LATER_MS}"
    assert found["openings shut|sender|s|marketing"] == 3_000
    assert "openings shut|sender|s|utility" not in found
    assert "shut" in str(found["meta has"])
    await shut(slot, NOTHING_SHUT)
    found = await slot.changes(before, everything=True)
    assert {name for name in found if "shut" in name} == set()
    assert "shut" not in str(found["meta has"])  # the next claim looks for nothing


async def test_a_shut_category_is_not_looked_at_until_it_opens(slot: Slot) -> None:
    await furnish(slot)
    await shut(slot, Shut(marketing=LATER_MS))
    first = await slot.claim()
    assert [(its.gate, its.count) for its in first.refusals] == [(Gate.SENDER, 1)]
    for number in range(5, 9):
        await slot.queue(number, lane=LANES[Category.UTILITY])
        await slot.queue(number)  # more of what waits wakes nobody
        answer = await slot.claim()
        assert ([job.key.lane for job in answer.jobs], answer.refusals) == ([3], [])
        slot.now_ms += 20
    answer = await slot.claim()
    assert (answer.jobs, answer.come_back_at_ms, answer.refusals) == ([], LATER_MS, [])


async def test_it_opens_by_itself_in_its_millisecond(slot: Slot) -> None:
    await furnish(slot)
    await shut(slot, Shut(marketing=LATER_MS))
    assert await left(slot) == ALL[:3]
    slot.now_ms = LATER_MS - 1
    assert (await slot.claim()).jobs == []
    slot.now_ms = LATER_MS
    before = await slot.state(everything=True)
    assert await left(slot) == [Category.MARKETING]
    changes = await slot.changes(before, everything=True)
    assert changes["shut sender|s"] is GONE
    assert changes["openings shut|sender|s|marketing"] is GONE
    assert "shut" not in str(changes["meta has"])


async def test_two_categories_open_each_in_its_time(slot: Slot) -> None:
    await furnish(slot)
    await shut(slot, Shut(utility=LATER_MS, marketing=LATER_MS + 50))
    assert await left(slot) == ALL[:2]
    slot.now_ms = LATER_MS
    assert await left(slot) == [Category.UTILITY]
    slot.now_ms = LATER_MS + 50
    assert await left(slot) == [Category.MARKETING]


async def test_an_earlier_and_a_later_word_move_the_end(slot: Slot) -> None:
    await furnish(slot)
    await shut(slot, Shut(marketing=LATER_MS))
    await slot.claim()
    await shut(slot, Shut(marketing=LATER_MS + 500))
    slot.now_ms = LATER_MS
    answer = await slot.claim()
    assert (answer.jobs, answer.come_back_at_ms) == ([], LATER_MS + 500)
    await shut(slot, NOTHING_SHUT)
    assert await left(slot) == [Category.MARKETING]


async def test_a_category_shut_twice_opens_with_the_last_of_the_two(slot: Slot) -> None:
    await furnish(slot)
    await shut(slot, Shut(marketing=LATER_MS))
    await shut(slot, Shut(marketing=LATER_MS + 70), Gate.ACCOUNT)
    assert await left(slot) == ALL[:3]
    slot.now_ms = LATER_MS
    answer = await slot.claim()
    assert [(its.gate, its.count) for its in answer.refusals] == [(Gate.ACCOUNT, 1)]
    assert answer.come_back_at_ms == LATER_MS + 70
    slot.now_ms = LATER_MS + 70
    assert await left(slot) == [Category.MARKETING]


async def test_jobs_that_wait_for_a_place_wait_on_while_they_are_shut(slot: Slot) -> None:
    await slot.furnish(places=1, category=Category.UTILITY)
    await slot.queue(1, 2)
    assert await slot.take() == [1]
    await shut(slot, Shut(utility=FOREVER_MS))
    await slot.put_portfolio(a_portfolio(10))
    assert await slot.take() == []
    await shut(slot, NOTHING_SHUT)
    assert await slot.take() == [2]


async def test_what_a_message_is_decides_and_not_its_priority(slot: Slot) -> None:
    await furnish(slot)
    await slot.queue(9, lane=replace(LANE, priority=Priority.AUTHENTICATION))
    await shut(slot, Shut(marketing=FOREVER_MS))
    assert await left(slot) == ALL[:3]


async def test_a_template_that_becomes_another_category_leaves(slot: Slot) -> None:
    await slot.furnish()
    await slot.queue(1)
    await shut(slot, Shut(marketing=FOREVER_MS))
    assert await slot.take() == []
    await slot.put_template(a_template(category=Category.UTILITY))
    assert await slot.take() == [1]


async def test_a_sender_that_leaves_its_account_leaves_what_the_account_shut(slot: Slot) -> None:
    await slot.furnish()
    await slot.queue(1)
    await shut(slot, Shut(marketing=FOREVER_MS), Gate.ACCOUNT)
    assert await slot.take() == []
    await slot.put_sender(a_sender(waba=WabaId("V")))
    assert await slot.take() == [1]


async def test_another_sender_goes_on(slot: Slot) -> None:
    await slot.furnish()
    await slot.put_sender(a_sender(waba=WabaId("V")), OTHER)
    await shut(slot, Shut(marketing=FOREVER_MS))
    await shut(slot, Shut(marketing=FOREVER_MS), Gate.ACCOUNT)
    await slot.queue(1)
    await slot.queue(2, lane=replace(LANE, sender=OTHER))
    assert [job.lane.sender for job in (await slot.claim()).jobs] == [OTHER]


async def test_a_job_says_which_gate_and_until_when(slot: Slot) -> None:
    await slot.furnish()
    await slot.queue(1)
    await shut(slot, Shut(marketing=LATER_MS))
    for claims in range(2):  # before and after a claim has put its lane to sleep
        view = await slot.ledger.job(PORTFOLIO, JobKey(1, 1))
        assert view is not None
        assert (view.gate, view.until_ms) == (Gate.SENDER, LATER_MS), claims
        (depth,) = await slot.ledger.depths(PORTFOLIO)
        assert depth.jobs == {(Priority.MARKETING, Gate.SENDER): 1}
        await slot.claim()


async def test_a_quick_retry_asks_this_gate_too(slot: Slot) -> None:
    await slot.furnish()
    await slot.queue(1)
    await slot.claim()
    await shut(slot, Shut(marketing=LATER_MS))
    assert (await slot.ledger.again(PORTFOLIO, JobKey(1, 1), 1)).gate is Gate.SENDER
    await slot.settle(Accepted("wamid.1"))  # what was under way is not undone
    assert await slot.books() == {"accepted": 1}


@pytest.mark.parametrize(("gate", "off"), [(Gate.SENDER, "sender"), (Gate.ACCOUNT, "account")])
async def test_a_gate_that_is_switched_off_shuts_nothing(slot: Slot, gate: Gate, off: str) -> None:
    loose = Slot(slot.client, gates_off=frozenset({Gate(off)}))
    await loose.furnish()
    await loose.queue(1)
    await shut(loose, Shut(marketing=FOREVER_MS), gate)
    assert await loose.take() == [1]


async def test_a_source_that_is_paused_meanwhile_stays_so(slot: Slot) -> None:
    await slot.furnish()
    await slot.queue(1)
    await shut(slot, Shut(marketing=LATER_MS))
    await slot.claim()
    await slot.put_source(a_source(weight=2))
    slot.now_ms = LATER_MS
    assert await slot.take() == [1]


async def commands_of_a_claim(slot: Slot) -> int:
    """Return how many commands of the server one claim runs that gives out one job."""
    client: Any = slot.client
    await client.config_resetstat()
    assert len((await slot.claim()).jobs) == 1
    told = await client.info("commandstats")
    return sum(each["calls"] for name, each in told.items() if name not in OF_THE_TEST)


OF_THE_TEST = {
    *("cmdstat_fcall", "cmdstat_info", "cmdstat_config|resetstat"),
    *("cmdstat_ping", "cmdstat_hello", "cmdstat_client|setinfo"),  # of the connection's health
}


async def test_a_claim_runs_not_one_command_more_where_nothing_is_shut_or_it_knows_what(
    slot: Slot,
) -> None:
    """Two senders, so that one may be shut while the other has work; claims that meet the same."""
    await slot.furnish(places=-1)
    await slot.put_sender(a_sender(waba=WabaId("V"), throughput_mps=1_000), OTHER)
    times: list[int] = []
    for number in range(1, 9):
        if number == 4:
            await shut(slot, Shut(marketing=FOREVER_MS))
        if number == 6:
            await shut(slot, NOTHING_SHUT)
        await slot.queue(number, lane=replace(LANE, sender=OTHER))
        times.append(await commands_of_a_claim(slot))
        slot.now_ms += 20
    never, first_look, known, opened = times[2], times[3], times[4], times[7]
    assert known == opened == never < first_look  # what was put is read anew, once
