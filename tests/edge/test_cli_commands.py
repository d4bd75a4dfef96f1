"""The command line against an API that answers from a table."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from typer.testing import CliRunner

from adapters.cli.app import app

TEMPLATE = {
    "category": "UTILITY",
    "parameter_format": "NAMED",
    "components": [{"type": "BODY", "text": "Hi {{name}}"}],
}
CLOSED = {"gate": "sender", "until": None, "detail": "pause paused (ill), told by operator"}
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
    "GET /v1/portfolios/p1/quota": (
        200,
        {"used": 250, "limit": 250, "next_free_at": "2026-01-01T10:00:00Z"},
    ),
    "GET /v1/campaigns/c2": (
        200,
        {
            "state": "running",
            "portfolio_id": "p1",
            "senders": ["1", "2"],
            "counts": {"waiting": {"sender": 7}},
        },
    ),
    "GET /v1/campaigns/2": (404, {"detail": "there is no campaign 2"}),
    "GET /v1/senders/2": (
        200,
        {
            "id": "2",
            "throughput": 80,
            "rate_limit": 56,
            "quality_share": 1.0,
            "closed_by": [],
            "quota": {"used": 3, "limit": 250, "next_free_at": None},
            "queue": {
                "marketing": {"queued": 1, "waiting": {"template": 4}},
                "utility": {"waiting": {"template": 1, "rate": 2}},
            },
        },
    ),
    "GET /v1/jobs/pst.y": (
        200,
        {
            "state": "waiting",
            "waiting_for": [
                {"gate": "pair", "detail": "a moment", "until": "2026-01-01T10:00:06Z"}
            ],
        },
    ),
    "GET /v1/jobs/pst.x": (200, {"state": "accepted", "waiting_for": []}),
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
            status, content = ANSWERS[name]
            encoded = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(encoded)))
            self.end_headers()
            self.wfile.write(encoded)

        do_GET = do_POST = do_PUT = do_DELETE = _answer  # noqa: N815 (the library calls them so)

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


def test_each_answer_can_be_json(asked: list[tuple[str, bytes]]) -> None:
    assert (
        json.loads(call("portfolio", "add", "p1", "--limit", "TIER_2K", "--json")[1])["id"] == "p1"
    )
    assert json.loads(asked[-1][1])["messaging_limit"] == "TIER_2K"
    assert json.loads(call("sender", "list", "--json")[1])["senders"][0]["alias"] == "shop"
    assert "running" in call("campaign", "start", "c1")[1]


@pytest.mark.usefixtures("asked")
def test_what_failed_is_one_and_what_is_misused_is_two(tmp_path: Path) -> None:
    code, printed = call("campaign", "status", "c9", "--json")
    assert (code, json.loads(printed)["detail"]) == (1, "there is no campaign c9")
    assert call("campaign", "status")[0] == 2
    assert call("send", "1", "2")[0] == 2
    wrong = tmp_path / "c.xlsx"
    wrong.write_bytes(b"PK")
    assert call("campaign", "upload", "c1", str(wrong))[0] == 2


def why(name: str) -> dict[str, dict[str, object]]:
    code, printed = call("why", name, "--json")
    assert code == 0
    return {gate.pop("gate"): gate for gate in json.loads(printed)["gates"]}


@pytest.mark.usefixtures("asked")
def test_why_names_every_gate_with_its_number_limit_and_time() -> None:
    until = "2026-01-01T10:00:00Z"
    campaign = why("c1")
    assert campaign.keys() == {"quota", "retry"}
    quota = campaign["quota"]
    assert [quota[name] for name in ("jobs", "number", "limit", "until")] == [5, 250, 250, until]
    sender = why("2")
    assert (sender["template"]["jobs"], sender["template"]["limit"]) == (5, None)
    assert [sender["rate"][name] for name in ("jobs", "number", "limit")] == [2, 56, 80]
    assert why("pst.y")["pair"]["until"] == "2026-01-01T10:00:06Z"
    assert why("pst.x") == {}


@pytest.mark.usefixtures("asked")
def test_why_names_the_cause_that_closed_a_sender_of_the_campaign() -> None:
    sender = why("1")
    assert sender["sender"]["detail"] == "1: pause paused (ill), told by operator"
    assert sender["rate"]["detail"] == "its quality is GREEN: 40 of 80 messages a second"
    gate = why("c2")["sender"]
    assert (gate["jobs"], gate["until"]) == (7, None)
    assert gate["detail"] == "1: pause paused (ill), told by operator"


def test_a_sender_is_changed_by_what_is_given_only(asked: list[tuple[str, bytes]]) -> None:
    assert call("sender", "add", "1", "--alias", "", "--throughput", "20")[0] == 0
    assert json.loads(asked[-1][1]) == {"alias": "", "throughput": 20}
    assert call("portfolio", "add", "p1", "--headroom", "0.1")[0] == 0
    assert json.loads(asked[-1][1]) == {"headroom": 0.1}


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


def test_senders_are_paused_resumed_and_asked_about(asked: list[tuple[str, bytes]]) -> None:
    code, printed = call("sender", "pause", "1", "--reason", "ill")
    assert (code, json.loads(asked[-1][1])) == (0, {"reason": "ill"})
    assert "told by operator" in printed
    for act in ("resume", "refresh"):
        assert call("sender", act, "1", "--json")[0] == 0
        assert asked[-1][0] == f"POST /v1/senders/1/{act}"
    assert call("account", "open", "w1")[0] == call("account", "show", "w1")[0] == 0
    assert asked[-2][0] == "POST /v1/wabas/w1/open"


def test_what_is_exported_can_be_imported(asked: list[tuple[str, bytes]], tmp_path: Path) -> None:
    file = tmp_path / "senders.json"
    assert call("sender", "export", str(file))[0] == 0
    assert json.loads(file.read_text("utf-8"))[0].keys().isdisjoint({"quality", "closed_by"})
    assert call("sender", "import", str(file), "--json")[0] == 0
    assert asked[-1][0] == "PUT /v1/senders/1"
    assert json.loads(asked[-1][1])["throughput"] == 20  # what was set, not what Meta grants
    file.write_text("{}", encoding="utf-8")
    assert call("sender", "import", str(file))[0] == 2


@pytest.mark.usefixtures("asked")
def test_why_is_a_table_for_people_and_says_when_there_is_nothing() -> None:
    assert "quota" in call("why", "c1")[1]
    assert "no gate" in call("why", "pst.x")[1]


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
