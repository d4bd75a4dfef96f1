"""`penstock why`: every gate that holds something back, its number, its limit and when it opens."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Annotated, Any

import typer
from rich.table import Table

from adapters.cli.client import Caller, console

JOB_PREFIX = "pst."
MEANINGS = {
    "quota": "new recipients wait for a place in the messaging limit",
    "rate": "the sender's throughput is used up",
    "pair": "the same person got messages moments ago",
    "account": "Meta throttles or blocks the WhatsApp Business Account",
    "sender": "the sender is paused, not connected or has no token",
    "template": "the template is not APPROVED",
    "schedule": "its time has not come",
    "source": "the campaign or journey does not run",
    "retry": "an earlier try failed; it is tried again",
}


@dataclass(slots=True)
class ClosedGate:
    """One gate that holds something back."""

    gate: str
    jobs: int  # how many wait there
    number: int | None = None  # what the gate counts
    limit: int | None = None  # and how much it lets through
    until: str | None = None  # the earliest time, where it is known
    detail: str = ""


def why(
    name: Annotated[str, typer.Argument(metavar="JOB|CAMPAIGN|SENDER")],
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,  # noqa: FBT002
) -> None:
    """Say why something has not been sent yet: each closed gate and when it opens."""
    caller = Caller(as_json=as_json)
    kind, answer = _found(caller, name)
    gates = {"job": _of_job, "campaign": _of_campaign, "sender": _of_sender}[kind](caller, answer)
    state = str(answer.get("state", ""))
    if as_json:
        shown = [asdict(each) for each in gates]
        typer.echo(json.dumps({"kind": kind, "id": name, "state": state, "gates": shown}))
        return
    console.print(f"[bold]{kind} {name}[/bold] {state}", highlight=False)
    if not gates:
        console.print("  no gate holds anything back")
        return
    table = Table("gate", "jobs", "number", "limit", "until", "why")
    for each in gates:
        cells = (each.gate, each.jobs, each.number, each.limit, each.until, each.detail)
        table.add_row(*("-" if cell is None else str(cell) for cell in cells))
    console.print(table)


def _found(caller: Caller, name: str) -> tuple[str, dict[str, Any]]:
    if name.startswith(JOB_PREFIX):
        return "job", caller.call("GET", "v1", "jobs", name)
    campaign = caller.find("v1", "campaigns", name)
    if campaign is not None:
        return "campaign", campaign
    return "sender", caller.call("GET", "v1", "senders", name)


def _of_job(_caller: Caller, job: dict[str, Any]) -> list[ClosedGate]:
    return [
        ClosedGate(
            *(each["gate"], 1, each.get("number"), each.get("limit"), each["until"], each["detail"])
        )
        for each in job["waiting_for"]
    ]


def _of_campaign(caller: Caller, campaign: dict[str, Any]) -> list[ClosedGate]:
    waiting = campaign["counts"]["waiting"]
    quota: dict[str, Any] = {}
    if "quota" in waiting:
        quota = caller.call("GET", "v1", "portfolios", campaign["portfolio_id"], "quota")
    gates = [_gate(gate, jobs, quota) for gate, jobs in sorted(waiting.items())]
    closed: list[ClosedGate] = []
    if waiting.keys() & {"sender", "account"}:
        senders = caller.call("GET", "v1", "senders")["senders"]
        for sender in senders:
            if sender["id"] in campaign["senders"]:
                closed += _closed(sender, waiting)
    told = {each.gate for each in closed}
    gates = [gate for gate in gates if gate.gate not in told] + closed
    for gate in gates:
        if gate.gate == "source":
            gate.detail = f"the campaign is {campaign['state']}"
            gate.until = campaign.get("start_at") if campaign["state"] == "scheduled" else None
    return gates


def _of_sender(_caller: Caller, sender: dict[str, Any]) -> list[ClosedGate]:
    waiting: dict[str, int] = {}
    for states in sender["queue"].values():
        for gate, jobs in states.get("waiting", {}).items():
            waiting[gate] = waiting.get(gate, 0) + jobs
    gates = [_gate(gate, jobs, sender["quota"]) for gate, jobs in sorted(waiting.items())]
    closed = _closed(sender, waiting)
    told = {each.gate for each in closed}
    gates = [gate for gate in gates if gate.gate not in told] + closed
    granted, rate, share = sender["throughput"], sender["rate_limit"], sender["quality_share"]
    if rate is not None and 0 < rate < granted:
        detail = f"Meta said too fast: {rate} of {granted} messages a second until it recovers"
        if rate == max(1, int(granted * share)):
            detail = f"its quality is {sender['quality']}: {rate} of {granted} messages a second"
        gates = [gate for gate in gates if gate.gate != "rate"]
        gates.append(ClosedGate("rate", waiting.get("rate", 0), rate, granted, detail=detail))
    return gates


def _closed(sender: dict[str, Any], waiting: dict[str, int]) -> list[ClosedGate]:
    """Return what closes a sender or its account, whether or not jobs wait for it yet."""
    return [
        ClosedGate(
            *(each["gate"], waiting.get(each["gate"], 0), None, None, each["until"]),
            f"{sender['id']}: {each['detail']}",
        )
        for each in sender["closed_by"]
    ]


def _gate(gate: str, jobs: int, quota: dict[str, Any]) -> ClosedGate:
    closed = ClosedGate(gate, jobs, detail=MEANINGS.get(gate, ""))
    if gate == "quota":
        closed.number, closed.limit = quota["used"], quota["limit"]
        closed.until = quota["next_free_at"]
    return closed
