"""Dashboards: every expression in them has data when a real Prometheus looks at a busy house."""

import asyncio
import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.architecture.source_tree import ROOT
from tests.e2e.whole_house import PORTFOLIO, SENDER, a_whole_house, a_world, rows
from tests.prometheus_server import Prometheus, a_prometheus

pytestmark = pytest.mark.one_server

BOARDS = sorted((ROOT / "deploy/grafana/dashboards").glob("*.json"))
RULES = ROOT / "deploy/prometheus/penstock.rules.yml"
PATIENCE_S, LOOK_EVERY_S = 60.0, 0.5
SOURCE = "penstock-prometheus"  # as deploy/grafana/provisioning calls it
FAULTS = [  # of those that strike one send the first answers
    {"kind": "error", "code": 130429, "times_max": 2},
    {"kind": "silence", "times_max": 12, "rate": 0.2},
    {"kind": "error", "code": 131016, "times_max": 20, "rate": 0.2},
    {"kind": "error", "code": 131026, "times_max": 20, "rate": 0.2},
    {"kind": "latency", "delay_ms": 20, "spread_ms": 20},
]


def board(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text())
    return content


def panels(path: Path) -> Iterator[dict[str, Any]]:
    """Yield what shows something."""
    for panel in board(path)["panels"]:
        if panel["type"] != "row":
            yield panel


def expressions(path: Path) -> dict[str, str]:
    """Return each expression, as Grafana would ask it, with the panel it is in."""
    return {
        target["expr"].replace("$portfolio", PORTFOLIO).replace("$__rate_interval", "10s"): panel[
            "title"
        ]
        for panel in panels(path)
        for target in panel["targets"]
    }


@pytest.mark.parametrize("path", BOARDS, ids=lambda path: path.stem)
def test_a_board_is_whole(path: Path) -> None:
    content = board(path)
    assert content["uid"] == path.stem
    places: set[tuple[int, int]] = set()
    for panel in panels(path):
        assert panel["datasource"]["uid"] == SOURCE
        assert panel["description"].endswith("."), panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"]
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24
        cells = {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        assert not cells & places, f"{panel['title']} lies on another panel"
        places |= cells
    ids = [panel["id"] for panel in content["panels"]]
    assert len(set(ids)) == len(ids)


MANY = re.compile(
    r"\{\{(sender|portfolio|template|code)\}\}"
)  # labels with up to thousands of values


@pytest.mark.parametrize("path", BOARDS, ids=lambda path: path.stem)
def test_no_legend_is_longer_than_a_person_reads(path: Path) -> None:
    for panel in panels(path):
        for target in panel["targets"]:
            if MANY.search(target["legendFormat"]):
                assert re.match(r"(top|bottom)k\(20, ", target["expr"]), panel["title"]


def test_there_are_boards() -> None:
    assert [path.stem for path in BOARDS] == ["penstock-fleet", "penstock-portfolio"]


async def until_all_have_numbers(prometheus: Prometheus, wanted: dict[str, str]) -> dict[str, str]:
    """Ask each expression until it has a number; return those that never had one."""
    missing = dict(wanted)
    try:
        async with asyncio.timeout(PATIENCE_S):
            while missing:
                for expression in list(missing):
                    samples = await prometheus.query(expression)
                    if any(math.isfinite(float(each["value"][1])) for each in samples):
                        del missing[expression]
                await asyncio.sleep(LOOK_EVERY_S)
    except TimeoutError:
        pass  # told by what is missing
    return missing


@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.usefixtures("redis_client")
async def test_every_expression_has_numbers(server_url: str, tmp_path: Path) -> None:
    wanted = {text: title for path in BOARDS for text, title in expressions(path).items()}
    assert len(wanted) > 40
    async with a_whole_house(server_url, tmp_path, a_world(faults=FAULTS)) as whole:
        target = whole.url.removeprefix("http://")
        async with a_prometheus(tmp_path, [target], RULES) as prometheus:
            await whole.call("POST", f"/v1/senders/{SENDER}/refresh")  # its quality
            await whole.upload("c1", rows(3_000))
            await whole.call("POST", "/v1/campaigns/c1/start")
            assert await until_all_have_numbers(prometheus, wanted) == {}
            for path in BOARDS:
                for each in board(path)["annotations"]["list"]:
                    assert isinstance(await prometheus.query(each["expr"]), list)
            assert await prometheus.query("penstock_no_such_metric") == []
            async with asyncio.timeout(PATIENCE_S):  # a scrape has a second, which a stall takes
                while [each["value"][1] for each in await prometheus.query("up")] != ["1"]:
                    await asyncio.sleep(LOOK_EVERY_S)
