"""The nouns: who sends what to whom, from which lane, and every way a job can stand or end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import NamedTuple, NewType

PortfolioId = NewType("PortfolioId", str)  # Meta's owner of everything; the limit is counted here
SenderId = NewType("SenderId", str)  # phone number id, Meta's name of a business number
WabaId = NewType("WabaId", str)  # WhatsApp Business Account
RecipientKey = NewType("RecipientKey", bytes)  # 8 bytes of a keyed hash of the canonical id

NowMs = Callable[[], int]  # milliseconds since the epoch, from the one clock made in the wiring


class Priority(IntEnum):
    """Who goes first; a lower number is served before a higher one."""

    AUTHENTICATION = 0  # somebody waits at a login screen
    SERVICE = 1  # an answer inside a conversation
    UTILITY = 2  # an order update
    MARKETING = 3  # a campaign


class Category(StrEnum):
    """What a message is to Meta; free-form messages are `SERVICE`."""

    AUTHENTICATION = "authentication"
    SERVICE = "service"
    UTILITY = "utility"
    MARKETING = "marketing"


class Gate(StrEnum):
    """One rule that may hold a job back."""

    QUOTA = "quota"
    RATE = "rate"
    PAIR = "pair"
    ACCOUNT = "account"
    SENDER = "sender"
    TEMPLATE = "template"
    WINDOW = "window"
    SUPPRESSION = "suppression"
    SCHEDULE = "schedule"
    SOURCE = "source"
    RETRY = "retry"


class JobState(StrEnum):
    """Where a job stands; the last six are ends, and each job reaches exactly one of them."""

    QUEUED = "queued"
    WAITING = "waiting"  # behind a named gate
    IN_FLIGHT = "in_flight"  # claimed, not yet settled
    IN_DOUBT = "in_doubt"  # it may have been sent; evidence or its policy decides
    ACCEPTED = "accepted"
    FAILED = "failed"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    SUPPRESSED = "suppressed"
    UNKNOWN = "unknown"  # no evidence came in its doubt time, and its policy forbids a repeat


ENDS = frozenset(
    {
        JobState.ACCEPTED,
        JobState.FAILED,
        JobState.EXPIRED,
        JobState.CANCELLED,
        JobState.SUPPRESSED,
        JobState.UNKNOWN,
    }
)


class DeliveryStatus(StrEnum):
    """What became of an accepted message: evidence that only grows, whatever order it comes in."""

    NONE = "none"
    HELD = "held"  # accepted, and kept by Meta to judge its template
    SENT = "sent"
    UNDELIVERED = "undelivered"
    DELIVERED = "delivered"
    READ = "read"


DELIVERY_RANK = {status: rank for rank, status in enumerate(DeliveryStatus)}


class SourceState(StrEnum):
    """Where a campaign or journey stands; only `RUNNING` lets its lanes be served."""

    DRAFT = "draft"
    SCHEDULED = "scheduled"
    RUNNING = "running"
    PAUSED = "paused"
    STOPPED = "stopped"
    CANCELLED = "cancelled"


class TemplateStatus(StrEnum):
    """Meta's verdict on a template; only `APPROVED` is sendable.

    https://developers.facebook.com/documentation/business-messaging/whatsapp/templates/template-quality
    """

    APPROVED = "APPROVED"
    PENDING = "PENDING"
    REJECTED = "REJECTED"
    PAUSED = "PAUSED"
    DISABLED = "DISABLED"
    IN_APPEAL = "IN_APPEAL"
    PENDING_DELETION = "PENDING_DELETION"
    DELETED = "DELETED"
    ARCHIVED = "ARCHIVED"
    LIMIT_EXCEEDED = "LIMIT_EXCEEDED"
    UNKNOWN = "UNKNOWN"  # a status we do not know forbids sending
    DRAFT = "DRAFT"  # ours: written here and not submitted yet


@dataclass(frozen=True, slots=True)
class Lane:
    """The queued jobs that close and open together; first in, first out."""

    source: str  # `campaign:ID`, `journey:ID` or `direct:ID`
    sender: SenderId
    template: str  # `WABA/name/language`; empty for free-form
    priority: Priority
    zone: str = ""  # whose quiet hours hold it; empty where its source does not sort by zone


class JobKey(NamedTuple):
    """A job inside its portfolio: the lane's number and the job's place in it."""

    lane: int
    sequence: int

    def __str__(self) -> str:
        """Return the text form, `lane.sequence`."""
        return f"{self.lane}.{self.sequence}"


def parse_key(text: str) -> JobKey:
    """Return the key that `text` spells; ValueError when it spells none.

    >>> parse_key("3.17")
    JobKey(lane=3, sequence=17)
    """
    lane, _, sequence = text.partition(".")
    return JobKey(int(lane), int(sequence))


@dataclass(slots=True)
class Row:
    """What differs from job to job; the rest is in its lane and its content.

    `tail` is the recipient as Meta wants it (`+` and digits, or a BSUID), then 0x1f and what the
    content needs: field values joined by 0x1f, or a whole message when `content` is 0.
    """

    recipient: RecipientKey
    tail: bytes
    content: int = 0  # version of the source's shared message
    repeats_max: int = 0  # copies that may follow a doubt
    expires_at_ms: int = 0  # 0 is never
    not_before_ms: int = 0
    dedupe: bytes = b""  # 8 bytes; the same value twice in a source is one job
    fingerprint: bytes = b""  # of the body; empty: a repeat is a duplicate whatever it carries
    place: int = 0  # in the upload it came with
