"""Every conversation with the API, once for both clients: what to ask, when to ask again."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from http import HTTPStatus
from itertools import count, islice
from random import Random
from typing import IO, Any, TypeVar

import msgspec

from adapters.client.errors import BusyError, PenstockError, UnreachableError, error_of
from adapters.client.shapes import (
    Campaign,
    CampaignPlan,
    CampaignStatus,
    Job,
    JobOutcome,
    JobStatus,
    StreamOutcome,
)
from adapters.client.steps import JSON, Answer, Call, Pause, Talk, path_of

NDJSON = "application/x-ndjson"
JOBS_PER_PART = 5_000  # lines held until their part is taken
UPLOAD_TIMEOUT_S = 3_600.0
ERRORS_MAX = 10_000  # kept one by one; more are only counted

Shape = TypeVar("Shape")


@dataclass(slots=True)
class Patience:
    """How often and how long to ask again for what may pass."""

    repeats_max: int = 6
    first_s: float = 0.2
    most_s: float = 10.0
    told_most_s: float = 30.0  # a longer wait that the API asks for is told to the caller instead
    rng: Random = field(default_factory=Random)

    def pause(self, turn: int, error: PenstockError) -> Pause:
        """Return how long to wait before the next try: as told, or longer each time, uneven."""
        longest = min(self.most_s, self.first_s * 2**turn)
        return Pause(error.retry_after_s or longest * (0.5 + self.rng.random() / 2))


def asked(call: Call, patience: Patience) -> Talk[Answer]:
    """Return a good answer; ask again while it may help and may be done twice; else raise."""
    for turn in count():
        answer = yield call
        if 0 < answer.status < HTTPStatus.MULTIPLE_CHOICES:
            return answer
        error = error_of(answer)
        may_pass = isinstance(error, (BusyError, UnreachableError))
        # Busy is refused before anything was done; no answer may be a lost one.
        is_safe = call.is_repeatable or isinstance(error, BusyError)
        is_long = error.retry_after_s > patience.told_most_s
        if not may_pass or not is_safe or is_long or turn >= patience.repeats_max:
            raise error
        yield patience.pause(turn, error)
        if call.body is not None and not isinstance(call.body, bytes):
            call.body.seek(0)
        if call.into is not None and call.is_repeatable:
            call.into.seek(0)
            call.into.truncate()
    raise AssertionError  # count() has no end


def asked_for(call: Call, shape: type[Shape], patience: Patience) -> Talk[Shape]:
    """Return a good answer in its shape."""
    answer = yield from asked(call, patience)
    return msgspec.json.decode(answer.body or b"{}", type=shape)


def plain(
    method: str, path: str, body: object, headers: dict[str, str], *, is_repeatable: bool
) -> Call:
    """Return a call with a JSON body, or none."""
    encoded = None if body is None else msgspec.json.encode(body)
    kind = {"Content-Type": JSON} if encoded is not None else {}
    return Call(method, path, encoded, kind | headers, is_repeatable)


def send(job: Job, patience: Patience) -> Talk[JobOutcome]:
    """Queue one job; InvalidError says why it can never be sent."""
    key = job.key or secrets.token_urlsafe(12)
    call = plain("POST", "/v1/jobs", job, {"Idempotency-Key": key}, is_repeatable=True)
    answer = yield from asked_for(call, dict[str, Any], patience)
    return msgspec.convert(answer["results"][0], JobOutcome)


def send_all(jobs: Iterable[Job], key: str, patience: Patience) -> Talk[StreamOutcome]:
    """Queue any number of jobs in parts; a part that is cut off is sent again from there.

    Jobs without a key get one of `key` and their place: the same jobs under the same `key` once
    more, after a crash of the caller, add nothing.
    """
    key = key or secrets.token_urlsafe(12)
    outcome, first = StreamOutcome(), 0
    numbered = enumerate(jobs)
    while part := list(islice(numbered, JOBS_PER_PART)):
        lines = [_line(job, key, place) for place, job in part]
        yield from _send_part(lines, first, outcome, patience)
        first += len(part)
    return outcome


def _send_part(
    lines: list[bytes], first: int, outcome: StreamOutcome, patience: Patience
) -> Talk[None]:
    """Send lines until all are taken; those that were already taken are not sent again."""
    turn, is_repeat = 0, False
    while True:
        answer = yield Call("POST", "/v1/jobs", b"\n".join(lines), {"Content-Type": NDJSON})
        taken = 0
        error = error_of(answer)
        if answer.status == HTTPStatus.ACCEPTED:
            *rejects, last = _lines(answer.body)
            _count(outcome, rejects, last, first, is_repeat=is_repeat)
            taken = last["read"]
            code = last.get("stopped", "")
            error = BusyError(answer.status, {"detail": f"not all was taken: {code}", "code": code})
        elif not isinstance(error, (BusyError, UnreachableError)):
            raise error
        lines, first = lines[taken:], first + taken
        if not lines:
            return
        turn = 0 if taken else turn + 1
        if turn > patience.repeats_max:
            raise error
        yield patience.pause(turn, error)
        is_repeat = True


def _count(
    outcome: StreamOutcome,
    rejects: list[dict[str, Any]],
    last: dict[str, Any],
    first: int,
    *,
    is_repeat: bool,
) -> None:
    outcome.accepted += last["accepted"]
    outcome.rejected += last["rejected"]
    if is_repeat:
        outcome.repeated += last["duplicates"]
    else:
        outcome.duplicates += last["duplicates"]
    for each in msgspec.convert(rejects, list[JobOutcome])[: ERRORS_MAX - len(outcome.rejects)]:
        each.index += first
        outcome.rejects.append(each)


def _lines(body: bytes) -> list[dict[str, Any]]:
    return [msgspec.json.decode(line) for line in body.splitlines() if line.strip()]


def _line(job: Job, key: str, place: int) -> bytes:
    named = job if job.key else msgspec.structs.replace(job, key=f"{key}#{place}")
    return msgspec.json.encode(named)


def job(job_id: str, patience: Patience) -> Talk[JobStatus]:
    """Return where a job stands."""
    return (yield from asked_for(Call("GET", path_of("v1", "jobs", job_id)), JobStatus, patience))


def cancel_job(job_id: str, patience: Patience) -> Talk[None]:
    """Cancel a job; ConflictError when it is in flight or has ended."""
    yield from asked(Call("DELETE", path_of("v1", "jobs", job_id)), patience)


def create_campaign(plan: CampaignPlan, key: str, patience: Patience) -> Talk[Campaign]:
    """Create a campaign as a draft; the same plan under the same id or key is the same one."""
    headers = {"Idempotency-Key": key or secrets.token_urlsafe(12)}
    call = plain("POST", "/v1/campaigns", plan, headers, is_repeatable=True)
    return (yield from asked_for(call, Campaign, patience))


def campaign(campaign_id: str, patience: Patience) -> Talk[CampaignStatus]:
    """Return how far a campaign is."""
    call = Call("GET", path_of("v1", "campaigns", campaign_id))
    return (yield from asked_for(call, CampaignStatus, patience))


def move_campaign(campaign_id: str, action: str, patience: Patience) -> Talk[Campaign]:
    """Start, pause, resume or cancel; where it is already, nothing changes."""
    call = Call("POST", path_of("v1", "campaigns", campaign_id, action))
    return (yield from asked_for(call, Campaign, patience))


def download(path: str, into: IO[bytes], patience: Patience) -> Talk[None]:
    """Write an answer to a file as it comes; one that breaks off is asked for again."""
    is_repeatable = into.seekable()  # what was written to a pipe cannot be taken back
    yield from asked(Call("GET", path, None, {}, is_repeatable, UPLOAD_TIMEOUT_S, into), patience)
