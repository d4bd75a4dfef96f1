"""`penstock campaign`: made and changed as people say it."""

import json
from pathlib import Path

import pytest

from tests.edge.table_api import NIGHT, asked, call

__all__ = ["asked"]


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
