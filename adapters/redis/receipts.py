"""Receipts as receive.lua takes them: a whole batch in one text, which costs least to send."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from struct import Struct
from typing import Final

from engine.model import DELIVERY_RANK, JobKey
from engine.ports import Receipt, Received

RECEIPTS_MAX: Final = 500  # in one step: a few milliseconds in which nothing is sent
NO_JOB: Final = JobKey(0, 0)
UNDELIVERED, THROTTLED, FOREIGN = 1, 2, 4
CODE_MAX: Final = 0xFFFF_FFFF

# part_receipts.lua says what is where.
_head = Struct(">BBBHBII").pack


def pack_receipts(receipts: Iterable[Receipt]) -> bytes:
    """Return a batch as one text."""
    packed: list[bytes] = []
    for receipt in receipts:
        key = receipt.key or NO_JOB
        lane, sequence = str(key.lane).encode(), str(key.sequence).encode()
        wamid, sender = receipt.wamid.encode(), receipt.sender.encode()
        flags = UNDELIVERED * receipt.undelivered | THROTTLED * receipt.throttled
        packed += (
            _head(
                flags if receipt.key else FOREIGN,
                len(lane),
                len(sequence),
                len(wamid),
                len(sender),
                receipt.attempt,
                receipt.code & CODE_MAX,
            ),
            lane + b"." + sequence,
            b"%d%c" % (DELIVERY_RANK[receipt.status], b"+" if receipt.counted else b"-"),
            receipt.recipient,
            receipt.at_ms.to_bytes(6, "big"),
            wamid,
            sender,
        )
    return b"".join(packed)


def in_steps(receipts: Sequence[Receipt]) -> list[Sequence[Receipt]]:
    """Return a batch in parts that the ledger may take one after the other."""
    return [receipts[at : at + RECEIPTS_MAX] for at in range(0, len(receipts) or 1, RECEIPTS_MAX)]


def together(answers: Sequence[Received]) -> Received:
    """Return what the parts of a batch did as one answer: its sequence is the last one's."""
    last = answers[-1]
    return Received(
        [key for each in answers for key in each.settled],
        [key for each in answers for key in each.cancelled_repeats],
        last.sequence,
        last.due_at_ms,
        [closed for each in answers for closed in each.closed],
    )
