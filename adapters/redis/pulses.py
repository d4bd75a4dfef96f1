"""Every worker's pulses of the last minutes, in one stream that forgets by itself."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Final, cast

import msgspec

from adapters.breath import breathe
from adapters.redis.asking import reply_to
from adapters.redis.connect import Client
from engine.model import NowMs
from engine.pulses import Pulse, Times

PULSES: Final = "ps:pulses"  # STREAM: `b`, what one worker did, as JSON
KEEP_MS: Final = 600_000
SENDERS_MAX: Final = 50  # of one pulse; the rest is told as one, so that a pulse stays below 5 kB
OTHER: Final = "other"
AT_ONCE: Final = 1_000  # entries read in one call

Tallies = Mapping[tuple[str, ...], int]  # a sender first, an outcome or code last -> how often


class _Body(msgspec.Struct, omit_defaults=True):
    took_ms: int
    outcomes: Times = {}
    errors: Times = {}
    calls: int = 0
    calls_us: int = 0


class PulseTeller:
    """Tells what changed in a worker's counters; silent while nothing does."""

    def __init__(self, client: Client, now_ms: NowMs) -> None:
        self._client = client
        self._now_ms = now_ms
        self._told_at_ms = now_ms()
        self._outcomes: dict[tuple[str, ...], int] = {}
        self._errors: dict[tuple[str, ...], int] = {}
        self._sent = (0, 0)

    async def tell(
        self, outcomes: Tallies, errors: Tallies, sent: tuple[int, int] = (0, 0)
    ) -> None:
        """Tell what was counted since the last time; LedgerAwayError: it goes with the next.

        `sent`: Graph calls and the microseconds of all of them.
        """
        now_ms = self._now_ms()
        outcomes, errors = dict(outcomes), dict(errors)  # they go on being counted
        body = _Body(
            max(1, now_ms - self._told_at_ms),
            await _changed(self._outcomes, outcomes),
            await _changed(self._errors, errors),
            *(now - before for now, before in zip(sent, self._sent, strict=True)),
        )
        if body.outcomes or body.errors:
            await reply_to(
                self._client.xadd(
                    PULSES,
                    {b"b": msgspec.json.encode(body)},
                    minid=str(max(0, now_ms - KEEP_MS)),
                    approximate=True,
                )
            )
        self._told_at_ms = now_ms
        self._outcomes, self._errors, self._sent = outcomes, errors, sent


class PulseReader:
    """Reads all workers' pulses; what was read once is not read again."""

    def __init__(self, client: Client, now_ms: NowMs, keep_ms: int = KEEP_MS) -> None:
        self._client = client
        self._now_ms = now_ms
        self._keep_ms = keep_ms
        self._kept: deque[Pulse] = deque()
        self._last = b""

    async def newest(self) -> list[Pulse]:
        """See Pulses.newest."""
        oldest_ms = self._now_ms() - self._keep_ms
        while True:
            after = b"(" + self._last if self._last else str(max(0, oldest_ms)).encode()
            found = await reply_to(self._client.xrange(PULSES, min=after, max="+", count=AT_ONCE))
            for entry, fields in cast("list[tuple[bytes, dict[bytes, bytes]]]", found):
                self._last = entry
                self._kept.append(_pulse(entry, fields))
            if len(found) < AT_ONCE:
                break
        while self._kept and self._kept[0].at_ms < oldest_ms:
            self._kept.popleft()
        return list(self._kept)


def _pulse(entry: bytes, fields: dict[bytes, bytes]) -> Pulse:
    """Read one; what a newer version wrote in another way counts as nothing."""
    at_ms = int(entry.partition(b"-")[0])
    try:
        body = msgspec.json.decode(fields.get(b"b", b""), type=_Body)
    except msgspec.MsgspecError:
        return Pulse(at_ms, 1)
    told = (body.outcomes, body.errors, body.calls, body.calls_us)
    return Pulse(at_ms, max(1, body.took_ms), *told)


async def _changed(before: Tallies, now: Tallies) -> Times:
    """Return by how much counters grew, by their first and last label; others go on meanwhile."""
    grown: Times = {}
    if now == before:
        return grown
    for place, (labels, times) in enumerate(now.items()):
        await breathe(place)
        by = times - before.get(labels, 0)
        if by > 0:
            of = grown.setdefault(labels[0], {})
            of[labels[-1]] = of.get(labels[-1], 0) + by
    return _bounded(grown)


def _bounded(grown: Times) -> Times:
    """Keep the busiest senders and add up the others."""
    if len(grown) <= SENDERS_MAX:
        return grown
    busiest = sorted(grown, key=lambda sender: -sum(grown[sender].values()))
    kept = {sender: grown[sender] for sender in busiest[: SENDERS_MAX - 1]}
    rest = kept.setdefault(OTHER, {})
    for sender in busiest[SENDERS_MAX - 1 :]:
        for name, times in grown[sender].items():
            rest[name] = rest.get(name, 0) + times
    return kept
