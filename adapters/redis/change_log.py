"""Which records of the registry changed, in order: whoever knows the rest reads only those."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from adapters.redis.asking import reply_to
from adapters.redis.connect import Client

CHANGES: Final = "ps:registry:changes"  # stream: a kind of record -> names, as JSON
CHANGES_MAX: Final = 10_000  # entries; whoever missed more reads all records again
NEVER: Final = b"0-0"  # before the first entry
ENTRIES_AT_ONCE: Final = 1_000

Changed = Mapping[str, set[str]]  # kind -> names


class ChangeLog:
    """A stream of names. A record is written first and noted then: what was noted can be read."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def note(self, kind: str, names: Sequence[str]) -> None:
        """Add that records of a kind were written or dropped."""
        content = msgspec.json.encode(names)
        await reply_to(
            self._client.xadd(CHANGES, {kind: content}, maxlen=CHANGES_MAX, approximate=True)
        )

    async def newest(self) -> bytes:
        """Return the newest entry; NEVER while there is none."""
        entries: list[tuple[bytes, object]] = await reply_to(
            self._client.xrevrange(CHANGES, count=1)
        )
        return entries[0][0] if entries else NEVER

    async def since(self, seen: bytes) -> tuple[Changed, bytes] | None:
        """Return what was noted after an entry, and the newest; None where that cannot be known.

        The entry itself is asked for too: a log that has it no more was trimmed or begun anew, or
        its server lost its tail, and what followed may have gone with it.
        """
        changed: defaultdict[str, set[str]] = defaultdict(set)
        newest = seen
        while True:
            entries: list[tuple[bytes, dict[bytes, bytes]]] = await reply_to(
                self._client.xrange(CHANGES, min=newest, count=ENTRIES_AT_ONCE)
            )
            if not entries:
                return (changed, newest) if newest == NEVER else None
            if entries[0][0] != newest:
                return None
            for _, fields in entries[1:]:
                for kind, names in fields.items():
                    changed[kind.decode()].update(msgspec.json.decode(names, type=list[str]))
            newest = entries[-1][0]
            if len(entries) < ENTRIES_AT_ONCE:
                return changed, newest
