"""A scenario loads strictly, and says what is wrong with it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from adapters.sandbox import scenario

DATA = Path(__file__).parents[1] / "data" / "sandbox"


@pytest.mark.parametrize("path", sorted(DATA.iterdir()), ids=lambda path: path.name)
def test_every_example_loads(path: Path) -> None:
    assert scenario.load(path).window_ms == 10_000


def test_a_text_and_a_value_load_like_a_file() -> None:
    path = DATA / "plain.json"
    from_file = scenario.load(path)
    assert scenario.load(path.read_text()) == from_file
    assert scenario.load(path.read_bytes()) == from_file
    assert scenario.load(json.loads(path.read_bytes())) == from_file


def misspell(world: dict[str, Any]) -> None:
    world["senders"][0]["throughput_mpz"] = 80


def misplace(world: dict[str, Any]) -> None:
    world["wabas"][0]["portfolio_id"] = "nobody"


def repeat(world: dict[str, Any]) -> None:
    world["senders"].append(world["senders"][0])


def overdo(world: dict[str, Any]) -> None:
    world["faults"] = [{"kind": "error", "rate": 1.5}]


def misfilter(world: dict[str, Any]) -> None:
    world["faults"] = [{"kind": "reset", "templates": ["offer"]}]


@pytest.mark.parametrize(
    ("spoil", "word"),
    [
        (misspell, "throughput_mpz"),
        (misplace, "unknown portfolio `nobody`"),
        (repeat, "`100200` occurs twice"),
        (overdo, r"\$.faults\[0\].rate"),
        (misfilter, "before the body is read"),
    ],
)
def test_a_mistake_is_named(spoil: Callable[[dict[str, Any]], None], word: str) -> None:
    world = json.loads((DATA / "plain.json").read_bytes())
    spoil(world)
    with pytest.raises(scenario.ScenarioError, match=word):
        scenario.load(world)


def test_a_missing_file_is_a_scenario_error() -> None:
    with pytest.raises(scenario.ScenarioError, match=r"none\.json"):
        scenario.load(DATA / "none.json")
