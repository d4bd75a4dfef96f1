"""The front door of jobs: check, refuse or enqueue, one or many."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from engine.contents import SEPARATOR, whole_for
from engine.dead import replay_key
from engine.directory import Directory, Journey, Sender
from engine.errors import InvalidJobError, QueueFullError
from engine.front_door import BATCH_MAX, BATCHES_PER_TRIP, FrontDoor
from engine.journeys import JourneyDoor, objection
from engine.leading import count_each_once
from engine.messages import CheckedMessage, SeveralErrors, check_job_message, repeats_max
from engine.model import JobKey, Lane, NowMs, PortfolioId, Priority, Row
from engine.ports import Batch, Enqueued
from engine.recipients import canonical, on_the_wire, why_not
from engine.refusals import queue_full, refusal
from engine.tracing import Traces, keep_traces


class JobStatus(StrEnum):
    """What became of one job at the door."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"  # its key is known, with another body
    REJECTED = "rejected"


@dataclass(slots=True)
class JobRequest:
    """One job as the caller asked for it; `body` is `message` as JSON, without a recipient."""

    sender: str
    to: str
    message: Mapping[str, object]
    body: bytes
    key: str = ""
    source: str = "direct:api"
    priority: Priority | None = None
    delivery: str = ""  # at_most_once, at_least_once, or empty: by category
    not_before_ms: int = 0
    expires_at_ms: int = 0
    trace: bytes = b""  # the caller's, packed
    replays: JobKey | None = None  # the failed job that an operator has queued once more


@dataclass(slots=True)
class JobResult:
    """What became of one job: where it is, or everything that is wrong with it."""

    index: int
    status: JobStatus
    portfolio: PortfolioId | None = None
    key: JobKey | None = None
    errors: list[InvalidJobError] = field(default_factory=list)


@dataclass(slots=True)
class _Sound:
    """A job that can be sent: its place in the request, and what is queued of it."""

    place: int
    portfolio: PortfolioId
    lane: Lane
    row: Row
    journey: Journey | None
    holds: bool = False  # it began its recipient's cooldown


@dataclass(slots=True)
class _Group:
    """The rows of one batch and where they stood in the request."""

    batch: Batch
    rows: list[Row]
    places: list[int]


class SendJobs:
    """The use case of everybody who sends."""

    def __init__(
        self,
        door: FrontDoor,
        journeys: JourneyDoor | None = None,
        traces: Traces | None = None,
        now_ms: NowMs | None = None,
    ) -> None:
        self._door = door
        self._journeys = journeys
        self._traces = traces
        self._now_ms = now_ms

    async def accept(self, jobs: Sequence[JobRequest]) -> list[JobResult]:
        """Queue what can be sent and refuse the rest with its reasons, each in its place.

        Raises QueueFullError when jobs were sound and the queue took none of them, and
        LedgerError when nobody knows: the same call may then be made again where jobs have keys.
        """
        results: list[JobResult] = []
        sound: list[_Sound] = []
        for index, job in enumerate(jobs):
            result = JobResult(index, JobStatus.REJECTED)
            results.append(result)
            try:
                sound.append(self._sound(index, job))
            except InvalidJobError as error:
                result.errors = error.all if isinstance(error, SeveralErrors) else [error]
        await count_each_once(self._door.leads, [(each.portfolio, each.row) for each in sound])
        cooling = [each for each in sound if each.journey and each.journey.cooldown_ms]
        if cooling:
            await self._cool(cooling, results)
        ready = [each for each in sound if not results[each.place].errors]
        if self._door.quiet is not None:
            await self._door.quiet.know_lanes([each.lane for each in ready])
        try:
            await self._enqueue_groups(_grouped(ready), results)
        except QueueFullError:
            await self._warm(cooling, results)
            raise
        await self._warm(cooling, results)
        await keep_traces(self._traces, jobs, results, self._door.emit)
        return results

    async def _cool(self, cooling: Sequence[_Sound], results: list[JobResult]) -> None:
        """Begin the cooldowns of a journey's recipients; refuse whose cooldown still runs."""
        assert self._journeys is not None
        for journey, its in _by_journey(cooling):
            answers = await self._journeys.cooldowns.take(
                journey.portfolio_id,
                journey.source,
                [(each.row.recipient, each.row.dedupe) for each in its],
                journey.cooldown_ms,
            )
            for each, answer in zip(its, answers, strict=True):
                each.holds = not (answer.until_ms or answer.is_known)
                if answer.until_ms:
                    refusal = self._journeys.cooldown_refusal(journey, answer.until_ms)
                    results[each.place].errors = [refusal]

    async def _warm(self, cooling: Sequence[_Sound], results: list[JobResult]) -> None:
        """Give back the cooldowns of jobs that were not queued after all."""
        idle = [
            each
            for each in cooling
            if each.holds and results[each.place].status is not JobStatus.ACCEPTED
        ]
        for journey, its in _by_journey(idle):
            assert self._journeys is not None
            recipients = [each.row.recipient for each in its]
            await self._journeys.cooldowns.give_back(
                journey.portfolio_id, journey.source, recipients
            )

    async def _enqueue_groups(self, groups: list[_Group], results: list[JobResult]) -> None:
        refused: list[PortfolioId] = []
        for start in range(0, len(groups), BATCHES_PER_TRIP):
            trip = groups[start : start + BATCHES_PER_TRIP]
            answers = await self._door.queue([group.batch for group in trip])
            for group, enqueued in zip(trip, answers, strict=True):
                if enqueued.refused == "full":
                    refused.append(group.batch.portfolio)
                _tell(group, enqueued, results)
        if refused and not any(result.key for result in results):
            raise queue_full(refused[0])

    def _sound(self, place: int, job: JobRequest) -> _Sound:
        """Return where a job goes and its row; raise everything that is wrong with it at once."""
        directory, recipients, quiet = self._door.directory, self._door.recipients, self._door.quiet
        errors: list[InvalidJobError] = []
        identity = canonical(job.to)
        if identity is None:
            code, detail = why_not(job.to)
            errors.append(InvalidJobError(detail, pointer="/to", code=code))
        sender = directory.senders.get(job.sender)
        if sender is None:
            detail = "is no sender we know; add it with PUT /v1/senders/{phone_number_id}"
            errors.append(InvalidJobError(detail, pointer="/sender", code="unknown_sender"))
        checked = CheckedMessage()
        if sender is not None:
            checked = check_job_message(directory, sender.waba_id, job.message)
            errors += checked.errors
        errors += _never(job, self._now_ms() if self._now_ms else 0)
        if job.replays is None:  # what failed may be sent again when its campaign is forgotten
            errors += _homeless(directory, job.source, sender)
        category = checked.category
        errors += [] if errors else self._door.refusals(identity, category, sender)
        journey = self._journeys.of(job.source) if self._journeys else None
        if journey is not None and sender is not None:
            refusal = objection(journey, sender.portfolio_id)
            errors += [refusal] if refusal else []
        if errors or identity is None or sender is None:
            raise SeveralErrors(errors)
        priority = job.priority
        if priority is None and journey is not None:
            priority = journey.priority
        if priority is None:
            priority = Priority[category.name]
        to = on_the_wire(identity).encode()
        known = directory.templates.get(checked.template)
        content = whole_for(known.version) if known is not None else 0
        row = Row(recipients.key(identity), to + SEPARATOR + job.body, content)
        row.repeats_max = repeats_max(category, job.delivery)
        row.not_before_ms, row.expires_at_ms = job.not_before_ms, job.expires_at_ms
        if self._journeys is not None and journey is not None:
            row.expires_at_ms = self._journeys.expires_at_ms(
                journey, job.expires_at_ms, job.not_before_ms
            )
        self._name(row, job, to)
        zone = quiet.zone_of(job.source, identity, category) if quiet else ""
        lane = Lane(job.source, sender.id, checked.template, priority, zone)
        # A replay takes no cooldown: its first try began one, and reached nobody.
        return _Sound(place, sender.portfolio_id, lane, row, None if job.replays else journey)

    def _name(self, row: Row, job: JobRequest, to: bytes) -> None:
        """Say by what a job is known to its source, where it is."""
        if job.replays is not None:
            row.dedupe = row.fingerprint = replay_key(job.replays)
        elif job.key:
            row.dedupe = self._door.recipients.dedupe(job.key)
            row.fingerprint = self._door.recipients.fingerprint(to, job.body, job.sender.encode())


def _never(job: JobRequest, now_ms: int) -> list[InvalidJobError]:
    """Return why no moment is left in which a job may leave.

    One with a key that has expired is let in: it may be one that is known and has been sent.
    """
    ends_ms = job.expires_at_ms
    if 0 < ends_ms <= job.not_before_ms:
        detail = "is not later than not_before: it would never be sent"
        return [InvalidJobError(detail, pointer="/expires_at", code="expired")]
    if 0 < ends_ms <= now_ms and not job.key and job.replays is None:
        detail = "is past: it would never be sent; name a later moment, or none"
        return [InvalidJobError(detail, pointer="/expires_at", code="expired")]
    return []


def _homeless(directory: Directory, source: str, sender: Sender | None) -> list[InvalidJobError]:
    """Return why a job cannot be of the campaign it names: nobody could hold it back there."""
    kind, _, name = source.partition(":")
    if kind != "campaign":
        return []
    campaign = directory.campaigns.get(name)
    if campaign is None:
        detail = f"there is no campaign {name}; create it, or name another source"
        return [InvalidJobError(detail, pointer="/source/id", code="unknown_source")]
    if sender is not None and sender.portfolio_id != campaign.portfolio_id:
        detail = f"campaign {name} belongs to portfolio {campaign.portfolio_id}"
        remedy = "use one of its senders"
        return [InvalidJobError(detail, pointer="/sender", code="other_portfolio", remedy=remedy)]
    return []


def _grouped(sound: Sequence[_Sound]) -> list[_Group]:
    """Return jobs as batches of one lane each."""
    groups: dict[tuple[PortfolioId, Lane], _Group] = {}
    batches: list[_Group] = []
    for each in sound:
        lane = (each.portfolio, each.lane)
        group = groups.get(lane)
        if group is None or len(group.rows) == BATCH_MAX:
            rows: list[Row] = []
            group = groups[lane] = _Group(Batch(*lane, rows), rows, [])
            batches.append(group)
        group.rows.append(each.row)
        group.places.append(each.place)
    return batches


def _by_journey(sound: Sequence[_Sound]) -> list[tuple[Journey, list[_Sound]]]:
    """Return jobs under their journeys."""
    found: dict[str, tuple[Journey, list[_Sound]]] = {}
    for each in sound:
        if each.journey is not None:
            found.setdefault(each.journey.id, (each.journey, []))[1].append(each)
    return list(found.values())


def _tell(group: _Group, enqueued: Enqueued, results: list[JobResult]) -> None:
    """Write what became of a group's rows to their places in the answer."""
    if enqueued.refused:
        reason = refusal(enqueued.refused, "its source was cancelled; use another one")
        for place in group.places:
            results[place].errors = [reason]
        return
    known = {each.index: each for each in enqueued.not_new}
    sequence = enqueued.first
    for index, place in enumerate(group.places):
        result = results[place]
        result.portfolio = group.batch.portfolio
        if (old := known.get(index)) is None:
            result.status, result.key = JobStatus.ACCEPTED, JobKey(enqueued.lane, sequence)
            sequence += 1
            continue
        result.key = old.known
        result.status = JobStatus.DUPLICATE
        if old.conflict:
            detail = "was used for another body; use a fresh key for another job"
            result.status = JobStatus.CONFLICT
            result.errors = [InvalidJobError(detail, pointer="/key", code="conflict")]
