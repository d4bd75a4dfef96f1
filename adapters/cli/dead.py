"""`penstock dead`: what failed for good; looked at, queued once more, or forgotten."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlencode

import typer

from adapters.cli.client import FAILED, Caller, is_terminal

Json = Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")]
Limit = Annotated[int, typer.Option(min=1, max=1_000, help="How many at most.")]
Code = Annotated[int | None, typer.Option(min=0, help="Only those with this number of Meta's.")]
Source = Annotated[str, typer.Option(help="Only those of this source, as direct:api.")]
Yes = Annotated[bool, typer.Option("--yes", help="Ask nothing.")]
Jobs = Annotated[list[str] | None, typer.Argument(metavar="[JOB]…")]
Sender = Annotated[str, typer.Argument(metavar="SENDER")]

dead = typer.Typer(help="Jobs that failed for good.", no_args_is_help=True)


@dead.command("list")
def list_dead(
    sender_id: Annotated[str, typer.Argument(metavar="[SENDER]")] = "",
    code: Code = None,
    source: Source = "",
    limit: Limit = 100,
    as_json: Json = False,  # noqa: FBT002 (typer's options)
) -> None:
    """List dead letters, the newest first: of one sender or of all."""
    caller = Caller(as_json=as_json)
    query: dict[str, Any] = {"limit": limit} | _filter(code, source)
    query |= {"sender": sender_id} if sender_id else {}
    answer = caller.call("GET", "v1", "dead", query=f"?{urlencode(query)}")
    columns = ("id", "sender", "source", "at", "attempt", "code", "title", "replayable")
    caller.show_table(answer, "dead", columns)


@dead.command("show")
def show_dead(job_id: Annotated[str, typer.Argument(metavar="JOB")], as_json: Json = False) -> None:  # noqa: FBT002
    """Show one job."""
    caller = Caller(as_json=as_json)
    caller.show(caller.call("GET", "v1", "jobs", job_id))


@dead.command("replay")
def replay_dead(
    sender_id: Sender,
    jobs: Jobs = None,
    code: Code = None,
    source: Source = "",
    expires_at: Annotated[str, typer.Option(help="Until when, RFC 3339, e.g. for a code.")] = "",
    limit: Limit = 1_000,
    is_sure: Yes = False,  # noqa: FBT002
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """Queue dead letters once more, named ones or all that the filter finds; each only once.

    Exit status 1 when some were refused; they stay on the list, each with its reason.
    """
    caller = Caller(as_json=as_json)
    body: dict[str, Any] = {"sender": sender_id, "limit": limit} | _filter(code, source)
    body |= {"expires_at": expires_at} if expires_at else {}
    if jobs:
        body["ids"] = jobs
    elif not is_sure and is_terminal():
        typer.confirm(f"Queue the dead letters of {sender_id} once more?", abort=True)
    answer = caller.call("POST", "v1", "dead", "replay", body=body)
    caller.show(answer)
    if answer["refused"]:
        raise typer.Exit(FAILED)


@dead.command("drop")
def drop_dead(
    sender_id: Sender,
    jobs: Jobs = None,
    is_sure: Yes = False,  # noqa: FBT002
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


def _filter(code: int | None, source: str) -> dict[str, Any]:
    return ({} if code is None else {"code": code}) | ({"source": source} if source else {})
