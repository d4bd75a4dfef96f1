"""Each alert lives through a change of who tells the gauges: it fires, or not, as it did before."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any, Final

import yaml

from tests.edge.test_alerts import CASES, RULES
from tests.edge.test_prometheus_names import BESIDE, PROMISED
from tests.prometheus_tools import require_tool

SCRAPE_S: Final = 15  # as the deployment's Prometheus does
GAP: Final = 2  # scrapes at which nobody tells: one that dies is followed within six seconds
QUARTERS: Final = (0.25, 0.5, 0.75)  # when it changes, as a share of a case's length
OF_ONE: Final = {"penstock_draining", "penstock_speaker"}  # of each process, whoever speaks
GAUGES: Final = {n for n, (kind, _) in (PROMISED | BESIDE).items() if kind == "gauge"} - OF_ONE
STEPS = re.compile(r"(-?[\d.]+|_|stale)(?:([+-][\d.]+))?(?:x(\d+))?$")
UNITS: Final = {"s": 1, "m": 60, "h": 3_600}


def expanded(values: str) -> list[str]:
    """Return each sample of promtool's notation: `2x2 _ 1+2x1` is 2 2 2, none, 1 3."""
    found: list[str] = []
    for word in values.split():
        matched = STEPS.match(word)
        assert matched, word
        start, by, times = matched.groups()
        steps = range(int(times or 0) + (start != "_" or times is None))
        found += [f"{float(start) + step * float(by):g}" if by else start for step in steps]
    return found


def seconds(text: str) -> int:
    return sum(int(n) * UNITS[unit] for n, unit in re.findall(r"(\d+)([smh])", text))


def with_two_speakers(case: dict[str, Any], share: float) -> dict[str, Any]:
    """Return a case in which one process stops to tell the gauges and another goes on."""
    times = seconds(case["interval"]) // SCRAPE_S
    series: list[dict[str, str]] = []
    for each in case["input_series"]:
        samples = [sample for sample in expanded(each["values"]) for _ in range(times)]
        name = each["series"].partition("{")[0]
        if name not in GAUGES or "stale" in samples:
            series.append({"series": each["series"], "values": " ".join(samples)})
            continue
        at = round(len(samples) * share)
        plain = re.sub(r',?\s*instance="[^"]*"', "", each["series"]).rstrip("}")
        start = plain + ("," if plain.partition("{")[2] else "" if "{" in plain else "{")
        first, second = [*samples[:at], "stale"], ["_"] * (at + GAP) + samples[at + GAP :]
        series.append({"series": f'{start}instance="one"}}', "values": " ".join(first)})
        series.append({"series": f'{start}instance="two"}}', "values": " ".join(second)})
    checks = [check for check in case["promql_expr_test"] if "ALERTS" in check["expr"]]
    return case | {
        "name": f"{case['name']}, another speaks from {share:g} on",
        "interval": f"{SCRAPE_S}s",
        "input_series": series,
        "promql_expr_test": checks,
    }


def test_the_notation_is_read_as_promtool_reads_it() -> None:
    assert expanded("2x2 _x2 1+2x1 stale 5") == ["2", "2", "2", "_", "_", "1", "3", "stale", "5"]


def judged(directory: Path, rules: str, *shares: float) -> subprocess.CompletedProcess[str]:
    """Return what promtool says of rules while the speaker changes at each of these moments."""
    promtool = require_tool("promtool")
    content = yaml.safe_load(CASES.read_text())
    cases = [case for case in content["tests"] if "promql_expr_test" in case]
    content["tests"] = [with_two_speakers(case, share) for case in cases for share in shares]
    # JSON is YAML, and written a hundred times faster.
    (directory / CASES.name).write_text(json.dumps(content))
    (directory / RULES.name).write_text(rules)
    command = [promtool, "test", "rules", CASES.name]
    return subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)


def test_every_alert_lives_through_it(tmp_path: Path) -> None:
    ended = judged(tmp_path, RULES.read_text(), *QUARTERS)
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_rules_that_look_at_this_moment_only_would_not(tmp_path: Path) -> None:
    forgetful = re.sub(r"last_over_time\(([^\[\]]*)\[1m\]\)", r"\1", RULES.read_text())
    assert forgetful != RULES.read_text()
    assert judged(tmp_path, forgetful, 0.5).returncode != 0
