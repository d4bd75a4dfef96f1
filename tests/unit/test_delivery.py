"""One job's journey: last checks, one write, more only after what surely did not happen."""

import asyncio
from collections.abc import Awaitable, Callable
from random import Random

import pytest

from engine.contents import whole_for
from engine.delivery import Delivery
from engine.errors import LedgerAwayError, UnknownNameError
from engine.events import Event, QuickRetried
from engine.letters import Letter
from engine.model import Gate, JobKey, PortfolioId, Priority
from engine.opaque import OpaqueCodec
from engine.outcomes import Accepted, Deferred, Dropped, InDoubt, Outcome, Retry, Unwritten
from engine.ports import Again, Claimed
from tests.builders import a_claimed, a_lane, a_shared_message
from tests.virtual_time import START_MS, VirtualTimeLoop, run_virtual

P = PortfolioId("P")
REFUSED = Unwritten("unreachable")
ACCEPTED = Accepted("wamid.1")


class Road:
    """A messenger that gives the outcomes it was told, and a ledger for what it asks meanwhile."""

    def __init__(self, loop: VirtualTimeLoop, outcomes: list[Outcome]) -> None:
        self.loop = loop
        self.outcomes = outcomes
        self.letters: list[tuple[int, Letter]] = []
        self.gate: Gate | None = None
        self.slot_after_ms = 20
        self.is_away = False
        self.shared: bytes | Exception = a_shared_message()
        self.asked = 0
        self.events: list[Event] = []
        self.recheck: Callable[[Claimed], Outcome | None] = lambda _: None

    async def send(self, letter: Letter) -> Outcome:
        self.letters.append((self.loop.now_ms() - START_MS, letter))
        return self.outcomes.pop(0)

    async def again(self, *_: object) -> Again:
        if self.is_away:
            raise LedgerAwayError("away")
        if self.gate is not None:
            return Again(gate=self.gate)
        return Again((self.loop.now_ms() + self.slot_after_ms) * 1_000, 1)

    async def content(self, *_: object) -> bytes:
        self.asked += 1
        await asyncio.sleep(0.01)
        if isinstance(self.shared, Exception):
            raise self.shared
        return self.shared

    def delivery(self) -> Delivery:
        return Delivery(
            ledger=self,  # type: ignore[arg-type]  # the two calls a delivery makes
            contents=self,  # type: ignore[arg-type]
            messenger=self,
            opaque=OpaqueCodec(b"secret"),
            emit=self.events.append,
            now_us=self.loop.now_us,
            rng=Random(1),
            lease_ms=30_000,
            recheck=self.recheck,
        )


Prepare = Callable[[Road], object]


def deliver(
    outcomes: list[Outcome], job: Claimed | None = None, prepare: Prepare = lambda _: None
) -> tuple[Outcome, Road]:
    """Deliver one job through a road that gives `outcomes`."""

    async def main(loop: VirtualTimeLoop) -> tuple[Outcome, Road]:
        road = Road(loop, list(outcomes))
        prepare(road)
        outcome = await road.delivery().deliver(P, job or a_claimed(), loop.now_us())
        return outcome, road

    return run_virtual(main)


def test_an_accepted_message_is_written_once_and_nothing_is_told() -> None:
    outcome, road = deliver([ACCEPTED])
    assert outcome == ACCEPTED
    assert len(road.letters) == 1
    assert road.events == []


@pytest.mark.parametrize(
    ("priority", "timeout_s"), [(Priority.AUTHENTICATION, 10.0), (Priority.MARKETING, 20.0)]
)
def test_a_code_waits_less_long_for_its_answer(priority: Priority, timeout_s: float) -> None:
    _, road = deliver([ACCEPTED], a_claimed(lane=a_lane(priority=priority)))
    assert road.letters[0][1].deadline_s == timeout_s


@pytest.mark.parametrize(
    ("job", "reason"),
    [
        pytest.param(a_claimed(send_at_us=(START_MS - 20) * 1_000 - 1), "late", id="late"),
        pytest.param(a_claimed(lease_until_ms=START_MS + 24_999), "lease", id="lease near its end"),
    ],
)
def test_what_must_not_be_written_any_more_goes_back(job: Claimed, reason: str) -> None:
    outcome, road = deliver([], job)
    assert outcome == Unwritten(reason)
    assert road.letters == []


@pytest.mark.parametrize(
    "job",
    [
        pytest.param(a_claimed(send_at_us=(START_MS - 20) * 1_000), id="20 ms past"),
        pytest.param(a_claimed(lease_until_ms=START_MS + 25_000), id="lease just long enough"),
    ],
)
def test_at_the_very_edge_it_is_still_written(job: Claimed) -> None:
    assert deliver([ACCEPTED], job)[0] == ACCEPTED


@pytest.mark.parametrize("first", [REFUSED, Retry(131000, 0, "try again")])
def test_what_surely_did_not_happen_is_written_again_within_a_second(first: Outcome) -> None:
    outcome, road = deliver([first, first, ACCEPTED])
    assert outcome == ACCEPTED
    assert len(road.letters) == 3
    assert road.letters[-1][0] <= 1_000
    assert [type(event) for event in road.events] == [QuickRetried]


def test_after_two_quick_retries_the_failure_stands_with_a_wait() -> None:
    outcome, road = deliver([Retry(131000, 0, "no")] * 3)
    assert isinstance(outcome, Retry)
    assert 1_000 <= outcome.until_ms - (START_MS + road.letters[-1][0]) <= 2_000
    assert len(road.letters) == 3


def test_an_attempt_that_meta_refused_stays_spent_when_the_next_write_fails() -> None:
    outcome, _ = deliver([Retry(131000, 0, "no"), REFUSED, REFUSED])
    assert isinstance(outcome, Retry)


@pytest.mark.parametrize(
    "outcome",
    [
        InDoubt("timeout"),
        Dropped(131026, "never"),
        Deferred(Gate.ACCOUNT, 4, START_MS + 300_000, "later"),
        Retry(131057, START_MS + 600_000, "maintenance"),
        Unwritten("late"),
        Unwritten("stopped"),
    ],
)
def test_nothing_else_is_written_twice(outcome: Outcome) -> None:
    ended, road = deliver([outcome])
    assert ended == outcome
    assert len(road.letters) == 1


def close_gate(road: Road) -> None:
    road.gate = Gate.SENDER


def go_away(road: Road) -> None:
    road.is_away = True


def be_far(road: Road) -> None:
    road.slot_after_ms = 1_500


@pytest.mark.parametrize("prepare", [close_gate, go_away, be_far])
def test_a_quick_retry_needs_the_ledgers_word_and_a_near_slot(prepare: Prepare) -> None:
    outcome, road = deliver([REFUSED], prepare=prepare)
    assert outcome == REFUSED
    assert len(road.letters) == 1


@pytest.mark.parametrize(
    ("shared", "expected"),
    [
        (LedgerAwayError("away"), Unwritten("content_away")),
        (UnknownNameError("no content"), Dropped(0, "no content")),
        (b'{"message":{"a":"{{b}}"}}', Dropped(0, "no field is called b")),
    ],
)
def test_a_message_that_cannot_be_made_is_never_written(
    shared: bytes | Exception, expected: Outcome
) -> None:
    def prepare(road: Road) -> None:
        road.shared = shared

    outcome, road = deliver([], prepare=prepare)
    assert outcome == expected
    assert road.letters == []


def test_one_that_may_not_leave_any_more_is_never_written() -> None:
    ended = Dropped(132000, "2 wanted", field="/message/template")

    def prepare(road: Road) -> None:
        road.recheck = lambda _: ended

    outcome, road = deliver([], prepare=prepare)
    assert outcome is ended
    assert (road.letters, road.asked) == ([], 0)


def test_a_whole_message_made_for_a_version_is_written_as_it_is() -> None:
    job = a_claimed(tail=b'+4915100000001\x1f{"type":"text"}', content=whole_for(7))
    _, road = deliver([ACCEPTED], job)
    assert road.asked == 0
    assert road.letters[0][1].body.startswith(b'{"type":"text","messaging_product":')


def test_a_poisoned_job_costs_an_attempt_and_dies_by_them() -> None:
    job = a_claimed(tail=b'+49\x1f"\xff\x1fx')
    outcome, _ = deliver([], job)
    assert isinstance(outcome, Retry)
    assert outcome.until_ms > START_MS


def within(work: Callable[[Road, Delivery], Awaitable[None]], outcomes: list[Outcome]) -> None:
    async def main(loop: VirtualTimeLoop) -> None:
        road = Road(loop, outcomes)
        await work(road, road.delivery())

    run_virtual(main)


def test_many_jobs_of_one_source_ask_for_its_message_once() -> None:
    async def work(road: Road, delivery: Delivery) -> None:
        now_us = road.loop.now_us()
        lanes = [a_claimed(key=JobKey(number, 1)) for number in range(1, 10)]
        jobs = [delivery.deliver(P, each, now_us) for each in lanes]
        assert await asyncio.gather(*jobs) == [ACCEPTED] * 9
        assert road.asked == 1, "once for all its lanes: there may be thousands"

    within(work, [ACCEPTED] * 9)


def test_a_stop_holds_what_was_claimed_before_it_and_frees_what_came_after() -> None:
    async def work(road: Road, delivery: Delivery) -> None:
        source = a_claimed().lane.source
        delivery.stop_heard(source)
        before, now_us = a_claimed(), road.loop.now_us()
        assert await delivery.deliver(P, before, now_us) == Unwritten("stopped")
        later = a_claimed(lease_until_ms=START_MS + 30_101)
        assert await delivery.deliver(P, later, now_us) == ACCEPTED
        assert delivery.objection(before, now_us) == ""  # the ledger let it go on

    within(work, [ACCEPTED])


def test_a_stop_is_forgotten_when_its_leases_have_ended() -> None:
    async def work(_: Road, delivery: Delivery) -> None:
        for number in range(50):
            delivery.stop_heard(f"campaign:{number}")
        await asyncio.sleep(31)
        delivery.stop_heard("campaign:later")
        assert list(delivery._stops_ms) == ["campaign:later"]

    within(work, [])


def test_the_wait_grows_with_failures_and_not_with_claims_given_back() -> None:
    waits_ms = []
    for attempt, failures in [(1, 0), (9, 0), (9, 4)]:
        job = a_claimed(attempt=attempt, failures=failures)
        outcome, _ = deliver([Retry(131000, 0, "unknown")] * 3, job)
        assert isinstance(outcome, Retry)
        waits_ms.append(outcome.until_ms - START_MS)
    first, given_back, failed = waits_ms
    assert abs(given_back - first) <= first
    assert failed > 4 * first
