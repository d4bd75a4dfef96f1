"""Every path of `/openapi.json` and every command, once with a yes, through a whole house."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import FormData, web
from structlog.testing import capture_logs
from typer.testing import CliRunner

from adapters.api.openapi.document import operations_of
from adapters.api.problems import problems
from adapters.cli.app import app
from tests.architecture.test_documents import COMMANDS
from tests.e2e.test_aftermath import dead_letters
from tests.e2e.test_replays import state_of
from tests.e2e.whole_house import (
    KEY,
    PORTFOLIO,
    SENDER,
    WABA,
    Whole,
    a_message,
    a_whole_house,
    a_world,
    nobody,
)

# What never ends by itself, and whose test starts it.
ELSEWHERE = {
    "run": "test_first_steps.py",
    "sandbox": "test_first_steps.py",
    "serve": "fleet.py",
    "worker": "fleet.py",
    "demo": "test_processes.py",
}
LOST, DOUBTED, ADA, BOB, EVE, KIM = (f"+49151123456{n}" for n in range(70, 76))
# The simulator plays no profiles and says so; test_api_proxy.py asks somebody who has them.
PROFILES = {(method, "/{version}/{node}/whatsapp_business_profile") for method in ("GET", "POST")}
FAULTS = [
    {"kind": "error", "code": 131026, "recipients": [LOST]},
    {"kind": "server_error", "recipients": [DOUBTED], "times_max": 2},
]
DRAFT = {
    "category": "MARKETING",
    "components": [
        {"type": "BODY", "text": "Hi {{1}}, look.", "example": {"body_text": [["Ada"]]}}
    ],
}
PEOPLE = f"to,name\n{ADA},Ada\n{BOB},Bob\n0151,Nobody\n"
LATER = "2099-01-01T00:00:00Z"
OFFER, DRAFTED = (WABA, "offer", "en_US"), (WABA, "fresh", "en_US")
T = f"/v1/wabas/{WABA}/templates"

pytestmark = [
    pytest.mark.usefixtures("redis_client"),
    pytest.mark.one_server,  # what is walked through is the API
]


class Walk:
    """What was done so far: routes that said yes, and commands that ended with 0."""

    def __init__(self, whole: Whole, answered: set[tuple[str, str]], folder: Path) -> None:
        self.whole = whole
        self.answered = answered
        self.folder = folder
        self.typed: set[str] = set()

    async def do(self, *words: str, stdin: str = "") -> Any:  # noqa: ANN401 (JSON)
        """Type a command; return the JSON it prints."""
        run = CliRunner().invoke
        result = await asyncio.to_thread(run, app, [*words, "--json"], input=stdin)
        assert result.exit_code == 0, (words, result.output, result.exception)
        self.typed.add(" ".join(words[: 2 if " ".join(words[:2]) in commands() else 1]))
        lines = result.stdout.splitlines()
        return json.loads(lines[-1]) if lines else None

    async def ask(self, method: str, path: str, body: object = None, **more: Any) -> Any:  # noqa: ANN401
        """Call what no command calls; return JSON, or the text of an answer that is none."""
        more |= {"json": body} if body is not None else {}
        url = self.whole.url + path
        async with self.whole.session.request(method, url, **more) as response:
            text = await response.text()
            assert response.ok, (method, path, response.status, text)
            is_json = "json" in response.content_type and "nd" not in response.content_type
            return json.loads(text) if is_json and text else text

    def file(self, name: str, content: object) -> str:
        """Write a file; return its name."""
        text = content if isinstance(content, str) else json.dumps(content)
        (self.folder / name).write_text(text, encoding="utf-8")
        return str(self.folder / name)


def commands() -> set[str]:
    """Return the words of every command."""
    return set(COMMANDS)


@pytest.fixture
async def walk(
    server_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Walk]:
    """A house with nothing in it, all of whose answers are noted, and a shell beside it."""
    answered: set[tuple[str, str]] = set()

    @web.middleware
    async def noting(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        response = await problems(request, handler)
        resource = request.match_info.route.resource
        if response.status < 300 and resource is not None:
            answered.add((request.method, resource.canonical))
        return response

    monkeypatch.setattr("adapters.api.app.problems", noting)
    plan = a_world(faults=FAULTS, window_ms=600_000)
    verify = {"meta_verify_token": "verify"}
    with capture_logs():  # the commands share our standard output
        async with a_whole_house(
            server_url, tmp_path / "house", plan, furnish=nobody, **verify
        ) as whole:
            for name, value in {
                "URL": whole.url,
                "API_KEY": KEY,
                "REDIS_URL": server_url,
                "LISTEN": whole.url.removeprefix("http://"),
                "GRAPH_URL": whole.graph_url,
                "DATA_DIR": str(tmp_path / "house"),
                "WINDOW_SECONDS": "600",
                "META_APP_SECRET": "app-secret-of-the-test",
                "META_VERIFY_TOKEN": "verify",
            }.items():
                monkeypatch.setenv(f"PENSTOCK_{name}", value)
            yield Walk(whole, answered, tmp_path)


@pytest.mark.timeout(240)
async def test_every_path_and_every_command_works_once(walk: Walk) -> None:
    await furnish(walk)
    await write_templates(walk)
    await send(walk)
    await campaign(walk)
    await journey(walk)
    await people(walk)
    await aftermath(walk)
    await look(walk)
    await graph(walk)
    await operate(walk)
    routes = set(operations_of(walk.whole.house.runners[0].app.router))
    assert routes - walk.answered == PROFILES, "no step of the walk calls them"
    assert commands() - walk.typed == set(ELSEWHERE), "no step of the walk types them"
    for command, test in ELSEWHERE.items():
        assert command in (Path(__file__).parent / test).read_text(encoding="utf-8")


async def furnish(walk: Walk) -> None:
    added = await walk.do("portfolio", "add", PORTFOLIO, "--limit", "TIER_2K", "--headroom", "0.1")
    assert (added["messaging_limit"], added["headroom"]) == (2_000, 0.1)
    assert (await walk.do("portfolio", "show", PORTFOLIO))["quota"]["limit"] == 2_000
    assert await walk.do("portfolio", "show")
    assert await walk.ask("GET", f"/v1/portfolios/{PORTFOLIO}/quota")
    where = ("--portfolio", PORTFOLIO, "--waba", WABA, "--number", "+1 555 0100", "--token", "-")
    await walk.do("sender", "add", SENDER, *where, stdin="token-of-the-test\n")
    kept = walk.folder / "senders.json"
    assert (await walk.do("sender", "export", str(kept)))["senders"] == 1
    assert len((await walk.do("sender", "import", str(kept)))["senders"]) == 1
    assert (await walk.do("sender", "pause", SENDER, "--reason", "ill"))["closed_by"]
    assert not (await walk.do("sender", "resume", SENDER))["closed_by"]
    assert (await walk.do("sender", "refresh", SENDER))["status"] == "CONNECTED"
    assert (await walk.do("sender", "show", SENDER))["quality"] == "GREEN"
    assert (await walk.do("sender", "list"))["senders"][0]["id"] == SENDER
    assert (await walk.do("account", "show", WABA))["closed_by"] == []
    await walk.do("account", "open", WABA)
    made = await walk.do("key", "create", "node", "--role", "send", "--portfolio", PORTFOLIO)
    assert made["key"].startswith("psk_")
    assert made["id"] in {each["id"] for each in (await walk.do("key", "list"))["keys"]}
    assert (await walk.do("key", "revoke", made["id"]))["revoked"]


async def write_templates(walk: Walk) -> None:
    assert (await walk.do("template", "import", WABA))["imported"] == 2
    draft = walk.file("draft.json", DRAFT)
    await walk.do("template", "edit", *DRAFTED, "--file", draft, "--no-submit")
    assert (await walk.do("template", "preview", *DRAFTED, "--draft"))["body"] == "Hi Ada, look."
    await walk.do("template", "submit", *DRAFTED)
    assert (await walk.do("template", "refresh", *DRAFTED))["id"]
    await walk.do("template", "delete", *DRAFTED, "--yes")
    assert (await walk.do("template", "show", *OFFER))["status"] == "APPROVED"
    assert {each["name"] for each in (await walk.do("template", "list", WABA))["templates"]}
    (walk.folder / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    assert (await walk.do("template", "sample", WABA, str(walk.folder / "a.png")))["handle"]
    assert (await walk.do("template", "rules", WABA, "--profile", "meta"))["profile"] == "meta"
    assert await walk.ask("GET", f"/v1/wabas/{WABA}/template-rules")
    tried = await walk.do("template", "test", *OFFER, BOB, "--param", "Bob")
    assert tried["ok"]
    await walk.do("template", "import", WABA, "--mode", "replace")
    assert await walk.ask("GET", f"/v1/wabas/{WABA}/template-sets")
    (newest, *_) = (await walk.do("template", "sets", WABA))["sets"]
    written = await walk.do("template", "sets", WABA, "--output", str(walk.folder / "before.json"))
    assert newest["path"].endswith(written["set"])
    assert (await walk.ask("GET", newest["path"]))["templates"]
    assert await walk.ask("GET", f"{T}/offer/en_US")


async def send(walk: Walk) -> None:
    sent = await walk.do("send", SENDER, ADA, "--template", "update", "--param", "Ada")
    job = sent["results"][0]["id"]
    view = await state_of(walk.whole, job, "accepted")
    assert view["wamid"]
    far = await walk.ask("GET", f"/v1/jobs/{job}?history=all")
    steps = [each["transition"] for each in far["history"]]
    # It may have been given back; and a status that is quicker than the answer proves as much.
    assert (steps[0], steps.count("accepted") <= 1) == ("enqueued", True)
    assert {"accepted", "sent", "delivered"} & set(steps), steps
    assert far["history_since"] is None
    assert (await walk.do("why", job))["kind"] == "job"
    later = {"sender": SENDER, "to": ADA, "message": a_message("Ada"), "not_before": LATER}
    lines = "\n".join(json.dumps(each) for each in (later, later | {"to": "0151"}))
    kind = {"Content-Type": "application/x-ndjson"}
    told = (await walk.ask("POST", "/v1/jobs", data=lines, headers=kind)).splitlines()
    assert [json.loads(each).get("code") or json.loads(each)["rejected"] for each in told[1:]]
    (one,) = (await walk.ask("POST", "/v1/jobs", [later]))["results"]
    waits = (await walk.ask("GET", f"/v1/jobs/{one['id']}"))["waiting_for"]
    assert [each["gate"] for each in waits] == ["schedule"]
    assert (await walk.ask("DELETE", f"/v1/jobs/{one['id']}"))["state"] == "cancelled"


async def campaign(walk: Walk) -> None:
    make = ("--sender", SENDER, "--template", "offer", "--param", "{{name}}")
    made = await walk.do("campaign", "create", "Spring", "--id", "spring", *make)
    assert (made["state"], made["fields"]) == ("draft", ["name"])
    file = walk.file("people.csv", PEOPLE)
    told = await walk.do("campaign", "upload", "spring", file)
    assert (told["accepted"], told["rejected"]) == (2, 1)
    named = {"Content-Type": "text/csv", "Idempotency-Key": "again"}
    path = "/v1/campaigns/spring"
    await walk.ask("POST", f"{path}/recipients", data=PEOPLE, headers=named)
    assert (await walk.ask("GET", f"{path}/uploads/again"))["complete"]
    assert (await walk.do("campaign", "start", "spring", "--dry-run"))["rows"] == 2
    changed = walk.file("new.json", a_message("dear {{name}}"))
    assert (await walk.do("campaign", "change", "spring", "--message", changed))["version"] == 2
    await walk.do("campaign", "start", "spring")
    await walk.do("campaign", "pause", "spring")
    await walk.do("campaign", "resume", "spring")
    assert (await walk.whole.completed("spring"))["counts"]["accepted"] == 2
    assert (await walk.do("campaign", "status", "spring"))["state"] == "completed"
    row = await walk.do("campaign", "results", "spring")
    assert row["state"] == "accepted"
    refused = await walk.do("campaign", "results", "spring", "--rejected")
    assert (refused["field"], refused["code"]) == ("to", "no_country_code")
    assert (await walk.do("campaign", "retry-failed", "spring"))["failed"] == 0
    assert len((await walk.do("campaign", "list"))["campaigns"]) == 1
    assert (await walk.do("why", "spring"))["gates"] == []
    await walk.do("campaign", "create", "Off", "--id", "off", *make)
    assert (await walk.do("campaign", "cancel", "off"))["state"] == "cancelled"


async def journey(walk: Walk) -> None:
    await walk.do("journey", "put", "welcome", "--ttl", "60", "--priority", "utility")
    changed = await walk.ask("PATCH", "/v1/journeys/welcome", {"weight": 7})
    assert (changed["weight"], changed["ttl_seconds"]) == (7, 60)
    assert (await walk.do("journey", "pause", "welcome"))["state"] == "paused"
    source = {"kind": "journey", "id": "welcome", "node": "first"}
    body = {"sender": SENDER, "to": EVE, "message": a_message("A", name="update"), "source": source}
    (told,) = (await walk.ask("POST", "/v1/jobs", body))["results"]
    assert (told["state"], told["waiting_for"][0]["gate"]) == ("waiting", "source")
    assert (await walk.do("journey", "resume", "welcome"))["state"] == "running"
    await state_of(walk.whole, told["id"], "accepted")
    assert (await walk.do("journey", "show", "welcome"))["counts"]["accepted"] == 1
    assert len((await walk.do("journey", "list"))["journeys"]) == 1
    assert (await walk.do("journey", "stop", "welcome"))["state"] == "stopped"


async def people(walk: Walk) -> None:
    added = await walk.do("suppression", "add", BOB, "--category", "marketing")
    assert [each["category"] for each in added["suppressions"]] == ["marketing"]
    assert (await walk.do("suppression", "show", BOB))["suppressions"]
    assert not (await walk.do("suppression", "remove", BOB))["suppressions"]
    file = walk.file("stops.csv", f"to,category,action\n{BOB},marketing,add\n")
    assert (await walk.do("suppression", "import", file))["added"] == 1
    assert (await walk.do("erase", BOB))["portfolios"]


async def aftermath(walk: Walk) -> None:
    jobs = {"sender": SENDER, "message": a_message("Ada")}
    told = await walk.ask("POST", "/v1/jobs", [jobs | {"to": to} for to in (LOST, DOUBTED)])
    doubted = told["results"][1]["id"]
    await state_of(walk.whole, doubted, "in_doubt")
    assert [each["id"] for each in (await walk.do("doubt", "list"))["doubts"]] == [doubted]
    assert (await walk.do("doubt", "resolve", doubted, "--as", "accepted"))["state"] == "accepted"
    (letter,) = await dead_letters(walk.whole, 1)
    assert (await walk.do("dead", "list"))["dead"][0]["code"] == 131026
    assert (await walk.do("dead", "show", letter["id"]))["id"] == letter["id"]
    assert (await walk.do("dead", "replay", SENDER, "--yes"))["replayed"] == 1
    await dead_letters(walk.whole, 1)
    assert (await walk.do("dead", "drop", SENDER, "--yes"))["dropped"] == 1


async def look(walk: Walk) -> None:
    for name in (SENDER, PORTFOLIO, "/".join(OFFER), "welcome"):
        gates = {each["gate"] for each in (await walk.do("why", name))["gates"]}
        assert gates <= {"schedule"}, "of the job for 2099"
    assert (await walk.do("top"))["workers"] == 1
    assert (await walk.do("audit"))["balanced"]
    assert (await walk.do("audit", PORTFOLIO))["balanced"]
    assert (await walk.do("config"))["graph_url"]["value"] == walk.whole.graph_url
    async with asyncio.timeout(20):
        while not (logs := sorted((walk.folder / "house").glob("outcomes-*.ndjson"))):
            await asyncio.sleep(0.05)
    assert (await walk.do("verify-log", *map(str, logs)))["held"]
    found = {each["subject"]: each["state"] for each in (await walk.do("doctor"))["findings"]}
    assert found["webhooks"] == "ok", found


async def graph(walk: Walk) -> None:
    """Do over Meta's own paths what SDKs do."""
    root = "/v25.0"
    body = {"messaging_product": "whatsapp", "to": KIM, **a_message("Ada", name="update")}
    sent = await walk.ask("POST", f"{root}/{SENDER}/messages", body)
    assert sent["messages"][0]["id"].startswith("pst.")
    form = FormData({"messaging_product": "whatsapp"})
    form.add_field("file", b"\xff\xd8\xff", filename="a.jpg", content_type="image/jpeg")
    media = (await walk.ask("POST", f"{root}/{SENDER}/media", data=form))["id"]
    assert (await walk.ask("GET", f"{root}/{media}"))["url"].startswith(walk.whole.url)
    async with walk.whole.session.get(f"{walk.whole.url}{root}/{SENDER}/media/{media}") as response:
        assert await response.read() == b"\xff\xd8\xff"
    assert (await walk.ask("DELETE", f"{root}/{media}"))["success"]
    assert (await walk.ask("GET", f"{root}/{SENDER}"))["id"] == SENDER
    assert (await walk.ask("GET", f"{root}/{WABA}/phone_numbers"))["data"]
    assert (await walk.ask("GET", f"{root}/{WABA}/message_templates"))["data"]
    named = {"name": "passed_on", "language": "en_US", **DRAFT}
    assert (await walk.ask("POST", f"{root}/{WABA}/message_templates", named))["id"]
    known = (await walk.ask("GET", f"{T}/offer/en_US"))["id"]
    await walk.ask("POST", f"{root}/{known}", {"components": DRAFT["components"]})
    await walk.ask("DELETE", f"{root}/{WABA}/message_templates", params={"name": "passed_on"})
    for method in ("GET", "POST"):
        url = f"{walk.whole.url}{root}/{SENDER}/whatsapp_business_profile"
        async with walk.whole.session.request(method, url) as response:  # in the other's words
            assert (await response.json())["error"]["error_data"]["messaging_product"] == "whatsapp"


async def operate(walk: Walk) -> None:
    for path in ("/healthz", "/readyz", "/metrics", "/console", "/console/console.js"):
        assert await walk.ask("GET", path)
    assert (await walk.ask("GET", "/openapi.json"))["openapi"] == "3.1.0"
    asked = {"hub.mode": "subscribe", "hub.verify_token": "verify", "hub.challenge": "42"}
    assert await walk.ask("GET", "/webhooks/meta", params=asked) == "42"
    async with asyncio.timeout(20):  # the simulator posts what became of all that was sent
        while ("POST", "/webhooks/meta") not in walk.answered:
            await asyncio.sleep(0.05)
