"""`penstock verify-log`: what a log proves, what convicts, and what only time and news explain."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from adapters.cli.app import app

DAY_S = 86_400


def a_line(second: float, transition: str, person: int = 0, **more: object) -> dict[str, object]:
    """Return a line of a moment in 2026."""
    day, rest = divmod(second, DAY_S)
    hour, rest = divmod(rest, 3_600)
    minute, rest = divmod(rest, 60)
    at = f"2026-03-{1 + int(day):02}T{int(hour):02}:{int(minute):02}:{rest:06.3f}Z"
    line: dict[str, object] = {"at": at, "portfolio": "p", "transition": transition}
    if person:
        line |= {"job": f"1.{person}", "recipient": f"{person:016x}", "counted": True}
    return line | {"sender": "1"} | more


def limited(second: float, limit: int, **more: object) -> dict[str, object]:
    return a_line(second, "limit") | {"limit": limit, "window_seconds": DAY_S} | more


def verified(
    directory: Path, lines: list[dict[str, object]], *words: str
) -> tuple[int, dict[str, Any]]:
    """Return exit status and answer for one file."""
    path = directory / "outcomes-p-2026-03-01.ndjson"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    ended = CliRunner().invoke(app, ["verify-log", str(path), "--json", *words])
    return ended.exit_code, json.loads(ended.stdout) if ended.stdout.startswith("{") else {}


HOUR = 3_600.0
HELD = {
    "a full window": [limited(0, 2), a_line(1, "accepted", 1), a_line(2, "accepted", 2)],
    "again to who is counted": [
        *(limited(0, 1), a_line(1, "accepted", 1), a_line(2, "accepted", 1, job="1.9")),
    ],
    "a day later": [limited(0, 1), a_line(1, "accepted", 1), a_line(DAY_S + 1, "accepted", 2)],
    "a place given back": [
        *(limited(0, 1), a_line(1, "in_doubt", 1), a_line(2, "failed", 1)),
        a_line(3, "accepted", 2),
    ],
    "nobody reached": [
        *(limited(0, 1), a_line(1, "accepted", 1), a_line(2, "undelivered", 1)),
        a_line(3, "accepted", 2),
    ],
    "not counted": [limited(0, 1), *[a_line(n, "accepted", n, counted=False) for n in (1, 2, 3)]],
    "a raise that was logged late": [
        *(limited(0, 1), a_line(1, "accepted", 1), a_line(100, "accepted", 2), limited(103, 2)),
    ],
    "a lowered limit stays owed": [
        *(limited(0, 2), a_line(1, "accepted", 1), a_line(2, "accepted", 2), limited(HOUR, 1)),
    ],
    "unlimited": [limited(0, -1), *[a_line(n, "accepted", n) for n in range(1, 30)]],
    "late news is debt": [
        *(limited(0, 1), a_line(1, "accepted", 1), a_line(DAY_S + 9, "accepted", 2)),
        a_line(DAY_S + 8, "delivered", 1),
    ],
    "a foreign system's delivery is debt": [
        *(limited(0, 1), a_line(1, "accepted", 1), a_line(2, "delivered", 2, job="0.0")),
    ],
    "a number each": [
        limited(0, 1, scope="phone_number"),
        *(a_line(1, "accepted", 1), a_line(2, "accepted", 2, sender="2")),
    ],
}
BROKEN = {
    "one too many": [limited(0, 1), a_line(1, "accepted", 1), a_line(2, "accepted", 2)],
    "a second too early": [
        *(limited(0, 1), a_line(1, "accepted", 1), a_line(DAY_S, "accepted", 2)),
    ],
    "a doubt counts": [limited(0, 1), a_line(1, "in_doubt", 1), a_line(2, "accepted", 2)],
    "unknown goes on counting": [
        *(limited(0, 1), a_line(1, "in_doubt", 1), a_line(HOUR, "unknown", 1)),
        a_line(DAY_S - 9, "accepted", 2),
    ],
    "a delivery counts from then": [
        *(limited(0, 1), a_line(1, "accepted", 1), a_line(HOUR, "delivered", 1)),
        a_line(DAY_S + 9, "accepted", 2),
    ],
    "a status that came before the answer": [
        *(limited(0, 1), a_line(1, "sent", 1), a_line(2, "sent", 2)),
    ],
    "somebody new in spite of debt": [
        *(limited(0, 2), a_line(1, "accepted", 1), a_line(2, "accepted", 2), limited(HOUR, 1)),
        a_line(2 * HOUR, "accepted", 3),
    ],
}


@pytest.mark.parametrize("lines", HELD.values(), ids=HELD)
def test_what_was_held_is_proven(tmp_path: Path, lines: list[dict[str, object]]) -> None:
    status, answer = verified(tmp_path, lines)
    assert (status, answer["held"]) == (0, True), answer


@pytest.mark.parametrize("lines", BROKEN.values(), ids=BROKEN)
def test_what_was_broken_is_told(tmp_path: Path, lines: list[dict[str, object]]) -> None:
    status, answer = verified(tmp_path, lines)
    assert (status, answer["held"]) == (1, False), answer
    [window] = answer["windows"]
    assert window["violations"] == len(window["shown"]) == 1


def test_debt_is_told_apart(tmp_path: Path) -> None:
    _, answer = verified(tmp_path, HELD["late news is debt"])
    [window] = answer["windows"]
    assert (window["peak"], window["debt"], window["admitted"]) == (1, 1, 2)


def test_a_limit_may_be_given(tmp_path: Path) -> None:
    lines = BROKEN["one too many"][1:]
    assert verified(tmp_path, lines)[0] == 2
    assert verified(tmp_path, lines, "--limit", "1")[0] == 1
    assert verified(tmp_path, lines, "--limit", "2")[0] == 0
    assert verified(tmp_path, lines, "--limit", "1", "--window-seconds", "0.5")[0] == 0


def test_what_is_no_log_is_said_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "odd.ndjson"
    path.write_text(json.dumps(limited(0, 1)) + "\n{]\n")
    ended = CliRunner().invoke(app, ["verify-log", str(path)])
    assert ended.exit_code == 1
    assert "odd.ndjson line 2" in ended.stderr


def test_people_read_a_table(tmp_path: Path) -> None:
    path = tmp_path / "a.ndjson"
    path.write_text("".join(json.dumps(line) + "\n" for line in BROKEN["one too many"]))
    ended = CliRunner().invoke(app, ["verify-log", str(path)])
    assert ended.exit_code == 1
    assert "2 people, limit 1" in ended.stdout
