"""Notices when messages leave and nobody tells what became of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, Protocol

from engine.facts import Fact, Known, Source, of_sender

WEBHOOKS: Final = "webhooks"  # aspect of a sender: SILENT while it sends and no status comes
SILENT: Final = "silent"
SILENT_MS: Final = 60_000  # Meta tells within seconds what became of a message it took


class Hearing(Protocol):
    """When each number was last spoken of, by any process; both raise LedgerAwayError."""

    async def note(self, heard_at_ms: Mapping[str, int]) -> None:
        """Note when statuses of these numbers came; a later moment holds."""
        ...

    async def of(self, senders: Iterable[str]) -> dict[str, int]:
        """Return when the last status of each came; numbers without any are left out."""
        ...


class Silence:
    """Since when messages leave without a webhook.

    Without webhooks there is no evidence: doubts end by their policy, and deliveries that come
    late move no mark. Meta calls within seconds; a broken subscription or address shows as silence.

    >>> silence = Silence(longest_ms=100)
    >>> [silence.look(at_ms, accepted, 0) for at_ms, accepted in ((1, 0), (2, 5), (100, 6))]
    [False, False, False]
    >>> silence.look(101, 6, 0), silence.look(102, 9, 102)
    (True, False)

    Who begins at `looked_at_ms` misses no message that leaves before the first look.

    >>> [Silence(100, 1_000).look(at_ms, 5, 0) for at_ms in (1_050, 1_100)]
    [False, True]
    """

    def __init__(self, longest_ms: int, looked_at_ms: int = 0) -> None:
        self._longest_ms = longest_ms
        self._accepted = 0
        self._looked_at_ms = looked_at_ms
        self.since_ms = 0
        """The look before the first message that no webhook came after; 0 when there is none."""

    def is_open(self, accepted: int) -> bool:
        """Return whether it matters to `look` when the last webhook came."""
        return bool(self.since_ms) or accepted > self._accepted

    def look(self, now_ms: int, accepted: int, heard_at_ms: int) -> bool:
        """Return whether it has lasted too long; look every few seconds.

        `accepted` counts the messages that Meta took of this process, `heard_at_ms` is when any
        process got the last webhook. One that came after the look before may speak of all of them.
        """
        if heard_at_ms >= self.since_ms:
            self.since_ms = 0
        if accepted > self._accepted and not self.since_ms and heard_at_ms < self._looked_at_ms:
            self.since_ms = self._looked_at_ms
        self._accepted, self._looked_at_ms = accepted, now_ms
        return bool(self.since_ms) and now_ms - self.since_ms >= self._longest_ms


class Silences:
    """Which numbers are silent, each for itself: an account may have lost its subscription.

    `accepted` counts the messages of this process by number, or by any other name of its own.
    """

    def __init__(self, longest_ms: int = SILENT_MS, looked_at_ms: int = 0) -> None:
        self._longest_ms = longest_ms
        self._looked_at_ms = looked_at_ms
        self._of: dict[str, Silence] = {}

    def open(self, accepted: Mapping[str, int]) -> list[str]:
        """Return of whom `look` must know when the last webhook came."""
        return [
            name for name, count in accepted.items() if count and self._silence(name).is_open(count)
        ]

    def look(
        self, now_ms: int, accepted: Mapping[str, int], heard_at_ms: Mapping[str, int]
    ) -> dict[str, int]:
        """Return since when those are silent that are; look every few seconds."""
        silent: dict[str, int] = {}
        for name, count in accepted.items():
            silence = self._silence(name)
            if silence.look(now_ms, count, heard_at_ms.get(name, 0)):
                silent[name] = silence.since_ms
        self._looked_at_ms = now_ms
        return silent

    def _silence(self, name: str) -> Silence:
        return self._of.setdefault(name, Silence(self._longest_ms, self._looked_at_ms))


def silent_fact(sender: str, since_ms: int) -> Fact:
    """Return that nothing is heard of a number's messages since then."""
    detail = "messages are accepted, but no status comes: doubts wait, login codes go on"
    return Fact(of_sender(sender, WEBHOOKS), SILENT, since_ms, Source.NOTICED, detail=detail)


def heard_fact(sender: str, at_ms: int) -> Fact:
    """Return that a number's webhooks speak again."""
    return Fact(of_sender(sender, WEBHOOKS), "", at_ms, Source.NOTICED)


def silent_since_ms(facts: Known, sender: str) -> int:
    """Return since when a number's webhooks are silent; 0 when they are not."""
    fact = facts.get(of_sender(sender, WEBHOOKS))
    return fact.at_ms if fact is not None and fact.value == SILENT else 0
