"""`/v1/jobs`: one job, many jobs, or a stream of them; and where a job stands."""

from __future__ import annotations

from dataclasses import replace
from http import HTTPStatus
from typing import Literal

import msgspec
from aiohttp import web

from adapters.api.beside import TRACEPARENT, beside
from adapters.api.bodies import (
    BULK_MAX,
    Message,
    Moment,
    Name,
    Strict,
    check_depth,
    decode,
    field_error_of,
    milliseconds,
    read_body,
    rfc3339,
)
from adapters.api.front import Front, as_json
from adapters.api.meanings import meaning_for
from adapters.api.openapi.described import described
from adapters.api.openapi.job_answers import (
    AcceptedJobsAnswer,
    JobAnswer,
    JobCancelled,
    JobsAnswer,
)
from adapters.api.problems import CONFLICTS, FieldError, Problem, field_error, problem_of
from adapters.api.references import MARK, PATIENCE_MS, with_wamids
from adapters.api.repeats import refuse_repeats
from adapters.api.streams import lines_of
from adapters.api.why_job import JobGates
from engine.books import JobView
from engine.directory import Portfolio, Role
from engine.errors import EngineError, InvalidJobError, LedgerError
from engine.intake import JobRequest, JobResult, JobStatus
from engine.model import Gate, JobKey, Priority
from engine.ports import FOREVER_MS, Cancelled
from engine.traces import trace_of

JOBS_MAX = 1_000  # of one array
LINES_PER_CALL = 500
REJECTS_MAX = 10_000  # told one by one; more are only counted
KEY_MAX = 255
NDJSON = "application/x-ndjson"
STATUSES = {
    JobStatus.CONFLICT: HTTPStatus.CONFLICT,
    JobStatus.REJECTED: HTTPStatus.UNPROCESSABLE_ENTITY,
}


TOO_LATE = {
    Cancelled.IN_FLIGHT: "the job is in flight: its message may leave at this moment",
    Cancelled.IN_DOUBT: "the job is in doubt: its message may have been sent",
    Cancelled.REPEATING: "the job was in doubt and waits for a repeat: it may have been sent",
    Cancelled.ENDED: "the job has ended; GET shows how",
    Cancelled.UNFOUND: "too many jobs wait to find this one among them; cancel or pause its source",
}


class SourceBody(Strict):
    """Whose job it is.

    `node`, the step of a journey, is for whoever reads the call: it is not kept, and no answer has
    it. To tell steps apart later, give each a journey of its own, or send a `traceparent`: that is
    kept with its job.
    """

    kind: Literal["campaign", "journey", "direct"]
    id: Name
    node: str = ""


class JobBody(Strict):
    """One message to one recipient."""

    sender: str
    to: str
    message: Message
    key: str = ""
    source: SourceBody | None = None
    priority: Literal["authentication", "service", "utility", "marketing"] | None = None
    not_before: Moment | None = None
    expires_at: Moment | None = None
    delivery: Literal["at_most_once", "at_least_once"] | None = None


class JobQuery(msgspec.Struct):
    """How much of a job's history: what the newest records tell, or all that is kept."""

    history: Literal["recent", "all"] = "recent"


class ItemResult(msgspec.Struct):
    """What became of one item."""

    index: int
    id: str | None
    status: str
    errors: list[FieldError]


class Summary(msgspec.Struct):
    """What became of all items."""

    accepted: int = 0
    duplicates: int = 0
    rejected: int = 0

    def count(self, result: ItemResult) -> None:
        """Count one result."""
        self.accepted += result.status == JobStatus.ACCEPTED
        self.duplicates += result.status == JobStatus.DUPLICATE
        self.rejected += result.status in STATUSES


class Jobs:
    """The routes of `/v1/jobs`."""

    def __init__(self, front: Front) -> None:
        self._front = front

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Add them."""
        router.add_post("/v1/jobs", self._front.may(Role.SEND, self._post))
        router.add_get("/v1/jobs/{id}", self._front.may(Role.READ, self._get))
        router.add_delete("/v1/jobs/{id}", self._front.may(Role.SEND, self._delete))

    @described(
        "Queue one job, an array of at most 1,000, or an NDJSON stream of any length",
        takes=JobBody | list[JobBody],
        lines=JobBody,
        gives=(JobsAnswer, AcceptedJobsAnswer),
        status=HTTPStatus.ACCEPTED,
        refuses=(409, 429),
        headers=("Idempotency-Key", TRACEPARENT),
    )
    async def _post(self, request: web.Request) -> web.StreamResponse:
        if request.content_type == NDJSON:
            return await self._stream(request)
        body = await read_body(request, BULK_MAX)
        header_key, trace = request.headers.get("Idempotency-Key", ""), trace_in(request)
        if not body.lstrip().startswith(b"["):
            return await self._one(body, header_key, trace)
        items = decode(body, list[msgspec.Raw])  # each looked at more closely in its turn
        if len(items) > JOBS_MAX:
            detail = f"{len(items)} jobs; an array holds at most {JOBS_MAX}, NDJSON any number"
            raise Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail, code="too_many")
        results = await self.accept([bytes(item) for item in items], header_key, trace=trace)
        summary = Summary()
        for result in results:
            summary.count(result)
        shown = msgspec.structs.asdict(summary) | {"results": results}
        return as_json(shown, HTTPStatus.ACCEPTED)

    async def _one(self, body: bytes, header_key: str, trace: bytes) -> web.Response:
        """Answer for one job: its refusal is the call's refusal."""
        check_depth(body)
        parsed = decode(body, JobBody)
        check_repeats(body, parsed)
        job = await self._referring(body, to_request(parsed, header_key, trace), PATIENCE_MS)
        (result,) = await self._front.intake.accept([job])
        if result.status in STATUSES:
            errors = [field_error(error) for error in result.errors]
            if any(error.code in CONFLICTS for error in errors):
                result.status = JobStatus.CONFLICT
            raise Problem(
                STATUSES[result.status], errors[0].detail, code=errors[0].code, errors=errors
            )
        item = self._shown(result)
        summary = Summary()
        summary.count(item)
        shown = msgspec.structs.asdict(item)
        if job.source.startswith("journey:"):
            shown |= await self._standing(result)
        answer = msgspec.structs.asdict(summary) | {"results": [shown]}
        return as_json(answer, HTTPStatus.ACCEPTED)

    async def _standing(self, result: JobResult) -> dict[str, object]:
        """Return what a journey's node wants to know at once: whether it goes now or waits.

        It costs one look at the ledger, and the job may have left before that. A ledger that
        does not answer takes nothing back: the job is queued.
        """
        if result.portfolio is None or result.key is None:
            return {}
        try:
            view = await self._front.ledger.job(result.portfolio, result.key)
        except LedgerError:
            return {}
        return {} if view is None else {"state": view.state.value, "waiting_for": waiting_for(view)}

    async def accept(
        self, bodies: list[bytes], header_key: str = "", first: int = 0, trace: bytes = b""
    ) -> list[ItemResult]:
        """Queue many jobs given as JSON; one that cannot even be read is rejected in its place.

        `header_key` makes a key for each job that brings none: the same call again adds nothing.
        All of them are of the caller's `trace`.
        """
        results: dict[int, ItemResult] = {}
        jobs: list[JobRequest] = []
        places: list[int] = []
        for place, body in enumerate(bodies):
            try:
                check_depth(body)
                parsed = msgspec.json.decode(body, type=JobBody)
                check_repeats(body, parsed)
                name = f"{header_key}#{first + place}" if header_key else ""
                jobs.append(await self._referring(body, to_request(parsed, name, trace)))
                places.append(place)
            except Problem as problem:
                results[place] = _rejected(first + place, problem.errors, problem.detail)
            except InvalidJobError as error:
                results[place] = _rejected(first + place, [field_error(error)])
            except (msgspec.MsgspecError, RecursionError) as error:
                results[place] = _rejected(first + place, [field_error_of(error, JobBody)])
        for place, result in zip(places, await self._front.intake.accept(jobs), strict=True):
            result.index = first + place
            results[place] = self._shown(result)
        return [results[place] for place in range(len(bodies))]

    async def _referring(self, body: bytes, job: JobRequest, patience_ms: int = 0) -> JobRequest:
        """Return a job whose message refers to Meta's ids, where it named ours."""
        if MARK not in body:
            return job
        message = await with_wamids(self._front, job.message, patience_ms=patience_ms)
        return replace(job, message=message, body=msgspec.json.encode(message))

    async def _stream(self, request: web.Request) -> web.Response:
        """Take jobs line by line with constant memory; answer the rejected ones and a summary."""
        header_key, trace = request.headers.get("Idempotency-Key", ""), trace_in(request)
        summary, rejects, first, stop = Summary(), list[ItemResult](), 0, ""
        try:
            async for lines in lines_of(request, LINES_PER_CALL):
                for result in await self.accept(lines, header_key, first, trace):
                    summary.count(result)
                    if result.status in STATUSES and len(rejects) < REJECTS_MAX:
                        rejects.append(result)
                first += len(lines)
        except (EngineError, Problem) as error:
            if not first:
                raise
            stop = (error if isinstance(error, Problem) else problem_of(error)).code
        last: dict[str, object] = {**msgspec.structs.asdict(summary), "read": first}
        if stop:
            last["stopped"] = stop
        body = msgspec.json.Encoder().encode_lines([*rejects, last])
        return web.Response(status=HTTPStatus.ACCEPTED, body=body, content_type=NDJSON)

    @described("Where a job stands, and what it waits for", gives=JobAnswer, query=JobQuery)
    async def _get(self, request: web.Request) -> web.Response:
        text = request.match_info["id"]
        portfolio, key = self._place(text)
        view = await self._front.ledger.job(portfolio.id, key)
        if view is None:
            raise _no_job()
        looks_far = request.query.get("history") == "all"
        shown = shown_job(view) | await beside(self._front, portfolio, key, looks_far=looks_far)
        if view.gate is Gate.QUOTA and portfolio.quota_scope == "portfolio":
            quota = await self._front.ledger.quota(portfolio.id)
            shown["waiting_for"] = [
                each | {"number": quota.used, "limit": quota.limit} for each in waiting_for(view)
            ]
        elif detail := JobGates(self._front).standing(view):
            shown["waiting_for"] = [each | {"detail": detail} for each in waiting_for(view)]
        return as_json({"id": text, **shown})

    @described("Cancel a job that waits", gives=JobCancelled, refuses=(409,))
    async def _delete(self, request: web.Request) -> web.Response:
        """Cancel a job that waits; the same call again is no harm."""
        text = request.match_info["id"]
        portfolio, key = self._place(text)
        became = await self._front.ledger.cancel_job(portfolio.id, key)
        if became is Cancelled.NO_JOB:
            raise _no_job()
        if became is not Cancelled.DONE:
            raise Problem(HTTPStatus.CONFLICT, TOO_LATE[became], code=became.value)
        return as_json({"id": text, "state": became.value})

    def _place(self, text: str) -> tuple[Portfolio, JobKey]:
        """Return where a job id leads; the problem when it leads nowhere."""
        place = self._front.job_ids.decode(text)
        portfolio = self._front.registry.directory.portfolio_of_number(place[0]) if place else None
        if place is None or portfolio is None:
            raise _no_job()
        return portfolio, place[1]

    def _shown(self, result: JobResult) -> ItemResult:
        number = 0
        if result.portfolio is not None:
            number = self._front.registry.directory.portfolios[result.portfolio].number
        job_id = self._front.job_ids.encode(number, result.key) if result.key else None
        errors = [field_error(error) for error in result.errors]
        return ItemResult(result.index, job_id, result.status.value, errors)


def _no_job() -> Problem:
    return Problem(HTTPStatus.NOT_FOUND, "there is no such job", code="not_found")


def trace_in(request: web.Request) -> bytes:
    """Return the caller's trace; empty where it names none, or none that can be read."""
    return trace_of(request.headers.getall(TRACEPARENT, []))


def check_key(key: str, place: str) -> str:
    """Return an idempotency key; a longer one would be told from no other that begins alike."""
    if len(key) > KEY_MAX:
        shown = FieldError(place, "too_long", f"a key has at most {KEY_MAX} characters")
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, shown.detail, errors=[shown])
    return key


def check_repeats(body: bytes, job: JobBody) -> None:
    """Refuse a job that names a member twice, outside of its message.

    A job has as many names as it has members; counting them costs a tenth of reading it again,
    and only where the count is another (a space before a colon, a value that looks like a name)
    is it read again.
    """
    source = job.source
    members = (
        3  # sender, to, message
        + bool(job.key)
        + (job.priority is not None)
        + (job.not_before is not None)
        + (job.expires_at is not None)
        + (job.delivery is not None)
        + (0 if source is None else 3 + bool(source.node))
    )
    if body.count(b'":') - bytes(job.message).count(b'":') != members:
        refuse_repeats(body)


def to_request(body: JobBody, header_key: str = "", trace: bytes = b"") -> JobRequest:
    """Return a job as the engine takes it."""
    key = check_key(body.key or header_key, "/key")
    message = decode(bytes(body.message), dict[str, object], "/message")
    source = f"{body.source.kind}:{body.source.id}" if body.source else "direct:api"
    return JobRequest(
        sender=body.sender,
        to=body.to,
        message=message,
        body=msgspec.json.encode(message),  # what was checked, also where a name comes twice
        key=key,
        source=source,
        priority=Priority[body.priority.upper()] if body.priority else None,
        delivery=body.delivery or "",
        not_before_ms=milliseconds(body.not_before),
        expires_at_ms=milliseconds(body.expires_at),
        trace=trace,
    )


def shown_job(view: JobView) -> dict[str, object]:
    """Return where a job stands, for the outside."""
    return {
        "state": view.state.value,
        "attempt": view.attempt,
        "delivery": view.delivery.value,
        "waiting_for": waiting_for(view),
        "wamid": view.wamid or None,
        "code": view.code or None,
        "misfit": view.misfit or None,
    }


def waiting_for(view: JobView) -> list[dict[str, object]]:
    """Return the gate a job waits behind, as the API shows it."""
    if view.gate is None:
        return []
    is_known = view.until_ms is not None and view.until_ms < FOREVER_MS
    until = rfc3339(view.until_ms) if is_known else None
    return [{"gate": view.gate.value, "detail": meaning_for(view), "until": until}]


def _rejected(index: int, errors: list[FieldError], detail: str = "") -> ItemResult:
    errors = errors or [FieldError("", "malformed", detail)]
    return ItemResult(index, None, JobStatus.REJECTED.value, errors)
