"""An API that answers the command line from a table, and what was asked of it."""

import json
import threading
from collections.abc import Iterator
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from typer.testing import CliRunner

from adapters.cli.app import app

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
    "GET /v1/campaigns/c8": (
        422,
        {"detail": "no such name", "errors": [{"pointer": "/id", "detail": "no such name"}]},
    ),
    "GET /v1/campaigns/c7": (
        409,
        {"detail": "it is over", "errors": [{"pointer": "", "detail": "it is over"}]},
    ),
    "GET /v1/campaigns/c6": (
        422,
        {
            "detail": "2 errors",
            "errors": [
                {"pointer": "/to", "detail": "is no number"},
                {"row": 3, "field": "code", "detail": "is empty"},
            ],
        },
    ),
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
