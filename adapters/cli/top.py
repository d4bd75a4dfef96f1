"""`penstock top`: the Console for a terminal, renewed every second; or one picture as JSON."""

from __future__ import annotations

import shutil
from contextlib import suppress
from typing import Annotated, Any, Final

import typer
from rich.live import Live

from adapters.cli.client import Caller, console, errors, is_terminal
from adapters.cli.leaving import Leaving
from adapters.cli.top_screen import screen_of

APART: Final = (100, 40)  # columns and lines of a picture where no terminal says how many it has


def top(
    every: Annotated[float, typer.Option(min=1.0, help="Seconds between two pictures.")] = 1.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one picture as JSON.")] = False,  # noqa: FBT002 (typer's options)
) -> None:
    """Watch senders, limits, campaigns and gates; Ctrl-C ends it. Not on a terminal: once."""
    caller = Caller(as_json=as_json)
    picture = _ask(caller)
    if as_json:
        caller.show(picture)
    elif not is_terminal():
        console.print(screen_of(picture), width=shutil.get_terminal_size(APART).columns)
    else:
        with suppress(KeyboardInterrupt):
            _watch(caller, picture, every)


def _watch(caller: Caller, picture: dict[str, Any], every_s: float) -> None:
    """Show picture after picture; while there is no answer the last one, and why."""
    with Leaving() as leaving, Live(console=console, screen=True, auto_refresh=False) as live:
        while True:
            live.update(screen_of(picture, console.height), refresh=True)
            if leaving.within(every_s):
                return
            with errors.capture() as told:
                try:
                    with leaving.interrupting():
                        picture = _ask(caller)
                except typer.Exit:
                    picture = picture | {"problem": ""}
            if reason := told.get().strip():
                picture["problem"] = reason


def _ask(caller: Caller) -> dict[str, Any]:
    return caller.call("GET", "v1", "overview")
