"""`penstock dead` and `penstock doubt`: what failed for good, and what nobody knows."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlencode

import typer

from adapters.cli.client import Caller, is_terminal

Json = Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")]
Limit = Annotated[int, typer.Option(min=1, max=1_000, help="How many at most.")]

dead = typer.Typer(help="Jobs that failed for good.", no_args_is_help=True)
doubt = typer.Typer(help="Jobs that may have been sent.", no_args_is_help=True)


@dead.command("list")
def list_dead(
    sender_id: Annotated[str, typer.Argument(metavar="[SENDER]")] = "",
    limit: Limit = 100,
    as_json: Json = False,  # noqa: FBT002 (typer's options)
) -> None:
    """List dead letters, the newest first: of one sender or of all."""
    caller = Caller(as_json=as_json)
    query = {"limit": limit} | ({"sender": sender_id} if sender_id else {})
    answer = caller.call("GET", "v1", "dead", query=f"?{urlencode(query)}")
    caller.show_table(answer, "dead", ("id", "sender", "at", "attempt", "code", "title"))


@dead.command("show")
def show_dead(job_id: Annotated[str, typer.Argument(metavar="JOB")], as_json: Json = False) -> None:  # noqa: FBT002
    """Show one job."""
    caller = Caller(as_json=as_json)
    caller.show(caller.call("GET", "v1", "jobs", job_id))


@dead.command("drop")
def drop_dead(
    sender_id: Annotated[str, typer.Argument(metavar="SENDER")],
    jobs: Annotated[list[str] | None, typer.Argument(metavar="[JOB]…")] = None,
    is_sure: Annotated[bool, typer.Option("--yes", help="Ask nothing.")] = False,  # noqa: FBT002
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """Take dead letters off the list, named ones or all of a sender's; the jobs stay failed."""
    caller = Caller(as_json=as_json)
    body: dict[str, Any] = {"sender": sender_id}
    if jobs:
        body["ids"] = jobs
    elif not is_sure and is_terminal():
        typer.confirm(f"Drop all dead letters of {sender_id}?", abort=True)
    answer = caller.call("POST", "v1", "dead", "drop", body=body)
    dropped = answer["dropped"]
    while answer["more"]:
        answer = caller.call("POST", "v1", "dead", "drop", body=body)
        dropped += answer["dropped"]
    caller.show({"dropped": dropped})


@doubt.command("list")
def list_doubts(
    portfolio_id: Annotated[str, typer.Argument(metavar="[PORTFOLIO]")] = "",
    limit: Limit = 100,
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """List jobs in doubt, those first that are decided next."""
    caller = Caller(as_json=as_json)
    query = {"limit": limit} | ({"portfolio": portfolio_id} if portfolio_id else {})
    answer = caller.call("GET", "v1", "doubts", query=f"?{urlencode(query)}")
    caller.show_table(answer, "doubts", ("id", "sender", "source", "template", "decided_at"))


@doubt.command("resolve")
def resolve(
    job_id: Annotated[str, typer.Argument(metavar="JOB")],
    verdict: Annotated[str, typer.Option("--as", help="accepted or failed.")],
    wamid: Annotated[str, typer.Option(help="Meta's id of the message, where known.")] = "",
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """End a doubt as you know that it ended."""
    caller = Caller(as_json=as_json)
    if verdict not in {"accepted", "failed"}:
        raise typer.BadParameter("--as is accepted or failed")
    body = {"as": verdict, "wamid": wamid}
    caller.show(caller.call("POST", "v1", "doubts", job_id, "resolve", body=body))
