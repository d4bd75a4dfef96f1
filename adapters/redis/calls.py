"""What each script is told and what its reply means: arguments out, values in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from struct import Struct, pack
from struct import error as struct_error

from adapters.redis.keys import tag
from adapters.redis.receipts import pack_receipts
from adapters.redis.scripts import Argument, Call, Reply
from engine.alike import AlikeRows
from engine.model import (
    Category,
    Gate,
    JobKey,
    Lane,
    PortfolioId,
    Row,
    SenderId,
    parse_key,
)
from engine.outcomes import (
    Accepted,
    Deferred,
    Dropped,
    InDoubt,
    Outcome,
    Retry,
    Suppressed,
    Unwritten,
    misfit,
)
from engine.ports import (
    Again,
    Answer,
    Ask,
    Batch,
    Claimed,
    Enqueued,
    NotNew,
    Receipt,
    Received,
    Refusals,
    Rescued,
    Settled,
    Settlement,
)
from engine.quiet import Spans
from engine.terms import Terms

# An open job as part_serve.lua packs it: state, moment, then a row as part_rows.lua packs it:
# sequence, recipient, attempt, failures, content, due.
read_open = Struct(">c6xBI8sHB2xH6xHI").unpack_from
TAIL_AT = 39
CONFLICT, OVER = 1, 2  # of a row that was not queued: enqueue.lua
DOUBTED = (Category.AUTHENTICATION, Category.SERVICE, Category.UTILITY, Category.MARKETING)
KEYED, PLAIN, ONCE_EACH = 1, 2, 3  # how a batch's rows are known: enqueue.lua


class Calls:
    """Builds calls under one deployment's terms."""

    def __init__(self, terms: Terms, *, tolerance_ms: int, keep_ms: int) -> None:
        self._terms = terms
        settings: list[int | str] = [tolerance_ms, terms.span_ms, terms.guard_ms, terms.lease_ms]
        settings += [keep_ms, terms.attempts_max, *(terms.doubt_ms[each] for each in DOUBTED)]
        settings.append(",".join(sorted(gate.value for gate in terms.gates_off)))
        self._settings = "|".join(map(str, settings))  # as part_terms.lua reads them

    def call(
        self, script: str, portfolio: PortfolioId, now_ms: int, arguments: Sequence[Argument]
    ) -> Call:
        """Return one call with the arguments all scripts share in front."""
        return Call(script, tag(portfolio), [now_ms, self._settings, *arguments])

    def enqueue(self, batch: Batch, now_ms: int) -> Call:
        """Return the call that queues a batch."""
        lane, rows = batch.lane, batch.rows
        alike = pack_alike(rows) if isinstance(rows, AlikeRows) and rows else None
        arguments: list[Argument] = [
            self._terms.queue_max,
            lane.source,
            lane.sender,
            lane.template,
            int(lane.priority),
            lane.zone,
            len(rows),
            form_of(batch, rows) if alike is None else PLAIN,
            batch.rows_max,
            batch.tally,
        ]
        if alike is not None:
            arguments += alike
        else:
            arguments += [pack_row(row) for row in rows]
            if any(row.dedupe for row in rows):
                arguments += [row.dedupe + row.fingerprint for row in rows]
        return self.call("enqueue", batch.portfolio, now_ms, arguments)

    def claim(self, ask: Ask, now_ms: int) -> Call:
        """Return the call that serves a wish."""
        wish: list[Argument] = [ask.worker, ask.counter, ask.most, ask.low, ask.known_sequence]
        if ask.settlements:
            wish += told(ask.settlements)
        return self.call("claim", ask.portfolio, now_ms, wish)

    def settle(
        self, portfolio: PortfolioId, settlements: Sequence[Settlement], now_ms: int
    ) -> Call:
        """Return the call that records outcomes."""
        return self.call("settle", portfolio, now_ms, told(settlements))

    def rescue(self, portfolio: PortfolioId, now_ms: int) -> Call:
        """Return the call that settles what ran out."""
        return self.call("rescue", portfolio, now_ms, [self._terms.expire_bite])

    def receive(self, portfolio: PortfolioId, receipts: Sequence[Receipt], now_ms: int) -> Call:
        """Return the call that folds statuses."""
        arguments: list[Argument] = [len(receipts), pack_receipts(receipts)]
        return self.call("receive", portfolio, now_ms, arguments)

    def restore_enqueued(self, batch: Batch, answer: Enqueued, now_ms: int) -> Call:
        """Return the call that queues again what a lost tail held."""
        known = {not_new.index for not_new in answer.not_new}
        rows = [row for index, row in enumerate(batch.rows) if index not in known]
        lane = batch.lane
        arguments: list[Argument] = [
            answer.lane,
            lane.source,
            lane.sender,
            lane.template,
            int(lane.priority),
            lane.zone,
            answer.first,
            len(rows),
            form_of(batch, rows),
            *[pack_row(row) for row in rows],
            *[row.dedupe + row.fingerprint for row in rows],
        ]
        return self.call("enqueue_restore", batch.portfolio, now_ms, arguments)

    def restore_claimed(self, portfolio: PortfolioId, jobs: Sequence[Claimed], now_ms: int) -> Call:
        """Return the call that puts jobs back under their leases."""
        arguments: list[Argument] = [
            len(jobs),
            *[str(job.key) for job in jobs],
            *[job.attempt for job in jobs],
            *[job.lease_until_ms for job in jobs],
            *[int(job.counted) for job in jobs],
            *[lane_name(job.lane) for job in jobs],
        ]
        return self.call("claim_restore", portfolio, now_ms, arguments)


def form_of(batch: Batch, rows: Sequence[Row]) -> int:
    """Return how rows are known that are told one by one."""
    if not any(row.fingerprint for row in rows):
        return 0
    return ONCE_EACH if batch.once_each else KEYED


def lane_name(lane: Lane) -> str:
    """Return the name by which the scripts know a lane."""
    name = f"{lane.source}\x1f{lane.sender}\x1f{lane.template}\x1f{int(lane.priority)}"
    return f"{name}\x1f{lane.zone}" if lane.zone else name


def calendar(spans: Spans) -> str:
    """Return when a zone is open, as the scripts keep it."""
    return "".join(f"{since_ms},{until_ms};" for since_ms, until_ms in spans)


def pack_alike(rows: AlikeRows) -> list[bytes] | None:
    """Return rows of one kind as enqueue.lua takes them; None where one says more than 64 KB.

    Whom they are for, what all share, how long what each says is, and what it says: four texts,
    because each text that Redis is given costs it a good part of what queueing a row does.
    """
    shared = pack_shared(rows.repeats_max, rows.content, rows.expires_at_ms)
    try:
        lengths = pack(f">{len(rows)}H", *map(len, rows.tails))
    except struct_error:
        return None
    return [b"".join(rows.recipients), shared, lengths, b"".join(rows.tails)]


def pack_shared(repeats_max: int, content: int, expires_at_ms: int) -> bytes:
    """Return what stands between a row's recipient and when it is due: see part_rows.lua."""
    return b"".join(
        (
            b"\0\0\0\0",
            bytes((repeats_max,)),
            content.to_bytes(2, "big"),
            expires_at_ms.to_bytes(6, "big"),
        )
    )


def pack_row(row: Row) -> bytes:
    """Return a row as enqueue.lua takes it: part_rows.lua says what is where."""
    return b"".join(
        (
            row.not_before_ms.to_bytes(6, "big"),
            row.recipient,
            pack_shared(row.repeats_max, row.content, row.expires_at_ms),
            row.tail,
        )
    )


def told(settlements: Sequence[Settlement]) -> list[Argument]:
    """Return outcomes as part_settlements.lua takes them."""
    coded = [encode(settlement.outcome) for settlement in settlements]
    return [
        len(settlements),
        "".join([kind for kind, _ in coded]),
        b"".join([s.attempt.to_bytes(2, "big") for s in settlements]),
        *[f"{s.key.lane}.{s.key.sequence}" for s in settlements],
        *[detail for _, detail in coded],
    ]


def encode(outcome: Outcome) -> tuple[str, str]:
    """Return kind and detail of an outcome, as settle.lua takes them."""
    match outcome:
        case Accepted():
            return ("H" if outcome.held else "A"), outcome.wamid
        case InDoubt() | Unwritten():
            return ("X" if isinstance(outcome, InDoubt) else "N"), ""
        case Retry():
            return "R", f"{outcome.code}|{outcome.until_ms}"
        case Deferred():
            return "D", f"{outcome.gate.value}|{outcome.code}|{outcome.until_ms}"
        case Dropped():
            return "F", f"{outcome.code}|{int(outcome.strikes)}{misfit(outcome)}"
        case Suppressed():
            return "S", str(outcome.code)


def enqueued(reply: Reply) -> Enqueued:
    """Read what enqueue.lua answers."""
    refused, lane, first, accepted, sequence, due_ms, flat = reply
    not_new = [
        NotNew(
            flat[i],
            parse_key(flat[i + 1].decode()) if flat[i + 1] else None,
            flat[i + 2] == CONFLICT,
            flat[i + 2] == OVER,
        )
        for i in range(0, len(flat), 3)
    ]
    return Enqueued(lane, first, accepted, not_new, refused.decode(), sequence, due_ms)


def edition_in(reply: Reply) -> int:
    """Return the edition of templates and lanes that a claim's reply was made under."""
    return int(reply[9])


def lanes_in(reply: Reply) -> set[int]:
    """Return the lanes whose jobs a claim's reply gives."""
    return {number for number, _, _, _ in runs_in(reply[6])}


def runs_in(flat: Sequence[Reply]) -> Iterator[tuple[int, int, int, Sequence[bytes]]]:
    """Read the runs of a claim's reply: lane, first send time, step to the next (µs), records."""
    at = 0
    while at < len(flat):
        number, send_at_us, step_us, count = flat[at : at + 4]
        yield number, send_at_us, step_us, flat[at + 4 : at + 4 + count]
        at += 4 + count


def answer(reply: Reply, lanes: dict[int, Lane], now_ms: int) -> Answer:
    """Read what claim.lua answers; `lanes` knows every lane in it."""
    refused, come_back_ms, rescue_ms, sequence, lease_ms, refusals, flat = reply[:7]
    ignored, closed = reply[7:9]
    return Answer(
        [
            claimed(number, record, send_at_us + at * step_us, lanes[number], lease_ms)
            for number, send_at_us, step_us, records in runs_in(flat)
            for at, record in enumerate(records)
        ],
        come_back_ms,
        more=come_back_ms <= now_ms and not refused,
        rescue_at_ms=rescue_ms,
        sequence=sequence,
        refused=refused.decode(),
        refusals=read_refusals(refusals),
        ignored=keys(ignored),
        closed=read_closed(closed),
    )


def claimed(number: int, record: bytes, send_at_us: int, lane: Lane, lease_ms: int) -> Claimed:
    """Read one job of a claim."""
    state, high, low, recipient, attempt, failures, content, due_high, due_low = read_open(record)
    return Claimed(
        JobKey(number, high << 32 | low),
        attempt,
        send_at_us,
        lease_ms,
        due_high << 32 | due_low,
        recipient,
        content,
        record[TAIL_AT:],
        lane,
        state == b"F",
        failures,
    )


def read_refusals(flat: Reply) -> list[Refusals]:
    """Read which gates held back how many steps, sorted by sender and gate."""
    found: list[Refusals] = []
    for i in range(0, len(flat), 2):
        sender, _, gate = flat[i].decode().rpartition("|")
        found.append(Refusals(SenderId(sender), Gate(gate), flat[i + 1]))
    return sorted(found, key=lambda refusal: (refusal.sender, refusal.gate))


def settled(reply: Reply) -> Settled:
    """Read what settle.lua answers."""
    sequence, due_ms, ignored, closed = reply
    return Settled(keys(ignored), read_closed(closed), sequence, due_ms)


def read_closed(flat: Reply) -> list[tuple[Gate, str]]:
    """Read which gates a call closed: gate and key."""
    return [(Gate(flat[i].decode()), flat[i + 1].decode()) for i in range(0, len(flat), 2)]


def again(reply: Reply, attempt: int) -> Again:
    """Read what again.lua answers."""
    gate, send_at_us, sequence = reply
    if gate:
        return Again(gate=Gate(gate.decode()), sequence=sequence)
    return Again(send_at_us, attempt, None, sequence)


def rescued(reply: Reply) -> Rescued:
    """Read what rescue.lua answers."""
    sequence, due_ms, rescue_ms, doubted, repeated, unknown, expired = reply
    return Rescued(
        keys(doubted), keys(repeated), keys(unknown), keys(expired), rescue_ms, sequence, due_ms
    )


def received(reply: Reply) -> Received:
    """Read what receive.lua answers."""
    sequence, due_ms, settled_jobs, cancelled, closed = reply
    return Received(keys(settled_jobs), keys(cancelled), sequence, due_ms, read_closed(closed))


def keys(names: Sequence[bytes]) -> list[JobKey]:
    """Read job names."""
    return [parse_key(name.decode()) for name in names]
