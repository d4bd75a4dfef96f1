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
WAMID_MAX: Final = 16_000  # characters; Meta's have sixty

WORDS: Final = {
    (status, counted): f"{rank}{'+' if counted else '-'}"
    for status, rank in DELIVERY_RANK.items()
    for counted in (True, False)
}

# part_receipts.lua says what is where.
_head = Struct(">BBBHBII").pack


def pack_receipts(receipts: Iterable[Receipt]) -> bytes:
    """Return a batch as one text."""
    packed: list[bytes] = []
    at_ms, moment = -1, b""
    for receipt in receipts:
        key = receipt.key
        lane, sequence = key or NO_JOB
        lane_text, sequence_text = str(lane), str(sequence)
        words = WORDS[receipt.status, receipt.counted]
        wamid, sender = receipt.wamid[:WAMID_MAX].encode(), receipt.sender.encode()
        flags = UNDELIVERED * receipt.undelivered + THROTTLED * receipt.throttled
        if key is None:
            flags |= FOREIGN
        if receipt.at_ms != at_ms:  # those of one batch are mostly of few moments
            at_ms, moment = receipt.at_ms, receipt.at_ms.to_bytes(6, "big")
        packed += (
            _head(
                flags,
                len(lane_text),
                len(sequence_text),
                len(wamid),
                len(sender),
                receipt.attempt,
                receipt.code & CODE_MAX,
            ),
            f"{lane_text}.{sequence_text}{words}".encode(),
            receipt.recipient,
            moment,
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
