"""The demo's verdict: what the simulator counted, against what we say and what was uploaded."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from adapters.demo.cast import ACTS
from adapters.demo.stage import LIMIT, PORTFOLIO, SENDER

ENDS: Final = ("accepted", "failed", "expired", "cancelled", "suppressed", "unknown")


@dataclass(slots=True)
class Play:
    """What happened, as far as we know it."""

    uploaded: dict[str, Any]
    status: dict[str, Any]
    journey_sent_ms: dict[str, int]  # order number -> when it was asked for
    journey_jobs: list[str]
    unfinished: list[str]  # acts of the gates that did not reach their end
    report: dict[str, Any]
    messages: list[dict[str, Any]]
    took_s: float
    waited_max: int = 0  # jobs that waited for a place in the limit, at most at once


def judge(play: Play) -> list[str]:
    """Return everything that is not as it has to be; empty when the demo is passed."""
    wrong: list[str] = []
    report, counts = play.report, play.status["counts"]
    for rule, entry in report["violations"].items():
        wrong.append(f"the simulator saw rule {rule} broken: {json.dumps(entry)[:300]}")
    window = report["windows"][PORTFOLIO]
    if window["fullest"] > LIMIT:
        wrong.append(f"{window['fullest']} people in one window, the limit is {LIMIT}")
    uploaded = play.uploaded
    rows = uploaded["accepted"] + uploaded["duplicates"] + uploaded["rejected"]
    if rows != uploaded["read"]:
        wrong.append(f"{uploaded['read']} rows were read, {rows} accounted for")
    states = sum(n for name, n in counts.items() if name != "waiting")
    total = states + sum(counts["waiting"].values())
    if total != play.status["enqueued"] or total != uploaded["accepted"]:
        wrong.append(f"the books do not balance: {total} in states, {uploaded['accepted']} queued")
    if counts["accepted"] != uploaded["accepted"]:
        wrong.append(f"{counts['accepted']} of {uploaded['accepted']} campaign jobs were accepted")
    sent = counts["accepted"] + len(play.journey_jobs)
    seen = sum(message["phone_number_id"] == SENDER for message in play.messages)
    if seen != sent:
        wrong.append(f"we count {sent} sends, the simulator {seen}")
    wrong += [
        f"the act of {act} did not reach its end: its gate did not close or did not open"
        for act in play.unfinished
    ]
    if report["duplicates"]:
        wrong.append(f"{report['duplicates']} messages were sent twice")
    return wrong


def show(play: Play, wrong: Sequence[str], console: Console) -> None:
    """Print the verdict."""
    report, counts = play.report, play.status["counts"]
    window = report["windows"][PORTFOLIO]
    reuse, delivery = window["reuse"], play.status["delivery"]
    table = Table("verdict", "", title="What the simulator of Meta saw", title_justify="left")
    table.add_row("sent", f"{counts['accepted']} campaign + {len(play.journey_jobs)} journey")
    table.add_row("delivered", f"{delivery['delivered']} of the campaign, by webhook")
    repeats, refused = play.uploaded["duplicates"], play.uploaded["rejected"]
    table.add_row("rows not sent", f"{repeats} repeats, {refused} refused")
    for each in play.uploaded["errors"]:
        place = f"row {each['row']}" + (f", {each['field']}" if each["field"] else "")
        table.add_row("", f"{place}: {each['detail']}")
    table.add_row("waited for a place", f"{play.waited_max} at most at once")
    table.add_row("fullest window", f"{window['fullest']} people, limit {LIMIT}")
    table.add_row("freed slots reused", f"after p50 {reuse['p50_ms']} ms, p99 {reuse['p99_ms']} ms")
    table.add_row(
        "sends/s", f"peak {report['sends_per_s_peak']}, average {report['sends_per_s_average']}"
    )
    waits = waits_ms(play)
    table.add_row(
        "journey: asked → received",
        f"p50 {quantile(waits, 0.5)} ms, p99 {quantile(waits, 0.99)} ms",
    )
    played = len(ACTS) - len(play.unfinished)
    table.add_row("gates", f"{played} of {len(ACTS)} acts: each closed and opened beside all that")
    table.add_row("took", f"{play.took_s:.1f} s")
    broken = len(play.report["violations"])
    table.add_row("rules broken", f"[red]{broken}[/red]" if broken else "[green]none[/green]")
    console.print(table)
    for sentence in wrong:
        console.print(f"[red]✗[/red] {sentence}", highlight=False, soft_wrap=True)
    if not wrong:
        console.print("[green]✓[/green] no rule broken, the books balance")


def told(play: Play, wrong: Sequence[str]) -> dict[str, object]:
    """Return the verdict for programs."""
    report, window = play.report, play.report["windows"][PORTFOLIO]
    waits = waits_ms(play)
    return {
        "passed": not wrong,
        "wrong": list(wrong),
        "sent": {
            "campaign": play.status["counts"]["accepted"],
            "journey": len(play.journey_jobs),
        },
        "uploaded": {name: play.uploaded[name] for name in ("read", "duplicates", "rejected")},
        "waited_for_quota": play.waited_max,
        "window": {"fullest": window["fullest"], "limit": LIMIT},
        "freed_slots_reused_ms": {name: window["reuse"][f"{name}_ms"] for name in ("p50", "p99")},
        "sends_per_s": {
            "peak": report["sends_per_s_peak"],
            "average": report["sends_per_s_average"],
        },
        "journey_ms": {"p50": quantile(waits, 0.5), "p99": quantile(waits, 0.99)},
        "rules_broken": len(report["violations"]),
        "took_s": round(play.took_s, 1),
    }


def waits_ms(play: Play) -> list[int]:
    """Return how long each journey message took from our call to Meta's door."""
    arrived = {
        value: message["at_ms"] for message in play.messages for value in message.get("values", ())
    }
    return [
        arrived[order] - at_ms for order, at_ms in play.journey_sent_ms.items() if order in arrived
    ]


def quantile(values: Sequence[int], share: float) -> int:
    """Return a quantile; 0 of nothing."""
    if len(values) < 2:  # noqa: PLR2004 (what quantiles needs)
        return values[0] if values else 0
    return round(statistics.quantiles(values, n=100, method="inclusive")[round(share * 100) - 1])
