"""An API with nothing behind it: memory ledger, memory registry, a key for each role."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp.test_utils import TestClient, TestServer
from aiohttp.web import Application, Request

from adapters.api.app import build_app
from adapters.api.front import Front, Operations, hash_of
from adapters.api.job_ids import JobIds
from adapters.memory.erase import MemoryEraser
from adapters.memory.ledger import MemoryLedger
from adapters.memory.preferences import MemoryPreferences, MemoryRests, OneByOne
from adapters.memory.registry import MemoryRegistry
from adapters.meta.codes import RESTS
from engine.campaigns import Campaigns
from engine.directory import ApiKey, Role, Sender, Template
from engine.erasing import Erasing
from engine.events import Event
from engine.facts import Fact
from engine.intake import SendJobs
from engine.keeper import Keeper
from engine.model import Category, NowMs, TemplateStatus, WabaId
from engine.recipients import RecipientKeys
from engine.resting import Resting
from engine.suppressions import Suppressions
from engine.terms import Terms

SECRET = b"a secret of this test's ledger"
ADMIN, SEND, READ = "admin-key-of-the-test", "psk_00000001_" + "s" * 24, "psk_00000002_" + "r" * 24
NOW_MS = 1_780_000_000_000
SENDER, WABA, PORTFOLIO = "106540352242922", "waba-1", "portfolio-1"
BODY = [{"type": "BODY", "text": "Hi {{1}}, your code is {{2}}."}]


@dataclass
class Desk:
    """The API under test, and what it is made of."""

    client: TestClient[Request, Application]
    ledger: MemoryLedger
    registry: MemoryRegistry
    front: Front
    events: list[Event] = field(default_factory=list)
    now_ms: int = NOW_MS
    metas_templates: list[Template] = field(default_factory=list)
    metas_facts: list[Fact] = field(default_factory=list)
    objections: list[str] = field(default_factory=list)

    async def call(
        self, method: str, path: str, body: object = None, key: str = ADMIN, **more: object
    ) -> tuple[int, dict[str, Any]]:
        """Return status and JSON of a call."""
        headers = {"Authorization": f"Bearer {key}"} | dict(more.pop("headers", {}))  # type: ignore[call-overload]
        response = await self.client.request(method, path, json=body, headers=headers, **more)  # type: ignore[arg-type]
        content = await response.json(content_type=None)
        return response.status, content

    async def upload(
        self, campaign: str, body: object, kind: str = "text/csv", **headers: str
    ) -> tuple[int, dict[str, Any]]:
        """Return status and JSON of an upload."""
        all_headers = {"Authorization": f"Bearer {SEND}", "Content-Type": kind} | headers
        path = f"/v1/campaigns/{campaign}/recipients"
        response = await self.client.post(path, data=body, headers=all_headers)
        return response.status, await response.json(content_type=None)


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


@asynccontextmanager
async def a_desk(*, queue_max: int = 0, is_furnished: bool = True) -> AsyncGenerator[Desk]:
    """Serve an API; furnished with a portfolio, a sender and three templates."""
    desk: Desk

    def now_ms() -> int:
        return desk.now_ms

    async def fetch_templates(_waba: WabaId) -> Sequence[Template]:
        return desk.metas_templates

    async def refresh_sender(_sender: Sender) -> None:
        for fact in desk.metas_facts:
            await desk.front.keeper.tell(fact)

    async def render(_accept: str) -> tuple[bytes, str]:
        return b"# metrics", "text/plain"

    async def objections() -> list[str]:
        return desk.objections

    ledger, registry = MemoryLedger(Terms(queue_max=queue_max), now_ms), MemoryRegistry()
    events: list[Event] = []
    recipients = RecipientKeys(SECRET)
    suppressions, resting = what_knows_people(ledger, registry, now_ms)
    front = Front(
        registry=registry,
        ledger=ledger,
        keeper=Keeper(registry, ledger, emit=events.append, now_ms=now_ms),
        intake=SendJobs(ledger, registry.directory, recipients, events.append),
        campaigns=Campaigns(registry, ledger, ledger, ledger, now_ms=now_ms, span_ms=86_700_000),
        job_ids=JobIds(SECRET),
        recipients=recipients,
        suppressions=suppressions,
        resting=resting,
        erasing=what_forgets(suppressions, resting, ledger, registry, now_ms),
        now_ms=now_ms,
        window_ms=86_400_000,
        fetch_templates=fetch_templates,
        refresh_sender=refresh_sender,
        operations=Operations(render, objections),
    )
    await add_keys(registry)
    server = TestServer(build_app(front))
    await server.start_server(auto_decompress=False)  # as adapters.house serves it
    async with TestClient(server) as client:
        desk = Desk(client, ledger, registry, front, events)
        if is_furnished:
            await furnish(desk)
        yield desk


def what_knows_people(
    ledger: MemoryLedger, registry: MemoryRegistry, now_ms: NowMs
) -> tuple[Suppressions, Resting]:
    """Return what has words and rests in force in a ledger of all portfolios."""
    choices, rests, slots = MemoryPreferences(), MemoryRests(), OneByOne(ledger)
    known = registry.directory.portfolios
    suppressions = Suppressions(
        choices, choices, slots, lambda: [each.id for each in known.values()]
    )
    return suppressions, Resting(rests, rests, choices, slots, RESTS, now_ms)


def what_forgets(
    suppressions: Suppressions,
    resting: Resting,
    ledger: MemoryLedger,
    registry: MemoryRegistry,
    now_ms: NowMs,
) -> Erasing:
    """Return what forgets people in a ledger of all portfolios, without exported logs."""
    known = registry.directory.portfolios
    return Erasing(
        *(suppressions, resting, MemoryEraser(ledger)),
        lambda _portfolio, _ids: 0,
        lambda: [each.id for each in known.values()],
        now_ms,
    )


async def add_keys(registry: MemoryRegistry) -> None:
    """Add a key of each role."""
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
    desk.metas_templates = [
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
