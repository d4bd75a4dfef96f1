"""The shapes of answers about jobs."""

from __future__ import annotations

from typing import Literal

import msgspec

from adapters.api.openapi.answers import Count, Time
from adapters.api.problems import FieldError
from engine.model import DeliveryStatus, Gate, JobState


class ItemOutcome(msgspec.Struct):
    """What became of one job of a call."""

    index: Count
    id: str | None
    status: Literal["accepted", "duplicate", "conflict", "rejected"]
    errors: list[FieldError]


class JobsAnswer(msgspec.Struct):
    """What became of the jobs of a call. NDJSON has rejects and these numbers, a line each."""

    accepted: Count
    duplicates: Count
    rejected: Count
    results: list[ItemOutcome]


class WaitingFor(msgspec.Struct, omit_defaults=True):
    """A gate that holds a job back, and until when, where that is known."""

    gate: Gate
    detail: str
    until: Time | None
    number: int | None = None
    limit: int | None = None


class MoveAnswer(msgspec.Struct):
    """One step of a job, by its name in the outcome log."""

    at: Time | None
    transition: str


class JobAnswer(msgspec.Struct):
    """Where a job stands.

    `attempt` counts how often it was taken up for writing, from 1; one that was given back before
    its first byte counts too, so it is at least the number of writes. `history` is what the
    newest 50 records of the log tell, complete from `history_since` on, which is null where all of
    it is there; `?history=all` looks further back.
    """

    id: str
    state: JobState
    attempt: Count
    delivery: DeliveryStatus
    waiting_for: list[WaitingFor]
    wamid: str | None
    code: int | None
    misfit: str | None
    traceparent: str | None  # as its caller named it
    replays: str | None  # the failed job it was queued for once more
    replayed_as: str | None
    history: list[MoveAnswer]
    history_since: Time | None


class JobCancelled(msgspec.Struct):
    """A job that was taken back."""

    id: str
    state: Literal["cancelled"]


class AcceptedJobsAnswer(JobsAnswer):
    """The same for one job of a journey: also where it stands."""

    state: JobState
    waiting_for: list[WaitingFor]
