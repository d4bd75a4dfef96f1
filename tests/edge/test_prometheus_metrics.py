"""What is counted, under which labels, and that no number is among them."""

import re
from dataclasses import replace

import pytest
from prometheus_client.parser import text_string_to_metric_families

from adapters.memory.ledger import MemoryLedger
from adapters.prometheus.metrics import Metrics, Process
from adapters.prometheus.tallies import Spread
from engine.directory import Directory, Portfolio, Sender
from engine.events import (
    JobsClaimed,
    JobsEnqueued,
    JobsRescued,
    JobsSettled,
    Journey,
    StatusesReceived,
)
from engine.model import (
    DeliveryStatus,
    Gate,
    JobKey,
    Lane,
    PortfolioId,
    Priority,
    RecipientKey,
    SenderId,
    WabaId,
)
from engine.outcomes import Accepted, Deferred, Dropped, InDoubt, Outcome, Retry, Unwritten
from engine.ports import Claimed, PortfolioSpec, Receipt, Refusals
from engine.terms import Terms
from tests.front_desk import a_template

NOW_MS = 1_780_000_000_000
PORTFOLIO, SENDER = PortfolioId("p1"), SenderId("106540352242922")
LANE = Lane("campaign:c1", SENDER, a_template().key, Priority.MARKETING)


def calls() -> dict[tuple[str, ...], int]:
    return {("all", "kept"): 3, ("all", "signature"): 1, ("security", "folded"): 1}


def metrics() -> Metrics:
    directory = Directory()
    sender = Sender(SENDER, PORTFOLIO, WabaId("w1"), "+15550100", alias="shop")
    directory.senders[SENDER] = sender
    directory.portfolios["p1"] = Portfolio(PORTFOLIO, 250, number=1)
    directory.templates[a_template().key] = a_template()
    ledger = MemoryLedger(Terms(), lambda: NOW_MS)
    return Metrics(directory, ledger, lambda: NOW_MS, Process(calls))


def a_job(number: int = 1) -> Claimed:
    tail = b"+4915112345678\x1fAda"
    recipient = RecipientKey(b"8 bytes.")
    due_ms = NOW_MS - 70
    return Claimed(
        JobKey(1, number), 1, NOW_MS * 1_000, NOW_MS, due_ms, recipient, 1, tail, LANE, counted=True
    )


async def samples(of: Metrics) -> dict[str, float]:
    body, _ = await of.render("text/plain")
    return {
        sample.name
        + "".join(f"|{value}" for _, value in sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(body.decode())
        for sample in family.samples
    }


async def test_outcomes_are_counted_by_sender_category_and_kind() -> None:
    counted = metrics()
    outcomes: list[Outcome] = [
        Accepted("wamid.1"),
        Unwritten("late"),
        Retry(131000, NOW_MS, "x"),
        Deferred(Gate.RATE, 130429, NOW_MS, "x"),
        Dropped(131026, "x"),
    ]
    journeys: list[Journey] = [(a_job(), each, NOW_MS * 1_000, 40_000) for each in outcomes]
    counted(JobsSettled(PORTFOLIO, journeys, [], 900))
    found = await samples(counted)
    for word in ("accepted", "unwritten", "retry", "deferred", "failed"):
        assert found[f"penstock_messages_total|marketing|{word}|shop"] == 1
    assert found["penstock_provider_errors_total|131026|shop"] == 1
    assert found["penstock_send_seconds_count|shop"] == 4  # what was not written took no time
    assert found["penstock_send_seconds_bucket|0.05|shop"] == 4
    assert found["penstock_send_seconds_bucket|0.025|shop"] == 0
    assert found["penstock_queue_seconds_bucket|0.1|marketing"] == 4


async def test_the_door_the_gates_and_the_webhooks_are_counted() -> None:
    counted = metrics()
    counted(JobsEnqueued(PORTFOLIO, LANE, 5, 2, 1))
    counted(JobsClaimed(PORTFOLIO, [], [Refusals(SENDER, Gate.QUOTA, 7)], "", 500))
    receipt = Receipt(None, 0, RecipientKey(b"8 bytes."), DeliveryStatus.SENT, NOW_MS - 700)
    counted(StatusesReceived(PORTFOLIO, [receipt], [], []))
    found = await samples(counted)
    assert found["penstock_jobs_enqueued_total|accepted|shop|campaign"] == 5
    assert found["penstock_jobs_enqueued_total|duplicate|shop|campaign"] == 2
    assert found["penstock_gate_refusals_total|quota|shop"] == 7
    assert found["penstock_webhooks_total|all|kept"] == 3
    assert found["penstock_webhooks_total|security|folded"] == 1
    assert found["penstock_webhook_lag_seconds_bucket|1.0"] == 1


def told_later(code: int, job: int | None = 1, attempt: int = 1) -> Receipt:
    """Return the `failed` status of a message that Meta had accepted."""
    key = None if job is None else JobKey(1, job)
    failed = DeliveryStatus.UNDELIVERED
    return Receipt(
        key, attempt, RecipientKey(b"8 bytes."), failed, NOW_MS, code=code, sender=SENDER
    )


async def test_what_meta_tells_later_is_an_error_too_once_however_often_it_is_told() -> None:
    counted = metrics()
    batch = [told_later(131049), told_later(131049, job=2), told_later(131026, attempt=2)]
    for receipts in (batch, batch, [*batch, told_later(131049)]):
        counted(StatusesReceived(PORTFOLIO, receipts, [], []))
    counted(StatusesReceived(PORTFOLIO, [told_later(130429, job=None)], [], []))  # not ours
    found = await samples(counted)
    assert found["penstock_provider_errors_total|131049|shop"] == 2
    assert found["penstock_provider_errors_total|131026|shop"] == 1
    assert "penstock_provider_errors_total|130429|shop" not in found


async def test_of_what_was_told_later_only_the_newest_are_remembered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("adapters.prometheus.metrics.FAILURES_MAX", 2)
    counted = metrics()
    for job in (1, 2, 3, 3, 1):
        counted(StatusesReceived(PORTFOLIO, [told_later(131049, job=job)], [], []))
    found = await samples(counted)
    assert found["penstock_provider_errors_total|131049|shop"] == 4


async def test_the_quota_is_a_fact_of_the_ledger_asked_for_at_most_once_in_a_while() -> None:
    counted = metrics()
    ledger = MemoryLedger(Terms(), lambda: NOW_MS)
    await ledger.put_portfolio(PORTFOLIO, PortfolioSpec(places=250))
    counted._standings.rounds.books = ledger
    found = await samples(counted)
    assert found["penstock_quota_limit|p1"] == 250
    await ledger.put_portfolio(PORTFOLIO, PortfolioSpec(places=1_000))
    assert (await samples(counted))["penstock_quota_limit|p1"] == 250


async def test_no_phone_number_is_in_a_scrape() -> None:
    counted = metrics()
    counted(JobsSettled(PORTFOLIO, [(a_job(), Accepted("wamid.1"), 0, 1)], [], 1))
    body, _ = await counted.render("")
    assert not re.search(rb"4915112345678|15550100", body)


async def test_many_people_make_no_more_series() -> None:
    counted = metrics()
    sizes: list[int] = []
    for _ in range(2):
        journeys: list[Journey] = [(a_job(n), Accepted("wamid"), 0, n) for n in range(1_000)]
        counted(JobsSettled(PORTFOLIO, journeys, [], 1))
        sizes.append(len(await samples(counted)))
    assert sizes[0] == sizes[1]


async def test_a_repeat_is_its_sender_s_and_lanes_of_long_ago_are_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Lanes come and go with campaigns for as long as a process lives; no number comes twice."""
    monkeypatch.setattr("adapters.prometheus.metrics.LANES_MAX", 3)
    of = metrics()
    for lane in range(1, 6):
        journey: Journey = (replace(a_job(), key=JobKey(lane, 1)), InDoubt("x"), NOW_MS * 1_000, 1)
        of(JobsSettled(PORTFOLIO, [journey], [], 900))
    of(JobsRescued(PORTFOLIO, [], [JobKey(1, 1), JobKey(5, 1)], []))
    assert of.retries == {("unknown", "repeat"): 1, ("shop", "repeat"): 1}
    assert len(of._senders) == 3


def test_a_spread_finds_its_quantiles() -> None:
    spread = Spread((10, 100))
    for value in (1, 10, 11, 1_000):
        spread.observe(value)
    assert spread.buckets(1) == [("10.0", 2), ("100.0", 3), ("+Inf", 4)]
    assert (spread.quantile(0.5), spread.quantile(0.75)) == (10, 100)
