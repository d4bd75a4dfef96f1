"""The only place where a benchmark touches the engine: fill these in, and every row measures.

Nothing here, nor in `asker`, may know how a row measures, and no row may import engine or adapters.
What a call needs beyond its arguments (a house, who was settled) it keeps per `Place` in this
module; `close` gives it back. Benchmarks run with every gate, metrics and the outcome log on.
"""

import asyncio
import sys
from array import array
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from adapters.house.shared import House, open_house, terms_of
from adapters.settings import load_settings
from benchmarks import asker, message
from benchmarks.programs import Command
from engine.campaign_wishes import CampaignWish
from engine.campaigns import Campaigns
from engine.contents import compile_shared
from engine.directory import Campaign, Portfolio, Sender, Template
from engine.front_door import FrontDoor
from engine.intake import JobRequest, JobStatus, SendJobs
from engine.model import (
    Category,
    DeliveryStatus,
    Gate,
    JobKey,
    Lane,
    PortfolioId,
    Priority,
    RecipientKey,
    SenderId,
    TemplateStatus,
    WabaId,
)
from engine.ports import (
    FOREVER_MS,
    Claimed,
    PortfolioSpec,
    Receipt,
    SenderSpec,
    TemplateSpec,
)
from engine.quota import UNLIMITED, default_reserve
from engine.row_intake import CampaignRows

Row = tuple[str, tuple[str, str]]  # 12 digits, two fields of 10 characters

FIELDS = ("name", "code")
API_KEY = "the-key-of-the-benchmarks-0123456789"
TOKEN_BYTES = 190  # as long as Meta's, and as bare's
SENDERS_PER_CAMPAIGN = 1_000
SLOTS_FOLDER = "slots"


class NotBuiltError(NotImplementedError):
    """The engine cannot do this yet, so there is no number to print."""


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where a benchmark happens."""

    redis_url: str
    graph_url: str
    data_dir: Path
    api_port: int


class Setup(msgspec.Struct, frozen=True, kw_only=True):
    """What must exist before a benchmark begins.

    Senders are `message.sender_id(0)` and up, spread evenly over the portfolios. Two approved
    templates: message.CAMPAIGN_TEMPLATE (marketing, one body text made of the row's two fields)
    and message.CODE_TEMPLATE (authentication). The campaign is started.
    """

    senders: int
    mps: int
    portfolios: int = 1
    messaging_limit: int | None = None  # None: unlimited


@dataclass(slots=True)
class Kept:
    """What this module keeps for a place between two `close`."""

    stack: AsyncExitStack
    house: House
    intake: SendJobs
    rows: CampaignRows
    campaigns: Campaigns
    started: list[Campaign] = field(default_factory=list[Campaign])
    settled: list[asker.Settled] = field(default_factory=list[asker.Settled])


_kept: dict[Place, Kept] = {}


async def prepare(place: Place, setup: Setup) -> None:
    """Write portfolios, senders, templates and one started campaign over all senders.

    A campaign belongs to one portfolio and has at most SENDERS_PER_CAMPAIGN senders: where there
    are more, there are several, and rows are dealt evenly.
    """
    kept = await _at(place)
    for folder in (place.data_dir / SLOTS_FOLDER).glob("*"):
        folder.unlink()
    each = setup.senders // setup.portfolios
    for number in range(setup.portfolios):
        portfolio = PortfolioId(f"business-{number}")
        waba = WabaId(f"waba-{number}")
        await _put_portfolio(kept, portfolio, setup.messaging_limit)
        for template in _templates(waba):
            await _put_template(kept, portfolio, template)
        names = [message.sender_id(at) for at in range(number * each, (number + 1) * each)]
        for name in names:
            await _put_sender(kept, portfolio, waba, name, setup.mps)
        for at in range(0, len(names), SENDERS_PER_CAMPAIGN):
            wish = CampaignWish(
                id=f"offer-{number}-{at}",
                name="Offer",
                senders=names[at : at + SENDERS_PER_CAMPAIGN],
                message=_campaign_message(),
            )
            await kept.campaigns.create(wish)
            kept.started.append(await kept.campaigns.move(wish.id, "start"))


async def enqueue(place: Place, rows: Sequence[Row]) -> int:
    """Enqueue campaign rows through the Python API; return how many were accepted.

    Everything the HTTP path promises of a row is done: validated, deduped by `to`.
    """
    kept = await _at(place)
    accepted = 0
    share = -(-len(rows) // len(kept.started))
    for place_of, campaign in enumerate(kept.started):
        part = rows[place_of * share : (place_of + 1) * share]
        result = await kept.rows.accept(campaign, part)
        accepted += result.accepted
    return accepted


def worker_command(place: Place, *, concurrency: int, notes_slots: bool = False) -> Command:
    """Return how to start one worker process as it ships: uvloop, metrics and log on.

    With `notes_slots` it also writes down the send times it is given, for `reserved_times_us`.
    """
    environment = _environment(place) | {"PENSTOCK_CONCURRENCY": str(concurrency)}
    if notes_slots:
        folder = place.data_dir / SLOTS_FOLDER
        arguments = ["-m", "benchmarks.noted_worker", str(folder)]
        return Command(arguments=(sys.executable, *arguments), environment=environment)
    return Command(arguments=(_penstock(), "worker"), environment=environment)


def api_command(place: Place) -> Command:
    """Return how to start one API process that listens on 127.0.0.1:`place.api_port`."""
    environment = _environment(place) | {"PENSTOCK_LISTEN": f"127.0.0.1:{place.api_port}"}
    return Command(arguments=(_penstock(), "serve"), environment=environment)


def upload_request(place: Place) -> tuple[str, dict[str, str]]:
    """Return path and headers of the campaign's NDJSON upload."""
    campaign = _kept[place].started[0]
    headers = {"Authorization": f"Bearer {API_KEY}", "Content-Type": "application/x-ndjson"}
    return f"/v1/campaigns/{campaign.id}/recipients", headers


async def claim_and_settle(place: Place, *, batch: int, jobs: int, workers: int = 1) -> int:
    """Claim and settle (as accepted) queued jobs, `batch` a call, without HTTP; return how many.

    Each worker asks on its own, for its part of the jobs.
    """
    kept = await _at(place)
    ledger, portfolio = kept.house.ledger, kept.started[0].portfolio_id
    async with asyncio.TaskGroup() as group:
        parts = [
            group.create_task(asker.work(ledger, portfolio, batch, jobs // workers, kept.settled))
            for _ in range(workers)
        ]
    return sum(part.result() for part in parts)


async def receive(place: Place, *, batch: int, statuses: int) -> int:
    """Fold delivered statuses of jobs that claim_and_settle settled; return how many."""
    kept = await _at(place)
    house, portfolio = kept.house, kept.started[0].portfolio_id
    wanted = kept.settled[:statuses]
    for start in range(0, len(wanted), batch):
        now_ms = house.clock.now_ms()
        receipts = [
            Receipt(key, attempt, recipient, DeliveryStatus.DELIVERED, now_ms, wamid)
            for key, attempt, recipient, wamid in wanted[start : start + batch]
        ]
        await house.ledger.receive(portfolio, receipts)
    return len(wanted)


async def ledger_keys(place: Place) -> list[bytes]:
    """Return the Redis keys that hold the quota windows, and nothing of open sends."""
    client = (await _at(place)).house.client
    return [
        key
        for pattern in ("ps:{*}:win:*", "ps:{*}:proofs:*")
        async for key in client.scan_iter(match=pattern, count=10_000)
    ]


async def send_one(place: Place, *, sender: str, to: str) -> None:
    """Enqueue one authentication send now, as a journey node would; return once it is accepted."""
    kept = await _at(place)
    code = _code_message()
    body = msgspec.json.encode(code)
    job = JobRequest(sender, to, code, body, key=f"login-{to}", source="journey:login")
    (result,) = await kept.intake.accept([job])
    if result.status is not JobStatus.ACCEPTED:
        raise RuntimeError(f"the single send was not taken: {result}")


async def reserved_times_us(place: Place, sender: str) -> list[int]:
    """Return the send times the engine reserved for `sender`, epoch µs, in any order.

    Of workers that were started with `notes_slots`.
    """
    times = array("q")
    for path in (place.data_dir / SLOTS_FOLDER).glob(f"{sender}.*"):
        times.frombytes(path.read_bytes())
    return times.tolist()


async def parked(place: Place) -> int:
    """Return how many jobs are parked behind the quota."""
    kept = await _at(place)
    books = [
        await kept.house.ledger.counts(each.portfolio_id, each.source) for each in kept.started
    ]
    return sum(counts.waiting.get(Gate.QUOTA, 0) for counts in books)


async def close(place: Place) -> None:
    """Close what this module kept for `place`; nothing kept is fine."""
    kept = _kept.pop(place, None)
    if kept is not None:
        await kept.stack.aclose()


async def _at(place: Place) -> Kept:
    """Return the house of this process at `place`, the one that an embedding caller would have."""
    if (kept := _kept.get(place)) is not None:
        return kept
    settings = load_settings(environment=_environment(place), directory=place.data_dir)
    stack = AsyncExitStack()
    house = await stack.enter_async_context(open_house(settings, place.redis_url))
    door = FrontDoor(house.ledger, house.registry.directory, house.recipients, house.emit)
    kept = _kept[place] = Kept(
        stack,
        house,
        *(SendJobs(door), CampaignRows(door)),
        Campaigns(
            house.registry,
            house.ledger,
            house.ledger,
            house.ledger,
            now_ms=house.clock.now_ms,
            span_ms=terms_of(settings).span_ms,
            moved=house.moved,
        ),
    )
    return kept


at = _at  # for benchmarks.told_by_meta


def _environment(place: Place) -> dict[str, str]:
    return {
        "PENSTOCK_REDIS_URL": place.redis_url,
        "PENSTOCK_GRAPH_URL": place.graph_url,
        "PENSTOCK_GRAPH_VERSION": message.GRAPH_VERSION,
        "PENSTOCK_DATA_DIR": str(place.data_dir),
        "PENSTOCK_METRICS_LISTEN": "127.0.0.1:0",  # several workers at once
        "PENSTOCK_API_KEY": API_KEY,
    }


def _penstock() -> str:
    return str(Path(sys.executable).with_name("penstock"))


async def _put_portfolio(kept: Kept, name: PortfolioId, limit: int | None) -> None:
    places = UNLIMITED if limit is None else limit
    await kept.house.registry.put(Portfolio(name, places))
    spec = PortfolioSpec(places=places, reserve=default_reserve(places, {}))
    await kept.house.ledger.put_portfolio(name, spec)


async def _put_template(kept: Kept, portfolio: PortfolioId, template: Template) -> None:
    await kept.house.registry.put(template)
    spec = TemplateSpec(template.status, template.category)
    await kept.house.ledger.put_template(portfolio, template.key, spec)


async def _put_sender(
    kept: Kept, portfolio: PortfolioId, waba: WabaId, name: str, mps: int
) -> None:
    sender = Sender(SenderId(name), portfolio, waba, f"+{name}", mps)
    await kept.house.registry.put_token(sender.id, "t" * TOKEN_BYTES)
    await kept.house.ledger.put_sender(portfolio, sender.id, SenderSpec(waba, mps))
    await kept.house.registry.put(sender)


def _templates(waba: WabaId) -> list[Template]:
    offer: list[dict[str, object]] = [{"type": "BODY", "text": "{{1}}"}]
    code: list[dict[str, object]] = [
        {"type": "BODY", "text": "{{1}} is your code"},
        {"type": "BUTTONS", "buttons": [{"type": "OTP", "otp_type": "COPY_CODE"}]},
    ]
    approved, en_us = TemplateStatus.APPROVED, "en_US"
    return [
        Template(waba, message.CAMPAIGN_TEMPLATE, en_us, Category.MARKETING, approved, offer),
        Template(waba, message.CODE_TEMPLATE, en_us, Category.AUTHENTICATION, approved, code),
    ]


def _campaign_message() -> dict[str, object]:
    """Return the campaign's message, so long that what is written has message.BODY_BYTES."""
    short = _with_text("{{name}} {{code}} ")
    missing = message.BODY_BYTES - len(_rendered(short))
    return _with_text("{{name}} {{code}} " + "x" * missing)


def _with_text(text: str) -> dict[str, object]:
    body = {"type": "body", "parameters": [{"type": "text", "text": text}]}
    template = {
        "name": message.CAMPAIGN_TEMPLATE,
        "language": {"policy": "deterministic", "code": "en_US"},
        "components": [body],
    }
    return {"recipient_type": "individual", "type": "template", "template": template}


def _rendered(shared: dict[str, object]) -> bytes:
    """Return what the engine writes for a middling row."""
    to, fields = message.row(50_000)
    tail = "\x1f".join(("+" + to, *fields)).encode()
    lane = Lane("campaign:offer", SenderId("1"), "", Priority.MARKETING)
    job = Claimed(
        JobKey(16, 50_000), 1, 0, FOREVER_MS, 0, RecipientKey(bytes(8)), 1, tail, lane, counted=True
    )
    body = msgspec.json.encode({"message": shared, "fields": FIELDS})
    return compile_shared(body).render(job, "1.16.50000.1.0123456789abcdef.0123456789abcdef")


def _code_message() -> dict[str, object]:
    text = [{"type": "text", "text": "123456"}]
    return {
        "recipient_type": "individual",
        "type": "template",
        "template": {
            "name": message.CODE_TEMPLATE,
            "language": {"policy": "deterministic", "code": "en_US"},
            "components": [
                {"type": "body", "parameters": text},
                {"type": "button", "sub_type": "url", "index": "0", "parameters": text},
            ],
        },
    }
