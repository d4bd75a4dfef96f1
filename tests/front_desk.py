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
from adapters.api.walls import walled_ledger, walled_registry
from adapters.memory.ledger import MemoryLedger
from adapters.memory.registry import MemoryRegistry
from engine.campaigns import Campaigns
from engine.directory import ApiKey, Role, Template
from engine.events import Event
from engine.intake import SendJobs
from engine.model import Category, TemplateStatus, WabaId
from engine.recipients import RecipientKeys
from engine.terms import Terms
from tests.conformance import Conformance

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
    objections: list[str] = field(default_factory=list)
    conformance: Conformance | None = None

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


@asynccontextmanager
async def a_desk(*, queue_max: int = 0, is_furnished: bool = True) -> AsyncGenerator[Desk]:
    """Serve an API; furnished with a portfolio, a sender and three templates."""
    desk: Desk

    def now_ms() -> int:
        return desk.now_ms

    async def fetch_templates(_waba: WabaId) -> Sequence[Template]:
        return desk.metas_templates

    async def render(_accept: str) -> tuple[bytes, str]:
        return b"# metrics", "text/plain"

    async def objections() -> list[str]:
        return desk.objections

    ledger, registry = MemoryLedger(Terms(queue_max=queue_max), now_ms), MemoryRegistry()
    events: list[Event] = []
    recipients = RecipientKeys(SECRET)
    registry, ledger = walled_registry(registry), walled_ledger(ledger)
    front = Front(
        registry=registry,
        ledger=ledger,
        intake=SendJobs(ledger, registry.directory, recipients, events.append),
        campaigns=Campaigns(registry, ledger, ledger, ledger, now_ms=now_ms, span_ms=86_700_000),
        job_ids=JobIds(SECRET),
        now_ms=now_ms,
        window_ms=86_400_000,
        fetch_templates=fetch_templates,
        operations=Operations(render, objections),
    )
    await registry.put(ApiKey("bootstrap", "bootstrap", Role.ADMIN, hash_of(ADMIN)))
    await registry.put(ApiKey("00000001", "send", Role.SEND, hash_of(SEND)))
    await registry.put(ApiKey("00000002", "read", Role.READ, hash_of(READ)))
    server = TestServer(build_app(front))
    await server.start_server(auto_decompress=False)  # as adapters.house serves it
    async with TestClient(server) as client:
        desk = Desk(client, ledger, registry, front, events)
        if is_furnished:
            await furnish(desk)
        yield desk


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
