"""`penstock demo`: a real campaign through a simulated Meta, judged by the simulator."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from adapters.demo.acts import play_gates
from adapters.demo.cast import furnish_gates
from adapters.demo.stage import (
    CAMPAIGN,
    LIMIT,
    LOOK_EVERY_S,
    OFFER,
    PORTFOLIO,
    SENDER,
    UPDATE,
    WABA,
    WINDOW_S,
    DemoError,
    Stage,
    open_stage,
)
from adapters.demo.verdict import ENDS, Play, judge, show, told

CAMPAIGN_FILE: Final = Path(__file__).parents[2] / "tests" / "data" / "campaign.csv"
CUSTOMERS: Final = 16  # of the journey
SHIP_EVERY_S: Final = 0.1
ROUND_S: Final = 6.5  # a customer hears again after the pair's 6 s, before its place falls free
PATIENCE_S: Final = 60.0
PLAIN_EVERY: Final = 25  # looks between two lines where nobody watches

Tell = Callable[[dict[str, object]], None]


async def demo(file: Path | None, console: Console, tell: Tell | None = None) -> bool:
    """Play the demo; return whether no rule was broken and the books balance.

    `tell` gets the verdict as data; without it the console shows it.
    """
    path = file or CAMPAIGN_FILE
    if not path.is_file():
        raise DemoError(f"there is no {path}; name a CSV with columns to, first_name, code: --file")
    console.print(
        f"[bold]Penstock demo[/bold]: {path.name} through a limit of {LIMIT} people in any "
        f"{WINDOW_S:g} s (Meta: 24 h); the simulator of Meta is the judge."
    )
    async with open_stage() as stage:
        play = await _play(stage, path, console)
    verdict = judge(play)
    if tell is None:
        show(play, verdict, console)
    else:
        tell(told(play, verdict))
    return not verdict


async def _play(stage: Stage, file: Path, console: Console) -> Play:
    began_ms = stage.clock.now_ms()
    await _furnish(stage)
    with file.open("rb") as rows:
        uploaded = await stage.upload(CAMPAIGN, rows)
    console.print(
        f"uploaded {uploaded['read']} rows: {uploaded['accepted']} queued, "
        f"{uploaded['duplicates']} repeats, {uploaded['rejected']} refused"
    )
    sent_ms: dict[str, int] = {}
    jobs: list[str] = []
    await _ship_all(stage, sent_ms, jobs)
    await stage.call("POST", f"/v1/campaigns/{CAMPAIGN}/start")
    journey = asyncio.create_task(_travel(stage, sent_ms, jobs))
    gates = asyncio.create_task(play_gates(stage))
    try:
        waited_max = await _watch(stage, uploaded["accepted"], console, journey)
        unfinished = await gates
    finally:
        journey.cancel()
        gates.cancel()
        await asyncio.gather(journey, gates, return_exceptions=True)
    if not await _is_convicted(stage):
        await _settle(stage, jobs)
    status = await stage.call("GET", f"/v1/campaigns/{CAMPAIGN}")
    report = await stage.judge("report")
    messages = await stage.judge("messages")
    took_s = (stage.clock.now_ms() - began_ms) / 1_000
    found = messages["messages"] if isinstance(messages, dict) else messages
    told_of = (uploaded, status, sent_ms, jobs, unfinished, report, found)
    return Play(*told_of, took_s, waited_max)


async def _furnish(stage: Stage) -> None:
    """Do what an operator does once: portfolio, sender, templates, campaign."""
    body: dict[str, Any] = {"messaging_limit": "TIER_250"}
    await stage.call("PUT", f"/v1/portfolios/{PORTFOLIO}", body)
    body = {
        "portfolio_id": PORTFOLIO,
        "waba_id": WABA,
        "display_phone_number": "+1 555 010 0100",
        "access_token": "demo-access-token",
        "alias": "demo",
    }
    await stage.call("PUT", f"/v1/senders/{SENDER}", body)
    await stage.call("POST", f"/v1/wabas/{WABA}/templates/import", {})
    message = _message(OFFER, "{{first_name}}", "{{code}}")
    body = {"id": CAMPAIGN, "name": "Autumn", "senders": [SENDER], "message": message}
    await stage.call("POST", "/v1/campaigns", body)
    await furnish_gates(stage)


async def _travel(stage: Stage, sent_ms: dict[str, int], jobs: list[str]) -> None:
    """Be a journey: single utility sends to its customers, again and again."""
    while True:
        await asyncio.sleep(ROUND_S - CUSTOMERS * SHIP_EVERY_S)
        await _ship_all(stage, sent_ms, jobs)


async def _ship_all(stage: Stage, sent_ms: dict[str, int], jobs: list[str]) -> None:
    for _ in range(CUSTOMERS):
        await _ship(stage, sent_ms, jobs)
        await asyncio.sleep(SHIP_EVERY_S)


async def _ship(stage: Stage, sent_ms: dict[str, int], jobs: list[str]) -> None:
    """Tell the next customer of an order."""
    order = f"order-{len(jobs) + 1}"
    body = {
        "key": order,
        "sender": SENDER,
        "to": f"+4930555{len(jobs) % CUSTOMERS:05}",
        "message": _message(UPDATE, order),
        "source": {"kind": "journey", "id": "orders", "node": "shipped"},
    }
    sent_ms[order] = stage.clock.now_ms()
    answer = await stage.call("POST", "/v1/jobs", body)
    jobs.append(answer["results"][0]["id"])


async def _watch(stage: Stage, total: int, console: Console, journey: asyncio.Task[None]) -> int:
    """Show the campaign's progress until it is over, or until the judge has seen a breach.

    Returns how many jobs waited for a place, at most at once.
    """
    waited_max = 0
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        sent = progress.add_task("campaign sent  ", total=total)
        used = progress.add_task("window used    ", total=LIMIT)
        status: dict[str, Any] = {}
        for turn in range(round(PATIENCE_S / LOOK_EVERY_S)):
            status = await stage.call("GET", f"/v1/campaigns/{CAMPAIGN}")
            quota = await stage.call("GET", f"/v1/portfolios/{PORTFOLIO}/quota")
            counts = status["counts"]
            done = sum(counts[state] for state in ENDS)
            waiting = int(counts["waiting"].get("quota", 0))
            waited_max = max(waited_max, waiting)
            progress.update(sent, completed=done)
            progress.update(used, completed=quota["used"])
            if not console.is_terminal and turn % PLAIN_EVERY == 0:
                console.print(f"  sent {done}/{total}, window {quota['used']}/{LIMIT}, {waiting=}")
            if status["state"] == "completed" or await _is_convicted(stage):
                return waited_max
            if journey.done():
                journey.result()
            await asyncio.sleep(LOOK_EVERY_S)
    raise DemoError(f"the campaign is not over after {PATIENCE_S:g} s: {status['counts']}")


async def _is_convicted(stage: Stage) -> bool:
    report = await stage.judge("report")
    return not report["clean"]


async def _settle(stage: Stage, jobs: Sequence[str]) -> None:
    """Wait until the journey's last jobs have ended, too."""
    views: list[dict[str, Any]] = []
    for _ in range(round(PATIENCE_S / LOOK_EVERY_S)):
        views = [await stage.call("GET", f"/v1/jobs/{job}") for job in jobs[-50:]]
        if all(view["state"] in ENDS for view in views):
            return
        await asyncio.sleep(LOOK_EVERY_S)
    late = [view for view in views if view["state"] not in ENDS]
    raise DemoError(f"{len(late)} jobs of the journey are not over, such as {late[0]}")


def _message(name: str, *texts: str) -> dict[str, Any]:
    parameters = [{"type": "text", "text": text} for text in texts]
    template = {
        "name": name,
        "language": {"code": "en_US"},
        "components": [{"type": "body", "parameters": parameters}],
    }
    return {"type": "template", "template": template}
