"""What a change of a source means to its jobs that wait, and who makes it so in the ledger."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from engine.model import PortfolioId, Priority, SenderId


@dataclass(frozen=True, slots=True)
class Rewrite:
    """What the jobs of a source are from now on, those that wait included."""

    templates: Mapping[SenderId, str]  # the template of each sender's lanes
    priority: Priority
    body: bytes = b""  # what they share, for the same fields as before; empty: as it is
    expires_ms: int | None = None  # when they expire, whatever each row says; None: as it is
    lull_until_ms: int = 0  # a running source gives no jobs until then: all processes hear of it


class Rewriting(Protocol):
    """Changing all jobs of a source that wait, in one step of O(lanes)."""

    async def rewrite_source(self, portfolio: PortfolioId, source: str, rewrite: Rewrite) -> int:
        """Change them, those that wait aside or come back later too.

        Returns the number of its message's newest version; 0 when the source is cancelled.
        """
        ...
