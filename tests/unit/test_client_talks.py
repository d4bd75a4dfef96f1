"""The client's conversations without a wire: what is asked again, when, and what is given up."""

import json
from collections.abc import Iterable
from random import Random

import pytest

from adapters.client import talks, uploading
from adapters.client.errors import (
    BrokenError,
    BusyError,
    ConflictError,
    InvalidError,
    KeyRefusedError,
    NotFoundError,
    PenstockError,
    UnreachableError,
)
from adapters.client.shapes import Job, Recipient
from adapters.client.steps import NOTHING, Answer, Call, Pause, Result, Talk
from adapters.client.talks import Patience

JOB = Job(sender="1", to="+4915112345678", message={"type": "text", "text": {"body": "Hi"}})
LOST = Answer(0, b"no answer")
QUEUED = Answer(202, b'{"results":[{"index":0,"id":"pst.x","status":"accepted","errors":[]}]}')


def patience() -> Patience:
    return Patience(repeats_max=3, rng=Random(1))


def walked(talk: Talk[Result], answers: Iterable[Answer]) -> tuple[Result, list[Call], list[float]]:
    """Return a conversation's result, what it asked, and how long it waited."""
    calls: list[Call] = []
    waits: list[float] = []
    given = iter(answers)
    step = next(talk)
    while True:
        if isinstance(step, Pause):
            waits.append(step.seconds)
            answer = NOTHING
        else:
            calls.append(step)
            answer = next(given)
        try:
            step = talk.send(answer)
        except StopIteration as end:
            return end.value, calls, waits


def told(read: int, **more: object) -> Answer:
    last = {"accepted": read, "duplicates": 0, "rejected": 0, "read": read} | more
    return Answer(202, json.dumps(last).encode())


def keys_of(call: Call) -> list[str]:
    assert isinstance(call.body, bytes)
    return [json.loads(line)["key"] for line in call.body.splitlines()]


def test_a_lost_answer_is_asked_for_again_under_the_same_key() -> None:
    outcome, calls, waits = walked(talks.send(JOB, patience()), [LOST, LOST, QUEUED])
    assert outcome.id == "pst.x"
    assert len({call.headers["Idempotency-Key"] for call in calls}) == 1
    assert 0.1 <= waits[0] < waits[1] <= 0.4


def test_who_is_told_when_to_come_back_comes_back_then() -> None:
    busy = Answer(429, b'{"detail":"full"}', {"retry-after": "5"})
    _, _, waits = walked(talks.send(JOB, patience()), [busy, QUEUED])
    assert waits == [5.0]


def test_patience_ends() -> None:
    with pytest.raises(UnreachableError):
        walked(talks.send(JOB, patience()), [LOST] * 4)
    with pytest.raises(StopIteration):  # a fourth is asked for, no fifth
        walked(talks.send(JOB, patience()), [LOST] * 3)


def test_what_must_not_be_done_twice_is_repeated_only_when_it_was_not_done() -> None:
    call = talks.plain("POST", "/v1/keys", {"name": "x"}, {}, is_repeatable=False)
    with pytest.raises(UnreachableError):
        walked(talks.asked(call, patience()), [LOST])
    _, calls, _ = walked(talks.asked(call, patience()), [Answer(503), Answer(201)])
    assert len(calls) == 2


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (307, BrokenError),
        (400, InvalidError),
        (401, KeyRefusedError),
        (403, KeyRefusedError),
        (404, NotFoundError),
        (409, ConflictError),
        (413, InvalidError),
        (422, InvalidError),
        (500, BrokenError),
    ],
)
def test_a_refusal_has_its_type_and_is_not_asked_again(
    status: int, kind: type[PenstockError]
) -> None:
    problem = {
        "detail": "is wrong",
        "code": "invalid",
        "errors": [{"pointer": "/to", "code": "invalid", "detail": "is wrong"}],
    }
    with pytest.raises(kind) as raised:
        walked(talks.send(JOB, patience()), [Answer(status, json.dumps(problem).encode())])
    assert (raised.value.status, raised.value.errors[0].pointer) == (status, "/to")


def test_an_answer_that_is_no_problem_is_still_an_error() -> None:
    with pytest.raises(BusyError, match="a proxy's page"):
        walked(talks.job("pst.x", Patience(repeats_max=0)), [Answer(502, b"a proxy's page")])


def test_a_stream_goes_on_where_it_was_stopped() -> None:
    jobs = [JOB] * 10
    answers = [told(4, stopped="queue_full"), LOST, told(6, accepted=2, duplicates=4)]
    outcome, calls, _ = walked(talks.send_all(jobs, "night", patience()), answers)
    assert [keys_of(call) for call in calls] == [
        [f"night#{place}" for place in range(10)],
        [f"night#{place}" for place in range(4, 10)],
        [f"night#{place}" for place in range(4, 10)],
    ]
    assert (outcome.accepted, outcome.repeated, outcome.duplicates) == (6, 4, 0)


def test_a_stream_is_cut_into_parts_and_its_rejects_keep_their_place(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(talks, "JOBS_PER_PART", 3)
    reject = b'{"index":1,"id":null,"status":"rejected","errors":[]}\n'
    second = Answer(202, reject + told(2, accepted=1, rejected=1).body)
    outcome, calls, _ = walked(talks.send_all([JOB] * 5, "x", patience()), [told(3), second])
    assert len(calls) == 2
    assert (outcome.accepted, outcome.rejected) == (4, 1)
    assert [each.index for each in outcome.rejects] == [4]


def test_a_stream_that_is_never_taken_is_given_up() -> None:
    with pytest.raises(BusyError):
        walked(talks.send_all([JOB], "x", patience()), [told(0, stopped="queue_full")] * 9)


def test_rows_are_numbered_over_all_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploading, "ROWS_PER_PART", 2)
    fault = {"row": 1, "field": "to", "code": "too_short", "detail": "…"}
    first = {"read": 2, "accepted": 2, "duplicates": 0, "rejected": 0, "errors": []}
    second = {"read": 1, "accepted": 0, "duplicates": 0, "rejected": 1, "errors": [fault]}
    answers = [Answer(202, json.dumps(each).encode()) for each in (first, second)]
    rows = [Recipient("+4915112345678", {"name": "Ada"})] * 3
    outcome, _, _ = walked(uploading.upload_rows("c1", rows, patience()), answers)
    assert (outcome.read, outcome.accepted, outcome.errors[0].row) == (3, 2, 3)


def test_a_long_wait_is_told_and_not_waited_for() -> None:
    busy = Answer(503, b'{"detail":"Meta: none for 58 min"}', {"retry-after": "3480"})
    with pytest.raises(BusyError, match="none for 58 min") as caught:
        walked(talks.send(JOB, patience()), [busy])
    assert caught.value.retry_after_s == 3_480
    soon = Answer(503, b"{}", {"retry-after": "30"})
    call = Call("GET", "/v1/senders")
    _, _, waits = walked(talks.asked(call, patience()), [soon, Answer(200, b"{}")])
    assert waits == [30.0]
