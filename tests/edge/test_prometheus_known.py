"""Which gates of a number are closed and until when, as a scrape tells it."""

from dataclasses import replace
from math import inf

from prometheus_client.parser import text_string_to_metric_families

from adapters.prometheus.metrics import Metrics
from adapters.prometheus.standings import CACHE_MS
from engine.facts import Fact, Source, of_account, of_sender
from engine.ports import FOREVER_MS
from engine.senders import ANSWER, PAUSE, POLICY
from tests.edge.test_prometheus_standings import NOW_MS, WABA, House


async def opening(house: House, process: Metrics) -> dict[tuple[str, str], float]:
    """Return in how many seconds each gate opens, as a scrape tells it."""
    house.now_ms += CACHE_MS
    body, _ = await process.render("text/plain")
    [found] = [
        family.samples
        for family in text_string_to_metric_families(body.decode())
        if family.name == "penstock_gate_opens_seconds"
    ]
    return {(each.labels["sender"], each.labels["gate"]): each.value for each in found}


async def test_a_closed_gate_tells_when_it_opens_by_the_cause_that_lasts_longest() -> None:
    house = House()
    process = house.process()
    assert await opening(house, process) == {}
    at_ms = house.now_ms + CACHE_MS

    def close(name: str, value: str, until_ms: int) -> None:
        house.directory.facts[name] = Fact(name, value, NOW_MS, Source.ANSWER, until_ms)

    close(of_sender("1", ANSWER), "131048", at_ms + 90_000)
    close(of_account(WABA, POLICY), "368", at_ms + 60_000)
    own = {("shop-1", "sender"): 90.0, ("shop-1", "account"): 60.0, ("shop-2", "account"): 60.0}
    assert await opening(house, process) == own
    close(of_sender("1", PAUSE), "paused", FOREVER_MS)
    assert (await opening(house, process))[("shop-1", "sender")] == inf
    house.now_ms = at_ms + 60_000
    assert await opening(house, process) == {("shop-1", "sender"): inf}
    close(of_sender("1", PAUSE), "", 0)
    close(of_sender("1", ANSWER), "", 0)
    assert await opening(house, process) == {}


async def test_of_several_numbers_under_one_label_the_one_that_opens_last_is_told() -> None:
    house = House()
    at_ms = house.now_ms + CACHE_MS
    for sender, closed_ms in (("1", 90_000), ("2", 30_000)):
        known = house.directory.senders[sender]
        house.directory.senders[sender] = replace(known, alias="shop")
        name = of_sender(sender, ANSWER)
        house.directory.facts[name] = Fact(name, "1", NOW_MS, Source.ANSWER, at_ms + closed_ms)
    assert await opening(house, house.process()) == {("shop", "sender"): 90.0}
