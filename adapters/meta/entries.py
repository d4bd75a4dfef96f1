"""Webhook bodies as they wait in a stream: when each came, and how many are folded at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

STEP_BYTES: Final = 200_000  # folded at once; more would hold up whoever else this process serves

Entry = tuple[bytes, bytes]  # its id in the stream, and the body


def in_steps(entries: Iterable[Entry]) -> Iterator[list[Entry]]:
    """Yield bodies in order, as many at a time as have STEP_BYTES together, and at least one.

    >>> [len(some) for some in in_steps([(b"1-0", b"x" * 150_000)] * 3 + [(b"2-0", b"x")])]
    [2, 2]
    """
    step: list[Entry] = []
    length = 0
    for entry in entries:
        step.append(entry)
        length += len(entry[1])
        if length >= STEP_BYTES:
            yield step
            step, length = [], 0
    if step:
        yield step


def arrived_ms(entry: bytes) -> int:
    """Return when a body came, by the id of its entry in the stream; 0 when that has no time.

    >>> arrived_ms(b"1763000000123-0"), arrived_ms(b"first")
    (1763000000123, 0)
    """
    digits = entry.partition(b"-")[0]
    return int(digits) if digits.isdigit() else 0
