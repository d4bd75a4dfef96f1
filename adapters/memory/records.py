"""What a slot keeps of each job, lane, sender and source."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from engine.model import DeliveryStatus, Gate, JobKey, JobState, Lane, RecipientKey
from engine.pace import SendSlots
from engine.ports import FOREVER_MS, SenderSpec, SourceSpec
from engine.quiet import Spans


@dataclass(slots=True)
class Job:
    """One job while it is not ended."""

    key: JobKey
    recipient: RecipientKey
    tail: bytes
    content: int
    repeats_max: int
    expires_at_ms: int
    due_ms: int
    fence: int = 0  # grows with every claim; a settle must know it
    failures: int = 0  # definite failures: the attempts it has spent
    repeats: int = 0  # copies that followed a doubt


@dataclass(slots=True)
class Open:
    """A claimed job: in flight, or in doubt."""

    job: Job
    since_ms: int  # when its lease ends, or since when it is in doubt
    counted: bool  # whether that moment is its proof in the window
    doubted: bool = False

    @property
    def hold_ms(self) -> int:
        """Return its proof in the window; 0 when it does not count."""
        return self.since_ms if self.counted else 0


@dataclass(slots=True)
class Done:
    """An ended job."""

    state: JobState
    fence: int
    mark_ms: int  # its proof in the window; 0 when it has none
    recipient: RecipientKey
    code: int = 0
    wamid: str = ""
    delivery: DeliveryStatus = DeliveryStatus.NONE


@dataclass(slots=True)
class Walk:
    """How far a look through all rows of a lane is, for those that expired."""

    is_parked: bool = False  # its list: first the queued rows, then the parked ones
    done: int = 0  # rows from the list's end that are done with
    first_ms: int = FOREVER_MS  # the earliest expiry it met


@dataclass(slots=True)
class LaneState:
    """A lane's queue, its jobs parked for a place, and its standing in the rings."""

    number: int
    lane: Lane
    queue: deque[Job] = field(default_factory=deque)
    parked: deque[Job] = field(default_factory=deque)
    last: int = 0  # sequence of the newest job
    passed: int = 0
    wait_passed: int = 0
    ghosts: int = 0  # queued rows whose job has ended by late evidence
    asleep: bool = False
    walk: Walk | None = None
    at_ms: int = 0  # when a job came in last
    ended_until: int = 0  # jobs up to this one that waited ended with their template,
    ended_code: int = 0  # with this code

    @property
    def fresh(self) -> int:
        """How many jobs are queued."""
        return max(0, len(self.queue) - self.ghosts)

    @property
    def waiting(self) -> int:
        """How many jobs wait for a place; ghosts the queue has no room for stand among them."""
        return len(self.parked) - max(0, self.ghosts - len(self.queue))


@dataclass(slots=True)
class SenderState:
    """A sender's send times, its gate, and its turn for the lower priorities' share."""

    spec: SenderSpec
    slots: SendSlots
    closed_until_ms: int = 0
    spoke_ms: int = 0  # when a silence of its webhooks ended
    turn: int = 0
    share: int = 0


@dataclass(slots=True)
class SourceStateOf:
    """A source's spec, what it has seen, and its books."""

    spec: SourceSpec
    lanes: list[int] = field(default_factory=list)
    contents: list[bytes] = field(default_factory=list)
    quiet: dict[str, Spans] = field(default_factory=dict)  # when each zone is open
    is_quiet: bool = False
    seen: dict[bytes, tuple[JobKey, bytes, int]] = field(default_factory=dict)
    ring_lanes: dict[tuple[str, int], int] = field(default_factory=dict)
    expires_ms: int | None = None  # of all its jobs, where that was changed since
    repeats_max: int | None = None  # as expires_ms
    version: int = 0  # below it no row is of its message any more
    enqueued: int = 0
    states: dict[JobState, int] = field(default_factory=dict)
    waiting: dict[Gate, int] = field(default_factory=dict)
    delivery: dict[DeliveryStatus, int] = field(default_factory=dict)
