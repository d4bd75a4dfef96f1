"""`penstock suppression`: add, remove, show and import people who must not be written to."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from adapters.cli.campaign import KINDS, SHOWN_ERRORS
from adapters.cli.client import FAILED, Caller, console, is_terminal, kind_of

Json = Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")]
To = Annotated[str, typer.Argument(metavar="TO", help="A number with country code, or a user id.")]
Portfolio = Annotated[str, typer.Option(help="Only there; else in every portfolio.")]
Category = Annotated[str, typer.Option(help="authentication, service, utility, marketing or all.")]
FORGET_STOP = "Keep not even the hash that stops messages."

suppression = typer.Typer(help="People who must not be written to.", no_args_is_help=True)


@suppression.command("add")
def add(
    to: To,
    category: Category = "all",
    portfolio: Portfolio = "",
    as_json: Json = False,  # noqa: FBT002 (typer's options)
) -> None:
    """Write to a person no more; in force when the command ends."""
    caller = Caller(as_json=as_json)
    body = {"category": category}
    query = _query(portfolio=portfolio)
    _show(caller, caller.call("PUT", "v1", "suppressions", to, body=body, query=query))


@suppression.command("remove")
def remove(
    to: To,
    category: Category = "all",
    portfolio: Portfolio = "",
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """Allow writing to a person again; without --category whatever was refused."""
    caller = Caller(as_json=as_json)
    query = _query(category=category, portfolio=portfolio)
    _show(caller, caller.call("DELETE", "v1", "suppressions", to, query=query))


@suppression.command("show")
def show(to: To, portfolio: Portfolio = "", as_json: Json = False) -> None:  # noqa: FBT002
    """Show what a person must not be sent, and since when."""
    caller = Caller(as_json=as_json)
    query = _query(portfolio=portfolio)
    _show(caller, caller.call("GET", "v1", "suppressions", to, query=query))


@suppression.command("import")
def import_file(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True)],
    portfolio: Portfolio = "",
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """Take a CSV (`to`, maybe `category`, `action`: add or remove) or NDJSON. Again is no harm."""
    from rich.progress import Progress  # noqa: PLC0415 (no other command needs it)

    caller = Caller(as_json=as_json)
    kind = kind_of(file, KINDS)
    with (
        Progress(console=console, disable=as_json or not is_terminal()) as progress,
        progress.open(file, "rb", description="importing") as opened,
    ):
        query = _query(portfolio=portfolio)
        answer = caller.upload("v1", "suppressions", file=opened, kind=kind, query=query)
    caller.show(answer, ("read", "added", "removed", "rejected"))
    if not as_json:
        for each in answer["errors"][:SHOWN_ERRORS]:
            place = f"row {each['row']}" + (f", {each['field']}" if each["field"] else "")
            console.print(escape(f"  {place}: {each['detail']}"), highlight=False)
        if answer["rejected"] > SHOWN_ERRORS:
            console.print(f"  … {answer['rejected']} rows in all; --json has them")
    if answer["rejected"]:
        raise typer.Exit(FAILED)


def erase(
    to: To,
    forget_stop: Annotated[bool, typer.Option("--forget-stop", help=FORGET_STOP)] = False,  # noqa: FBT002
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """Forget a person on request; exit 1 while jobs are under way: call it again then."""
    caller = Caller(as_json=as_json)
    answer = caller.call("POST", "v1", "erasures", body={"to": to, "keep_stop": not forget_stop})
    caller.show_table(
        answer, "portfolios", ("portfolio_id", "unsent", "ended", "open", "log_lines")
    )
    if not answer["complete"]:
        raise typer.Exit(FAILED)


def _show(caller: Caller, answer: dict[str, Any]) -> None:
    caller.show_table(
        answer, "suppressions", ("portfolio_id", "category", "since", "until", "code")
    )


def _query(**given: str) -> str:
    from urllib.parse import urlencode  # noqa: PLC0415 (as Progress)

    query = urlencode({name: value for name, value in given.items() if value})
    return f"?{query}" if query else ""
