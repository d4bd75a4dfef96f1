"""The sandbox's throughput, pair rate and retry waits, proven to convict and to acquit."""

from __future__ import annotations

from adapters.sandbox import scenario
from adapters.sandbox.control import (
    Inbound,
    SenderChange,
)
from tests.edge.test_sandbox_quota import NUMBER, START_MS, Play

# rate


def test_more_than_the_throughput_in_a_second_is_refused_and_convicts() -> None:
    play = Play()
    answers = [play.send(i).code for i in range(86)]
    assert answers[:84] == [0] * 84  # 80 and the tolerance of 5 %
    assert answers[84:] == [130429, 130429]
    assert play.broken() == {"rate": 2}
    assert play.sandbox.report().rates[NUMBER].peak_mps == 86


def test_the_throughput_is_lawful_in_any_sliding_second() -> None:
    play = Play(limit=-1)
    for i in range(400):
        assert play.send(i).status == 200
        play.clock.ms += 13  # 77 a second
    assert play.broken() == {}


def test_a_sliding_second_sees_what_a_calendar_second_hides() -> None:
    play = Play(limit=-1)
    play.clock.ms += 900
    for i in range(80):
        play.send(i)
    play.clock.ms += 200
    assert {play.send(100 + i).code for i in range(80)} == {0, 130429}


def test_inbound_messages_take_from_the_throughput() -> None:
    play = Play()
    for i in range(84):
        play.sandbox.controls.receive(Inbound(NUMBER, f"+44790{i:07d}"))
    assert play.send(0).code == 130429


def test_a_lowered_throughput_may_be_learned_first() -> None:
    play = Play(limit=-1)
    play.sandbox.controls.change_sender(NUMBER, SenderChange(throughput=1, learn_ms=500))
    play.send(0)
    assert play.send(1).code == 130429
    assert play.broken() == {}
    play.clock.ms += 501
    assert play.send(2).code == 130429
    assert play.broken() == {"rate": 1}


# pair and retry


def test_a_burst_to_one_person_has_to_be_repaid() -> None:
    play = Play()
    for i in range(20):
        assert play.send(0, name=f"n{i}").status == 200
        play.clock.ms += 100
    play.clock.ms = START_MS + 119_600
    assert play.send(0, name="early").code == 131056
    play.clock.ms = START_MS + 120_000
    assert play.send(0, name="paid").status == 200
    assert play.broken() == {"pair": 1}


def test_the_46th_message_of_a_burst_is_refused() -> None:
    play = Play()
    answers = [play.send(0, name=f"n{i}").code for i in range(46)]
    assert answers == [0] * 45 + [131056]


def test_a_bucket_refills_one_every_span() -> None:
    play = Play(rules={"pair_model": "bucket"})
    for i in range(45):
        assert play.send(0, name=f"n{i}").status == 200
    assert play.send(0, name="x").code == 131056
    play.clock.ms += 6_000
    assert play.send(0, name="y").status == 200


def test_one_message_every_six_seconds_is_lawful_for_ever() -> None:
    play = Play()
    for i in range(200):
        assert play.send(0, name=f"n{i}").status == 200
        play.clock.ms += 6_000
    assert play.broken() == {}


def test_other_people_do_not_wait_for_a_pair() -> None:
    play = Play(rules={"pair_burst": 1})
    play.send(0)
    assert play.send(0, name="again").code == 131056
    assert play.send(1).status == 200


def test_a_retry_waits_four_to_the_power_of_its_failures() -> None:
    fault = scenario.Fault("error", code=131056, times_max=2)
    play = Play(faults=[fault])
    assert play.send(0).code == 131056
    play.clock.ms += 1_000
    assert play.send(0).code == 131056
    assert play.broken() == {}
    play.clock.ms += 3_999
    assert play.send(0).code == 131056
    assert play.broken() == {"retry": 1}
    play.clock.ms += 16_000
    assert play.send(0).status == 200
    assert play.broken() == {"retry": 1}
