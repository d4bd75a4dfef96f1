"""The lengths and bounds a ledger keeps: window, guard, lease, doubt, attempts."""

from __future__ import annotations

from dataclasses import dataclass, field

from engine.model import Category, Gate, TemplateStatus
from engine.quota import DAY_MS

STEPS_MAX = 256  # job steps of one claim; it says "again now" when it stopped early
PROMOTE_MAX = 64  # delayed jobs one claim brings back
SENDERS_MAX = 64  # due senders one claim looks at, and no more than the jobs it wants,
SENDERS_MIN = 8  # or this many
WAITERS_MAX = 32  # lanes one claim passes over while it looks for a freed place's best job
RESCUE_MAX = 256  # doubts one rescue settles
CLAIMS_MAX = 16  # claims whose lease ran out that one rescue looks at
EXPIRE_LANES_MAX = 8  # lanes in which one rescue looks for jobs that expired
EXPIRE_EVERY_MS = 1_000  # between two bites of a walk through a lane longer than one
STRIKES_MAX = 5  # unknown codes in a row that park a sender's template
SILENT_LOOK_MS = 15_000  # until a doubt is looked at again while its sender's webhooks are silent
HELD_MS = 3_600_000  # how long silence holds a doubt back from its repeat; then it ends unknown
ANSWER_HOLDS_MS = 2_000  # what an answer closed, no put opens sooner: it does not know of it yet
RECOVER_MS = 10_000  # how long sending stops after a lost tail, for workers to re-assert

TEMPLATE_OVER = {TemplateStatus.DISABLED: 132016, TemplateStatus.DELETED: 132001}
"""Templates that never come back, and Meta's codes for them: what waits for one ends with its code.

https://developers.facebook.com/documentation/business-messaging/whatsapp/support/error-codes
"""


@dataclass(frozen=True, slots=True)
class Terms:
    """What all ledgers of one deployment agree on."""

    window_ms: int = DAY_MS
    guard_ms: int = 300_000  # five minutes a day: flight time, clocks, late acceptance
    lease_ms: int = 30_000
    attempts_max: int = 5  # definite failures before a job is dropped
    doubt_ms: dict[Category, int] = field(
        default_factory=lambda: {
            Category.AUTHENTICATION: 15_000,
            Category.SERVICE: 3_600_000,
            Category.UTILITY: 120_000,
            Category.MARKETING: 3_600_000,
        }
    )
    expire_bite: int = 500  # rows of a lane looked at in one step for those that expired
    queue_max: int = 0  # jobs that may wait in a portfolio; 0 is no bound
    gates_off: frozenset[Gate] = frozenset()  # only to prove that the sandbox convicts

    def __post_init__(self) -> None:
        """Refuse lengths that contradict each other."""
        assert self.window_ms > 0
        assert self.guard_ms >= 0
        assert self.lease_ms > 0
        assert self.attempts_max >= 1
        assert self.expire_bite >= 1

    @property
    def span_ms(self) -> int:
        """Return how long a recipient counts: the window and its guard."""
        return self.window_ms + self.guard_ms
