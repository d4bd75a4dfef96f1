"""The judge can convict: each gate switched off in turn, and exactly its rule is seen broken."""

from pathlib import Path

import pytest

from adapters.demo.acts import play_gates
from adapters.demo.cast import ACTS, GRACE_MS, furnish_gates, gates_world
from adapters.sandbox.scenario import World
from engine.model import Gate
from tests.e2e.whole_house import a_whole_house

pytestmark = [pytest.mark.usefixtures("redis_client"), pytest.mark.one_server]

WINDOW_MS = 60_000  # longer than the play: what waits for a place, waits


def the_world() -> World:
    plan = gates_world() | {"window_ms": WINDOW_MS, "rules": {"grace_ms": GRACE_MS}}
    return World.load(dict[str, object](plan))


@pytest.mark.timeout(120)
@pytest.mark.parametrize("gate", ["", *Gate])
async def test_with_one_gate_off_exactly_its_rule_is_broken(
    server_url: str, tmp_path: Path, gate: str
) -> None:
    opened = a_whole_house(server_url, tmp_path, the_world(), furnish=furnish_gates, gates_off=gate)
    async with opened as whole:
        unfinished = await play_gates(whole)
        report = whole.report()
    assert set(report.violations) == ({gate} if gate else set()), report.violations
    assert gate or not unfinished


def test_every_gate_has_its_act() -> None:
    assert set(ACTS.values()) == set(Gate)
