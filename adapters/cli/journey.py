"""`penstock journey`: put, list, show, pause, resume, stop."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from adapters.cli.client import Caller
from adapters.cli.quiet import Quiet, Unknown, Zone, quiet_body

Json = Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")]
COLUMNS = ("id", "state", "portfolio_id", "weight", "priority", "ttl_seconds", "cooldown_seconds")
SHOWN = (*COLUMNS, "quiet_hours", "stopped_by", "enqueued", "counts", "delivery", "warnings")

journey = typer.Typer(help="Journeys: standing sources of single sends.", no_args_is_help=True)


@journey.command("put")
def put(
    journey_id: str,
    portfolio: Annotated[str, typer.Option(help="Whose it is; not needed where one is.")] = "",
    name: Annotated[str, typer.Option(help="As people know it.")] = "",
    weight: Annotated[int, typer.Option(help="Its share beside other sources.")] = 1,
    priority: Annotated[str, typer.Option(help="Else by the category of what it sends.")] = "",
    ttl: Annotated[int, typer.Option(help="Seconds after which a trigger is stale.")] = 0,
    cooldown: Annotated[int, typer.Option(help="Seconds between two messages to a person.")] = 0,
    on_template_change: Annotated[
        str, typer.Option(help="resume or stay_stopped, when what stopped it is approved again.")
    ] = "",
    quiet: Quiet = "",
    time_zone: Zone = "",
    unknown_zone: Unknown = "",
    as_json: Json = False,  # noqa: FBT002 (typer's options)
) -> None:
    """Create a journey, or set all of what it is."""
    caller = Caller(as_json=as_json)
    body: dict[str, Any] = {"weight": weight}
    wishes = {
        "portfolio_id": portfolio,
        "name": name,
        "priority": priority,
        "ttl_seconds": ttl,
        "cooldown_seconds": cooldown,
        "on_template_change": on_template_change,
    }
    body |= {wish: value for wish, value in wishes.items() if value}
    if (hours := quiet_body(quiet, time_zone, unknown_zone)) is not None:
        body["quiet_hours"] = hours
    caller.show(caller.call("PUT", "v1", "journeys", journey_id, body=body), COLUMNS)


@journey.command("list")
def list_journeys(as_json: Json = False) -> None:  # noqa: FBT002
    """List all journeys."""
    caller = Caller(as_json=as_json)
    caller.show_table(caller.call("GET", "v1", "journeys"), "journeys", COLUMNS)


@journey.command("show")
def show(journey_id: str, as_json: Json = False) -> None:  # noqa: FBT002
    """Show a journey, and where its jobs stand."""
    caller = Caller(as_json=as_json)
    caller.show(caller.call("GET", "v1", "journeys", journey_id), SHOWN)


def _moving(action: str, meaning: str) -> None:
    @journey.command(action, help=meaning)
    def move(journey_id: str, as_json: Json = False) -> None:  # noqa: FBT002
        caller = Caller(as_json=as_json)
        answer = caller.call("POST", "v1", "journeys", journey_id, action)
        caller.show(answer, ("id", "state"))


_moving("pause", "Hold back what a journey sends; what comes waits, until its TTL.")
_moving("resume", "Let a journey send again.")
_moving("stop", "Hold back what a journey sends, and refuse what comes.")
