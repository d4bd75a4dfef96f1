"""Answers that were given under an Idempotency-Key, in this process."""

from __future__ import annotations


class MemoryAnswers:
    """See adapters.api.answered.Answers."""

    def __init__(self) -> None:
        self._kept: dict[str, bytes] = {}

    async def begin(self, name: str, asked: bytes, most_ms: int) -> bytes | None:
        """See Answers.begin; a process that dies holds up nobody here."""
        del most_ms
        known = self._kept.get(name)
        if known is None:
            self._kept[name] = asked
        return known

    async def keep(self, name: str, answer: bytes) -> None:
        """See Answers.keep."""
        self._kept[name] = answer

    async def forget(self, name: str) -> None:
        """See Answers.forget."""
        self._kept.pop(name, None)
