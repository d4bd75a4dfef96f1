"""`penstock why`: every gate that holds something back, its number, its limit and when it opens."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

from adapters.cli.client import Caller, console

COLUMNS = ("gate", "jobs", "number", "limit", "holder", "until", "detail")


def why(
    name: Annotated[
        str, typer.Argument(metavar="JOB|CAMPAIGN|JOURNEY|SENDER|PORTFOLIO|WABA/NAME/LANGUAGE")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,  # noqa: FBT002
) -> None:
    """Say why something has not been sent yet: each closed gate and when it opens."""
    caller = Caller(as_json=as_json)
    answer = caller.call("GET", "v1", "why", *name.split("/"))
    if as_json:
        caller.show(answer)
        return
    heading = f"[bold]{answer['kind']} {answer['id']}[/bold] {answer['state']}"
    console.print(heading.rstrip(), highlight=False)
    for note in answer.get("notes", ()):
        console.print(f"  {note}", highlight=False)
    if not answer["gates"]:
        console.print("  no gate holds anything back")
        return
    table = Table(*COLUMNS[:-1], "why")
    for gate in answer["gates"]:
        cells = [gate.get(column) for column in COLUMNS]
        table.add_row(*("-" if cell in (None, "") else str(cell) for cell in cells))
    console.print(table)
