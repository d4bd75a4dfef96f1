"""A portfolio's slot on a real server: what tests do to it, and all of its state as plain values.

Moments are written as milliseconds since START_MS, recipients by their number, rows as `Packed`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from redis.asyncio import Redis

from adapters.redis.calls import Calls
from adapters.redis.keys import tag
from adapters.redis.ledger import RedisLedger
from adapters.redis.scripts import Argument, Reply, Scripts
from engine.model import (
    Category,
    DeliveryStatus,
    JobKey,
    Lane,
    PortfolioId,
    Priority,
    Row,
    SenderId,
)
from engine.outcomes import Outcome
from engine.ports import (
    FOREVER_MS,
    Answer,
    Ask,
    Batch,
    Enqueued,
    PortfolioSpec,
    Receipt,
    Received,
    SenderSpec,
    Settled,
    Settlement,
    SourceSpec,
    TemplateSpec,
)
from engine.terms import Terms
from tests.builders import a_portfolio, a_recipient, a_row, a_sender, a_source, a_template

START_MS = 1_764_000_000_000
PORTFOLIO = PortfolioId("acme")
SENDER, OTHER = SenderId("s"), SenderId("t")
TEMPLATE, SOURCE = "W/promo/en", "campaign:a"
LANE = Lane(SOURCE, SENDER, TEMPLATE, Priority.MARKETING)
SPAN_MS, LEASE_MS, GUARD_MS, DOUBT_MS = 60_200, 5_000, 200, 9_000
GONE = None

# What only wakes, orders or speeds up: rings, hints when to look, the log, the clock, wishes.
BOOKKEEPING = (
    *("ring:", "wait:", "waiting", "due", "lane:", "lanes", "meta", "log", "s:", "senders"),
    *("workers", "expiring", "numbers", "idle_sources"),
    *("dead_rows", "dead_at"),  # what is kept of failures: test_dead_read
)
RECIPIENT = re.compile(rb"\0{5}[\s\S]{3}")  # a small number in 8 bytes
State = dict[str, Any]


class Packed(NamedTuple):
    """What a packed row says."""

    sequence: int
    to: int
    fence: int = 0
    failures: int = 0
    repeats: int = 0


class End(NamedTuple):
    """What a packed end says."""

    state: str
    delivery: int = 0
    fence: int = 1
    mark: int = 0  # 0 is none
    code: int = 0
    wamid: str = ""


def some_terms(**changes: Any) -> Terms:  # noqa: ANN401 (as a_row)
    """Return terms of a one-minute window."""
    doubts = dict.fromkeys(Category, DOUBT_MS) | {Category.AUTHENTICATION: 2_000}
    named: dict[str, Any] = {"window_ms": SPAN_MS - GUARD_MS, "guard_ms": GUARD_MS}
    named |= {"lease_ms": LEASE_MS, "attempts_max": 3, "doubt_ms": doubts}
    return Terms(**(named | changes))


class Slot:
    """One portfolio under test."""

    def __init__(self, client: Redis, **terms: Any) -> None:  # noqa: ANN401 (as Terms)
        self.client = client
        self.now_ms = START_MS
        self.terms = some_terms(**terms)
        self.ledger = RedisLedger(client, self.terms, lambda: self.now_ms, tolerance_ms=0)
        self._wishes = 0

    async def furnish(
        self, places: int = 10, *, mps: int = 1_000, category: Category = Category.MARKETING
    ) -> None:
        """Make a world in which everything may be sent."""
        await self.put_portfolio(a_portfolio(places))
        await self.put_sender(a_sender(throughput_mps=mps))
        await self.put_template(a_template(category=category))
        await self.put_source(a_source())

    # -- calls ----------------------------------------------------------------------------------

    async def run(self, script: str, *arguments: Argument, tolerance_ms: int = 0) -> Reply:
        """Run a script with what all share in front, and return its bare reply."""
        calls = Calls(self.terms, tolerance_ms=tolerance_ms, keep_ms=86_400_000)
        call = calls.call(script, PORTFOLIO, self.now_ms, arguments)
        return (await Scripts(self.client).run([call]))[0]

    async def put_portfolio(self, spec: PortfolioSpec) -> None:
        """Call portfolio_put."""
        await self.ledger.put_portfolio(PORTFOLIO, spec)

    async def put_sender(self, spec: SenderSpec, sender: SenderId = SENDER) -> None:
        """Call sender_put."""
        await self.ledger.put_sender(PORTFOLIO, sender, spec)

    async def put_template(self, spec: TemplateSpec, template: str = TEMPLATE) -> None:
        """Call template_put."""
        await self.ledger.put_template(PORTFOLIO, template, spec)

    async def put_source(self, spec: SourceSpec, source: str = SOURCE) -> None:
        """Call source_put."""
        await self.ledger.put_source(PORTFOLIO, source, spec)

    async def enqueue(self, *rows: Row, lane: Lane = LANE) -> Enqueued:
        """Call enqueue."""
        return (await self.ledger.enqueue([Batch(PORTFOLIO, lane, rows)]))[0]

    async def queue(self, *numbers: int, lane: Lane = LANE, **changes: Any) -> Enqueued:  # noqa: ANN401
        """Queue one row for each recipient."""
        return await self.enqueue(*[a_row(number, **changes) for number in numbers], lane=lane)

    async def claim(self, most: int = 100, low: int | None = None) -> Answer:
        """Call claim with a wish of its own."""
        self._wishes += 1
        ask = Ask(PORTFOLIO, "w", self._wishes, most, most if low is None else low)
        return (await self.ledger.claim([ask]))[0]

    async def take(self, most: int = 100) -> list[int]:
        """Claim, and return the sequences that may be written."""
        return [job.key.sequence for job in (await self.claim(most)).jobs]

    async def settle(self, outcome: Outcome, *, job: int = 1, attempt: int = 1) -> Settled:
        """Settle one job of the first lane."""
        settlements = [Settlement(JobKey(1, job), attempt, outcome)]
        return await self.ledger.settle(PORTFOLIO, settlements)

    async def receive(
        self,
        status: DeliveryStatus,
        *,
        job: int = 1,
        attempt: int = 1,
        **changes: Any,  # noqa: ANN401 (as Receipt)
    ) -> Received:
        """Receive a status of a job of the first lane, for the recipient of the same number."""
        fields: dict[str, Any] = {"recipient": a_recipient(job), "at_ms": self.now_ms}
        receipt = Receipt(JobKey(1, job), attempt, status=status, **(fields | changes))
        return await self.ledger.receive(PORTFOLIO, [receipt])

    async def used(self) -> int:
        """Return how many count in the portfolio's window."""
        return (await self.ledger.quota(PORTFOLIO)).used

    # -- state ----------------------------------------------------------------------------------

    async def state(self, *, everything: bool = False) -> State:
        """Return every key of the slot, a hash field or a member a line."""
        found: State = {}
        async for key in self.client.scan_iter(match=tag(PORTFOLIO) + "*", count=1_000):
            name = key.decode().removeprefix(tag(PORTFOLIO))
            if everything or not name.startswith(BOOKKEEPING):
                found |= await self._key(key, name)
        return {name: value for name, value in found.items() if everything or " ring:" not in name}

    async def changes(self, before: State, *, everything: bool = False) -> State:
        """Return what differs from `before`; GONE stands for what is there no more."""
        after = await self.state(everything=everything)
        names = before.keys() | after.keys()
        return {
            name: after.get(name, GONE) for name in names if before.get(name) != after.get(name)
        }

    async def books(self) -> Mapping[str, int]:
        """Return the fields of the source's books that are not zero."""
        books = await self.ledger.counts(PORTFOLIO, SOURCE)
        return {str(state): n for state, n in books.states.items() if n}

    async def _key(self, key: bytes, name: str) -> State:
        client: Any = self.client
        match await client.type(key):
            case b"hash":
                fields = await client.hgetall(key)
                return {f"{name} {_member(f)}": _value(name, v) for f, v in fields.items()}
            case b"zset":
                members = await client.zrange(key, 0, -1, withscores=True)
                return {f"{name} {_member(m)}": _moment(int(score)) for m, score in members}
            case b"set":
                return {f"{name} {_member(m)}": True for m in await client.smembers(key)}
            case b"list":
                rows = await client.lrange(key, 0, -1)
                return {name: [_value(name, row) for row in rows]}
            case _:
                return {name: await client.xlen(key)}


def packed(row: bytes) -> Packed:
    """Read a row as part_rows.lua packs it."""
    whole = int.from_bytes
    return Packed(
        whole(row[:5], "big"), whole(row[5:13], "big"), whole(row[13:15], "big"), row[15], row[16]
    )


def _moment(value: int) -> int:
    return value - START_MS if START_MS // 2 < value < FOREVER_MS else value


def _member(member: bytes) -> str:
    """Return a name; the 8 bytes of a recipient in it become its number."""
    found = RECIPIENT.search(member)
    if not found:
        return member.decode(errors="backslashreplace")
    number = str(int.from_bytes(found[0], "big"))
    return member[: found.start()].decode() + number + member[found.end() :].decode()


def _value(name: str, value: bytes) -> Any:  # noqa: ANN401 (what a key holds)
    kind = name.partition(":")[0]
    match kind:
        case "q" | "k":
            return packed(value)
        case "open":
            moment = int.from_bytes(value[1:7], "big")
            return (chr(value[0]), _moment(moment), packed(value[7:]))
        case "aside":
            return (chr(value[0]), packed(value[1:]))
        case "done":
            return _end(value)
        case "proofs":
            return sorted(_moment(int(moment.lstrip(b"f"))) for moment in value.split(b","))
        case _:
            text = value.decode(errors="backslashreplace")
            return _moment(int(text)) if text.lstrip("-").isdigit() else text


def _end(value: bytes) -> End:
    mark = int.from_bytes(value[4:10], "big")
    return End(
        chr(value[0]),
        int(value[1:2]),
        int.from_bytes(value[2:4], "big"),
        _moment(mark),
        int.from_bytes(value[18:22], "big"),
        value[22:].decode(),
    )
