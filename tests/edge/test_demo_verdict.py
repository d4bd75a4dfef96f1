"""What the demo says of what its judge saw: each broken rule by name, and all that is missing."""

from collections.abc import Mapping
from typing import Any

import pytest

from adapters.demo.stage import PORTFOLIO, SENDER
from adapters.demo.verdict import Play, judge
from engine.model import Gate


def a_play(violations: Mapping[str, object], **changes: Any) -> Play:  # noqa: ANN401 (as Play)
    """Return a demo of one row in which the judge saw these rules broken."""
    counts = {"accepted": 1, "waiting": {}}
    play: dict[str, Any] = {
        "uploaded": {"read": 1, "accepted": 1, "duplicates": 0, "rejected": 0},
        "status": {"counts": counts, "enqueued": 1},
        "journey_sent_ms": {},
        "journey_jobs": [],
        "unfinished": [],
        "report": {
            "violations": violations,
            "windows": {PORTFOLIO: {"fullest": 1}},
            "duplicates": 0,
        },
        "messages": [{"phone_number_id": SENDER}],
        "took_s": 1.0,
    }
    return Play(**(play | changes))


def test_a_demo_in_which_all_went_well_is_passed() -> None:
    assert judge(a_play({})) == []


@pytest.mark.parametrize("gate", Gate)
def test_a_broken_rule_is_named(gate: Gate) -> None:
    [said] = judge(a_play({gate.value: {"count": 3}}))
    assert said == f'the simulator saw rule {gate.value} broken: {{"count": 3}}'


def test_an_act_that_did_not_reach_its_end_fails_the_demo() -> None:
    [said] = judge(a_play({}, unfinished=["pair"]))
    assert said.startswith("the act of pair did not reach its end")


def test_a_message_that_only_one_side_knows_fails_the_demo() -> None:
    [said] = judge(a_play({}, messages=[]))
    assert said == "we count 1 sends, the simulator 0"
