"""A log line tells which number, account, gate or job it is about; other long numbers go."""

import pytest

from adapters.logs import scrub

SENDER, WABA, PERSON = "106540352242922", "102290129340398", "+4915112345678"
LINES = [
    {"event": "sender_changed", "sender": SENDER, "aspect": "token", "now": "refused"},
    {"event": "waba_changed", "waba": WABA, "aspect": "ban"},
    {"event": "gate_closed", "gate": "template", "template": f"{WABA}/offer/en_US"},
    {"event": "api_change", "call": "POST /v1/senders/{id}/pause", "id": SENDER, "key": "anna"},
    {"event": "api_change", "call": "POST /{version}/{node}", "node": WABA, "key": "anna"},
    {"event": "template_read", "template": f"{WABA}/offer/en_US", "status": "APPROVED"},
    {"event": "campaign_paused", "campaign": "20261126", "failed": 50},
    {"event": "claim_refused", "portfolio": "123456789", "why": "clock"},
    {"event": "job_failed", "job": "17.123456789", "sender": SENDER, "source": "campaign:spring"},
]


@pytest.mark.parametrize("line", LINES, ids=lambda line: f"{line['event']} {list(line)[-1]}")
def test_a_line_keeps_what_it_is_about(line: dict[str, object]) -> None:
    assert scrub(None, "", dict(line)) == line


@pytest.mark.parametrize("field", ["event", "detail", "error", "reason", "source", "now", "key"])
def test_a_person_is_taken_out_of_everything_else(field: str) -> None:
    assert scrub(None, "", {field: f"for {PERSON}"}) == {field: "for ***"}


@pytest.mark.parametrize("field", ["sender", "id", "node", "detail"])
def test_a_token_is_taken_out_everywhere(field: str) -> None:
    told = scrub(None, "", {field: "Bearer EAAGcanary4915112345678token"})
    assert "canary" not in str(told)
