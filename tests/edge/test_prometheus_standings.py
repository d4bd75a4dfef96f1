"""What stands in the ledger is shown once per label, bounded, and the same by every process."""

import asyncio
import subprocess
from collections import Counter
from math import ceil

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_client.parser import text_string_to_metric_families

from adapters.memory.ledger import MemoryLedger
from adapters.prometheus import metrics as metrics_room
from adapters.prometheus import rounds, tallies
from adapters.prometheus.metrics import Metrics, Process
from adapters.prometheus.standings import CACHE_MS, Outside
from adapters.prometheus.tallies import Tally
from engine.directory import Directory, Portfolio, Sender
from engine.errors import LedgerAwayError
from engine.events import JobsClaimed, JobsRescued, JobsSettled
from engine.facts import Fact, Source, of_sender
from engine.model import (
    Gate,
    JobKey,
    Lane,
    PortfolioId,
    Priority,
    SenderId,
    SourceState,
    WabaId,
)
from engine.outcomes import Accepted, InDoubt
from engine.ports import Ask, Batch, Claimed, Refusals
from engine.terms import Terms
from tests.builders import a_portfolio, a_row, a_sender, a_source
from tests.builders import a_template as a_template_spec
from tests.front_desk import a_template
from tests.prometheus_tools import require_tool

NOW_MS = 1_780_000_000_000
PORTFOLIO, WABA = PortfolioId("p1"), WabaId("W")
SENDERS = (SenderId("1"), SenderId("2"))
OPEN_METRICS = "application/openmetrics-text; version=1.0.0"


class House:
    """A ledger with a directory, and as many processes as look at them."""

    def __init__(self) -> None:
        self.now_ms, self.latency_s = NOW_MS, 0.0
        self.directory = Directory()
        self.directory.portfolios["p1"] = Portfolio(PORTFOLIO, 250, number=1)
        self.directory.templates["t"] = a_template()
        self.ledger = MemoryLedger(Terms(), lambda: self.now_ms)
        for sender in SENDERS:
            self.add(sender, f"shop-{sender}")

    def add(self, sender: SenderId, alias: str = "") -> None:
        """Add a sender."""
        self.directory.senders[sender] = Sender(sender, PORTFOLIO, WABA, "+15550100", alias=alias)

    async def furnish(self, places: int = 3) -> None:
        """Queue five messages of the first sender and one code of the second, and claim some."""
        await self.ledger.put_portfolio(PORTFOLIO, a_portfolio(places))
        for sender in SENDERS:
            await self.ledger.put_sender(PORTFOLIO, sender, a_sender())
        await self.ledger.put_source(PORTFOLIO, "direct:api", a_source())
        low = Lane("direct:api", SENDERS[0], "", Priority.MARKETING)
        high = Lane("direct:api", SENDERS[1], "", Priority.AUTHENTICATION)
        rows = [a_row(number) for number in range(1, 6)]
        await self.ledger.enqueue([Batch(PORTFOLIO, low, rows), Batch(PORTFOLIO, high, rows[:1])])

    def process(self) -> Metrics:
        """Return the metrics of one more process."""
        outside = Outside(count_workers=self.workers, read_latency_s=self.latency)
        return Metrics(self.directory, self.ledger, lambda: self.now_ms, outside=outside)

    async def workers(self) -> int:
        return 2

    async def latency(self) -> float:
        return self.latency_s


async def shown(process: Metrics, prefix: str = "penstock_") -> dict[str, float]:
    """Return a scrape's samples; nothing may be in it twice."""
    body, _ = await process.render("text/plain")
    samples = [
        (sample.name, tuple(sorted(sample.labels.items())), sample.value)
        for family in text_string_to_metric_families(body.decode())
        for sample in family.samples
    ]
    assert len({sample[:2] for sample in samples}) == len(samples)
    return {
        name + "".join(f"|{value}" for _, value in labels): value
        for name, labels, value in samples
        if name.startswith(prefix)
    }


async def test_every_sender_shows_what_it_has_to_do() -> None:
    house = House()
    await house.furnish()
    house.now_ms += 4_000
    process = house.process()
    depth = await shown(process, "penstock_queue_depth")
    assert depth == {
        "penstock_queue_depth|marketing|shop-1|queued": 5,
        "penstock_queue_depth|authentication|shop-2|queued": 1,
    }
    found = await shown(process)
    assert found["penstock_oldest_job_seconds|marketing|shop-1"] == 4
    assert found["penstock_in_doubt|shop-1"] == 0
    assert found["penstock_rate_limit|shop-1"] == a_sender().throughput_mps
    assert found["penstock_throughput|shop-1"] == 80
    assert found["penstock_template_sendable|en_US|offer|waba-1"] == 1
    assert found["penstock_workers"] == 2


async def test_one_process_tells_what_stands_and_each_tells_what_happened_in_it() -> None:
    house = House()
    await house.furnish()
    one, other = house.process(), house.process()
    other.process, other.silence_s = Process(speaks=lambda: False), 5.0
    for each, times in ((one, 7), (other, 2)):
        each(JobsClaimed(PORTFOLIO, [], [Refusals(SENDERS[0], Gate.QUOTA, times)], "", 500))
    first, second = await shown(one), await shown(other)
    sums = Counter(first) + Counter(second)
    assert sums["penstock_gate_refusals_total|quota|shop-1"] == 9
    assert sums["penstock_queue_depth|marketing|shop-1|queued"] == 5
    assert sums["penstock_quota_limit|p1"] == 3
    assert sums["penstock_speaker"] == 1
    of_the_process = ("_total", "_bucket", "_count", "_sum", "draining", "speaker")
    assert [name for name in second if not name.partition("|")[0].endswith(of_the_process)] == []


async def test_the_ledger_is_asked_once_however_many_scrape() -> None:
    house = House()
    await house.furnish()
    process, asked = house.process(), 0
    depths = house.ledger.depths

    async def counted(portfolio: PortfolioId) -> object:
        nonlocal asked
        asked += 1
        await asyncio.sleep(0)
        return await depths(portfolio)

    house.ledger.depths = counted  # type: ignore[method-assign,assignment]
    await asyncio.gather(*[process.render("") for _ in range(5)])
    assert asked == 1
    house.now_ms += CACHE_MS
    await process.render("")
    assert asked == 2


async def test_a_ledger_that_is_away_takes_only_its_own_gauges_along() -> None:
    house = House()

    async def away(_portfolio: PortfolioId) -> object:
        raise LedgerAwayError("away")

    house.ledger.depths = away  # type: ignore[method-assign,assignment]
    process = house.process()
    process(JobsClaimed(PORTFOLIO, [], [Refusals(SENDERS[0], Gate.QUOTA, 7)], "", 500))
    found = await shown(process)
    assert found["penstock_gate_refusals_total|quota|shop-1"] == 7
    assert found["penstock_throughput|shop-1"] == 80
    assert not [name for name in found if name.startswith("penstock_quota")]


async def test_senders_with_one_alias_are_shown_as_one() -> None:
    house = House()
    await house.furnish()
    for sender in SENDERS:
        house.add(sender, "shop")
    found = await shown(house.process())
    assert found["penstock_throughput|shop"] == 160
    assert found["penstock_in_doubt|shop"] == 0


async def test_a_sender_is_joined_with_its_portfolio_or_with_several() -> None:
    house = House()
    await house.furnish()
    prefix = "penstock_sender_portfolio"
    first = await shown(house.process(), prefix)
    assert first == {f"{prefix}|p1|shop-1": 1, f"{prefix}|p1|shop-2": 1}
    elsewhere = PortfolioId("p2")
    house.directory.senders[SENDERS[1]] = Sender(
        SENDERS[1], elsewhere, WABA, "+15550100", alias="shop-1"
    )
    assert await shown(house.process(), prefix) == {f"{prefix}|several|shop-1": 1}


async def test_only_what_may_leave_wants_workers() -> None:
    house = House()
    await house.furnish()
    process = house.process()
    house.latency_s = 30.0
    wanted = ceil(160 * 30 / (512 * 0.8))  # two senders of 80 a second, 30 s each
    assert (await shown(process))["penstock_wanted_workers"] == wanted == 12
    await house.ledger.put_source(PORTFOLIO, "direct:api", a_source(state=SourceState.PAUSED))
    house.now_ms += CACHE_MS
    assert (await shown(process))["penstock_wanted_workers"] == 1


async def test_quality_and_status_are_shown_as_meta_told_them() -> None:
    house = House()
    await house.furnish()
    first, second = SENDERS[:2]
    for sender, aspect, value in (
        (first, "quality", "YELLOW"),
        (first, "status", "CONNECTED"),
        (second, "status", "A_NEW_WORD"),
    ):
        name = of_sender(sender, aspect)
        house.directory.facts[name] = Fact(name, value, 1, Source.REFRESH)
    found = await shown(house.process())
    assert found["penstock_sender_quality|shop-1"] == 2
    assert found["penstock_sender_quality|shop-2"] == 0
    assert found["penstock_sender_status|shop-1|CONNECTED"] == 1
    assert found["penstock_sender_status|shop-2|other"] == 1


async def test_senders_above_the_cap_are_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tallies, "SENDERS_MAX", 1)
    house = House()
    await house.furnish()
    house.add(SenderId("3"))
    found = await shown(house.process())
    assert found["penstock_throughput|shop-1"] == 80
    assert found["penstock_throughput|other"] == 160
    assert found["penstock_queue_depth|authentication|other|queued"] == 1


async def test_portfolios_above_the_cap_are_one_and_nothing_of_theirs_is_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tallies, "PORTFOLIOS_MAX", 1)
    house = House()
    await house.furnish()
    for number, (name, places, rows) in enumerate((("p2", 9, 1), ("p3", 4, 3)), start=3):
        portfolio, sender = PortfolioId(name), SenderId(str(number))
        house.directory.portfolios[name] = Portfolio(portfolio, places, number=number)
        house.directory.senders[sender] = Sender(
            sender, portfolio, WABA, "+1555", alias=f"of-{name}"
        )
        await house.ledger.put_portfolio(portfolio, a_portfolio(places))
        await house.ledger.put_sender(portfolio, sender, a_sender(throughput_mps=1_000))
        await house.ledger.put_template(portfolio, "t", a_template_spec())
        await house.ledger.put_source(portfolio, "direct:api", a_source())
        lane = Lane("direct:api", sender, "t", Priority.MARKETING)
        await house.ledger.enqueue([Batch(portfolio, lane, [a_row(n) for n in range(1, 6)])])
        (answer,) = await house.ledger.claim([Ask(portfolio, "w", 1, rows, rows)])
        assert len(answer.jobs) == rows
    found = await shown(house.process())
    assert found["penstock_quota_limit|p1"] == 3
    # Of the others the one that has the least left: 3 of 4, not 1 of 9.
    assert found["penstock_quota_limit|other"] == 4
    assert found["penstock_quota_used|other"] == found["penstock_quota_reserved|other"] == 3
    assert not [name for name in found if "|p2" in name or "|p3" in name]
    assert found["penstock_sender_portfolio|other|of-p3"] == 1
    assert found["penstock_queue_depth|marketing|of-p2|queued"] == 4
    assert found["penstock_in_doubt|of-p3"] == 0


async def test_many_portfolios_are_read_in_turns_and_shown_when_each_was(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rounds, "READ_AT_ONCE", 2)
    house = House()
    await house.furnish()
    for number in (2, 3):
        portfolio = PortfolioId(f"p{number}")
        house.directory.portfolios[portfolio] = Portfolio(portfolio, number, number=number)
        await house.ledger.put_portfolio(portfolio, a_portfolio(number))
    process = house.process()
    limits = [await shown(process, "penstock_quota_limit")]
    for places in (10, 20):
        house.now_ms += CACHE_MS
        for number in (1, 2, 3):
            await house.ledger.put_portfolio(PortfolioId(f"p{number}"), a_portfolio(places))
        limits.append(await shown(process, "penstock_quota_limit"))
    assert limits[0] == {}  # two of three are not all
    assert sorted(limits[1].values()) == [2, 10, 10]
    assert sorted(limits[2].values()) == [10, 20, 20]  # whoever was read longest ago has its turn
    del house.directory.portfolios["p3"]
    house.now_ms += CACHE_MS
    assert len(await shown(process, "penstock_quota_limit")) == 2


def test_a_counter_has_no_more_than_so_many_series(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tallies, "SERIES_MAX", 2)
    tally = Tally()
    for code in ("1", "2", "3", "4", "2"):
        tally.add(("s", code))
    assert tally == {("s", "1"): 1, ("s", "2"): 2, ("other", "other"): 2}


async def test_a_doubt_is_a_gauge_and_its_repeat_is_counted_where_it_was_decided() -> None:
    house = House()
    await house.furnish()
    process = house.process()
    (answer,) = await house.ledger.claim([Ask(PORTFOLIO, "w", 1, 10, 10)])
    assert answer.refusals
    lane = Lane("direct:api", SENDERS[0], "", Priority.MARKETING)
    job = Claimed(JobKey(1, 1), 1, 0, 0, 0, a_row(1).recipient, 1, b"", lane, counted=False)
    process(JobsSettled(PORTFOLIO, [(job, InDoubt("silence"), 1_000, 1)], [], 1))
    process(JobsRescued(PORTFOLIO, [], [JobKey(1, 1), JobKey(9, 9)], []))
    found = await shown(process)
    assert found["penstock_retries_total|repeat|shop-1"] == 1
    assert found["penstock_retries_total|repeat|unknown"] == 1


async def busy(senders: int) -> Metrics:
    """Return a process that has seen many senders."""
    house = House()
    await house.furnish()
    process = house.process()
    for number in range(senders):
        sender = SenderId(str(10_000 + number))
        house.add(sender)
        lane = Lane("direct:api", sender, "", Priority.MARKETING)
        recipient = a_row(1).recipient
        job = Claimed(JobKey(1, 1), 1, 0, 0, 0, recipient, 1, b"", lane, counted=False)
        process(JobsSettled(PORTFOLIO, [(job, Accepted("wamid"), 1_000, 1)], [], 1))
    return process


async def test_histograms_of_senders_that_were_renamed_do_not_add_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(metrics_room, "SPREADS_MAX", 3)
    process = await busy(5)
    assert len(process.sends) == 4
    assert sum(process.sends[("other",)].counts) == 2


async def test_a_scrape_lets_others_go_on_in_between() -> None:
    process = await busy(400)
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    beside = asyncio.create_task(others())
    body, _ = await process.render("")
    beside.cancel()
    lines = body.count(b"\n")
    assert lines > 5_000
    assert turns > lines / 150


async def test_pieces_make_one_family_in_both_formats() -> None:
    process = await busy(30)
    text, plain = await process.render("text/plain")
    other, kind = await process.render(OPEN_METRICS)
    assert ("text/plain" in plain, "openmetrics" in kind) == (True, True)
    for body in (text, other):
        heads = [line for line in body.split(b"\n") if line.startswith(b"# TYPE")]
        assert len(set(heads)) == len(heads)
    parsed = open_metrics(other.decode())  # type: ignore[no-untyped-call]
    families = {family.name for family in parsed}
    assert families == {family.name for family in text_string_to_metric_families(text.decode())}


async def test_promtool_finds_no_fault_with_a_scrape() -> None:
    tool = require_tool("promtool")
    body, _ = await (await busy(3)).render("text/plain")
    checked = await asyncio.to_thread(
        subprocess.run, [tool, "check", "metrics"], input=body, capture_output=True, check=False
    )
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, b"")
