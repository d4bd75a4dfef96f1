"""The sandbox's account, sender, template and recipient rules, proven to convict and acquit."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from adapters.sandbox import scenario
from adapters.sandbox.control import (
    AccountChange,
    Inbound,
    Preference,
    SenderChange,
    TemplateChange,
)
from adapters.sandbox.rules.wishes import Wish
from tests.edge.test_sandbox_quota import NUMBER, PLAIN, START_MS, WABA, Play, offer, words

# account, sender, template


def refusing_account(play: Play) -> None:
    play.sandbox.controls.change_account(WABA, AccountChange(80007, seconds=60))


def refusing_sender(play: Play) -> None:
    play.sandbox.controls.change_sender(NUMBER, SenderChange(status="DISCONNECTED"))


def refusing_template(play: Play) -> None:
    change = TemplateChange(status="PAUSED")
    play.sandbox.controls.change_template(WABA, "offer", "en_US", change)


def refusing_recipient(play: Play) -> None:
    for i in range(4):
        play.sandbox.controls.prefer(Preference(NUMBER, f"+4479000{i:05d}"))


@pytest.mark.parametrize(
    ("rule", "close", "code"),
    [
        ("account", refusing_account, 80007),
        ("sender", refusing_sender, 133010),
        ("template", refusing_template, 132015),
    ],
)
def test_who_was_told_may_have_some_in_flight_and_then_stops(
    rule: str, close: Callable[[Play], None], code: int
) -> None:
    play = Play()
    close(play)
    play.clock.ms += 5_000  # nobody was told yet
    assert play.send(0).code == code
    play.clock.ms += 1_000
    assert play.send(1).code == code
    assert play.broken() == {}
    play.clock.ms += 1
    assert play.send(2).code == code
    assert play.broken() == {rule: 1}


@pytest.mark.parametrize(
    ("rule", "close"),
    [
        ("account", refusing_account),
        ("sender", refusing_sender),
        ("template", refusing_template),
        ("suppression", refusing_recipient),
    ],
)
def test_a_rule_that_is_off_neither_answers_nor_records(
    rule: str, close: Callable[[Play], None]
) -> None:
    play = Play(rules={rule: "off"})
    close(play)
    assert play.send(0).status == 200
    play.clock.ms += 5_000
    assert play.send(1).status == 200
    assert play.broken() == {}


def test_an_account_is_free_again_when_its_time_is_over() -> None:
    play = Play()
    refusing_account(play)
    answer = play.send(0)
    assert answer.headers is not None
    assert '"estimated_time_to_regain_access":1' in answer.headers["x-business-use-case-usage"]
    play.clock.ms += 60_000
    assert play.send(1).status == 200
    assert play.broken() == {}


def test_an_open_end_may_be_asked_for_now_and_then() -> None:
    play = Play()
    play.sandbox.controls.change_account(WABA, AccountChange(131042))
    for i in range(4):
        assert play.send(i).code == 131042
        play.clock.ms += 30_000
    assert play.broken() == {}
    play.send(8)
    play.clock.ms += 2_000
    play.send(9)
    assert play.broken() == {"account": 1}


def test_the_apps_own_throttle_holds_every_account() -> None:
    play = Play()
    play.sandbox.controls.change_account(WABA, AccountChange(4, seconds=5))
    assert play.send(0).code == 4


def test_a_restricted_number_may_still_reply() -> None:
    play = Play()
    play.sandbox.controls.change_sender(NUMBER, SenderChange(status="RESTRICTED"))
    assert play.send(0).code == 131031
    play.sandbox.controls.receive(Inbound(NUMBER, "+447900000001"))
    assert play.sandbox.send(NUMBER, words("+447900000001")).status == 200


def test_an_unknown_template_is_a_slip_once_and_an_offence_later() -> None:
    play = Play()
    assert play.sandbox.send(NUMBER, offer("+447900000001", template="gone")).code == 132001
    play.clock.ms += 1_001
    assert play.sandbox.send(NUMBER, offer("+447900000001", template="gone")).code == 132001
    assert play.broken() == {"template": 1}


def test_a_template_in_another_language_does_not_exist() -> None:
    play = Play()
    body = offer("+447900000001")
    body["template"]["language"]["code"] = "en"
    assert play.sandbox.send(NUMBER, body).code == 132001


@pytest.mark.parametrize(
    ("status", "code"),
    [("PENDING", 132001), ("PAUSED", 132015), ("DISABLED", 132016), ("REJECTED", 132001)],
)
def test_only_an_approved_template_is_sent(status: str, code: int) -> None:
    play = Play()
    change = TemplateChange(status=status)
    play.sandbox.controls.change_template(WABA, "offer", "en_US", change)
    assert play.send(0).code == code
    change = TemplateChange(status="APPROVED")
    play.sandbox.controls.change_template(WABA, "offer", "en_US", change)
    assert play.send(0).status == 200


# recipients


def test_free_form_needs_an_open_window() -> None:
    play = Play()
    assert play.sandbox.send(NUMBER, words("+447900000001")).code == 131047
    play.sandbox.controls.receive(Inbound(NUMBER, "+447900000001"))
    assert play.sandbox.send(NUMBER, words("+447900000001")).status == 200
    play.clock.ms += scenario.DAY_MS
    assert play.sandbox.send(NUMBER, words("+447900000001")).code == 131047
    assert play.broken() == {"window": 2}


def test_a_window_opens_at_the_messages_own_time() -> None:
    play = Play()
    late = Inbound(NUMBER, "+447900000001", timestamp_ms=play.clock.ms - scenario.DAY_MS)
    play.sandbox.controls.receive(late)
    assert play.sandbox.send(NUMBER, words("+447900000001")).code == 131047


def test_who_stopped_marketing_gets_none_but_other_messages() -> None:
    play = Play()
    refusing_recipient(play)
    assert play.send(0).code == 131050
    play.clock.ms += 1_001
    assert play.send(0).code == 131050
    assert play.broken() == {"suppression": 1}
    code = [
        {"type": "body", "parameters": [{"type": "text", "text": "123456"}]},
        {
            "type": "button",
            "sub_type": "url",
            "index": "0",
            "parameters": [{"type": "text", "text": "123456"}],
        },
    ]
    body = offer("+447900000000", template="code")
    body["template"]["components"] = code
    assert play.sandbox.send(NUMBER, body).status == 200
    play.sandbox.controls.prefer(Preference(NUMBER, "+447900000000", "resume"))
    assert play.send(0).status == 200


def test_a_capped_recipient_gets_no_marketing_for_a_day() -> None:
    fault = scenario.Fault("error", code=131049, times_max=1)
    play = Play(faults=[fault])
    assert play.send(0).code == 131049
    assert play.send(1).status == 200
    play.clock.ms += 1_001
    assert play.send(0).code == 131049
    assert play.broken() == {"suppression": 1}
    play.clock.ms += scenario.DAY_MS
    assert play.send(0).status == 200


def test_a_stop_outlasts_a_cap() -> None:
    fault = scenario.Fault("error", code=131049, times_max=1)
    play = Play(faults=[fault])
    assert play.send(0).code == 131049
    play.sandbox.controls.prefer(Preference(NUMBER, "+447900000000"))
    play.clock.ms += 2 * scenario.DAY_MS
    assert play.send(0).code == 131050


def test_a_blocked_country_is_refused_and_then_an_offence() -> None:
    world = scenario.load(PLAIN)
    waba = msgspec.structs.replace(world.wabas[0], blocked_prefixes=["53"])
    play = Play(wabas=[waba])
    assert play.sandbox.send(NUMBER, offer("+5351234567")).code == 130497
    assert play.send(0).status == 200
    play.clock.ms += 1_001
    assert play.sandbox.send(NUMBER, offer("+5351234568")).code == 130497
    assert play.broken() == {"country": 1}


# wishes


def test_a_schedule_convicts_the_early_and_acquits_the_punctual() -> None:
    play = Play()
    play.sandbox.controls.wish(Wish("schedule", template="offer", until_ms=START_MS + 1_000))
    play.clock.ms += 999
    assert play.send(0).status == 200
    play.clock.ms += 1
    assert play.send(1).status == 200
    assert play.broken() == {"schedule": 1}


def test_a_quiet_span_concerns_only_whom_it_names() -> None:
    play = Play()
    wish = Wish("schedule", recipients=["+447900000001"], from_ms=START_MS, for_ms=500)
    play.sandbox.controls.wish(wish)
    play.send(0)
    assert play.broken() == {}
    play.send(1)
    assert play.broken() == {"schedule": 1}


def test_a_paused_source_has_a_second_to_stop_and_may_go_on_after_resume() -> None:
    play = Play()
    wish = play.sandbox.controls.wish(Wish("source", template="offer"))
    play.clock.ms += 999
    play.send(0)
    assert play.broken() == {}
    play.clock.ms += 1
    play.send(1)
    assert play.broken() == {"source": 1}
    play.sandbox.controls.end_wish(wish.id)
    play.send(2)
    assert play.broken() == {"source": 1}
