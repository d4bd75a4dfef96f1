"""How results are shown and kept: a table on the terminal, JSON, and the table of the README."""

from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

from benchmarks.figures import Figure, Verdict
from benchmarks.machine import Machine

RESULTS = Path(__file__).parent / "results"
README = Path(__file__).parent / "README.md"
BEGIN, END = "<!-- results: begin -->", "<!-- results: end -->"
STYLES = {
    Verdict.WITHIN_BUDGET: "green",
    Verdict.WITHIN_FLOOR: "yellow",
    Verdict.BELOW_FLOOR: "bold red",
    Verdict.FAILED: "bold red",
}


class Record(msgspec.Struct, kw_only=True):
    """One run, as kept in benchmarks/results."""

    machine: Machine
    started_at: str
    smoke: bool
    settings: dict[str, str]
    figures: list[Figure]


def show(record: Record, console: Console) -> None:
    """Print one table of all figures, with the machine and the versions above it."""
    console.print(record.machine.line, style="dim")
    console.print(record.machine.versions, style="dim")
    title = "Smoke run: these numbers mean nothing" if record.smoke else "Penstock, by its budgets"
    table = Table(title=title, title_justify="left")
    for heading, justify in (
        ("what", "left"), ("figure", "right"), ("unit", "left"), ("min - max", "right"),
        ("budget", "right"), ("floor", "right"), ("verdict", "left"),
    ):  # fmt: skip
        table.add_column(heading, justify="right" if justify == "right" else "left")
    for figure in record.figures:
        style = STYLES.get(figure.verdict, "")
        table.add_row(*cells(figure), f"[{style}]{figure.verdict}[/]" if style else figure.verdict)
    console.print(table)
    for figure in record.figures:
        if figure.verdict in {Verdict.FAILED, Verdict.SKIPPED}:
            console.print(f"{figure.name}: {figure.note}", style="yellow")


def cells(figure: Figure) -> list[str]:
    """Return a figure's columns as text, without its verdict."""
    spread = (
        f"{number(min(figure.rounds))} - {number(max(figure.rounds))}"
        if len(figure.rounds) > 1
        else ""
    )
    return [
        figure.words,
        number(figure.value),
        figure.unit,
        spread,
        number(figure.budget),
        number(figure.floor),
    ]


def number(value: float | None) -> str:
    """Return a number as people read it, or a dash.

    Near 1, where rates and ratios are won and lost, it has three decimals.

    >>> number(13188.8), number(72.46), number(1.5523), number(0.9967), number(None)
    ('13,189', '72.5', '1.55', '0.997', '-')
    """
    if value is None:
        return "-"
    if abs(value) >= 1_000:
        return f"{value:,.0f}"
    if abs(value) >= 100 or value == int(value):
        return f"{value:.0f}"
    if 0.9 <= value < 1.1:
        return f"{value:.3f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def keep(record: Record) -> Path:
    """Write the record to its file and return it; a smoke run never replaces real figures."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / ("smoke.json" if record.smoke else "latest.json")
    path.write_bytes(msgspec.json.format(msgspec.json.encode(record), indent=2) + b"\n")
    return path


def kept() -> Record | None:
    """Return the latest full record, or None when there is none that can be read."""
    try:
        return msgspec.json.decode((RESULTS / "latest.json").read_bytes(), type=Record)
    except (OSError, msgspec.DecodeError):
        return None


def merged(old: Record | None, fresh: Record, rows: set[str]) -> Record:
    """Return `fresh` with the old figures of the rows that were not run now.

    Figures of another machine are dropped: they must not stand in one table.
    """
    if old is None or (old.machine.cpu, old.machine.cores) != (
        fresh.machine.cpu,
        fresh.machine.cores,
    ):
        return fresh
    stay = [figure for figure in old.figures if row_of(figure) not in rows]
    return msgspec.structs.replace(fresh, figures=stay + fresh.figures)


def row_of(figure: Figure) -> str:
    """Return the name of the row a figure belongs to."""
    row = figure.name.partition(".")[0]
    return "bare_client" if row == "bare" else row


def markdown(record: Record) -> str:
    """Return the record as the README shows it."""
    lines = [
        f"Measured {record.started_at} on {record.machine.line}.",
        f"{record.machine.versions}.",
        "",
        "| what | figure | unit | min - max | budget | floor | verdict |",
        "|---|--:|---|--:|--:|--:|---|",
        *(f"| {' | '.join([*cells(figure), figure.verdict])} |" for figure in record.figures),
    ]
    return "\n".join(lines)


def put_between_markers(text: str, table: str) -> str:
    """Return `text` with everything between the two markers replaced; both must be there."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the README has lost its markers {BEGIN} and {END}")
    return f"{before}{BEGIN}\n\n{table}\n\n{END}{after}"
