"""`penstock audit`: do the books balance? They are recounted from the raw keys."""

from __future__ import annotations

from typing import Annotated

import typer

from adapters.cli.client import FAILED, Caller, console

Json = Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")]


def audit(
    portfolio_id: Annotated[str, typer.Argument(metavar="PORTFOLIO")] = "",
    as_json: Json = False,  # noqa: FBT002 (typer's options)
) -> None:
    """Recount every job of a portfolio, or of all; exit status 1 where the books do not agree.

    Up to 100,000 ended jobs of a portfolio are counted in one step (a fifth of a second, in which
    nothing is sent there); more of them bucket by bucket, while jobs go on.
    """
    caller = Caller(as_json=as_json)
    place = ("v1", "portfolios", portfolio_id, "audit") if portfolio_id else ("v1", "audit")
    answer = caller.call("GET", *place)
    if as_json:
        caller.show(answer)
    else:
        for each in answer["portfolios"]:
            verdict = "the books balance" if each["balanced"] else "THE BOOKS DO NOT BALANCE"
            console.print(f"{each['portfolio_id']}: {verdict}", highlight=False, markup=False)
            for line in each["lines"]:
                console.print(f"  {line}", highlight=False, markup=False)
    if not answer["balanced"]:
        raise typer.Exit(FAILED)
