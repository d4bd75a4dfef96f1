"""Letters cancelled at any step, and senders whose road brings nothing back."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

import pytest

from adapters.meta.breaker import Breaker
from adapters.meta.client import MetaClient
from engine.model import Gate, Priority, SenderId
from engine.outcomes import Accepted, Deferred, InDoubt, Retry, Unwritten
from tests.edge.meta_graph import (
    NOW_MS,
    RESET,
    SILENT,
    WAMID,
    Desk,
    FakeGraph,
    Reply,
    a_letter,
    graph_error,
    http,
)

# --- cancelled ------------------------------------------------------------------------------------


async def _cancelled(desk: Desk, when: Callable[[], bool]) -> bool:
    letter = a_letter()
    task = asyncio.ensure_future(desk.client.send(letter))
    while not when():
        await asyncio.sleep(0)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    assert task.cancelled()
    return desk.client.letter_was_written(letter.job)


async def test_a_letter_cancelled_after_its_first_byte_may_have_been_sent(desk: Desk) -> None:
    desk.graph.tell(Reply(then=SILENT))
    assert await _cancelled(desk, desk.graph.asked.is_set)


async def test_a_letter_cancelled_at_any_step_is_unwritten_only_without_bytes(desk: Desk) -> None:
    seen: set[bool] = set()
    async with FakeGraph() as other:
        elsewhere = desk.a_client(other.url)
        for most in range(40):
            await _cancel_after(desk, most, elsewhere, seen)
    assert seen == {True, False}


async def _cancel_after(desk: Desk, most: int, elsewhere: MetaClient, seen: set[bool]) -> None:
    steps = iter(range(most))
    before = desk.graph.bytes_read
    desk.graph.replies.clear()
    desk.graph.tell(Reply(then=SILENT))
    was_written = await _cancelled(desk, lambda: next(steps, None) is None)
    await elsewhere.send(a_letter())  # while this goes there and back, what had left arrives
    seen.add(was_written)
    if not was_written:
        assert desk.graph.bytes_read == before
    desk.client._roads.clear()  # no breaker here


# --- the breaker ----------------------------------------------------------------------------------


async def test_five_doubts_in_a_row_stop_the_writing_until_a_probe_comes_back(desk: Desk) -> None:
    for _ in range(5):
        assert isinstance(await desk.answered(Reply(then=RESET)), InDoubt)
    outcome = await desk.client.send(a_letter())
    assert isinstance(outcome, Deferred)
    assert (outcome.gate, outcome.until_ms) == (Gate.SENDER, NOW_MS + 5_000)
    assert len(desk.graph.bodies) == 5
    desk.now_ms += 5_000
    assert isinstance(await desk.answered(Reply(then=RESET)), InDoubt)  # the probe
    assert isinstance(await desk.client.send(a_letter()), Deferred)
    desk.now_ms += 5_000
    assert await desk.client.send(a_letter()) == Accepted(WAMID)
    assert await desk.client.send(a_letter()) == Accepted(WAMID)


async def test_doubts_far_apart_open_nothing(desk: Desk) -> None:
    for _ in range(8):
        assert isinstance(await desk.answered(Reply(then=RESET)), InDoubt)
        desk.now_ms += 2_600  # five of them take longer than ten seconds
    assert await desk.client.send(a_letter()) == Accepted(WAMID)


async def test_one_letter_probes_and_the_others_wait(desk: Desk) -> None:
    for _ in range(5):
        await desk.answered(Reply(then=RESET))
    desk.now_ms += 5_000
    outcomes = await asyncio.gather(*(desk.client.send(a_letter(sequence=n)) for n in range(8)))
    assert sum(isinstance(outcome, Accepted) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, Deferred) for outcome in outcomes) == 7


async def test_one_sender_s_trouble_is_not_another_s(desk: Desk) -> None:
    desk.tokens[SenderId("2")] = "EAAtwo"
    for _ in range(5):
        await desk.answered(Reply(then=RESET))
    assert await desk.client.send(a_letter(sender=SenderId("2"))) == Accepted(WAMID)


async def test_refusals_of_meta_s_own_are_no_trouble(desk: Desk) -> None:
    for code in (100, 130429, 131026, 131049, 132001, 135000) * 2:
        await desk.answered(Reply(http(400, graph_error(code))))
    assert await desk.client.send(a_letter()) == Accepted(WAMID)


@pytest.mark.parametrize("code", [2, 131000, 131016, 133004])
async def test_a_storm_of_errors_by_which_meta_says_it_is_ill_stops_the_writing(
    desk: Desk, code: int
) -> None:
    """Else each job burns its attempts one after the other, for as long as it lasts."""
    for _ in range(4):
        await desk.answered(Reply(http(500, graph_error(code))))
    await desk.answered(Reply(http(400, graph_error(131026))))  # of that letter alone
    for _ in range(4):
        assert isinstance(await desk.answered(Reply(http(500, graph_error(code)))), Retry)
    assert isinstance(await desk.answered(Reply(http(500, graph_error(code)))), Retry | Deferred)
    outcome = await desk.client.send(a_letter())
    assert isinstance(outcome, Deferred)
    assert (outcome.gate, outcome.code, outcome.until_ms) == (Gate.SENDER, 0, NOW_MS + 5_000)
    desk.now_ms += 5_000
    assert await desk.client.send(a_letter()) == Accepted(WAMID)
    assert await desk.client.send(a_letter()) == Accepted(WAMID)


def ill(code: int) -> Reply:
    return Reply(http(500, graph_error(code)))


async def _until_open(desk: Desk, reply: Reply) -> None:
    for _ in range(4):
        outcome = await desk.answered(reply)
        assert isinstance(outcome, Retry)
        assert outcome.until_ms == 0  # nobody knows yet that it is an outage: by the curve


@pytest.mark.parametrize("code", [2, 131016, 133004])
async def test_an_outage_that_is_known_costs_no_attempt_where_meta_says_it_is_down(
    desk: Desk, code: int
) -> None:
    await _until_open(desk, ill(code))
    for _ in range(100):  # the one that opens it, and its probes for eight minutes
        outcome = await desk.answered(ill(code))
        assert isinstance(outcome, Deferred)
        assert (outcome.gate, outcome.code) == (Gate.RETRY, code)
        assert outcome.until_ms == desk.now_ms + 15_000  # the next probe is another job
        desk.now_ms += 5_000
    assert await desk.client.send(a_letter()) == Accepted(WAMID)
    assert isinstance(await desk.answered(ill(code)), Retry)


@pytest.mark.parametrize(
    "reply", [ill(131000), Reply(http(403, b"<html>not here</html>"))], ids=["131000", "gateway"]
)
async def test_what_proves_less_is_written_no_oftener_in_an_outage_but_so_late_that_it_outlasts_it(
    desk: Desk, reply: Reply
) -> None:
    """Each write of an unknown error may be a copy: so many as it has attempts, and no more."""
    await _until_open(desk, reply)
    rests_s: list[float] = []
    for failures in range(4):
        desk.graph.tell(reply)
        outcome = await desk.client.send(a_letter(failures=failures))
        assert isinstance(outcome, Retry)
        rests_s.append((outcome.until_ms - desk.now_ms) / 1_000)
        desk.now_ms = outcome.until_ms
    assert rests_s == [30, 120, 480, 1_920]
    assert await desk.client.send(a_letter()) == Accepted(WAMID)


async def test_an_unknown_error_of_marketing_is_a_doubt_in_an_outage_too(desk: Desk) -> None:
    await _until_open(desk, ill(131000))
    desk.graph.tell(ill(131000))
    outcome = await desk.client.send(a_letter(priority=Priority.MARKETING))
    assert isinstance(outcome, InDoubt)


async def test_a_probe_that_refuses_itself_lets_another_one_probe(desk: Desk) -> None:
    for _ in range(5):
        await desk.answered(Reply(then=RESET))
    desk.now_ms += 5_000
    desk.objection = lambda _job: "late"
    assert await desk.client.send(a_letter()) == Unwritten("late")
    desk.objection = lambda _job: ""
    assert await desk.client.send(a_letter()) == Accepted(WAMID)


def test_a_probe_that_never_ends_lets_another_one_probe() -> None:
    breaker = Breaker()
    for _ in range(5):
        breaker.note_trouble(NOW_MS)
    assert breaker.refuses_until_ms(NOW_MS + 5_000) == 0
    assert breaker.refuses_until_ms(NOW_MS + 5_001) > 0
    assert breaker.refuses_until_ms(NOW_MS + 10_000) == 0
