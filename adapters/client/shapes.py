"""What goes in and what comes out, typed; a field the API learns later is no error here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

import msgspec

from adapters.client.errors import FieldFault

PriorityName = Literal["authentication", "service", "utility", "marketing"]
Delivery = Literal["at_most_once", "at_least_once"]
Message = Mapping[str, Any]  # a Cloud API message as Meta has it, without its recipient


class Source(msgspec.Struct, omit_defaults=True):
    """Whose job it is. `node` is for whoever reads the call: the API does not keep it."""

    kind: Literal["campaign", "journey", "direct"]
    id: str
    node: str = ""


class Job(msgspec.Struct, omit_defaults=True, kw_only=True):
    """One message to one recipient. Its key makes it one job however often it is sent."""

    sender: str
    to: str
    message: Message
    key: str = ""
    source: Source | None = None
    priority: PriorityName | None = None
    not_before: datetime | None = None
    expires_at: datetime | None = None
    delivery: Delivery | None = None


class QuietHours(msgspec.Struct, omit_defaults=True):
    """Hours in which nobody is written to, `since` and `until` as HH:MM.

    By one `time_zone` (like Europe/Rome), or with `recipient` by that of each person; `time_zone`
    then counts for those whose number tells none.
    """

    since: str = msgspec.field(name="from")
    until: str = msgspec.field(name="to")
    time_zone: str | None = None
    recipient: bool = False


class CampaignPlan(msgspec.Struct, omit_defaults=True, kw_only=True):
    """A campaign to create; `message` may have `{{placeholders}}` over recipient fields."""

    name: str
    senders: Sequence[str]
    message: Message
    id: str | None = None
    priority: PriorityName | None = None
    weight: int = 1
    start_at: datetime | None = None
    expires_at: datetime | None = None
    delivery: Delivery | None = None
    quiet_hours: QuietHours | None = None
    on_template_change: Literal["resume", "stay_stopped"] | None = None


class Recipient(msgspec.Struct, omit_defaults=True):
    """One row of a campaign."""

    to: str
    fields: Mapping[str, str | int | float] = {}
    key: str = ""


class JobOutcome(msgspec.Struct):
    """What became of one job at the door; `index` is its place among those that were sent."""

    index: int
    id: str | None
    status: str
    errors: list[FieldFault] = []


class StreamOutcome(msgspec.Struct):
    """What became of many jobs.

    `repeated` are duplicates met while a part was sent again: most were taken the first time.
    """

    accepted: int = 0
    duplicates: int = 0
    repeated: int = 0
    rejected: int = 0
    rejects: list[JobOutcome] = []


class WaitingFor(msgspec.Struct):
    """A gate that holds a job back."""

    gate: str
    detail: str = ""
    until: datetime | None = None
    number: int | None = None
    limit: int | None = None


class Step(msgspec.Struct):
    """One step of a job, by its name in the outcome log: `enqueued`, `retry`, `accepted`, ...."""

    at: datetime
    transition: str


class JobStatus(msgspec.Struct):
    """Where a job stands.

    `attempt` is how often it was taken up for writing. `history` is complete from `history_since`
    on; None: from its begin.
    """

    id: str
    state: str
    attempt: int = 0
    delivery: str = ""
    waiting_for: list[WaitingFor] = []
    wamid: str | None = None
    code: int | None = None
    history: list[Step] = []
    history_since: datetime | None = None


class Campaign(msgspec.Struct):
    """A campaign as created."""

    id: str
    name: str
    state: str
    portfolio_id: str
    senders: list[str] = []
    fields: list[str] = []
    priority: str = ""
    weight: int = 1
    quiet_hours: QuietHours | None = None


class Counts(msgspec.Struct):
    """The books of a campaign: each job in exactly one place."""

    queued: int = 0
    waiting: dict[str, int] = {}
    in_flight: int = 0
    in_doubt: int = 0
    accepted: int = 0
    failed: int = 0
    expired: int = 0
    cancelled: int = 0
    suppressed: int = 0
    unknown: int = 0


class CampaignStatus(Campaign):
    """How far a campaign is."""

    enqueued: int = 0
    counts: Counts = msgspec.field(default_factory=Counts)
    delivery: dict[str, int] = {}
    eta: datetime | None = None
    warnings: list[str] = []

    @property
    def is_over(self) -> bool:
        """Return whether no job of it will leave any more."""
        return self.state in ("completed", "cancelled")


class RowFault(msgspec.Struct):
    """What is wrong with a row."""

    row: int
    field: str = ""
    code: str = ""
    detail: str = ""


class UploadOutcome(msgspec.Struct):
    """What became of rows."""

    read: int = 0
    accepted: int = 0
    duplicates: int = 0
    rejected: int = 0
    errors: list[RowFault] = []


def template(
    name: str,
    language: str,
    body: Sequence[str] | Mapping[str, str] = (),
    header: Sequence[str] | Mapping[str, str] = (),
) -> Message:
    """Return a template message with texts; named variables are given as a mapping.

    >>> template("offer", "en_US", ["Ada"])["template"]["components"][0]["parameters"]
    [{'type': 'text', 'text': 'Ada'}]
    """
    components = [
        {"type": kind, "parameters": _texts(texts)}
        for kind, texts in (("header", header), ("body", body))
        if texts
    ]
    shown: dict[str, Any] = {"name": name, "language": {"code": language}}
    if components:
        shown["components"] = components
    return {"type": "template", "template": shown}


def _texts(texts: Sequence[str] | Mapping[str, str]) -> list[dict[str, str]]:
    if isinstance(texts, Mapping):
        return [
            {"type": "text", "parameter_name": name, "text": text} for name, text in texts.items()
        ]
    return [{"type": "text", "text": text} for text in texts]
