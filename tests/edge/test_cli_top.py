"""`penstock top`: in 80 columns, as JSON, and out again with Ctrl-C."""

import json
import os
import pty
import signal
import subprocess
import sys
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from adapters.cli.app import app
from adapters.cli.top import APART
from adapters.cli.top_screen import screen_of

AT = "2026-01-01T00:00:00Z"
LEAVES_THE_SCREEN = b"\x1b[?1049l"


def a_sender(name: str, **changes: object) -> dict[str, Any]:
    """Return a sender that is open and idle."""
    sender: dict[str, Any] = {"label": name, "rate": 0.0, "rate_limit": 80, "quality": "GREEN"}
    sender |= {"status": "CONNECTED", "queued": 0, "in_flight": 0, "in_doubt": 0}
    return sender | {"waiting": {}, "closed_by": [], "is_paused": False} | changes


def a_picture(senders: int = 3) -> dict[str, Any]:
    """Return a picture with something in each of its lists."""
    counts = dict.fromkeys(("failed", "expired", "cancelled", "suppressed", "unknown"), 0)
    campaign = {
        "id": "winter",
        "name": "Winter sale [bold]",
        "state": "running",
        "enqueued": 1_000_000,
    }
    campaign |= {"counts": counts | {"accepted": 240_000, "waiting": {"quota": 760_000}}}
    window = {"portfolio": "acme", "sender": "", "limit": 2_000, "used": 2_000, "debt": 3}
    waiting = {"gate": "quota", "jobs": 760_000, "until": "2026-01-01T00:00:12Z"}
    totals = {"rate": 412.5, "rate_limit": 12_000, "queued": 9_999, "waiting": 760_000}
    return {
        "at": AT,
        "problem": "",
        "workers": 4,
        "totals": totals | {"in_flight": 512, "in_doubt": 7, "errors": 41},
        "campaigns": [campaign | {"eta": "2026-01-02T03:00:00Z"}],
        "windows": [window | {"available": 0, "kept": 30, "next_free_at": "2026-01-01T00:00:12Z"}],
        "waiting": [waiting | {"meaning": "New recipients wait for a place in the limit."}],
        "senders": [
            a_sender("shop-with-a-rather-long-alias", rate=79.4, waiting={"quota": 760_000}),
            a_sender("codes", is_paused=True, closed_by=[{"gate": "sender"}], in_doubt=7),
            *(a_sender(f"more-{number}") for number in range(senders)),
        ],
        "errors": [{"title": "undeliverable", "code": "131026", "times": 41}],
    }


def drawn(picture: dict[str, Any], columns: int = 80, lines: int | None = None) -> str:
    """Return what stands on a terminal."""
    console = Console(width=columns, height=lines or 25, color_system=None)
    with console.capture() as captured:
        console.print(screen_of(picture, lines))
    return captured.get()


def test_everything_fits_in_80_columns() -> None:
    text = drawn(a_picture())
    assert max(map(len, text.splitlines())) <= 80
    for word in ("412/12.0k", "760.0k", "winter · Winter sa", "240.0k/1.0M", "27.0 h", "paused"):
        assert word in text, word
    for word in ("2000/2000", "12 s", "131026", "79/80", "workers\N{NO-BREAK SPACE}4"):
        assert word in text, word


@pytest.mark.parametrize("lines", [24, 40])
@pytest.mark.parametrize("problem", ["", "The ledger is away"])
def test_it_fits_in_the_height(lines: int, problem: str) -> None:
    picture = a_picture(senders=100) | {"problem": problem}
    for name in ("campaigns", "windows", "waiting", "errors"):
        picture[name] *= 9
    text = drawn(picture, lines=lines)
    assert len(text.splitlines()) == lines
    assert "codes" in text, "each list has a row"
    assert "Ctrl-C ends it" in text


def test_a_campaign_of_which_only_doubts_are_left_does_not_end_now() -> None:
    picture = a_picture()
    campaign = picture["campaigns"][0]
    counts = dict.fromkeys(campaign["counts"], 0) | {"accepted": 7, "in_doubt": 3, "waiting": {}}
    picture["campaigns"] = [campaign | {"counts": counts, "enqueued": 10, "eta": picture["at"]}]
    assert "doubts left" in drawn(picture)


def test_an_old_picture_says_so() -> None:
    assert "The ledger is away" in drawn(a_picture() | {"problem": "The ledger is away"})


class Answering(BaseHTTPRequestHandler):
    """An API with one picture; from some question on it hangs until it is let go."""

    asked = threading.Semaphore(0)  # once more for each question
    hangs_from = threading.Event()
    let_go = threading.Event()

    def do_GET(self) -> None:
        self.asked.release()
        if self.hangs_from.is_set():
            self.let_go.wait()
            return
        body = json.dumps(a_picture()).encode()
        self.send_response(200 if self.path == "/v1/overview" else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (http.server's)
        """Say nothing."""


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    url = f"http://127.0.0.1:{server.server_address[1]}"
    monkeypatch.setenv("PENSTOCK_URL", url)
    monkeypatch.setenv("PENSTOCK_API_KEY", "k")
    yield url
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.usefixtures("api")
def test_json_is_one_picture() -> None:
    answer = CliRunner().invoke(app, ["top", "--json"])
    assert answer.exit_code == 0
    assert json.loads(answer.output) == a_picture()


@pytest.mark.usefixtures("api")
def test_where_nobody_watches_it_prints_once_as_wide_as_a_page(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    answer = CliRunner().invoke(app, ["top"])
    assert answer.exit_code == 0
    assert "SENDER" in answer.output
    assert "Ctrl-C" not in answer.output, "it has ended"
    assert max(map(len, answer.output.splitlines())) <= APART[0]


@contextmanager
def watching() -> Generator[tuple[subprocess.Popen[bytes], int]]:
    """Run `top` on a terminal of its own until its first picture; nothing is left of it after."""
    ours, theirs = pty.openpty()
    program = subprocess.Popen(
        [sys.executable, "-m", "adapters.main", "top"],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=os.environ | {"TERM": "xterm", "COLUMNS": "80", "LINES": "30"},
    )
    os.close(theirs)
    try:
        assert b"Traceback" not in read_until(ours, b"SENDER")
        yield program, ours
    finally:
        program.kill()
        program.wait()
        os.close(ours)


def read_until(terminal: int, words: bytes) -> bytes:
    """Return what is written on a terminal, up to some words."""
    seen = b""
    while words not in seen:
        seen += os.read(terminal, 65_536)
    return seen


@pytest.mark.usefixtures("api")
def test_ctrl_c_ends_it_and_gives_the_terminal_back() -> None:
    with watching() as (program, terminal):
        program.send_signal(signal.SIGINT)
        assert b"Traceback" not in read_until(terminal, LEAVES_THE_SCREEN)
        assert program.wait() == 0


@pytest.mark.usefixtures("api")
def test_ctrl_c_does_not_wait_for_an_api_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    hangs, let_go, asked = threading.Event(), threading.Event(), threading.Semaphore(0)
    for name, value in {"hangs_from": hangs, "let_go": let_go, "asked": asked}.items():
        monkeypatch.setattr(Answering, name, value)
    try:
        with watching() as (program, terminal):
            assert asked.acquire(timeout=20)
            hangs.set()
            assert asked.acquire(timeout=20)  # it waits for the second picture
            program.send_signal(signal.SIGINT)
            assert b"Traceback" not in read_until(terminal, LEAVES_THE_SCREEN)
            assert program.wait() == 0
    finally:
        let_go.set()


def test_no_answer_is_said_and_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PENSTOCK_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("PENSTOCK_API_KEY", "k")
    answer = CliRunner().invoke(app, ["top", "--json"])
    assert answer.exit_code == 1
    assert "no answer" in answer.output
