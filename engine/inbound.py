"""What people write takes from a number's throughput, and opens a customer service window.

Meta counts both directions together:
https://developers.facebook.com/documentation/business-messaging/whatsapp/throughput
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Protocol

from engine.model import PortfolioId, RecipientKey, SenderId
from engine.quota import DAY_MS

RECENT_MS: Final = 3_000  # Meta dates by the second; what came longer ago took from what is over

HEARD_MS: Final = 3 * RECENT_MS  # how long it is known that one came: clocks differ

SERVICE_WINDOW_MS: Final = DAY_MS  # M/messages/send-messages
WINDOW_CLOSED_CODE: Final = 131047  # Meta's own code for free-form outside the service window
JUST_WROTE_MS: Final = 5 * 60_000  # before a refusal: it may be about what was sent before that

Arrival = tuple[SenderId, str]  # a number, and Meta's id of a message that came in to it


def disproves(code: int, at_ms: int, until_ms: int) -> bool:
    """Return whether a refusal of `at_ms` disproves the window that is open `until_ms`.

    Rarely Meta refuses inside an open one. To close it all the same errs on the safe side: inside
    one nothing counts against the messaging limit. It opens again when the person writes.

    >>> disproves(131047, DAY_MS, DAY_MS + 1), disproves(131026, DAY_MS, DAY_MS + 1)
    (True, False)
    """
    return code == WINDOW_CLOSED_CODE and until_ms - SERVICE_WINDOW_MS <= at_ms - JUST_WROTE_MS


class Arrivals(Protocol):
    """Which messages came in lately, for all processes: Meta posts some of them twice."""

    async def new(self, arrivals: Sequence[Arrival], now_ms: int) -> list[bool]:
        """Return of each whether it is heard of for the first time; known for HEARD_MS then.

        LedgerAwayError: some may be known by now.
        """
        ...


class Throughput(Protocol):
    """Send times that messages of others take."""

    async def take_times(self, portfolio: PortfolioId, messages: Mapping[SenderId, int]) -> None:
        """Take a send time for each message that just came in to these numbers.

        At most a second's worth of each number; nothing of one that nobody knows. LedgerError: it
        may not have been done; those seconds are soon over, so it need not be told again.
        """
        ...


class Windows(Protocol):
    """Customer service windows, as they stand."""

    async def until_ms(
        self, portfolio: PortfolioId, sender: SenderId, recipient: RecipientKey
    ) -> int:
        """Return until when one is open, or was; 0 where none is known. LedgerAwayError."""
        ...
