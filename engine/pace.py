"""Throughput of a sender and of a pair, kept by reserving send times ahead.

80 messages a second a number, 1,000 after an upgrade, 20 in coexistence, in and out together:
https://developers.facebook.com/documentation/business-messaging/whatsapp/throughput
One message per 6 seconds to the same person; a burst of up to 45 within 6 seconds is borrowed from
the future and must be paid back whole (20 at once: two minutes) before the next message:
https://developers.facebook.com/documentation/business-messaging/whatsapp/about-the-platform
Of a pair's first message only its mark is known, which its answer and its delivery move on: a burst
that ends late may meet 131056, and that one person then waits as Meta says
(docs/adr/0031-a-pairs-first-message-is-known-by-its-mark.md).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

SECOND_US = 1_000_000

PAIR_INTERVAL_MS = 6_000
PAIR_BURST = 44  # Meta allows 45; one is kept for jitter on the way
PAIR_BURST_FOR_MS = 4_500  # of Meta's six seconds: a quick retry may arrive this much later
PAIR_SLACK_MS = 1_500  # than the moment we reserved, and Meta counts from the arrival

# How far ahead a send time may lie when a job is claimed. Low priorities stay close, so that
# a login code that comes now waits behind at most this much of a campaign.
AHEAD_LOW_MS = 10
AHEAD_HIGH_MS = 250

PAIR_MEMORY_MS = 60_000  # after a wait: a refusal that comes later begins a new row
PAIR_REFUSALS_MAX = 5  # 4^4 = 256 s; the last wait that Meta's page names

LATE_MS = 20  # a send time further past than this is not used any more

DECREASE = (7, 10)  # what is left of the rate after Meta said "too fast"
INCREASE_SHARE = 50  # back up by 1/50 of the nominal rate a second
STEP_MS = 1_000  # one decrease, or one step up, at most in this time
JUDGED_FOR_MS = 10_000  # an error of a send older than this says nothing about today's rate


@dataclass(slots=True)
class SendSlots:
    """The next free send time of one sender, and the rate it has learned."""

    nominal_mps: int
    learned_mps: int = 0  # 0 until Meta taught us something lower than nominal
    next_us: int = 0  # the first send time nobody has
    decreased_at_ms: int = 0
    raised_at_ms: int = 0
    marketing_share: float = 1.0  # of the send times, for marketing; 1 is all
    marketing_us: int = 0  # from when on marketing may take one; counts where it has a share

    @property
    def rate_mps(self) -> int:
        """Return the rate in force, messages a second."""
        return self.learned_mps or self.nominal_mps

    @property
    def interval_us(self) -> int:
        """Return the distance of two send times; rounded up, so the rate is never passed."""
        return -(-SECOND_US // self.rate_mps)

    def peek_us(self, now_ms: int) -> int:
        """Return the send time that `take` would give."""
        return max(self.next_us, now_ms * 1_000)

    def take_us(self, now_ms: int) -> int:
        """Reserve and return the next send time, microseconds since the epoch."""
        slot_us = self.peek_us(now_ms)
        self.next_us = slot_us + self.interval_us
        return slot_us

    def take_again_us(self, now_ms: int, *, is_marketing: bool) -> int:
        """Reserve and return a send time for a job that had one already and is written again.

        It does not wait for marketing's share, which those that come after it make up for.
        """
        if is_marketing:
            self.take_share(now_ms)
        return self.take_us(now_ms)

    def give_way(self, messages: int, now_ms: int) -> None:
        """Let messages that came in take send times, at most a second's worth."""
        times = min(messages, self.rate_mps)
        self.next_us = self.peek_us(now_ms) + times * self.interval_us

    def has_slot(self, now_ms: int, ahead_ms: int, *, is_marketing: bool = False) -> bool:
        """Return whether the next send time lies at most `ahead_ms` ahead."""
        return self._open_us(is_marketing=is_marketing) <= (now_ms + ahead_ms) * 1_000

    def ready_at_ms(self, ahead_ms: int, *, is_marketing: bool = False) -> int:
        """Return the moment from which `has_slot` says yes."""
        return -(-self._open_us(is_marketing=is_marketing) // 1_000) - ahead_ms

    def take_share(self, now_ms: int) -> None:
        """Note that marketing took a send time: its next one is its share of the rate away."""
        if self.marketing_share < 1:
            step_us = math.ceil(self.interval_us / self.marketing_share)
            self.marketing_us = max(self.marketing_us, now_ms * 1_000) + step_us

    def set_share(self, share: float) -> None:
        """Set marketing's share; a new one goes on from where the last one stands."""
        self.marketing_share = share
        if share >= 1:
            self.marketing_us = 0

    def _open_us(self, *, is_marketing: bool) -> int:
        return max(self.next_us, self.marketing_us) if is_marketing else self.next_us

    def learn_down(self, sent_at_ms: int, now_ms: int) -> bool:
        """Lower the rate for a send of `sent_at_ms` that Meta called too fast; return whether.

        One decrease per second of send times; what was sent before the last one, or long ago,
        does not count again.
        """
        if self.decreased_at_ms and sent_at_ms < self.decreased_at_ms + STEP_MS:
            return False
        if now_ms - sent_at_ms > JUDGED_FOR_MS:
            return False
        left, of = DECREASE
        self.learned_mps = max(1, self.rate_mps * left // of)
        self.decreased_at_ms = now_ms
        self.raised_at_ms = now_ms
        return True

    def learn_up(self, now_ms: int) -> None:
        """Raise a learned rate by one step a second until it is nominal again."""
        if not self.learned_mps or now_ms - self.raised_at_ms < STEP_MS:
            return
        self.raised_at_ms = now_ms
        self.learned_mps += max(1, self.nominal_mps // INCREASE_SHARE)
        if self.learned_mps >= self.nominal_mps:
            self.learned_mps = 0


class PairSpent(NamedTuple):
    """What a pair has borrowed: until when it is paid back, and by how many messages."""

    until_ms: int
    messages: int

    def is_owed(self, now_ms: int) -> bool:
        """Return whether something is still to be paid back."""
        return self.until_ms + PAIR_SLACK_MS > now_ms


NOTHING_SPENT = PairSpent(0, 0)


def pair_ready_at_ms(spent: PairSpent, now_ms: int) -> int:
    """Return when one more message may go to a pair; `now_ms` when at once.

    >>> first = pair_after(NOTHING_SPENT, 10_000)
    >>> pair_ready_at_ms(first, 11_000), pair_ready_at_ms(first, 15_500)
    (11000, 17500)
    """
    if not spent.is_owed(now_ms):
        return now_ms
    began_ms = spent.until_ms - spent.messages * PAIR_INTERVAL_MS
    if now_ms < began_ms + PAIR_BURST_FOR_MS and spent.messages < PAIR_BURST:
        return now_ms
    return spent.until_ms + PAIR_SLACK_MS


def pair_after(spent: PairSpent, now_ms: int) -> PairSpent:
    """Return what a pair has borrowed after one message at `now_ms`."""
    if not spent.is_owed(now_ms):
        return PairSpent(now_ms + PAIR_INTERVAL_MS, 1)
    return PairSpent(spent.until_ms + PAIR_INTERVAL_MS, spent.messages + 1)


class PairRefused(NamedTuple):
    """When Meta last refused a message to a pair (131056), and how often in a row."""

    at_ms: int
    times: int

    def again(self, accepted_ms: int, now_ms: int) -> PairRefused:
        """Return it after one more refusal; `accepted_ms` is when a message was accepted last.

        In a row: within a minute after the last wait, and nothing was accepted after that. What is
        under way (its moment is to come), or was while the pair waited, says nothing.
        """
        over_ms = self.at_ms + self.wait_ms
        if now_ms > over_ms + PAIR_MEMORY_MS or over_ms < accepted_ms <= now_ms:
            return PairRefused(now_ms, 1)
        return PairRefused(now_ms, min(self.times + 1, PAIR_REFUSALS_MAX))

    @property
    def wait_ms(self) -> int:
        """Return how long the pair waits then: 4^X seconds, with one X more each time.

        >>> [PairRefused(0, times).wait_ms for times in range(1, 6)]
        [1000, 4000, 16000, 64000, 256000]
        """
        return 1_000 << 2 * max(0, self.times - 1)


NEVER_REFUSED = PairRefused(0, 0)
