"""The road to Meta: one message ready to be written, and whoever writes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from engine.model import SenderId
from engine.outcomes import Outcome
from engine.ports import Claimed


@dataclass(slots=True)
class Letter:
    """One message ready to be written."""

    sender: SenderId
    body: bytes
    job: Claimed
    deadline_s: float


class Messenger(Protocol):
    """The road to Meta."""

    async def send(self, letter: Letter) -> Outcome:
        """Write one message and return how it ended; never raises for what Meta or a wire does.

        `Unwritten` is certain: not one byte left; after it, without an answer, it is `InDoubt`.
        """
        ...
