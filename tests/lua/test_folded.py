"""part_folded: receipts folded in one go leave, and answer, what the long way leaves.

The same history is played twice, on an emptied server each time: once as it is, once with receipts
that all go the long way. After some steps the answers and everything in the slot are the same.
"""

from __future__ import annotations

from typing import Any, Final

import pytest
from redis.asyncio import Redis

from engine.model import DeliveryStatus, RecipientKey, SenderId
from engine.outcomes import Accepted, InDoubt, Outcome
from engine.ports import Claimed, Receipt
from tests.builders import a_recipient
from tests.lua.history import NUMBERS, History, assert_alike, changed
from tests.lua.slot_state import PORTFOLIO, SPAN_MS, Slot

FIRST: Final = ("local i = fold_from(1, told)", "local i = 1")
NEXT: Final = ("i = fold_from(i + 1, told)", "i = i + 1")
LONG: Final = ("  take_receipt(i)\n", "  redis.call('INCR', 'long')\n  take_receipt(i)\n")
ALL: Final = list(DeliveryStatus)[1:]
LAST: Final = 600  # jobs that webhooks still tell of


class Told(History):
    """A day on which webhooks tell much, in any order, twice, late and of everything."""

    told = 0

    async def _step(self) -> Any:  # noqa: ANN401 (any answer)
        if self.random.random() < 0.4:
            return await self._statuses()
        return await super()._step()

    def _outcome(self) -> Outcome:
        if self.random.random() < 0.02:
            return InDoubt("silence")
        return Accepted("") if self.random.random() < 0.1 else super()._outcome()

    async def _statuses(self) -> Any:  # noqa: ANN401 (any answer)
        jobs = self.ended[-LAST:] + self.claimed
        if not jobs:
            return None
        draw = self.random
        is_plain = draw.random() < 0.7
        status = draw.choice([DeliveryStatus.SENT, *[DeliveryStatus.DELIVERED] * 2])
        some = draw.choices(jobs, k=draw.choice([1, 3, 30, 120]))
        receipts = [self._receipt(job, status if is_plain else draw.choice(ALL)) for job in some]
        if not is_plain:
            receipts += [self._foreign() for _ in range(draw.choice([0, 0, 1, 5]))]
            draw.shuffle(receipts)
        self.told += len(receipts)
        return await self.slot.ledger.receive(PORTFOLIO, receipts)

    def _receipt(self, job: Claimed, status: DeliveryStatus) -> Receipt:
        draw = self.random
        is_odd = draw.random() < 0.05
        return Receipt(
            *(job.key, job.attempt + draw.choice([0, 1]) * is_odd, job.recipient, status),
            self._moment(),
            draw.choice(["", "wamid.A"]),
            draw.choice([0, 131_026, 131_047, 131_048]) if is_odd else 0,
            counted=draw.random() < 0.9,
            undelivered=draw.random() < 0.9,
            throttled=is_odd and draw.random() < 0.3,
        )

    def _foreign(self) -> Receipt:
        draw = self.random
        person: RecipientKey = a_recipient(draw.randrange(1, self.people + 30))
        status, sender = draw.choice(ALL), draw.choice([*NUMBERS, SenderId("unknown")])
        return Receipt(
            *(None, 0, person, status, self._moment()),
            counted=draw.random() < 0.9,
            sender=sender,
            throttled=draw.random() < 0.1,
        )

    def _moment(self) -> int:
        now_ms = self.slot.now_ms
        return now_ms + self.random.choice([0, 0, 0, -1, -40, -700, 900, -SPAN_MS, -SPAN_MS - 5])


@pytest.mark.parametrize("seed", range(1, 7))
async def test_receipts_folded_in_one_go_leave_what_the_long_way_leaves(
    redis_client: Redis, seed: int
) -> None:
    with changed("receive", LONG):
        history = Told(Slot(redis_client), seed)
        in_one_go = [step async for step in history.steps()]
    long = int(await redis_client.get("long") or 0)
    await redis_client.flushall()
    with changed("receive", FIRST, NEXT):
        await assert_alike(Told(Slot(redis_client), seed), in_one_go)
    assert history.told // 10 < long < history.told - 50
