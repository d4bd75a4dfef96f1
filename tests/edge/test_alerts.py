"""Alerts: each has its tests and its paragraph in the runbook, and Prometheus agrees with both."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.architecture.source_tree import ROOT
from tests.edge.test_prometheus_names import BESIDE, PROMISED
from tests.prometheus_tools import require_tool

PROMETHEUS = ROOT / "deploy/prometheus"
RULES, CASES = PROMETHEUS / "penstock.rules.yml", PROMETHEUS / "penstock.rules.test.yml"
RUNBOOK = "docs/runbook.md"
PARAGRAPH = re.compile(r"^### (Penstock\w+)\n(.*?)(?=^#|\Z)", re.MULTILINE | re.DOTALL)
QUESTIONS = ("**Means.**", "**Look.**", "**Do.**")


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def alerts() -> dict[str, dict[str, Any]]:
    return {rule["alert"]: rule for rule in rules() if "alert" in rule}


def paragraphs() -> dict[str, str]:
    return dict(PARAGRAPH.findall((ROOT / RUNBOOK).read_text()))


def test_every_alert_has_its_paragraph_and_every_paragraph_its_alert() -> None:
    assert len(alerts()) > 20
    assert alerts().keys() == paragraphs().keys()


@pytest.mark.parametrize("name", alerts())
def test_an_alert_says_how_bad_it_is_and_where_to_read_on(name: str) -> None:
    alert = alerts()[name]
    assert alert["labels"]["severity"] in {"page", "warn"}
    assert alert["annotations"]["runbook"] == f"{RUNBOOK}#{name.lower()}"
    assert alert["annotations"]["summary"].endswith(".")


@pytest.mark.parametrize("name", paragraphs())
def test_a_paragraph_says_what_it_means_what_to_look_at_and_what_to_do(name: str) -> None:
    text = paragraphs()[name]
    assert [each for each in QUESTIONS if text.count(each) != 1] == []
    for part in re.split(r"\*\*\w+\.\*\*", text)[1:]:
        assert len(part.split()) >= 2


@pytest.mark.parametrize("name", alerts())
def test_an_alert_is_seen_firing(name: str) -> None:
    """Each case also shows a sender or a time of which it is silent: samples must be equal."""
    cases = yaml.safe_load(CASES.read_text())["tests"]
    checks = [check for case in cases for check in case.get("promql_expr_test", [])]
    of_it = [check for check in checks if f'alertname="{name}"' in check["expr"]]
    assert any(check["exp_samples"] for check in of_it)


def test_rules_speak_only_of_metrics_that_are_there() -> None:
    named = {name for rule in rules() for name in re.findall(r"\bpenstock_\w+", str(rule["expr"]))}
    known = {
        name + suffix
        for name, (kind, _) in (PROMISED | BESIDE).items()
        for suffix in {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"]}.get(
            kind, [""]
        )
    }
    assert named <= known
    assert len(named) > 15


@pytest.fixture
def promtool() -> str:
    return require_tool("promtool")


@pytest.mark.parametrize(
    "words", [("check", "rules", RULES.name), ("test", "rules", CASES.name)], ids=" ".join
)
def test_promtool_agrees(promtool: str, words: tuple[str, ...]) -> None:
    command = [promtool, *words]
    judged = subprocess.run(command, cwd=PROMETHEUS, capture_output=True, text=True, check=False)
    assert judged.returncode == 0, judged.stdout + judged.stderr


def test_promtool_can_disagree(promtool: str, tmp_path: Path) -> None:
    spoilt = RULES.read_text().replace("penstock:workers == 0", "penstock:workers == 99")
    (tmp_path / RULES.name).write_text(spoilt)
    (tmp_path / CASES.name).write_text(CASES.read_text())
    command = [promtool, "test", "rules", CASES.name]
    judged = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert judged.returncode != 0
    assert "PenstockNobodyWorks" in judged.stdout + judged.stderr
