"""`penstock doubt`: what nobody knows."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlencode

import typer

from adapters.cli.client import Caller

Json = Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")]
Limit = Annotated[int, typer.Option(min=1, max=1_000, help="How many at most.")]

doubt = typer.Typer(help="Jobs that may have been sent.", no_args_is_help=True)


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
