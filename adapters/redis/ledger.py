"""The Redis ledger: one ledger for all workers on all machines, each call one atomic step."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from adapters.redis import calls, keys, reading
from adapters.redis.asking import reply_to
from adapters.redis.auditing import recount
from adapters.redis.calls import Calls
from adapters.redis.imprints import read_imprints
from adapters.redis.inbound import RedisInbound
from adapters.redis.places import RedisPlaces
from adapters.redis.receipts import in_steps, together
from adapters.redis.scripts import Argument, Client, Reply, Scripts
from engine.books import ASIDE_MAX, Counts, Depth, JobView, Quota
from engine.borders import Border
from engine.errors import UnknownNameError
from engine.imprints import Imprint
from engine.model import (
    Category,
    JobKey,
    Lane,
    NowMs,
    PortfolioId,
    Priority,
    RecipientKey,
    SenderId,
    WabaId,
)
from engine.ports import (
    Again,
    Answer,
    Ask,
    Batch,
    Cancelled,
    Claimed,
    Enqueued,
    PortfolioSpec,
    Receipt,
    Received,
    Rescued,
    SenderSpec,
    Settled,
    Settlement,
    SourceSpec,
    TemplateSpec,
)
from engine.quiet import Spans, ZoneStanding
from engine.shutting import NOTHING_SHUT, Shut
from engine.template_ports import Repoint
from engine.terms import Terms

CLOCK_TOLERANCE_MS = 2_000  # beyond it nothing is sent: ADR 0002
DAY_MS = 86_400_000
AUDIT_MAX = 100_000  # ended jobs recounted in one step: a fifth of a second without a send
LANES_KNOWN_MAX = 100_000  # a process may live longer than its lanes
LANE_FIELDS = ["source", "sender", "template", "priority", "zone"]


class RedisLedger(RedisPlaces, RedisInbound):
    """Ledger, Receipts, Catalog, TemplateJobs, Contents and Books that all processes share."""

    def __init__(
        self,
        client: Client,
        terms: Terms,
        now_ms: NowMs,
        *,
        tolerance_ms: int = CLOCK_TOLERANCE_MS,
        keep_days: int = 7,
    ) -> None:
        self._client = client
        self._scripts = Scripts(client)
        self._calls = Calls(terms, tolerance_ms=tolerance_ms, keep_ms=keep_days * DAY_MS)
        self._now_ms = now_ms
        self._lanes: dict[PortfolioId, dict[int, Lane]] = {}
        self._editions: dict[PortfolioId, int] = {}
        self.renewed: Callable[[], Awaitable[None]] = _nothing
        """Called before jobs are given out whose template changed: read what it is now."""

    @property
    def scripts(self) -> Scripts:
        """What runs the scripts, loaded once for all who share this server."""
        return self._scripts

    @property
    def calls(self) -> Calls:
        """What builds calls under the terms of this ledger."""
        return self._calls

    async def load(self) -> None:
        """Load the scripts; do this once before the first call."""
        await self._scripts.load()

    async def _one(
        self, script: str, portfolio: PortfolioId, arguments: Sequence[Argument]
    ) -> Reply:
        call = self._calls.call(script, portfolio, self._now_ms(), arguments)
        return (await self._scripts.run([call]))[0]

    # -- Ledger -------------------------------------------------------------------------------

    async def enqueue(self, batches: Sequence[Batch]) -> list[Enqueued]:
        """See Ledger.enqueue."""
        now_ms = self._now_ms()
        replies = await self._scripts.run([self._calls.enqueue(b, now_ms) for b in batches])
        return [calls.enqueued(reply) for reply in replies]

    async def claim(self, asks: Sequence[Ask]) -> list[Answer]:
        """See Ledger.claim."""
        now_ms = self._now_ms()
        replies = await self._scripts.run([self._calls.claim(ask, now_ms) for ask in asks])
        answers: list[Answer] = []
        for ask, reply in zip(asks, replies, strict=True):
            if calls.edition_in(reply) != self._editions.get(ask.portfolio, 0):
                await self._read_again(ask.portfolio, calls.edition_in(reply))
            lanes = self._lanes.setdefault(ask.portfolio, {})
            missing = [number for number in calls.lanes_in(reply) if number not in lanes]
            if missing and len(lanes) >= LANES_KNOWN_MAX:
                lanes.clear()  # most of them are long forgotten
                missing = sorted(calls.lanes_in(reply))
            if missing:
                lanes |= await self._read_lanes(ask.portfolio, missing)
            answers.append(calls.answer(reply, lanes, now_ms))
            if answers[-1].refused == "recovering":
                self._lanes.pop(ask.portfolio, None)  # numbers may have gone to others meanwhile
        return answers

    async def _read_again(self, portfolio: PortfolioId, edition: int) -> None:
        """Forget what is known of lanes and have templates read before a job of theirs is written.

        Whatever of it fails, the wish is asked again, and so is this.
        """
        self._lanes.pop(portfolio, None)
        await self.renewed()
        self._editions[portfolio] = edition

    async def settle(self, portfolio: PortfolioId, settlements: Sequence[Settlement]) -> Settled:
        """See Ledger.settle."""
        call = self._calls.settle(portfolio, settlements, self._now_ms())
        return calls.settled((await self._scripts.run([call]))[0])

    async def again(self, portfolio: PortfolioId, key: JobKey, attempt: int) -> Again:
        """See Ledger.again."""
        return calls.again(await self._one("again", portfolio, [str(key), attempt]), attempt)

    async def rescue(self, portfolio: PortfolioId) -> Rescued:
        """See Ledger.rescue."""
        call = self._calls.rescue(portfolio, self._now_ms())
        return calls.rescued((await self._scripts.run([call]))[0])

    async def imprints(self, portfolios: Sequence[PortfolioId]) -> list[Imprint]:
        """See Imprints.imprints."""
        return await read_imprints(self._client, self._scripts, portfolios)

    # -- Recovery -----------------------------------------------------------------------------

    async def restore_enqueued(self, batch: Batch, answer: Enqueued) -> None:
        """See Recovery.restore_enqueued."""
        await self._scripts.run([self._calls.restore_enqueued(batch, answer, self._now_ms())])

    async def restore_claimed(self, portfolio: PortfolioId, jobs: Sequence[Claimed]) -> int:
        """See Recovery.restore_claimed."""
        if not jobs:
            return 0
        call = self._calls.restore_claimed(portfolio, jobs, self._now_ms())
        return int((await self._scripts.run([call]))[0])

    async def _read_lanes(self, portfolio: PortfolioId, numbers: Sequence[int]) -> dict[int, Lane]:
        """Return lanes by number; a fleet of thousands of senders is met in one round trip."""
        pipeline = self._client.pipeline(transaction=False)
        for number in numbers:
            pipeline.hmget(keys.lane(portfolio, number), LANE_FIELDS)
        found = await reply_to(pipeline.execute())
        return {number: _lane(values) for number, values in zip(numbers, found, strict=True)}

    # -- Receipts -----------------------------------------------------------------------------

    async def receive(self, portfolio: PortfolioId, receipts: Sequence[Receipt]) -> Received:
        """See Receipts.receive."""
        answers: list[Received] = []
        for some in in_steps(receipts):
            call = self._calls.receive(portfolio, some, self._now_ms())
            answers.append(calls.received((await self._scripts.run([call]))[0]))
        return together(answers)

    async def open_window(
        self, portfolio: PortfolioId, sender: SenderId, recipient: RecipientKey, until_ms: int
    ) -> None:
        """See Receipts.open_window."""
        pair = f"{sender}:".encode() + recipient
        await self._one("service_open", portfolio, [pair, until_ms])

    # -- Catalog ------------------------------------------------------------------------------

    async def put_portfolio(self, portfolio: PortfolioId, spec: PortfolioSpec) -> None:
        """See Catalog.put_portfolio."""
        by_number = int(spec.scope == "phone_number")
        shares = [repr(share) for share in (spec.headroom, *spec.reserve[:3])]
        arguments: list[Argument] = [spec.places, by_number, spec.used_before, *shares]
        await self._one("portfolio_put", portfolio, arguments)

    async def put_sender(self, portfolio: PortfolioId, sender: SenderId, spec: SenderSpec) -> None:
        """See Catalog.put_sender."""
        arguments: list[Argument] = [
            sender,
            spec.waba,
            spec.throughput_mps,
            spec.closed_until_ms,
            spec.places,
            _packed_shut(spec.shut),
            repr(spec.marketing_share),
            int(spec.is_silent),
        ]
        await self._one("sender_put", portfolio, arguments)

    async def put_template(self, portfolio: PortfolioId, template: str, spec: TemplateSpec) -> None:
        """See Catalog.put_template."""
        arguments = [
            template,
            spec.status.value,
            spec.category.value,
            spec.version,
            int(spec.lifts),
        ]
        await self._one("template_put", portfolio, arguments)

    async def put_source(self, portfolio: PortfolioId, source: str, spec: SourceSpec) -> None:
        """See Catalog.put_source."""
        arguments = [source, spec.state.value, spec.weight, spec.start_at_ms]
        await self._one("source_put", portfolio, arguments)

    # -- QuietLedger --------------------------------------------------------------------------

    async def put_quiet(self, portfolio: PortfolioId, source: str, open_: dict[str, Spans]) -> None:
        """See QuietLedger.put_quiet."""
        told = [text for zone, spans in open_.items() for text in (zone, calls.calendar(spans))]
        await self._one("quiet_put", portfolio, [source, 1, *told])

    async def end_quiet(self, portfolio: PortfolioId, source: str) -> None:
        """See QuietLedger.end_quiet."""
        await self._one("quiet_put", portfolio, [source, 0])

    async def zones(self, portfolio: PortfolioId, source: str) -> list[ZoneStanding]:
        """See QuietLedger.zones."""
        return reading.zones(await self._one("quiet_read", portfolio, [source]))

    # -- more of Catalog ------------------------------------------------------------------------

    async def close_account(
        self, portfolio: PortfolioId, waba: WabaId, until_ms: int, shut: Shut = NOTHING_SHUT
    ) -> None:
        """See Catalog.close_account."""
        await self._one("account_put", portfolio, [waba, until_ms, _packed_shut(shut)])

    async def put_borders(
        self, portfolio: PortfolioId, waba: WabaId, borders: Sequence[Border]
    ) -> None:
        """See Borders.put_borders."""
        await self._one("border_put", portfolio, [waba, ";".join(map(_border, borders))])

    # -- TemplateJobs -------------------------------------------------------------------------

    async def end_template(self, portfolio: PortfolioId, template: str) -> dict[str, int]:
        """See TemplateJobs.end_template."""
        ended: dict[str, int] = {}
        reply = await self._one("template_end", portfolio, [template])
        for source, jobs in zip(reply[0::2], reply[1::2], strict=True):
            ended[source.decode()] = ended.get(source.decode(), 0) + jobs
        return ended

    async def users(self, portfolio: PortfolioId, template: str, since_ms: int) -> list[str]:
        """See TemplateJobs.users."""
        reply = await self._one("template_users", portfolio, [template, since_ms])
        return sorted({source.decode() for source in reply})

    async def repoint(self, portfolio: PortfolioId, source: str, wish: Repoint) -> int:
        """See TemplateJobs.repoint."""
        expires = "" if wish.expires_ms is None else wish.expires_ms
        repeats = "" if wish.repeats_max is None else wish.repeats_max
        told: list[Argument] = [source, wish.body, expires, int(wish.priority)]
        told += [repeats, wish.version, int(wish.is_first)]
        for pair in wish.templates.items():
            told += pair
        return int(await self._one("source_repoint", portfolio, told))

    async def cancel_job(self, portfolio: PortfolioId, key: JobKey) -> Cancelled:
        """See Cancellation.cancel_job."""
        reply = await self._one("job_cancel", portfolio, [key.lane, key.sequence])
        return Cancelled(reply.decode())

    # -- Contents -----------------------------------------------------------------------------

    async def put_content(self, portfolio: PortfolioId, source: str, body: bytes) -> int:
        """See Contents.put_content."""
        return int(await reply_to(self._client.rpush(keys.contents(portfolio, source), body)))

    async def content(self, portfolio: PortfolioId, source: str, version: int) -> bytes:
        """See Contents.content."""
        asked = self._client.lindex(keys.contents(portfolio, source), version - 1)
        body: bytes | None = await reply_to(asked)
        if body is None or version < 1:
            raise UnknownNameError(f"{source} has no content version {version}")
        return body

    async def suppress(
        self, portfolio: PortfolioId, recipient: RecipientKey, category: Category | None
    ) -> None:
        """See Contents.suppress."""
        await self._one("suppression_put", portfolio, [_suppressed(recipient, category), 1])

    async def unsuppress(
        self, portfolio: PortfolioId, recipient: RecipientKey, category: Category | None
    ) -> None:
        """See Contents.unsuppress."""
        await self._one("suppression_put", portfolio, [_suppressed(recipient, category), 0])

    # -- Books --------------------------------------------------------------------------------

    async def quota(self, portfolio: PortfolioId, sender: SenderId | None = None) -> Quota:
        """See Books.quota."""
        return reading.quota(await self._one("quota_read", portfolio, [sender or ""]))

    async def counts(self, portfolio: PortfolioId, source: str) -> Counts:
        """See Books.counts."""
        reply = await self._one("books_read", portfolio, [source])
        if not reply:
            raise UnknownNameError(f"there is no source {source}")
        return reading.counts(reply)

    async def job(self, portfolio: PortfolioId, key: JobKey) -> JobView | None:
        """See Books.job."""
        reply = await self._one("job_read", portfolio, [key.lane, key.sequence])
        return reading.job(reply, key)

    async def depths(self, portfolio: PortfolioId) -> list[Depth]:
        """See Books.depths; a bite of each part at a time, so that nobody waits long behind it."""
        depths = reading.Depths()
        cursors = {"senders": "0", "lanes": "1", "open": "0", "aside": "0"}
        while cursors:
            now_ms = self._now_ms()
            bites = [
                self._calls.call("depths_read", portfolio, now_ms, [part, cursor, ASIDE_MAX])
                for part, cursor in cursors.items()
            ]
            replies = await self._scripts.run(bites)
            following = {
                part: depths.add(reply) for part, reply in zip(cursors, replies, strict=True)
            }
            cursors = {part: cursor for part, cursor in following.items() if cursor != "0"}
        return depths.all()

    async def audit(self, portfolio: PortfolioId) -> list[str]:
        """See Books.audit."""
        kept, lines = await self._one("audit_read", portfolio, [AUDIT_MAX])
        if kept <= AUDIT_MAX:
            return [line.decode() for line in lines]

        async def run(script: str, told: Sequence[Sequence[Argument]]) -> Sequence[Reply]:
            now_ms = self._now_ms()
            asked = [self._calls.call(script, portfolio, now_ms, each) for each in told]
            return await self._scripts.run(asked)

        return await recount(run)


async def _nothing() -> None:
    """Read nothing."""


def _suppressed(recipient: RecipientKey, category: Category | None) -> bytes:
    return recipient + b":" + (category.value.encode() if category else b"")


def _border(border: Border) -> str:
    begins = [*border.begins, *(f"!{begin}" for begin in border.but)]
    return f"{border.until_ms}|{','.join(begins)}"


def _lane(values: Sequence[bytes | None]) -> Lane:
    source, sender, template, priority, zone = [(value or b"").decode() for value in values]
    return Lane(source, SenderId(sender), template, Priority(int(priority)), zone)


def _packed_shut(shut: Shut) -> str:
    return "|".join(str(until_ms) for until_ms in shut)
