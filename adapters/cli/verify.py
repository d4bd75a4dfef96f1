"""`penstock verify-log`: reads exported outcome logs and says whether a limit was ever broken."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from adapters.cli.client import FAILED, console, errors
from adapters.cli.log_proof import DAY_S, UNLIMITED, LogError, LogProof, Verdict


def verify_log(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE…",
            help="Days of one portfolio; the day before the first one belongs to its proof.",
            exists=True,
            dir_okay=False,
        ),
    ],
    limit: Annotated[
        int | None, typer.Option(help="Instead of the limits in the log; -1 is unlimited.")
    ] = None,
    window_seconds: Annotated[float, typer.Option(help="Where the log does not say.")] = DAY_S,
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,  # noqa: FBT002
) -> None:
    """Prove from the outcome log alone that no window held more than its limit."""
    proof = LogProof(limit, window_seconds)
    days = sorted(files, key=lambda path: path.name)  # outcomes-PORTFOLIO-DAY.ndjson
    try:
        for path in days:
            proof.learn(_lines(path), path.name)
        if not proof.knows_a_limit:
            raise typer.BadParameter("the log names no limit: give it with --limit")
        for path in days:
            proof.read(_lines(path), path.name)
    except LogError as error:
        errors.print(f"[red]failed[/red]: {escape(str(error))}", highlight=False, soft_wrap=True)
        raise typer.Exit(FAILED) from error
    verdicts = proof.verdicts()
    is_held = not any(verdict.violations for verdict in verdicts)
    if as_json:
        shown = [asdict(verdict) for verdict in verdicts]
        typer.echo(json.dumps({"held": is_held, "lines": proof.lines, "windows": shown}))
    else:
        _show(verdicts, proof.lines)
    if not is_held:
        raise typer.Exit(FAILED)


def _show(verdicts: list[Verdict], lines: int) -> None:
    table = Table("window", "new people", "most at once", "limit", "by late news", "broken")
    for each in verdicts:
        limit = "unlimited" if each.limit == UNLIMITED else f"{each.limit:,}"
        broken = f"[red]{each.violations:,}[/red]" if each.violations else "never"
        table.add_row(
            *(each.window, f"{each.admitted:,}", f"{each.peak:,}", limit, f"{each.debt:,}", broken)
        )
    console.print(table)
    for verdict in verdicts:
        for one in verdict.shown[:10]:
            words = f"  {one.at}  job {one.job}: {one.used} people, limit {one.limit}"
            console.print(words, highlight=False)
    console.print(f"{lines:,} lines read")


def _lines(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        for line in file:
            if line.strip():
                yield line
