"""The command line against an API that answers from a table."""

import json
import threading
from collections.abc import Iterator
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from typer.testing import CliRunner

from adapters.cli.app import app
from adapters.client.errors import PenstockError
from adapters.client.steps import Pause
from adapters.client.talks import Patience

TEMPLATE = {
    "category": "UTILITY",
    "parameter_format": "NAMED",
    "components": [{"type": "BODY", "text": "Hi {{name}}"}],
}
NIGHT = {"from": "21:00", "to": "08:00"}
CUT = ("POST /v1/campaigns/cut/recipients",)  # the first two times nobody answers
NO_UPLOAD = "GET /v1/campaigns/cut/uploads/"  # and any name: nobody knows how far it came
CLOSED = {"gate": "sender", "until": None, "detail": "paused (ill), told by operator"}
PAUSED = {
    "id": "1",
    "portfolio_id": "p1",
    "waba_id": "w1",
    "display_phone_number": "+1 555 0100",
    "alias": "shop",
    "throughput": 80,
    "throughput_set": 20,
    "quality": "GREEN",
    "closed_by": [CLOSED],
}
STOPPED = {"portfolio_id": "p1", "category": "all", "since": "2026-01-01T10:00:00Z"}
ANSWERS: dict[str, tuple[int, object]] = {
    "GET /v1/senders/1": (
        200,
        PAUSED | {"rate_limit": 40, "quality_share": 0.5, "quota": {}, "queue": {}},
    ),
    "GET /v1/campaigns/1": (404, {"detail": "there is no campaign 1"}),
    "GET /v1/campaigns/odd": (404, {"detail": "no [bold]campaign[/bold] [/odd] here"}),
    "GET /v1/senders": (200, {"senders": [PAUSED]}),
    "PUT /v1/senders/1": (200, PAUSED),
    "POST /v1/senders/1/pause": (200, PAUSED),
    "POST /v1/senders/1/resume": (200, PAUSED),
    "POST /v1/senders/1/refresh": (200, PAUSED),
    "GET /v1/wabas/w1": (200, {"id": "w1", "closed_by": []}),
    "POST /v1/wabas/w1/open": (200, {"id": "w1", "closed_by": []}),
    "GET /v1/wabas/w1/templates/update/en_US": (200, TEMPLATE),
    "POST /v1/jobs": (202, {"accepted": 1, "results": [{"id": "pst.x", "status": "accepted"}]}),
    "PUT /v1/portfolios/p1": (200, {"id": "p1", "messaging_limit": 2000}),
    "POST /v1/campaigns/c1/recipients": (
        202,
        {"read": 1, "accepted": 1, "duplicates": 0, "rejected": 0, "errors": []},
    ),
    "POST /v1/campaigns/cut/recipients": (
        202,
        {"read": 1, "accepted": 0, "duplicates": 1, "rejected": 0, "errors": []},
    ),
    "PUT /v1/suppressions/%2B4915112345678?portfolio=p1": (200, {"suppressions": [STOPPED]}),
    "DELETE /v1/suppressions/US.1?category=all": (200, {"suppressions": []}),
    "GET /v1/suppressions/US.1": (200, {"suppressions": [STOPPED]}),
    "POST /v1/erasures": (
        200,
        {
            "complete": False,
            "portfolios": [
                {"portfolio_id": "p1", "unsent": 2, "ended": 1, "open": 1, "log_lines": 0}
            ],
        },
    ),
    "POST /v1/suppressions": (
        200,
        {
            "read": 2,
            "added": 1,
            "removed": 0,
            "rejected": 1,
            "errors": [{"row": 3, "field": "to", "detail": "starts with 0"}],
        },
    ),
    "POST /v1/campaigns/c1/start": (200, {"id": "c1", "state": "running"}),
    "GET /v1/campaigns/c1": (
        200,
        {
            "id": "c1",
            "name": "Spring",
            "state": "running",
            "portfolio_id": "p1",
            "senders": ["1"],
            "enqueued": 10,
            "counts": {"queued": 2, "waiting": {"quota": 5, "retry": 1}, "accepted": 2},
            "delivery": {"sent": 1, "read": 0},
            "eta": None,
            "warnings": ["5 jobs wait"],
        },
    ),
    "GET /v1/why/c1": (
        200,
        {
            "kind": "campaign",
            "id": "c1",
            "state": "running",
            "gates": [{"gate": "quota", "jobs": 5, "number": 250, "limit": 250, "until": None}],
        },
    ),
    "GET /v1/why/pst.x": (200, {"kind": "job", "id": "pst.x", "state": "accepted", "gates": []}),
    "GET /v1/why/w1/update/en_US": (
        200,
        {"kind": "template", "id": "w1/update/en_US", "state": "APPROVED", "gates": []},
    ),
    "PUT /v1/journeys/w": (201, {"id": "w", "state": "running"}),
    "POST /v1/journeys/w/pause": (200, {"id": "w", "state": "paused"}),
    "GET /v1/journeys/w": (200, {"id": "w", "state": "paused", "enqueued": 3}),
    "GET /v1/journeys": (200, {"journeys": [{"id": "w", "state": "paused"}]}),
    "GET /v1/campaigns/c1/results.csv": (200, {"to": 1}),
    "GET /v1/campaigns/c1/rejected.csv": (200, {"row": 2}),
    "GET /v1/campaigns/c9/results.csv": (404, {"detail": "there is no campaign c9"}),
    "POST /v1/campaigns/c1/retry-failed": (200, {"failed": 3, "retried": 2, "forgotten": 1}),
    "POST /v1/campaigns": (201, {"id": "c1", "state": "draft"}),
    "PATCH /v1/campaigns/c1": (200, {"id": "c1", "version": 2}),
    "POST /v1/campaigns/c1/start?dry_run=true": (200, {"id": "c1", "rows": 5, "at_once": 4}),
    "GET /v1/jobs/pst.x": (200, {"state": "accepted", "waiting_for": []}),
    "DELETE /v1/keys/00000001": (204, {}),
    "POST /v1/keys": (201, {"id": "00000001", "key": "psk_00000001_x"}),
    "GET /v1/audit": (
        200,
        {
            "balanced": False,
            "portfolios": [
                {"portfolio_id": "p1", "balanced": True, "lines": []},
                {"portfolio_id": "p2", "balanced": False, "lines": ["c: s:failed 2, recount 1"]},
            ],
        },
    ),
    "GET /v1/portfolios/p1/audit": (
        200,
        {
            "balanced": True,
            "portfolios": [{"portfolio_id": "p1", "balanced": True, "lines": []}],
        },
    ),
    NO_UPLOAD: (404, {"detail": "there is no such upload"}),
    "GET /v1/campaigns/c9": (404, {"detail": "there is no campaign c9", "errors": []}),
}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[str, bytes]]]:
    """What the command line asked of an API that answers from a table."""
    seen: list[tuple[str, bytes]] = []

    class Answering(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            name = f"{self.command} {self.path}"
            seen.append((name, body))
            if name in CUT and sum(each == name for each, _ in seen) < 3:
                self.close_connection = True
                return
            status, content = ANSWERS[NO_UPLOAD if name.startswith(NO_UPLOAD) else name]
            encoded = json.dumps(content).encode()
            self.send_response(status)
            if status != HTTPStatus.NO_CONTENT:
                self.send_header("Content-Length", str(len(encoded)))
            self.end_headers()
            self.wfile.write(encoded if status != HTTPStatus.NO_CONTENT else b"")

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _answer  # noqa: N815 (the library calls them so)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setenv("PENSTOCK_URL", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("PENSTOCK_API_KEY", "key-of-the-test")
    yield seen
    server.shutdown()
    thread.join()
    server.server_close()


def call(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, list(arguments))
    return result.exit_code, result.output


def test_a_send_takes_the_shape_the_template_wants(asked: list[tuple[str, bytes]]) -> None:
    code, printed = call(
        *("send", "1", "+4915112345678", "--template", "update", "--param", "name=Ada", "--json")
    )
    assert (code, json.loads(printed)["results"][0]["id"]) == (0, "pst.x")
    job = json.loads(asked[-1][1])
    assert job["message"]["template"]["components"] == [
        {
            "type": "body",
            "parameters": [{"type": "text", "parameter_name": "name", "text": "Ada"}],
        }
    ]


def test_a_file_is_uploaded_as_it_is(asked: list[tuple[str, bytes]], tmp_path: Path) -> None:
    file = tmp_path / "c.csv"
    file.write_text("to,name\n+4915112345678,Ada\n", encoding="utf-8")
    code, printed = call("campaign", "upload", "c1", str(file))
    assert (code, asked[-1][1]) == (0, file.read_bytes())
    assert "accepted: 1" in printed


def test_an_upload_that_is_cut_off_is_sent_again(
    asked: list[tuple[str, bytes]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def at_once(_self: Patience, _turn: int, _error: PenstockError) -> Pause:
        return Pause(0)

    monkeypatch.setattr(Patience, "pause", at_once)
    file = tmp_path / "c.csv"
    file.write_text("to,name\n+4915112345678,Ada\n", encoding="utf-8")
    code, printed = call("campaign", "upload", "cut", str(file))
    assert (code, "duplicates: 1" in printed) == (0, True)
    assert [body for name, body in asked if name in CUT] == [file.read_bytes()] * 3
    monkeypatch.setattr("adapters.cli.client.UPLOAD_REPEATS_MAX", 0)
    asked.clear()
    assert call("campaign", "upload", "cut", str(file))[0] == 1


def test_each_answer_can_be_json(asked: list[tuple[str, bytes]]) -> None:
    assert (
        json.loads(call("portfolio", "add", "p1", "--limit", "TIER_2K", "--json")[1])["id"] == "p1"
    )
    assert json.loads(asked[-1][1])["messaging_limit"] == "TIER_2K"
    assert json.loads(call("sender", "list", "--json")[1])["senders"][0]["alias"] == "shop"
    assert "running" in call("campaign", "start", "c1")[1]


def test_a_key_is_made_for_one_portfolio_and_revoked(asked: list[tuple[str, bytes]]) -> None:
    assert "psk_00000001_x" in call("key", "create", "shop", "--portfolio", "p1")[1]
    body = {"name": "shop", "role": "send", "portfolio": "p1"}
    assert json.loads(asked[-1][1]) == body
    assert call("key", "revoke", "00000001") == (0, "id: 00000001\nrevoked: True\n")


@pytest.mark.usefixtures("asked")
def test_what_failed_is_one_and_what_is_misused_is_two(tmp_path: Path) -> None:
    code, printed = call("campaign", "status", "c9", "--json")
    assert (code, json.loads(printed)["detail"]) == (1, "there is no campaign c9")
    assert call("campaign", "status")[0] == 2
    assert call("send", "1", "2")[0] == 2
    wrong = tmp_path / "c.xlsx"
    wrong.write_bytes(b"PK")
    assert call("campaign", "upload", "c1", str(wrong))[0] == 2


@pytest.mark.usefixtures("asked")
def test_what_looks_like_markup_is_shown_as_it_is() -> None:
    answer = CliRunner().invoke(app, ["campaign", "status", "odd"])
    assert answer.exit_code == 1
    assert "no [bold]campaign[/bold] [/odd] here" in answer.output


def test_why_asks_the_api_and_shows_a_table_to_people(asked: list[tuple[str, bytes]]) -> None:
    answer = json.loads(call("why", "c1", "--json")[1])
    assert answer["gates"][0]["limit"] == 250
    printed = call("why", "c1")[1]
    assert "campaign c1 running" in printed
    assert "quota" in printed
    assert "no gate" in call("why", "pst.x")[1]
    assert "no gate" in call("why", "w1/update/en_US")[1]
    assert asked[-1][0] == "GET /v1/why/w1/update/en_US"


def test_a_journey_is_put_and_moved(asked: list[tuple[str, bytes]]) -> None:
    assert "running" in call("journey", "put", "w", "--ttl", "60", "--priority", "utility")[1]
    assert json.loads(asked[-1][1]) == {"weight": 1, "ttl_seconds": 60, "priority": "utility"}
    assert "paused" in call("journey", "pause", "w")[1]
    assert json.loads(call("journey", "show", "w", "--json")[1])["enqueued"] == 3
    assert "w" in call("journey", "list")[1]


def test_results_go_to_a_file_or_on(asked: list[tuple[str, bytes]], tmp_path: Path) -> None:
    output = tmp_path / "out.csv"
    code, printed = call("campaign", "results", "c1", "--output", str(output))
    assert (code, printed, json.loads(output.read_text())) == (0, "", {"to": 1})
    assert json.loads(call("campaign", "results", "c1", "--rejected")[1]) == {"row": 2}
    assert call("campaign", "results", "c9")[0] == 1
    before = output.read_bytes()
    assert call("campaign", "results", "c9", "--output", str(output))[0] == 1
    assert output.read_bytes() == before, "what is there stays until all of the new has come"
    assert list(tmp_path.iterdir()) == [output]
    assert "retried: 2" in call("campaign", "retry-failed", "c1")[1]
    assert asked[-1][0] == "POST /v1/campaigns/c1/retry-failed"


def test_people_are_suppressed_shown_and_imported(
    asked: list[tuple[str, bytes]], tmp_path: Path
) -> None:
    person = ("+4915112345678", "--category", "marketing", "--portfolio", "p1")
    assert call("suppression", "add", *person)[0] == 0
    assert json.loads(asked[-1][1]) == {"category": "marketing"}
    assert call("suppression", "remove", "US.1")[0] == 0
    assert "p1" in call("suppression", "show", "US.1")[1]
    file = tmp_path / "stops.csv"
    file.write_text("to\n+4915112345678\n0151\n", encoding="utf-8")
    code, printed = call("suppression", "import", str(file))
    assert (code, asked[-1][1]) == (1, file.read_bytes())
    assert "row 3, to: starts with 0" in printed


def test_a_person_is_forgotten_and_an_erasure_that_is_not_complete_says_so(
    asked: list[tuple[str, bytes]],
) -> None:
    code, printed = call("erase", "+4915112345678")
    assert (code, "p1" in printed) == (1, True)
    assert json.loads(asked[-1][1]) == {"to": "+4915112345678", "keep_stop": True}
    call("erase", "US.1", "--forget-stop")
    assert json.loads(asked[-1][1]) == {"to": "US.1", "keep_stop": False}


def test_a_campaign_is_changed_and_asked_before_its_start(asked: list[tuple[str, bytes]]) -> None:
    assert "version: 2" in call("campaign", "change", "c1", "--weight", "3", "--sender", "1")[1]
    assert json.loads(asked[-1][1]) == {"senders": ["1"], "weight": 3}
    assert "at_once: 4" in call("campaign", "start", "c1", "--dry-run")[1]


def test_quiet_hours_are_written_as_people_say_them(asked: list[tuple[str, bytes]]) -> None:
    call("journey", "put", "w", "--quiet", "21:00-08:00")
    assert json.loads(asked[-1][1])["quiet_hours"] == NIGHT | {"recipient": True}
    call("campaign", "change", "c1", "--quiet", "21:00-08:00", "--unknown-zone", "Asia/Tokyo")
    unknown = {"recipient": True, "time_zone": "Asia/Tokyo"}
    assert json.loads(asked[-1][1]) == {"quiet_hours": NIGHT | unknown}
    call("campaign", "change", "c1", "--quiet", "off")
    assert json.loads(asked[-1][1]) == {"quiet_hours": None}


def test_a_campaign_is_made_with_quiet_hours(
    asked: list[tuple[str, bytes]], tmp_path: Path
) -> None:
    message = tmp_path / "message.json"
    message.write_text('{"type": "template"}', encoding="utf-8")
    options = ("--sender", "1", "--message", str(message), "--quiet", "21:00-08:00")
    call("campaign", "create", "Night", *options, "--time-zone", "Europe/Rome")
    body = json.loads(asked[-1][1])
    assert body["quiet_hours"] == NIGHT | {"time_zone": "Europe/Rome"}
    assert not body.keys() & {"priority", "delivery"}


def test_a_campaign_is_made_with_a_priority_and_a_policy_of_its_own(
    asked: list[tuple[str, bytes]], tmp_path: Path
) -> None:
    message = tmp_path / "message.json"
    message.write_text('{"type": "template"}', encoding="utf-8")
    options = ("--sender", "1", "--message", str(message))
    wishes = ("--priority", "utility", "--delivery", "at_least_once", "--share", "1=3")
    call("campaign", "create", "News", *options, *wishes)
    body = json.loads(asked[-1][1])
    assert (body["priority"], body["delivery"]) == ("utility", "at_least_once")
    assert body["shares"] == {"1": 3}
    code, printed = call("campaign", "change", "News", "--share", "1")
    assert code == 2
    assert "SENDER=N" in printed


@pytest.mark.parametrize(
    "options",
    [
        ("--quiet", "21:00"),
        ("--time-zone", "Europe/Rome"),
        ("--quiet", "21:00-08:00", "--time-zone", "Europe/Rome", "--unknown-zone", "UTC"),
    ],
)
@pytest.mark.usefixtures("asked")
def test_quiet_hours_that_say_nothing_are_wrong_usage(options: tuple[str, ...]) -> None:
    assert call("campaign", "change", "c1", *options)[0] == 2


@pytest.mark.usefixtures("asked")
def test_a_status_is_plain_in_a_pipe_json_when_asked_and_bars_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert (
        "counts: queued 2, waiting quota 5, retry 1, accepted 2"
        in call(*("campaign", "status", "c1"))[1]
    )
    assert json.loads(call("campaign", "status", "c1", "--json")[1])["enqueued"] == 10
    monkeypatch.setattr("adapters.cli.campaign.is_terminal", lambda: True)
    printed = call("campaign", "status", "c1")[1]
    assert "waiting quota" in printed
    assert "50.0 %" in printed


def test_no_key_and_no_answer_say_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PENSTOCK_API_KEY", raising=False)
    code, printed = call("sender", "list", "--json")
    assert code == 1
    assert "PENSTOCK_API_KEY" in printed
    monkeypatch.setenv("PENSTOCK_API_KEY", "key")
    monkeypatch.setenv("PENSTOCK_URL", "http://127.0.0.1:1")
    code, printed = call("sender", "list", "--json")
    assert code == 1
    assert "penstock run" in printed


@pytest.mark.usefixtures("asked")
def test_books_that_do_not_balance_are_status_one_and_say_why() -> None:
    assert call("audit", "p1") == (0, "p1: the books balance\n")
    code, printed = call("audit")
    assert (code, "  c: s:failed 2, recount 1\n" in printed) == (1, True)
    code, printed = call("audit", "--json")
    assert (code, json.loads(printed)["balanced"]) == (1, False)
