"""An API in this process: on memory, or on a real server; with a key for each role."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp.test_utils import TestClient, TestServer
from aiohttp.web import Application, Request
from redis.asyncio import Redis
from structlog.testing import capture_logs

from adapters.api.app import build_app
from adapters.api.front import Front, Operations, hash_of
from adapters.api.job_ids import JobIds
from adapters.api.walls import walled_ledger, walled_registry
from adapters.memory.answers import MemoryAnswers
from adapters.memory.archive import MemoryArchive
from adapters.memory.comebacks import MemoryComebacks
from adapters.memory.cooldowns import MemoryCooldowns
from adapters.memory.dead_rows import MemoryDeadRows
from adapters.memory.ledger import MemoryLedger
from adapters.memory.registry import MemoryRegistry
from adapters.memory.results import MemoryResults
from adapters.memory.traces import MemoryTraces
from adapters.memory.uploads import MemoryUploads
from adapters.meta.codes import verdict
from adapters.meta.passage import Passage, build_passage_session
from adapters.redis.answers import RedisAnswers
from adapters.redis.comebacks import RedisComebacks
from adapters.redis.cooldowns import RedisCooldowns
from adapters.redis.dead_rows import RedisDeadRows
from adapters.redis.ledger import RedisLedger
from adapters.redis.pasts import RedisPasts
from adapters.redis.registry import RedisRegistry
from adapters.redis.results import RedisResults
from adapters.redis.seal import Seal
from adapters.redis.traces import RedisTraces
from adapters.redis.uploads import RedisUploads
from adapters.time_zones import TimeZones
from engine.books import Past
from engine.border_door import BorderDoor
from engine.campaigns import Campaigns
from engine.changes import CampaignChanges
from engine.countries import CountryRules
from engine.directory import ApiKey, Registry, Role, Template, TemplateDraft
from engine.events import Event
from engine.facts import Fact
from engine.front_door import FrontDoor
from engine.intake import SendJobs
from engine.journeys import Cooldowns, JourneyDoor, Journeys
from engine.keeper import Keeper
from engine.model import (
    Category,
    JobKey,
    NowMs,
    PortfolioId,
    TemplateStatus,
    WabaId,
)
from engine.quiet_keeper import QuietKeeper
from engine.recipients import RecipientKeys
from engine.results import Results, RetryFailed
from engine.revalidation import Revalidation
from engine.row_intake import CampaignRows
from engine.template_changes import TemplateChanges
from engine.template_desk import TemplateDesk
from engine.template_ports import Listing, Submitted
from engine.terms import Terms
from tests.conformance import Conformance
from tests.people_desk import what_knows_people
from tests.trials import SECRET, Trials

ADMIN, SEND, READ = "admin-key-of-the-test", "psk_00000001_" + "s" * 24, "psk_00000002_" + "r" * 24
NOW_MS = 1_780_000_000_000
KEEP_MS = 7 * 86_400_000
NOBODY = "http://127.0.0.1:9"  # where no Graph listens
SENDER, WABA, PORTFOLIO = "106540352242922", "waba-1", "portfolio-1"
BODY = [{"type": "BODY", "text": "Hi {{1}}, your code is {{2}}."}]


@dataclass
class Master:
    """Meta's management of templates: a list, and what it was asked to do."""

    templates: list[Template] = field(default_factory=list)
    asked: list[tuple[str, str]] = field(default_factory=list)
    unreadable: int = 0
    error: Exception | None = None
    meanwhile: Callable[[], Awaitable[None]] | None = None  # happens while it is asked

    async def _note(self, what: str, name: str) -> None:
        self.asked.append((what, name))
        happens, self.meanwhile = self.meanwhile, None
        if happens is not None:
            await happens()
        if self.error is not None:
            raise self.error

    async def listing(self, waba: WabaId) -> Listing:
        await self._note("listing", waba)
        return Listing(self.templates, self.unreadable)

    async def one(self, template: Template) -> Template | None:
        await self._note("one", template.name)
        return next((each for each in self.templates if each.key == template.key), None)

    async def create(self, template: Template, draft: TemplateDraft) -> Submitted:
        await self._note("create", template.name)
        return Submitted("4711", TemplateStatus.PENDING, draft.category)

    async def edit(self, template: Template, draft: TemplateDraft) -> None:
        assert draft.components
        await self._note("edit", template.name)

    async def delete(self, template: Template) -> None:
        await self._note("delete", template.name)


def reached_nobody(code: int) -> bool:
    """Return what Meta's number proves when it is told later."""
    return verdict(code).undelivered


async def upload_sample(_waba: WabaId, name: str, kind: str, content: bytes) -> str:
    """Return a handle that tells what was uploaded."""
    return f"4::{name}:{kind}:{len(content)}"


@dataclass
class NoLog:
    """The past of jobs where nobody writes a log: nothing is known before now."""

    now_ms: NowMs

    async def of(self, portfolio: PortfolioId, key: JobKey, most: int) -> Past:
        del portfolio, key, most
        return Past([], self.now_ms())


@dataclass
class Desk:
    """The API under test, and what it is made of."""

    client: TestClient[Request, Application]
    ledger: Any  # MemoryLedger, or RedisLedger on a real server
    registry: Any  # and its registry
    front: Front
    events: list[Event]
    master: Master  # of templates: Meta, as the desk sees it
    changes: TemplateChanges
    trials: Trials
    now_ms: int = NOW_MS
    wishes: int = 0  # that a worker made
    metas_facts: list[Fact] = field(default_factory=list)
    objections: list[str] = field(default_factory=list)
    conformance: Conformance | None = None

    async def told_objections(self) -> list[str]:
        """Return why the house is not ready."""
        return self.objections

    async def tell_facts(self) -> None:
        """Tell what Meta answers when it is asked about a number."""
        for fact in self.metas_facts:
            await self.front.keeper.tell(fact)

    async def call(
        self, method: str, path: str, body: object = None, key: str = ADMIN, **more: object
    ) -> tuple[int, dict[str, Any]]:
        """Return status and JSON of a call."""
        headers = {"Authorization": f"Bearer {key}"} | dict(more.pop("headers", {}))  # type: ignore[call-overload]
        response = await self.client.request(method, path, json=body, headers=headers, **more)  # type: ignore[arg-type]
        content = await response.json(content_type=None)
        faults = await self._faults(method, path, response.status, content)
        assert faults == [], "see adapters/api/openapi/described.py"
        return response.status, content

    async def _faults(self, method: str, path: str, status: int, content: object) -> list[str]:
        """Return where an answer is not as `/openapi.json` says."""
        if self.conformance is None:
            document = await (await self.client.get("/openapi.json")).json()
            self.conformance = Conformance(document)
        return self.conformance.faults(method, path, status, content)

    async def upload(
        self, campaign: str, body: object, kind: str = "text/csv", **headers: str
    ) -> tuple[int, dict[str, Any]]:
        """Return status and JSON of an upload."""
        all_headers = {"Authorization": f"Bearer {SEND}", "Content-Type": kind} | headers
        path = f"/v1/campaigns/{campaign}/recipients"
        response = await self.client.post(path, data=body, headers=all_headers)
        content = await response.json(content_type=None)
        assert await self._faults("POST", path, response.status, content) == []
        return response.status, content


def a_template(name: str = "offer", **changes: object) -> Template:
    """Return an approved marketing template with two variables."""
    made: dict[str, object] = {
        "waba_id": WabaId(WABA),
        "name": name,
        "language": "en_US",
        "category": Category.MARKETING,
        "status": TemplateStatus.APPROVED,
        "components": BODY,
    }
    return Template(**(made | changes))  # type: ignore[arg-type]


def a_message(*texts: str, name: str = "offer") -> dict[str, object]:
    """Return a template message with these body texts."""
    parameters = [{"type": "text", "text": text} for text in texts or ("Ada", "ABC")]
    return {
        "type": "template",
        "template": {
            "name": name,
            "language": {"code": "en_US"},
            "components": [{"type": "body", "parameters": parameters}],
        },
    }


def a_job(**changes: object) -> dict[str, object]:
    """Return a job as a caller writes it."""
    return {"sender": SENDER, "to": "+4915112345678", "message": a_message()} | changes


async def _stores(
    terms: Terms, now_ms: NowMs, redis: Redis | None
) -> tuple[Any, Any, Cooldowns, Results]:
    """Return ledger, registry, cooldowns and results: in memory, or on a real server."""
    if redis is None:
        memory = MemoryLedger(terms, now_ms)
        return memory, MemoryRegistry(), MemoryCooldowns(now_ms), MemoryResults(memory)
    ledger = RedisLedger(redis, terms, now_ms, tolerance_ms=0)
    await ledger.load()
    registry = RedisRegistry(redis, Seal("a key of this test"))
    return ledger, registry, RedisCooldowns(redis, now_ms), RedisResults(redis, ledger)


@asynccontextmanager
async def a_desk(
    *,
    queue_max: int = 0,
    is_furnished: bool = True,
    redis: Redis | None = None,
    graph_url: str = NOBODY,
) -> AsyncGenerator[Desk]:
    """Serve an API; furnished with a portfolio, a sender and three templates."""

    def now_ms() -> int:
        return desk.now_ms

    ledger, registry, cooldowns, results = await _stores(Terms(queue_max=queue_max), now_ms, redis)
    beside = _beside(ledger, registry, results, now_ms, redis)
    registry, ledger = walled_registry(registry), walled_ledger(ledger)
    session, recipients, events = build_passage_session(), RecipientKeys(SECRET), list[Event]()
    campaigns, beside["quiet"] = _campaigns(registry, ledger, now_ms)
    changes, master = TemplateChanges(registry, *[ledger] * 3, now_ms=now_ms), Master()
    borders, trials = BorderDoor(registry.directory, now_ms), Trials(ledger=ledger)
    sending = (ledger, registry.directory, recipients, events.append, borders)
    door = FrontDoor(*sending, quiet=beside["quiet"])
    journeys = JourneyDoor(registry.directory, cooldowns, now_ms)
    front = Front(
        registry=registry,
        ledger=ledger,
        keeper=Keeper(registry, ledger, emit=events.append, now_ms=now_ms),
        intake=SendJobs(door, journeys, beside["traces"], now_ms),
        rows=CampaignRows(door, results, registry),
        results=results,
        retry_failed=RetryFailed(ledger, results, recipients, reached_nobody),
        journeys=Journeys(registry, ledger, ledger, now_ms=now_ms, quiet=beside["quiet"]),
        campaigns=campaigns,
        changes=campaign_changes(campaigns, registry, ledger, results, now_ms, beside["quiet"]),
        job_ids=JobIds(SECRET),
        **beside,
        now_ms=now_ms,
        window_ms=86_400_000,
        passage=Passage(session, graph_url=graph_url),
        token_of=registry.token_of,
        refresh_sender=lambda _: desk.tell_facts(),
        templates=TemplateDesk(registry, changes, master, MemoryArchive(), now_ms=now_ms),
        upload_sample=upload_sample,
        **trials.doors,
        operations=Operations(_render, lambda: desk.told_objections()),  # noqa: PLW0108 (no desk yet)
    )
    async with _served(front) as client, session:
        desk = Desk(client, ledger, registry, front, events, master, changes, trials)
        if is_furnished:
            await furnish(desk)
        yield desk


def _campaigns(
    registry: Any,  # noqa: ANN401 (either one)
    ledger: Any,  # noqa: ANN401
    now_ms: NowMs,
) -> tuple[Campaigns, QuietKeeper]:
    """Return the use cases of campaigns, and what keeps quiet hours."""
    quiet = QuietKeeper(registry, ledger, TimeZones(), now_ms=now_ms)
    parts = (registry, ledger, ledger, ledger)
    return Campaigns(*parts, now_ms=now_ms, span_ms=86_700_000, quiet=quiet), quiet


def campaign_changes(
    campaigns: Campaigns,
    registry: Any,  # noqa: ANN401 (as Desk's)
    ledger: Any,  # noqa: ANN401
    results: Results,
    now_ms: NowMs,
    quiet: QuietKeeper | None = None,
) -> CampaignChanges:
    """Return what changes campaigns, with no rule of a country."""
    revalidation = Revalidation(results, ledger, registry.directory, CountryRules([]))
    return CampaignChanges(campaigns, registry, ledger, revalidation, now_ms=now_ms, quiet=quiet)


def _beside(
    ledger: Any,  # noqa: ANN401
    registry: Any,  # noqa: ANN401
    results: Any,  # noqa: ANN401
    now_ms: NowMs,
    redis: Redis | None,
) -> dict[str, Any]:
    """Return what is kept beside jobs: words of people, traces, rows of what failed."""
    people = what_knows_people(ledger, registry.directory, SECRET, now_ms)
    if redis is None:
        people["uploads"] = walled_ledger(MemoryUploads(ledger, results))
        beside: dict[str, Any] = {"traces": MemoryTraces(), "dead_rows": MemoryDeadRows(ledger)}
        beside |= {"pasts": NoLog(now_ms), "comebacks": MemoryComebacks(ledger)}
        beside |= {"answers": MemoryAnswers()}
        return people | beside
    uploads = RedisUploads(ledger.scripts, ledger.calls, now_ms)
    people["uploads"] = walled_ledger(uploads)
    rows = RedisDeadRows(redis, ledger.scripts, ledger.calls, now_ms, keep_ms=KEEP_MS)
    people["pasts"] = walled_ledger(RedisPasts(ledger.scripts, ledger.calls, now_ms))
    people["answers"] = RedisAnswers(redis, Seal("a key"))
    people["comebacks"] = walled_ledger(RedisComebacks(ledger.scripts, ledger.calls, now_ms))
    return people | {"traces": RedisTraces(redis, now_ms), "dead_rows": rows}


async def _render(_accept: str) -> tuple[bytes, str]:
    """Return what a scrape finds."""
    return b"# metrics", "text/plain"


@asynccontextmanager
async def _served(front: Front) -> AsyncGenerator[TestClient[Request, Application]]:
    """Serve the API to a client, with a key of each role."""
    await _put_keys(front.registry)
    server = TestServer(build_app(front))
    await server.start_server(auto_decompress=False)  # as adapters.house serves it
    # A command line under test shares our standard output: our log must not be in what it prints.
    with capture_logs():
        async with TestClient(server) as client:
            yield client


async def _put_keys(registry: Registry) -> None:
    """Put a key of each role there."""
    await registry.put(ApiKey("bootstrap", "bootstrap", Role.ADMIN, hash_of(ADMIN)))
    await registry.put(ApiKey("00000001", "send", Role.SEND, hash_of(SEND)))
    await registry.put(ApiKey("00000002", "read", Role.READ, hash_of(READ)))


async def furnish(desk: Desk) -> None:
    """Put the portfolio, the sender and the templates there."""
    portfolio = {"messaging_limit": "TIER_250"}
    assert (await desk.call("PUT", f"/v1/portfolios/{PORTFOLIO}", portfolio))[0] == 200
    sender = {
        "portfolio_id": PORTFOLIO,
        "waba_id": WABA,
        "display_phone_number": "+1 555 0100",
        "access_token": "token-of-the-test",
    }
    assert (await desk.call("PUT", f"/v1/senders/{SENDER}", sender))[0] == 201
    desk.master.templates = [
        a_template(),
        a_template("update", category=Category.UTILITY),
        a_template("old", status=TemplateStatus.REJECTED),
    ]
    path = f"/v1/wabas/{WABA}/templates/import"
    assert (await desk.call("POST", path, {}))[0] == 200


async def a_campaign(desk: Desk, **changes: object) -> str:
    """Create a campaign whose message names two fields; return its id."""
    body: dict[str, object] = {
        "id": "c1",
        "name": "Autumn",
        "senders": [SENDER],
        "message": a_message("{{name}}", "{{code}}"),
    }
    status, shown = await desk.call("POST", "/v1/campaigns", body | changes)
    assert status == 201, shown
    return str(shown["id"])
