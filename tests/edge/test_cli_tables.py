"""A table for people is one that commands can be copied from: no id in it is cut."""

import pytest
from rich.console import Console

from adapters.cli import client
from adapters.cli.client import Caller

JOB, SENDER = "pst.AAAAAQAAAAEAAAAAAAAAAX_CafKsxGu1", "106540352242922"
COLUMNS = ("id", "sender", "source", "at", "attempt", "code", "title", "replayable")
ROW = {"id": JOB, "sender": SENDER, "source": "campaign:winter", "code": 131026} | {
    "title": "undeliverable",
    "at": "2026-11-26T04:54:27.346Z",
}


def test_in_a_pipe_nothing_is_cut(capsys: pytest.CaptureFixture[str]) -> None:
    Caller(as_json=False).show_table({"dead": [ROW]}, "dead", COLUMNS)
    shown = capsys.readouterr().out
    for word in ROW.values():
        assert str(word) in shown


def test_in_a_narrow_terminal_the_id_is_whole_and_the_rest_is_folded(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(client, "console", Console(width=80))
    Caller(as_json=False).show_table({"dead": [ROW]}, "dead", COLUMNS)
    shown = capsys.readouterr().out
    assert JOB in shown
    assert "…" not in shown
    assert max(map(len, shown.splitlines())) <= 80
