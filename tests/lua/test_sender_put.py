"""sender_put, with part_look, part_silence and part_answered: a sender's gate, rate and limit."""

from __future__ import annotations

from engine.model import Gate
from engine.outcomes import Deferred
from engine.ports import FOREVER_MS, PortfolioSpec
from engine.terms import ANSWER_HOLDS_MS
from tests.builders import a_portfolio, a_sender, a_source, a_template
from tests.lua.slot_state import PORTFOLIO, SENDER, START_MS, Slot


async def test_a_sender_is_written_whole_and_looked_at_next(slot: Slot) -> None:
    before = await slot.state(everything=True)
    await slot.put_sender(a_sender(throughput_mps=80, closed_until_ms=slot.now_ms + 9))
    changes = await slot.changes(before, everything=True)
    assert changes.pop("meta has").endswith("|")  # a new stamp: nobody goes by what he kept
    assert changes == {
        "s:s waba": "W",
        "s:s nominal": 80,
        "s:s closed": 9,
        "s:s places": 0,
        "senders s": True,
        "due s": 0,
        "meta state": f"{START_MS}|1|0|0",
    }


async def test_jobs_that_came_before_their_sender_leave_when_it_comes(slot: Slot) -> None:
    await slot.put_portfolio(a_portfolio())
    await slot.put_template(a_template())
    await slot.queue(1)
    assert await slot.take() == []
    await slot.put_sender(a_sender())
    assert await slot.take() == [1]


async def test_its_send_times_survive_a_new_throughput(slot: Slot) -> None:
    await slot.furnish(mps=2)
    await slot.queue(1)
    await slot.claim()
    await slot.put_sender(a_sender(throughput_mps=1_000))
    assert (await slot.state(everything=True))["s:s next_us"] == (slot.now_ms + 500) * 1_000


async def test_a_learned_rate_ends_where_the_new_throughput_is_lower(slot: Slot) -> None:
    await slot.furnish(mps=100)
    await slot.queue(1)
    await slot.claim()
    await slot.settle(Deferred(Gate.RATE, 130429, slot.now_ms, "slow"))
    await slot.put_sender(a_sender(throughput_mps=80))
    assert (await slot.state(everything=True))["s:s learned"] == 70
    await slot.put_sender(a_sender(throughput_mps=70))
    assert (await slot.state(everything=True))["s:s learned"] == 0


async def test_an_open_gate_takes_back_what_closed_it(slot: Slot) -> None:
    await slot.furnish()
    await slot.queue(1)
    await slot.claim()
    await slot.settle(Deferred(Gate.SENDER, 131031, FOREVER_MS, "locked"))
    assert await slot.take() == []
    slot.now_ms += ANSWER_HOLDS_MS
    await slot.put_sender(a_sender())
    assert await slot.take() == [1]


async def test_what_an_answer_closed_just_now_no_put_opens_that_may_not_know_of_it(
    slot: Slot,
) -> None:
    await slot.furnish()
    await slot.queue(1)
    await slot.claim()
    await slot.settle(Deferred(Gate.SENDER, 131031, FOREVER_MS, "locked"))
    opens_ms = slot.now_ms + ANSWER_HOLDS_MS
    slot.now_ms += 1
    await slot.put_sender(a_sender())
    answer = await slot.claim()
    assert (answer.jobs, answer.come_back_at_ms) == ([], opens_ms)
    await slot.put_sender(a_sender(closed_until_ms=opens_ms + 500))  # its fact was told
    slot.now_ms = opens_ms
    assert await slot.take() == []
    slot.now_ms += 500
    assert await slot.take() == [1]


async def test_its_own_limit_counts_where_each_number_has_its_window(slot: Slot) -> None:
    await slot.put_portfolio(PortfolioSpec(10, "phone_number"))
    await slot.put_sender(a_sender(places=2, throughput_mps=1_000))
    await slot.put_template(a_template())
    await slot.put_source(a_source())
    await slot.queue(1, 2, 3)
    assert await slot.take() == [1, 2]
    assert (await slot.ledger.quota(PORTFOLIO, SENDER)).limit == 2


async def test_when_a_silence_ended_is_remembered_once(slot: Slot) -> None:
    await slot.furnish()
    await slot.put_sender(a_sender(is_silent=True))
    assert (await slot.state(everything=True))["s:s silent"] == 1
    slot.now_ms += 700
    await slot.put_sender(a_sender())
    slot.now_ms += 700
    await slot.put_sender(a_sender())
    state = await slot.state(everything=True)
    assert (state["s:s silent"], state["s:s spoke"]) == (0, 700)
