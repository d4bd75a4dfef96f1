"""The names, kinds and labels that dashboards and alerts hold on to: each of them, and no other."""

import re
from dataclasses import dataclass

import pytest
from prometheus_client.parser import text_string_to_metric_families

from adapters.memory.ledger import MemoryLedger
from adapters.prometheus import metrics as metrics_room
from adapters.prometheus.metrics import Metrics, Process
from adapters.prometheus.standings import Outside, Server
from engine.directory import Directory, Portfolio, Sender
from engine.events import (
    GateClosed,
    JobsClaimed,
    JobsEnqueued,
    JobsSettled,
    Journey,
    StatusesReceived,
)
from engine.facts import Fact, Source, of_sender
from engine.model import (
    DeliveryStatus,
    Gate,
    Lane,
    PortfolioId,
    Priority,
    RecipientKey,
    SenderId,
    WabaId,
)
from engine.outcomes import Accepted, Deferred, Dropped, Retry
from engine.ports import FOREVER_MS, Batch, Receipt, Refusals
from engine.senders import PAUSE
from engine.terms import Terms
from tests.architecture.source_tree import ROOT
from tests.builders import a_claimed, a_portfolio, a_row, a_sender, a_source
from tests.front_desk import a_template

NOW_MS = 1_780_000_000_000
PORTFOLIO, SENDER, WABA = PortfolioId("p1"), SenderId("106540352242922"), WabaId("w1")
LANE = Lane("direct:api", SENDER, "", Priority.MARKETING)

WORDS = {"quality": "YELLOW", "status": "CONNECTED"}

# name -> kind and labels; a counter's name is told without `_total`, as the format does.
PROMISED = {
    "penstock_jobs_enqueued": ("counter", {"sender", "source_kind", "result"}),
    "penstock_messages": ("counter", {"sender", "category", "outcome"}),
    "penstock_send_seconds": ("histogram", {"sender"}),
    "penstock_queue_seconds": ("histogram", {"priority"}),
    "penstock_queue_depth": ("gauge", {"sender", "priority", "state"}),
    "penstock_oldest_job_seconds": ("gauge", {"sender", "priority"}),
    "penstock_quota_limit": ("gauge", {"portfolio"}),
    "penstock_quota_used": ("gauge", {"portfolio"}),
    "penstock_quota_reserved": ("gauge", {"portfolio"}),
    "penstock_quota_next_free_seconds": ("gauge", {"portfolio"}),
    "penstock_gate_refusals": ("counter", {"sender", "gate"}),
    "penstock_rate_limit": ("gauge", {"sender"}),
    "penstock_throughput": ("gauge", {"sender"}),
    "penstock_provider_errors": ("counter", {"sender", "code"}),
    "penstock_retries": ("counter", {"sender", "reason"}),
    "penstock_in_doubt": ("gauge", {"sender"}),
    "penstock_dead_letters": ("gauge", {"sender"}),
    "penstock_template_sendable": ("gauge", {"waba", "template", "language"}),
    "penstock_sender_quality": ("gauge", {"sender"}),
    "penstock_sender_status": ("gauge", {"sender", "status"}),
    "penstock_webhooks": ("counter", {"field", "result"}),
    "penstock_webhook_lag_seconds": ("histogram", set[str]()),
    "penstock_workers": ("gauge", set[str]()),
    "penstock_redis_seconds": ("histogram", {"script"}),
    "penstock_wanted_workers": ("gauge", set[str]()),
}
# Beyond the promise, for the alerts: they may change with a line in the CHANGELOG.
BESIDE = {
    "penstock_sender_portfolio": ("gauge", {"sender", "portfolio"}),
    "penstock_gate_opens_seconds": ("gauge", {"sender", "gate"}),
    "penstock_breaker_deferrals": ("counter", {"sender"}),
    "penstock_gates_closed": ("counter", {"gate"}),
    "penstock_webhook_silence_seconds": ("gauge", set[str]()),
    "penstock_lost_jobs": ("counter", set[str]()),
    "penstock_draining": ("gauge", set[str]()),
    "penstock_speaker": ("gauge", set[str]()),
    "penstock_redis_memory_bytes": ("gauge", {"node"}),
    "penstock_redis_memory_max_bytes": ("gauge", {"node"}),
    "penstock_redis_durable": ("gauge", {"node"}),
}


@dataclass
class AServer:
    """A server of the ledger."""

    node: str = "redis"
    used_bytes: int = 5
    most_bytes: int = 10
    is_durable: bool = True


async def a_busy_process() -> Metrics:
    """Return a process that has seen one of everything."""
    directory = Directory()
    directory.portfolios["p1"] = Portfolio(PORTFOLIO, 250, number=1)
    directory.senders[SENDER] = Sender(SENDER, PORTFOLIO, WABA, "+15550100", alias="shop")
    directory.templates[a_template().key] = a_template()
    ledger = MemoryLedger(Terms(), lambda: NOW_MS)
    await ledger.put_portfolio(PORTFOLIO, a_portfolio())
    await ledger.put_sender(PORTFOLIO, SENDER, a_sender())
    await ledger.put_source(PORTFOLIO, "direct:api", a_source())
    await ledger.enqueue([Batch(PORTFOLIO, LANE, [a_row()])])

    async def workers() -> int:
        return 1

    async def dead(_portfolio: object, senders: object) -> dict[SenderId, int]:
        assert senders == [SENDER]
        return {SENDER: 2}

    async def servers() -> list[Server]:
        return [AServer()]

    process = Process(lambda: {("messages", "kept"): 1}, lambda: 3, lambda: True)
    for aspect, word in WORDS.items():
        name = of_sender(SENDER, aspect)
        directory.facts[name] = Fact(name, word, NOW_MS, Source.REFRESH)
    name = of_sender(SENDER, PAUSE)
    directory.facts[name] = Fact(name, "paused", NOW_MS, Source.OPERATOR, FOREVER_MS)
    outside = Outside(workers, dead, servers)
    counted = Metrics(directory, ledger, lambda: NOW_MS, process, outside)
    counted.silence_s = 5.0
    job = a_claimed(NOW_MS, lane=LANE)
    ends: list[Journey] = [
        (job, Accepted("wamid"), NOW_MS * 1_000, 40_000),
        (job, Retry(131000, NOW_MS, "x"), NOW_MS * 1_000, 40_000),
        (job, Deferred(Gate.SENDER, 0, NOW_MS + 5_000, "breaker"), NOW_MS * 1_000, 40_000),
    ]
    receipt = Receipt(None, 0, RecipientKey(b"8 bytes."), DeliveryStatus.SENT, NOW_MS - 700)
    counted(JobsEnqueued(PORTFOLIO, LANE, 1, 0, 0))
    counted(JobsClaimed(PORTFOLIO, [], [Refusals(SENDER, Gate.QUOTA, 7)], "", 500))
    counted(JobsSettled(PORTFOLIO, ends, [], 900))
    counted(StatusesReceived(PORTFOLIO, [receipt], [], []))
    counted(GateClosed(PORTFOLIO, Gate.SENDER, SENDER))
    counted.observe_script("claim", 700)
    return counted


async def test_every_metric_has_its_name_kind_and_labels() -> None:
    body, _ = await (await a_busy_process()).render("text/plain")
    found: dict[str, tuple[str, set[str]]] = {}
    for family in text_string_to_metric_families(body.decode()):
        assert family.documentation.endswith((".", "max")), family.name
        labels = {name for sample in family.samples for name in sample.labels}
        assert family.samples, family.name
        found[family.name] = (family.type, labels - {"le"})
    for name, promise in (PROMISED | BESIDE).items():
        assert found.pop(name, None) == promise, name
    assert not found, "not promised: add it here, to the README and to the CHANGELOG"


async def test_a_unit_is_the_last_word_and_no_value_is_a_phone_number() -> None:
    body, _ = await (await a_busy_process()).render("text/plain")
    assert b"15550100" not in body
    for name, (kind, _) in (PROMISED | BESIDE).items():
        assert kind != "histogram" or name.endswith("_seconds")


async def test_what_meta_calls_a_number_is_shown_and_unknown_words_are_bounded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    body, _ = await (await a_busy_process()).render("text/plain")
    assert b'penstock_sender_quality{sender="shop"} 2.0' in body
    assert b'penstock_sender_status{sender="shop",status="CONNECTED"} 1.0' in body
    monkeypatch.setitem(WORDS, "quality", "PURPLE")
    monkeypatch.setitem(WORDS, "status", "WHATEVER")
    body, _ = await (await a_busy_process()).render("text/plain")
    assert b'penstock_sender_quality{sender="shop"} 0.0' in body
    assert b'penstock_sender_status{sender="shop",status="other"} 1.0' in body


async def test_codes_above_the_cap_share_a_label(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics_room, "CODES_MAX", 2)
    counted = await a_busy_process()
    ends: list[Journey] = [
        (a_claimed(lane=LANE), Retry(code, NOW_MS, "x"), 1_000, 1) for code in range(1, 6)
    ]
    counted(JobsSettled(PORTFOLIO, ends, [], 1))
    assert counted.errors == {("shop", "131000"): 1, ("shop", "1"): 1, ("shop", "other"): 4}


async def test_only_what_meta_said_is_an_error_of_its() -> None:
    counted = await a_busy_process()
    assert counted.errors == {("shop", "131000"): 1}  # the breaker's deferral has no number
    ends: list[Journey] = [
        (a_claimed(lane=LANE), Dropped(0, "our own"), 1_000, 1),
        (a_claimed(lane=LANE), Deferred(Gate.SENDER, 0, FOREVER_MS, "token"), 1_000, 1),
    ]
    counted(JobsSettled(PORTFOLIO, ends, [], 1))
    assert counted.errors == {("shop", "131000"): 1, ("shop", "0"): 1}
    assert counted.unanswered == {("shop",): 1}


async def test_a_source_of_a_kind_we_do_not_know_is_another() -> None:
    counted = await a_busy_process()
    lane = Lane("weird-493:x", SENDER, "", Priority.MARKETING)
    counted(JobsEnqueued(PORTFOLIO, lane, 1, 0, 0))
    assert counted.enqueued[("shop", "other", "accepted")] == 1


def told_in_the_readme() -> dict[str, set[str]]:
    """Return the metrics of the README's table with their labels; `_used` follows its sibling."""
    told: dict[str, set[str]] = {}
    sibling, labels = "", set[str]()
    for span in re.findall(r"`(_?[a-z_{},]+)`", (ROOT / "README.md").read_text()):
        name, brace, inner = span.partition("{")
        if name.startswith("penstock_"):
            sibling = "_".join(name.split("_")[:2])
            labels = set(inner.rstrip("}").split(",")) if brace else set[str]()
        elif name.startswith("_") and sibling:
            name = sibling + name
        else:
            continue
        told[name.removesuffix("_total")] = labels
    return told


def test_the_readme_tells_of_each_of_them_and_of_its_labels() -> None:
    told = told_in_the_readme()
    for name, (_, labels) in (PROMISED | BESIDE).items():
        assert told.get(name) == labels, name
