"""The front door: each job in its place, each row once, the bulk path equal to the slow one."""

from collections.abc import Sequence
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.memory.ledger import MemoryLedger
from engine.directory import Campaign, Directory, Sender
from engine.errors import InvalidJobError, QueueFullError
from engine.events import Event, JobsEnqueued
from engine.front_door import FrontDoor
from engine.intake import JobRequest, JobStatus, SendJobs
from engine.model import Category, PortfolioId, Priority, SenderId, SourceState, WabaId
from engine.ports import SourceSpec
from engine.recipients import RecipientKeys
from engine.row_intake import CampaignRows
from engine.rows import Chunk, Sheet, pack
from engine.template_fit import Room
from engine.templates import why_not_text
from engine.terms import Terms

KEYS = RecipientKeys(b"a secret of this test's ledger")
PORTFOLIO = PortfolioId("p1")
SHEET = Sheet(("name", "code"), content=1, repeats_max=0)
TEXTS = "a \u00a0\u2028\x7f\x1fé😀"  # what a value may be made of, and must not
ROOMLESS = Sheet(("name", "code"), 2, 1, (Room("body", 5, (1, 2)),), (1,), 1_000)


def a_campaign(senders: int = 1, **changes: object) -> Campaign:
    made: dict[str, object] = {
        "id": "c1",
        "name": "Autumn",
        "portfolio_id": PORTFOLIO,
        "senders": tuple(SenderId(str(n)) for n in range(senders)),
        "message": {},
        "fields": ("name", "code"),
        "templates": ("w/offer/en",) * senders,
        "category": Category.MARKETING,
        "priority": Priority.MARKETING,
        "content": 1,
    }
    return Campaign(**(made | changes))  # type: ignore[arg-type]


def an_intake(queue_max: int = 0) -> tuple[SendJobs, MemoryLedger, list[Event]]:
    directory = Directory()
    directory.senders["1"] = Sender(SenderId("1"), PORTFOLIO, WabaId("w"), "+1")
    ledger = MemoryLedger(Terms(queue_max=queue_max), lambda: 1_000_000)
    events: list[Event] = []
    return SendJobs(FrontDoor(ledger, directory, KEYS, events.append)), ledger, events


def a_file_desk() -> tuple[CampaignRows, MemoryLedger]:
    ledger = MemoryLedger(Terms(), lambda: 1_000_000)
    return CampaignRows(FrontDoor(ledger, Directory(), KEYS, lambda _: None)), ledger


def a_job(**changes: object) -> JobRequest:
    made: dict[str, object] = {
        "sender": "1",
        "to": "+4915112345678",
        "message": {"type": "text", "text": {"body": "Hi"}},
        "body": b'{"type":"text","text":{"body":"Hi"}}',
    }
    return JobRequest(**(made | changes))  # type: ignore[arg-type]


def a_chunk(*rows: tuple[str, Sequence[str]], first: int = 0) -> Chunk:
    return Chunk(rows, None, range(first, first + len(rows)))


def some_rows(count: int) -> list[tuple[str, list[str]]]:
    return [(f"49151{n:08}", [f"name{n}", f"code{n}"]) for n in range(count)]


async def test_a_job_goes_to_the_lane_of_its_source_sender_and_class() -> None:
    intake, ledger, events = an_intake()
    (result,) = await intake.accept([a_job(source="journey:orders")])
    assert result.status is JobStatus.ACCEPTED
    slot, _ = ledger.slot(PORTFOLIO)
    (lane,) = slot.lanes.values()
    assert (lane.lane.source, lane.lane.priority) == ("journey:orders", Priority.SERVICE)
    assert lane.queue[0].tail == b'+4915112345678\x1f{"type":"text","text":{"body":"Hi"}}'
    assert events == [JobsEnqueued(PORTFOLIO, lane.lane, 1, 0, 0)]


async def test_each_job_of_many_is_answered_in_its_place() -> None:
    intake, _, _ = an_intake()
    jobs = [a_job(), a_job(to="0"), a_job(key="k"), a_job(key="k"), a_job(key="k", body=b"{}")]
    results = await intake.accept(jobs)
    assert [result.status for result in results] == [
        JobStatus.ACCEPTED,
        JobStatus.REJECTED,
        JobStatus.ACCEPTED,
        JobStatus.DUPLICATE,
        JobStatus.CONFLICT,
    ]
    assert results[3].key == results[2].key


async def test_everything_wrong_with_a_job_is_said_at_once() -> None:
    intake, _, _ = an_intake()
    (result,) = await intake.accept([a_job(to="x", sender="9")])
    assert [error.pointer for error in result.errors] == ["/to", "/sender"]


async def test_more_jobs_than_a_batch_holds_go_in_several() -> None:
    intake, _, events = an_intake()
    results = await intake.accept([a_job(to=f"49151{n:08}") for n in range(1_001)])
    assert [event.accepted for event in events if isinstance(event, JobsEnqueued)] == [500, 500, 1]
    assert len({result.key for result in results}) == 1_001


async def test_a_full_queue_is_said_and_nothing_is_half_said() -> None:
    intake, _, _ = an_intake(queue_max=1)
    await intake.accept([a_job()])
    with pytest.raises(QueueFullError):
        await intake.accept([a_job()])


async def test_rows_are_queued_once_however_often_they_come() -> None:
    desk, ledger = a_file_desk()
    rows = some_rows(10_000)
    first = await desk.accept(a_campaign(senders=3), rows)
    again = await desk.accept(a_campaign(senders=3), rows)
    assert (first.accepted, first.duplicates) == (10_000, 0)
    assert (again.accepted, again.duplicates) == (0, 10_000)
    assert (await ledger.counts(PORTFOLIO, "campaign:c1")).enqueued == 10_000


async def test_a_person_always_hears_from_the_same_sender_and_the_work_is_shared() -> None:
    desk, ledger = a_file_desk()
    await desk.accept(a_campaign(senders=4), some_rows(4_000))
    slot, _ = ledger.slot(PORTFOLIO)
    assert all(800 < len(lane.queue) < 1_200 for lane in slot.lanes.values())


async def test_bad_rows_are_named_and_good_ones_kept() -> None:
    desk, _ = a_file_desk()
    rows = some_rows(1_200)
    rows[3] = ("+0151", ["a", "b"])
    rows[700] = (rows[700][0], ["a\nb", ""])
    rows[1_100] = (rows[1_100][0], ["a"])
    result = await desk.accept(a_campaign(), rows)
    assert result.accepted == 1_197
    assert [(error.index, error.field, error.code) for error in result.errors] == [
        (3, "to", "no_country_code"),
        (700, "name", "forbidden_character"),
        (700, "code", "empty"),
        (1_100, "code", "field_count"),
    ]


async def test_a_person_is_queued_once_whatever_keys_his_rows_have() -> None:
    desk, _ = a_file_desk()
    rows = [("4915112345678", ["a", "b"])] * 3
    result = await desk.accept(a_campaign(), rows, ["k1", "k2", "k1"])
    assert (result.accepted, result.duplicates) == (1, 2)


async def test_a_cancelled_campaign_takes_no_rows() -> None:
    desk, ledger = a_file_desk()
    await ledger.put_source(PORTFOLIO, "campaign:c1", SourceSpec(SourceState.CANCELLED))
    with pytest.raises(InvalidJobError) as caught:
        await desk.accept(a_campaign(), some_rows(1))
    assert caught.value.code == "source_cancelled"


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["4915112345678", "+4915112345679", "US.1349", "0151"]),
            st.lists(st.text(alphabet="a \n\x1f\x1eé\ud800", max_size=6), min_size=1, max_size=3),
        ),
        max_size=6,
    )
)
def test_a_chunk_is_packed_as_its_rows_one_by_one(rows: list[tuple[str, list[str]]]) -> None:
    whole = pack(a_chunk(*rows), SHEET, KEYS)
    alone = [pack(a_chunk(row, first=at), SHEET, KEYS) for at, row in enumerate(rows)]
    assert [row for each in alone for row in each.rows] == list(whole.rows)
    assert len({error.index for error in whole.errors}) == sum(bool(each.errors) for each in alone)


@pytest.mark.parametrize("wrong", [0, 1, 7, 60])
def test_what_is_wrong_with_some_rows_of_many_is_found_and_the_others_are_packed(
    wrong: int,
) -> None:
    rows, rng = some_rows(130), Random(wrong)
    for at in rng.sample(range(130), wrong):
        rows[at] = rng.choice([("0151", ["a", "b"]), (rows[at][0], ["a", "\t"]), ("49", ["a"])])
    whole = pack(a_chunk(*rows, first=9), SHEET, KEYS)
    alone = [pack(a_chunk(row, first=at), SHEET, KEYS) for at, row in enumerate(rows, 9)]
    assert list(whole.rows) == [row for each in alone for row in each.rows]
    assert whole.errors == [error for each in alone for error in each.errors]
    assert len(whole.rows) == 130 - wrong


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["4915112345678", "+4915112345679"]),
            st.lists(st.text(TEXTS, max_size=7), min_size=2, max_size=2),
        ),
        max_size=6,
    ),
    st.sampled_from([SHEET, ROOMLESS]),
)
def test_a_chunk_looked_at_as_a_whole_is_packed_as_one_looked_at_row_by_row(
    rows: list[tuple[str, list[str]]], sheet: Sheet
) -> None:
    whole = pack(a_chunk(*rows), sheet, KEYS)
    with_one_wrong = pack(a_chunk(*rows, ("0", [])), sheet, KEYS)
    assert list(whole.rows) == list(with_one_wrong.rows)
    assert whole.errors == with_one_wrong.errors[:-1]


def test_rows_with_keys_are_packed_as_those_without_but_for_what_they_are_known_by() -> None:
    rows = [*some_rows(3), ("0151", ["a", "b"]), *some_rows(1)]
    plain, keyed = a_chunk(*rows, first=7), replace(a_chunk(*rows, first=7), keys=["", *"kkkk"])
    without, packed = pack(plain, SHEET, KEYS), pack(keyed, SHEET, KEYS)
    assert packed.errors == without.errors
    assert [row.place for row in packed.rows] == [7, 8, 9, 11]
    assert packed.rows[0] == without.rows[0]
    assert {row.dedupe for row in packed.rows[1:]} == {KEYS.dedupe("k")}
    assert [replace(row, dedupe=row.recipient, fingerprint=b"") for row in packed.rows] == list(
        without.rows
    )


@given(st.text(max_size=12), st.text(max_size=12))
def test_no_row_that_meta_would_refuse_gets_in(name: str, code: str) -> None:
    packed = pack(a_chunk(("4915112345678", [name, code])), SHEET, KEYS)
    is_sound = why_not_text(name) is None and why_not_text(code) is None
    assert bool(packed.rows) is (is_sound and "\x1f" not in name + code)


def test_a_message_without_fields_needs_no_separator() -> None:
    packed = pack(a_chunk(("4915112345678", [])), Sheet((), 1, 0), KEYS)
    assert packed.rows[0].tail == b"+4915112345678"


def test_a_row_that_makes_a_text_too_long_is_named_with_its_longest_field() -> None:
    sheet = Sheet(("name", "code"), 1, 0, rooms=(Room("body", 20, (2, 1)),))
    fits = ("4915112345678", ["x" * 8, "y" * 4])
    long = ("4915112345679", ["x" * 8, "y" * 5])
    packed = pack(a_chunk(fits, long), sheet, KEYS)
    assert len(packed.rows) == 1
    (error,) = packed.errors
    assert (error.index, error.field, error.code) == (1, "name", "too_long")
    assert len(pack(a_chunk(("4915112345678", ["x", "y"])), sheet, KEYS).rows) == 1


def test_a_value_that_no_url_may_hold_is_refused_only_where_it_becomes_one() -> None:
    row = ("4915112345678", ["Ada Lovelace", "a b"])
    name = Sheet(("name", "code"), 1, 0)
    suffix = Sheet(("name", "code"), 1, 0, suffixes=(1,))
    assert len(pack(a_chunk(row), name, KEYS).rows) == 1
    (error,) = pack(a_chunk(row), suffix, KEYS).errors
    assert (error.field, error.code) == ("code", "not_in_url")
    assert len(pack(a_chunk(("4915112345678", ["Ada L", "ab"])), suffix, KEYS).rows) == 1
