"""The shapes of answers about dead letters and doubts: a field more may come, none changes."""

from __future__ import annotations

import msgspec

from adapters.api.openapi.answers import Count, Time
from engine.dead import WhyNot
from engine.model import JobState


class DeadLetterAnswer(msgspec.Struct):
    """A job that failed for good."""

    id: str
    sender: str
    source: str | None
    template: str | None
    at: Time | None
    attempt: Count
    code: int | None
    title: str
    replayable: bool
    why_not: WhyNot | None


class DeadAnswer(msgspec.Struct):
    """Dead letters, each sender's newest first."""

    dead: list[DeadLetterAnswer]


class ReplayedJob(msgspec.Struct):
    """A dead letter and the job that replays it; `is_new` is false where it did already."""

    id: str
    job: str
    is_new: bool


class RefusedReplay(msgspec.Struct):
    """A dead letter that was not replayed, and why; it stays on the list."""

    id: str
    code: str
    detail: str


class ReplayedAnswer(msgspec.Struct):
    """What became of dead letters, and whether the filter finds more of them."""

    replayed: Count
    known: Count
    jobs: list[ReplayedJob]
    refused: list[RefusedReplay]
    more: bool


class DroppedAnswer(msgspec.Struct):
    """How many dead letters were dropped, and whether there may be more."""

    dropped: Count
    more: bool


class DoubtAnswer(msgspec.Struct):
    """A job of which nobody knows whether it was sent."""

    id: str
    sender: str
    source: str
    template: str | None
    decided_at: Time | None


class DoubtsAnswer(msgspec.Struct):
    """Jobs in doubt, those decided next first."""

    doubts: list[DoubtAnswer]


class ResolvedAnswer(msgspec.Struct):
    """How a doubt ended."""

    id: str
    state: JobState
