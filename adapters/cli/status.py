"""How far a campaign is, for people: one line for each place where its jobs stand."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.table import Table

BAR = 30  # columns of a whole bar
COLOURS = {"accepted": "green", "failed": "red", "unknown": "red", "waiting": "yellow"}


def status_table(answer: dict[str, Any]) -> Table:
    """Return a campaign's standing as a table."""
    enqueued = answer["enqueued"]
    table = Table.grid(padding=(0, 2))
    table.add_row("[bold]campaign[/bold]", f"{answer['id']}  {answer['name']}")
    table.add_row("[bold]state[/bold]", answer["state"], f"eta {answer.get('eta') or '-'}")
    table.add_row("enqueued", f"{enqueued:,}")
    for name, jobs in _places(answer["counts"]):
        colour = COLOURS.get(name.split()[0], "cyan")
        bar = "█" * round(BAR * jobs / max(1, enqueued))
        share = f"{100 * jobs / max(1, enqueued):.1f} %"
        table.add_row(name, f"{jobs:,}", f"[{colour}]{bar}[/{colour}] {share}")
    shown = {name: jobs for name, jobs in answer["delivery"].items() if jobs}
    table.add_row("delivery", ", ".join(f"{name} {jobs:,}" for name, jobs in shown.items()) or "-")
    for warning in answer["warnings"]:
        table.add_row("[yellow]warning[/yellow]", warning)
    return table


def _places(counts: dict[str, Any]) -> Iterator[tuple[str, int]]:
    """Yield each place where jobs stand: states, and the gates that hold them back."""
    for name, jobs in counts.items():
        if name == "waiting":
            yield from ((f"waiting {gate}", held) for gate, held in jobs.items() if held)
        elif jobs:
            yield name, jobs
