"""Notices when messages leave and nobody tells what became of them."""

from __future__ import annotations


class Silence:
    """Since when messages leave without a webhook.

    Without webhooks there is no evidence: doubts end by their policy, and deliveries that come
    late move no mark. Meta calls within seconds; a broken subscription or address shows as silence.

    >>> silence = Silence(longest_ms=100)
    >>> [silence.look(at_ms, accepted, 0) for at_ms, accepted in ((1, 0), (2, 5), (101, 6))]
    [False, False, False]
    >>> silence.look(102, 6, 0), silence.look(103, 9, 103)
    (True, False)
    """

    def __init__(self, longest_ms: int) -> None:
        self._longest_ms = longest_ms
        self._accepted = 0
        self.since_ms = 0
        """When the first message left that no webhook came after; 0 when there is none."""

    def look(self, now_ms: int, accepted: int, heard_at_ms: int) -> bool:
        """Return whether it has lasted too long; look every few seconds.

        `accepted` counts the messages that Meta took of this process, `heard_at_ms` is when any
        process got the last webhook.
        """
        if heard_at_ms >= self.since_ms:
            self.since_ms = 0
        if accepted > self._accepted and not self.since_ms:
            self.since_ms = now_ms
        self._accepted = accepted
        return bool(self.since_ms) and now_ms - self.since_ms >= self._longest_ms
