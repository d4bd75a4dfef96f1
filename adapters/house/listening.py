"""Listening for silence: messages leave, and no webhook comes; of all numbers, and of each."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Final, Protocol

import structlog

from adapters.redis.connect import Client
from adapters.redis.hearing import RedisHearing
from adapters.redis.letterbox import Inbox
from engine.directory import Directory
from engine.keeper import Keeper
from engine.model import NowMs
from engine.silence import (
    SILENT_MS,
    Hearing,
    Silence,
    Silences,
    heard_fact,
    silent_fact,
    silent_since_ms,
)

LOOK_EVERY_S: Final = 5.0

log = structlog.get_logger("penstock")


class Scrapes(Protocol):
    """What of the metrics it needs and sets."""

    silence_s: float | None

    def accepted(self) -> int:
        """Return how many messages of this process Meta took."""
        ...

    def accepted_by_label(self) -> Mapping[str, int]:
        """Return the same, by the label of the sender."""
        ...

    def label_of(self, sender: str) -> str:
        """Return the label under which a sender is counted."""
        ...


def listening(
    heard_at_ms: Callable[[], Awaitable[int]], metrics: Scrapes, now_ms: NowMs, longest_ms: int
) -> Callable[[], Awaitable[None]]:
    """Return the step that looks once; it says when a silence begins and when it ends."""
    silence = Silence(longest_ms, now_ms())
    was_silent = False

    async def listen() -> None:
        nonlocal was_silent
        await asyncio.sleep(LOOK_EVERY_S)
        heard_ms, at_ms = await heard_at_ms(), now_ms()
        metrics.silence_s = max(0, at_ms - heard_ms) / 1_000 if heard_ms else None
        is_silent = silence.look(at_ms, metrics.accepted(), heard_ms)
        if is_silent and not was_silent:
            log.warning("webhooks_silent", since_ms=silence.since_ms, last_webhook_ms=heard_ms)
        elif was_silent and not is_silent:
            log.info("webhooks_heard", last_webhook_ms=heard_ms)
        was_silent = is_silent

    return listen


class Ears:
    """What this process hears of numbers, and which of them it thinks are silent.

    While one is, the ledger repeats none of its doubts. Whoever hears of it again says so, also
    when the process that noticed the silence is gone.
    """

    def __init__(
        self,
        heard_at_ms: Callable[[], Awaitable[int]],
        hearing: Hearing,
        keeper: Keeper,
        directory: Directory,
        metrics: Scrapes,
        longest_ms: int,
    ) -> None:
        self._hearing = hearing
        self._keeper = keeper
        self._directory = directory
        self._metrics = metrics
        self._look_at_all = listening(heard_at_ms, metrics, keeper.now_ms, longest_ms)
        self._silences = Silences(min(longest_ms, SILENT_MS), keeper.now_ms())
        self._heard: dict[str, int] = {}  # since the last look

    def heard(self, senders: Iterable[str]) -> None:
        """Take that statuses of these numbers came just now; told to others at the next look."""
        self._heard.update(dict.fromkeys(senders, self._keeper.now_ms()))

    async def listen(self) -> None:
        """Look once; do it for ever."""
        await self._look_at_all()
        await self.look_at_each()

    async def look_at_each(self) -> None:
        """Tell which numbers became silent, and of which something was heard again."""
        noted, self._heard = self._heard, {}
        try:
            await self._hearing.note(noted)
        except BaseException:
            self._heard = noted | self._heard
            raise
        accepted = self._metrics.accepted_by_label()
        groups = self._groups(self._silences.open(accepted))
        silent = self._silent()
        heard = await self._hearing.of(
            {*silent, *(name for some in groups.values() for name in some)}
        )
        latest = {
            label: max(heard.get(name, 0) for name in some)
            for label, some in groups.items()
            if some
        }
        for label, since_ms in self._silences.look(self._keeper.now_ms(), accepted, latest).items():
            for name in groups.get(label, ()):
                if name not in silent:
                    await self._keeper.tell(silent_fact(name, since_ms))
        for name, since_ms in silent.items():
            if heard.get(name, 0) >= since_ms:
                await self._keeper.tell(heard_fact(name, max(heard[name], since_ms + 1)))

    def _groups(self, labels: Iterable[str]) -> dict[str, list[str]]:
        """Return the numbers that are counted under each label; more than one has few labels."""
        wanted = set(labels)
        groups: defaultdict[str, list[str]] = defaultdict(list)
        for name in self._directory.senders if wanted else ():
            if (label := self._metrics.label_of(name)) in wanted:
                groups[label].append(name)
        return groups

    def _silent(self) -> dict[str, int]:
        facts = self._keeper.facts
        since = {name: silent_since_ms(facts, name) for name in self._directory.senders}
        return {name: since_ms for name, since_ms in since.items() if since_ms}


def build_ears(
    client: Client,
    inbox: Inbox,
    keeper: Keeper,
    directory: Directory,
    metrics: Scrapes,
    longest_ms: int,
) -> Ears:
    """Return the ears of a process."""
    hearing = RedisHearing(client)
    return Ears(inbox.heard_at_ms, hearing, keeper, directory, metrics, longest_ms)
