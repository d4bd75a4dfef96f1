"""The sandbox's quota, proven to convict and to acquit; its duplicates; and its report."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import msgspec

from adapters.sandbox import scenario
from adapters.sandbox.control import (
    Inbound,
    LimitChange,
)
from adapters.sandbox.rules.quota import QuotaWindow
from adapters.sandbox.server import Sandbox
from adapters.sandbox.stage import Answer

Json = Any  # what a decoded answer is
PLAIN = Path(__file__).parents[1] / "data" / "sandbox" / "plain.json"
START_MS = 1_800_000_000_000
WABA, NUMBER, OTHER_NUMBER = "900100", "100200", "100201"


class Clock:
    """A clock the test moves."""

    def __init__(self) -> None:
        self.ms = START_MS

    def __call__(self) -> int:
        return self.ms


class Play:
    """A sandbox, its clock, and the shortest way to send."""

    def __init__(self, **changes: Json) -> None:
        rules = changes.pop("rules", {})
        world = scenario.load(PLAIN)
        limit = changes.pop("limit", 250)
        portfolio = msgspec.structs.replace(world.portfolios[0], limit=limit)
        self.world = msgspec.structs.replace(
            world,
            portfolios=[portfolio],
            rules=msgspec.structs.replace(world.rules, **rules),
            **changes,
        )
        self.clock = Clock()
        self.sandbox = Sandbox(self.world, now_ms=self.clock, rng=random.Random(1))

    def send(self, number: int, *, by: str = NUMBER, name: str = "Ann", **body: Json) -> Answer:
        return self.sandbox.send(by, offer(f"+4479000{number:05d}", name=name, **body))

    def broken(self) -> dict[str, int]:
        return {rule: e.count for rule, e in self.sandbox.report().violations.items()}


def offer(to: str, *, name: str = "Ann", template: str = "offer", **more: Json) -> dict[str, Any]:
    body = {"type": "body", "parameters": [{"type": "text", "text": name}]}
    return {
        "messaging_product": "whatsapp",
        "to": to,
        "type": "template",
        "template": {"name": template, "language": {"code": "en_US"}, "components": [body]},
        **more,
    }


def words(to: str) -> dict[str, Any]:
    return {"messaging_product": "whatsapp", "to": to, "type": "text", "text": {"body": "Hi"}}


# quota


def test_a_recipient_above_the_limit_is_refused_and_convicts() -> None:
    play = Play(limit=3)
    assert [play.send(i).status for i in range(3)] == [200, 200, 200]
    assert play.send(3).code == 131048
    assert play.broken() == {"quota": 1}
    assert play.sandbox.report().windows["acme"].fullest == 3


def test_the_limit_is_shared_by_the_numbers_of_a_portfolio() -> None:
    play = Play(limit=2)
    play.send(0)
    play.send(1, by=OTHER_NUMBER)
    assert play.send(2, by=OTHER_NUMBER).code == 131048


def test_a_limit_per_number_is_each_numbers_own() -> None:
    world = scenario.load(PLAIN.with_name("per_number.toml"))
    portfolio = msgspec.structs.replace(world.portfolios[0], limit=1)
    world = msgspec.structs.replace(world, portfolios=[portfolio])
    sandbox = Sandbox(world, now_ms=Clock(), rng=random.Random(1))
    assert sandbox.send(NUMBER, offer("+447900000001")).status == 200
    assert sandbox.send(OTHER_NUMBER, offer("+447900000002")).status == 200
    assert sandbox.send(NUMBER, offer("+447900000003")).code == 131048
    assert sandbox.report().windows[NUMBER].fullest == 1


def test_a_counted_recipient_costs_nothing_more() -> None:
    play = Play(limit=1)
    assert play.send(0).status == 200
    assert play.send(0, name="Bob").status == 200
    assert play.broken() == {}


def test_the_window_is_half_open_at_its_far_edge() -> None:
    play = Play(limit=1, rules={"pair": "off"})
    play.send(0)
    play.clock.ms += 9_999
    assert play.send(1).code == 131048
    play.clock.ms += 1
    assert play.send(1).status == 200
    assert play.broken() == {"quota": 1}


def test_a_repeat_counts_from_its_last_send() -> None:
    play = Play(limit=1)
    play.send(0)
    play.clock.ms += 7_000
    play.send(0, name="Bob")
    play.clock.ms += 9_000
    assert play.send(1).code == 131048


def test_recording_accepts_and_remembers_how_full_it_got() -> None:
    play = Play(limit=2, rules={"quota": "record"})
    assert [play.send(i).status for i in range(5)] == [200] * 5
    window = play.sandbox.report().windows["acme"]
    assert (window.fullest, window.fullest_limit, window.excess_max) == (5, 2, 3)
    assert play.broken() == {"quota": 3}


def test_an_open_service_window_costs_nothing() -> None:
    play = Play(limit=1)
    play.send(0)
    play.sandbox.controls.receive(Inbound(NUMBER, "+447900000001"))
    assert play.send(1).status == 200
    assert play.sandbox.report().windows["acme"].used == 1


def test_a_lowered_limit_binds_a_second_after_it_was_told() -> None:
    play = Play(limit=5)
    play.send(0)
    play.sandbox.controls.change_limit("acme", LimitChange(1))
    assert play.send(1).code == 131048  # in flight: refused, and nobody's fault
    play.clock.ms += 1_000
    assert play.send(2).code == 131048
    assert play.broken() == {}
    play.clock.ms += 1
    assert play.send(3).code == 131048
    assert play.broken() == {"quota": 1}


def test_a_freed_place_is_timed_from_its_opening_to_the_next_new_recipient() -> None:
    play = Play(limit=2)
    play.send(0)
    play.clock.ms += 100
    play.send(1)
    play.clock.ms += 9_950  # the first place is free since 50 ms
    play.send(2)
    play.clock.ms += 250  # the second since 200 ms
    play.send(3)
    reuse = play.sandbox.report().windows["acme"].reuse
    assert (reuse.count, reuse.p50_ms, reuse.max_ms) == (2, 50, 200)


def test_who_comes_back_takes_a_place_that_is_not_timed() -> None:
    play = Play(limit=2)
    play.send(0)
    play.send(1)
    play.clock.ms += 10_400  # both places are free since 400 ms
    play.send(0)
    play.send(2)
    reuse = play.sandbox.report().windows["acme"].reuse
    assert (reuse.count, reuse.max_ms) == (1, 400)


def test_places_never_taken_are_not_timed() -> None:
    play = Play(limit=100)
    for i in range(50):
        play.send(i)
    play.clock.ms += 11_000
    play.send(99)
    assert play.sandbox.report().windows["acme"].reuse.count == 0


def test_the_quota_agrees_with_a_plain_recount_over_random_histories() -> None:
    rng = random.Random(7)
    play = Play(limit=20, rules={"pair": "off", "retry": "off"})
    accepted: list[tuple[int, int]] = []
    for _ in range(2_000):
        play.clock.ms += rng.randrange(200)
        recipient = rng.randrange(60)
        now_ms = play.clock.ms
        inside = {r for at_ms, r in accepted if now_ms - 10_000 < at_ms <= now_ms}
        lawful = recipient in inside or len(inside) < 20
        assert (play.send(recipient).status == 200) is lawful
        if lawful:
            accepted.append((now_ms, recipient))
    assert play.sandbox.report().windows["acme"].fullest == 20


def window(limit: int = 3) -> QuotaWindow:
    return QuotaWindow(limit, 1_000)


def test_a_failure_gives_back_what_no_other_message_proves() -> None:
    quota = window()
    assert quota.count("a", 10, 3) is None
    assert quota.count("a", 20, 3) == 10
    quota.withdraw("a", 20, 10, 30)
    assert quota.used(1_009) == 1
    assert quota.used(1_010) == 0


def test_two_failures_give_the_place_back_in_any_order() -> None:
    quota = window()
    quota.count("a", 10, 3)
    quota.count("a", 20, 3)
    quota.withdraw("a", 10, None, 30)
    assert quota.used(30) == 1
    quota.withdraw("a", 20, 10, 40)
    assert quota.used(40) == 0


def test_a_failure_after_the_window_changes_nothing() -> None:
    quota = window()
    quota.count("a", 10, 3)
    quota.withdraw("a", 10, None, 5_000)
    assert quota.used(5_000) == 0


def test_a_delivery_moves_the_mark_and_can_bring_it_back_as_debt() -> None:
    quota = window(limit=1)
    quota.count("a", 0, 1)
    quota.move("a", 900)
    assert quota.used(1_500) == 1
    quota.count("b", 1_900, 1)
    quota.move("a", 2_000)
    assert quota.used(2_000) == 2
    assert quota.excess_max == 0


def test_two_changes_of_the_limit_before_anybody_heard_leave_the_higher_lawful() -> None:
    quota = window(limit=10)
    quota.assume(5)
    quota.assume(2)
    assert quota.lawful_limit(99, 1_000) == 10
    quota.tell(100)
    assert (quota.lawful_limit(1_100, 1_000), quota.lawful_limit(1_101, 1_000)) == (10, 2)


# duplicates and the report


def test_duplicates_are_counted_and_convict_only_where_forbidden() -> None:
    play = Play()
    play.send(0)
    play.send(0)
    play.send(0, name="other words")
    assert (play.sandbox.report().duplicates, play.broken()) == (1, {})
    play = Play(rules={"forbid_duplicates": True})
    play.send(0)
    play.send(0)
    assert play.broken() == {"duplicate": 1}


def test_what_a_duplicate_is_can_be_said_otherwise() -> None:
    def by_job(send: Json) -> int:
        return hash(send.opaque.split(".")[0])

    sandbox = Sandbox(scenario.load(PLAIN), now_ms=Clock(), rng=random.Random(1), identity=by_job)
    sandbox.send(NUMBER, offer("+447900000001", biz_opaque_callback_data="job7.1"))
    sandbox.send(NUMBER, offer("+447900000002", biz_opaque_callback_data="job7.2"))
    assert sandbox.report().duplicates == 1


def test_examples_show_only_the_last_digits_and_are_few() -> None:
    play = Play(limit=1)
    for i in range(9):
        play.send(i)
    entry = play.sandbox.report().violations["quota"]
    assert (entry.count, len(entry.examples)) == (8, 5)
    assert entry.examples[0].recipient == "…0001"


def test_a_clean_run_is_clean() -> None:
    play = Play()
    for i in range(10):
        play.send(i)
        play.clock.ms += 100
    report = play.sandbox.report()
    assert report.clean
    assert (report.accepted, report.unique_recipients, report.errors) == (10, 10, {})
    assert (report.first_accepted_at_ms, report.last_accepted_at_ms) == (START_MS, START_MS + 900)
