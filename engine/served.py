"""A portfolio as this process serves it, and the room that all of them share."""

from __future__ import annotations

from asyncio import TimerHandle
from collections.abc import Iterable
from dataclasses import dataclass, field
from random import Random

from engine.events import Journey
from engine.imprints import Imprint
from engine.model import PortfolioId, Priority
from engine.ports import FOREVER_MS, Ask, Claimed

SERVICE = int(Priority.SERVICE)  # the name alone costs as much as the comparison
TROUBLE_FIRST_MS = 100
TROUBLE_MOST_MS = 2_000


def trouble_ms(times: int, rng: Random) -> int:
    """Return how long to leave a ledger alone that failed `times` times in a row."""
    whole_ms = min(TROUBLE_MOST_MS, TROUBLE_FIRST_MS << min(max(times, 1) - 1, 8))
    return whole_ms - rng.randrange(whole_ms // 2 + 1)


@dataclass(slots=True, eq=False)
class Served:
    """What the pool remembers of one portfolio."""

    portfolio: PortfolioId
    due_at_ms: int = 0  # when a claim may find something; at first: now
    sequence: int = 0  # the highest the ledger told
    is_leaving: bool = False  # no longer ours: nothing is claimed, what is open is settled

    counter: int = 1  # of the next wish
    lost: Ask | None = None  # a wish whose answer did not come: it is asked again as it was
    is_asking: bool = False
    asked_at_ms: int = 0
    shift_ms: int = 0  # of the next question, so that workers do not keep step
    hinted_ms: int = FOREVER_MS  # the earliest hint since the wish under way was made
    is_woken: bool = False  # somebody put something in: ask without the usual pause
    is_more: bool = False  # the last answer stopped early
    lacked_low: bool = False  # and took all the room for low priorities there was
    empties: int = 0  # answers in a row that said "again now" and gave nothing
    troubles: int = 0  # answers in a row that did not come or refused
    not_before_ms: int = 0  # the ledger is left alone until then

    rescue_at_ms: int = FOREVER_MS
    looked_at_ms: int = 0  # when it was last looked whether something happened
    imprint: Imprint | None = None  # of the slot, seen before a rescue
    trusted_until_ms: int = 0  # the same imprint is believed until then
    rescue_not_before_ms: int = 0

    journeys: list[Journey] = field(default_factory=list)  # ended, not yet recorded
    recording: int = 0  # how many are on their way to the ledger in a call of their own
    riders: list[Journey] = field(default_factory=list)  # told along with the wish under way
    timer: TimerHandle | None = None  # the next flush, if one is planned

    @property
    def unrecorded(self) -> int:
        """Return how many jobs have ended and are not yet recorded."""
        return len(self.journeys) + self.recording + len(self.riders)

    def hint(self, due_at_ms: int, sequence: int) -> None:
        """Note that a claim may find something at `due_at_ms`."""
        self.sequence = max(self.sequence, sequence)
        self.due_at_ms = min(self.due_at_ms, due_at_ms)
        self.hinted_ms = min(self.hinted_ms, due_at_ms)

    @property
    def is_quiet(self) -> bool:
        """Return whether nothing waits and nothing is open, as far as we know."""
        return self.due_at_ms >= FOREVER_MS and self.rescue_at_ms >= FOREVER_MS


LATE_FROM_US = 8_000  # from here on letters leave late: at 20 ms one refuses and was for nothing
HELD_BACK_PART = 8  # of the room in use, given up at each late batch


class Room:
    """How many more jobs may be claimed; a tenth is closed to utility and marketing.

    A process with too little CPU writes its letters late, in the end too late, and takes them again
    and again. So low priorities get less room while letters leave late, never below a quarter, and
    more again, slowly, while they do not.
    """

    def __init__(self, concurrency: int) -> None:
        self.concurrency = concurrency
        self.free = concurrency
        self.free_low = max(1, concurrency - -(-concurrency // 10))
        self.held_back = 0

    @property
    def low_now(self) -> int:
        """Return how many more jobs of low priority may be claimed now."""
        return self.free_low - self.held_back

    def note_late(self, late_us: int) -> None:
        """Take notice of how late a batch of letters left."""
        if late_us >= LATE_FROM_US:
            part = max(1, (self.concurrency - self.held_back) // HELD_BACK_PART)
            self.held_back = min(self.concurrency * 3 // 4, self.held_back + part)
        elif self.held_back:
            self.held_back = max(0, self.held_back - 1 - self.concurrency // 100)

    def take(self, jobs: int, low: int) -> None:
        """Set room aside for a wish."""
        self.free -= jobs
        self.free_low -= low

    def give_back(self, jobs: int, low: int) -> None:
        """Return room that is not needed any more."""
        self.free += jobs
        self.free_low += low


def low_count(jobs: Iterable[Claimed]) -> int:
    """Return how many of `jobs` are utility or marketing."""
    return len([None for job in jobs if job.lane.priority > SERVICE])
