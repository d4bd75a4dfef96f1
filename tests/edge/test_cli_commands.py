"""The command line against an API that answers from a table."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from adapters.cli.app import app
from adapters.client.errors import PenstockError
from adapters.client.steps import Pause
from adapters.client.talks import Patience
from tests.edge.table_api import CUT, asked, call

__all__ = ["asked"]


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
    call("portfolio", "add", "p1", "--limit", "--5")  # what is no limit the API names
    assert json.loads(asked[-1][1])["messaging_limit"] == "--5"
    assert json.loads(call("sender", "list", "--json")[1])["senders"][0]["alias"] == "shop"
    assert "running" in call("campaign", "start", "c1")[1]


def test_a_key_is_made_for_one_portfolio_and_revoked(asked: list[tuple[str, bytes]]) -> None:
    assert "psk_00000001_x" in call("key", "create", "shop", "--portfolio", "p1")[1]
    body = {"name": "shop", "role": "send", "portfolio": "p1"}
    assert json.loads(asked[-1][1]) == body
    assert call("key", "revoke", "00000001") == (0, "id: 00000001\nrevoked: yes\n")


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


@pytest.mark.usefixtures("asked")
@pytest.mark.parametrize(
    ("campaign", "told"),
    [
        ("c8", "failed: no such name (/id)\n"),
        ("c7", "failed: it is over\n"),
        ("c6", "failed: 2 errors\n  /to: is no number\n  row 3 code: is empty\n"),
    ],
)
def test_what_is_wrong_is_said_once_with_its_place(campaign: str, told: str) -> None:
    answer = CliRunner().invoke(app, ["campaign", "status", campaign])
    assert (answer.exit_code, answer.output) == (1, told)


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
    monkeypatch.setenv("PENSTOCK_URL", "localhost:8080")
    code, printed = call("sender", "list")
    assert code == 2
    assert "PENSTOCK_URL=localhost:8080" in printed


@pytest.mark.usefixtures("asked")
def test_books_that_do_not_balance_are_status_one_and_say_why() -> None:
    assert call("audit", "p1") == (0, "p1: the books balance\n")
    code, printed = call("audit")
    assert (code, "  c: s:failed 2, recount 1\n" in printed) == (1, True)
    code, printed = call("audit", "--json")
    assert (code, json.loads(printed)["balanced"]) == (1, False)
