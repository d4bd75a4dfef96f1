"""What the reading scripts answer, as the engine's values."""

from __future__ import annotations

from adapters.redis.scripts import Reply
from engine.books import Counts, Depth, Holders, JobView, Quota
from engine.model import DeliveryStatus, Gate, JobKey, JobState, Priority, SenderId
from engine.outcomes import MISFIT_MARK
from engine.ports import FOREVER_MS
from engine.quiet import ZoneStanding

STATES = {
    "A": JobState.ACCEPTED,
    "F": JobState.FAILED,
    "E": JobState.EXPIRED,
    "S": JobState.SUPPRESSED,
    "U": JobState.UNKNOWN,
    "C": JobState.CANCELLED,
}
GATES = {"S": Gate.SCHEDULE, "P": Gate.PAIR, "R": Gate.RATE, "T": Gate.RETRY}
LIVE = (JobState.QUEUED, JobState.IN_FLIGHT, JobState.IN_DOUBT)
DELIVERIES = list(DeliveryStatus)


def quota(reply: Reply) -> Quota:
    """Read what quota_read.lua answers."""
    places, used, reserved, frees_ms = reply
    if places < 0:
        return Quota(places, used, 0, reserved, -1, None)
    return Quota(
        limit=places,
        used=used,
        debt=max(0, used - places),
        reserved=reserved,
        available=max(0, places - used),
        next_free_at_ms=frees_ms if frees_ms < FOREVER_MS else None,
    )


def counts(reply: Reply) -> Counts:
    """Read what books_read.lua answers."""
    flat, lanes = reply
    fields = {flat[i].decode(): flat[i + 1] for i in range(0, len(flat), 2)}
    states: dict[JobState, int] = {}
    waiting: dict[Gate, int] = {}
    delivery: dict[DeliveryStatus, int] = {}
    for name, value in fields.items():
        kind, _, word = name.partition(":")
        if kind == "s":
            states[JobState(word)] = int(value)
        elif kind == "w":
            waiting[Gate(word)] = int(value)
        elif kind == "d":
            delivery[DeliveryStatus(word)] = int(value)
    for i in range(0, len(lanes), 3):
        gate, fresh, parked = lanes[i].decode(), lanes[i + 1], lanes[i + 2]
        if gate:
            waiting[Gate(gate)] = waiting.get(Gate(gate), 0) + fresh + parked
        else:
            waiting[Gate.QUOTA] = waiting.get(Gate.QUOTA, 0) + parked
            states[JobState.QUEUED] = states.get(JobState.QUEUED, 0) + fresh
    waiting = {gate: n for gate, n in waiting.items() if n}
    states[JobState.WAITING] = sum(waiting.values())
    return Counts(
        enqueued=int(fields.get("enqueued", 0)),
        states={state: n for state, n in states.items() if n},
        waiting=waiting,
        delivery={status: n for status, n in delivery.items() if n},
    )


def zones(reply: Reply) -> list[ZoneStanding]:
    """Read what quiet_read.lua answers."""
    return [
        ZoneStanding(zone.decode(), jobs, held, opens_ms or None, _counts(senders))
        for zone, jobs, held, opens_ms, senders in zip(*[iter(reply)] * 5, strict=True)
    ]


def _counts(flat: Reply) -> dict[str, int]:
    return {name.decode(): jobs for name, jobs in zip(flat[::2], flat[1::2], strict=True)}


class Depths:
    """What depths_read.lua answers, bite by bite."""

    def __init__(self) -> None:
        self._found: dict[str, Depth] = {}

    def add(self, reply: Reply) -> str:
        """Add one bite; return where the next one begins, 0 when this was the last."""
        cursor, senders, jobs, oldest = reply
        for i in range(0, len(senders), 3):
            its_depth = self._of(senders[i].decode())
            its_depth.rate_mps, its_depth.closed_until_ms = senders[i + 1], senders[i + 2]
        for i in range(0, len(jobs), 2):
            sender, priority, word = jobs[i].decode().rsplit("|", 2)
            place = (Priority(int(priority)), JobState(word) if word in LIVE else Gate(word))
            its = self._of(sender).jobs
            its[place] = its.get(place, 0) + jobs[i + 1]
        for i in range(0, len(oldest), 2):
            sender, number = oldest[i].decode().rsplit("|", 1)
            fronts, priority = self._of(sender).oldest_due_ms, Priority(int(number))
            fronts[priority] = min(fronts.get(priority, oldest[i + 1]), oldest[i + 1])
        return str(cursor.decode())

    def all(self) -> list[Depth]:
        """Return what was added, sorted by sender."""
        return sorted(self._found.values(), key=lambda depth: depth.sender)

    def _of(self, sender: str) -> Depth:
        known = self._found.get(sender)
        if known is None:
            known = self._found[sender] = Depth(SenderId(sender), 0, {}, {})
        return known


def job(reply: Reply, key: JobKey) -> JobView | None:
    """Read what job_read.lua answers."""
    kind, packed, gate, until_ms = reply[0].decode(), reply[1], reply[2].decode(), reply[3]
    view = _standing(reply, key, kind, gate)
    if view is not None:
        source, sender, template = (name.decode() for name in reply[5:8])
        view.holders = Holders(SenderId(sender), source, template)
        return view
    match kind:
        case "done":
            return ended(packed, key)
        case "open":
            return under_way(packed, key, SenderId(gate), until_ms)
        case _:
            return None


def _standing(reply: Reply, key: JobKey, kind: str, gate: str) -> JobView | None:
    """Read where a job stands that has not left; None of any other."""
    match kind:
        case "aside":
            return JobView(key, JobState.WAITING, gate=GATES[gate], until_ms=reply[3])
        case "waiting":
            zone = reply[4].decode().rpartition("|")[2] if gate == Gate.SCHEDULE else None
            until = reply[3] or None
            return JobView(key, JobState.WAITING, gate=Gate(gate), until_ms=until, zone=zone)
        case "cancelled" | "queued":
            return JobView(key, JobState(kind), code=int(reply[1] or 0))
        case _:
            return None


def under_way(packed: bytes, key: JobKey, sender: SenderId, decided_ms: int) -> JobView:
    """Read an open job as part_serve.lua packs it."""
    attempt = int.from_bytes(packed[20:22], "big")
    if packed[:1] not in (b"D", b"d"):
        return JobView(key, JobState.IN_FLIGHT, attempt)
    return JobView(key, JobState.IN_DOUBT, attempt, until_ms=decided_ms, sender=sender)


def ended(packed: bytes, key: JobKey) -> JobView:
    """Read an end as part_books.lua packs it."""
    tail = packed[22:].decode(errors="replace")
    is_misfit = tail.startswith(MISFIT_MARK)
    return JobView(
        key,
        STATES[packed[:1].decode()],
        int.from_bytes(packed[2:4], "big"),
        DELIVERIES[int(packed[1:2])],
        code=int.from_bytes(packed[18:22], "big"),
        wamid="" if is_misfit else tail,
        misfit=tail.removeprefix(MISFIT_MARK) if is_misfit else "",
    )
