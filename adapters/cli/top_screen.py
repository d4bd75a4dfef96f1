"""What `penstock top` draws: the Console's picture in 80 columns or more."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

BAR: Final = 16  # columns of a whole bar
WHOLE: Final = 1_000  # rows of a list where the height does not bound it
HEAD_LINES: Final = 2  # the name with the time, and the totals
LIST_LINES: Final = 2  # of a list without its rows: its names, and the space above
QUALITIES: Final = {"GREEN": "green", "YELLOW": "yellow", "RED": "red"}
STATES: Final = {
    "running": "green",
    "completed": "green",
    "paused": "yellow",
    "stopped": "red",
    "cancelled": "red",
}
ENDS: Final = ("accepted", "failed", "expired", "cancelled", "suppressed", "unknown")

Row = dict[str, Any]


def screen_of(picture: Row, height: int | None = None) -> RenderableType:
    """Return a picture for a terminal of so many lines; None: a single one, as long as it is."""
    now = datetime.fromisoformat(picture["at"])
    rows = _shares(picture, height)
    parts: list[RenderableType] = [_head(picture, is_watched=height is not None)]
    if picture["problem"]:
        parts.append(Text(picture["problem"], style="bold red"))
    parts.append(_totals(picture["totals"]))
    lists = [
        _campaigns(picture["campaigns"][: rows["campaigns"]], now),
        _windows(picture["windows"][: rows["windows"]], now),
        _waiting(picture["waiting"][: rows["waiting"]], now),
        _senders(picture["senders"][: rows["senders"]]),
    ]
    if picture["errors"]:
        lists.append(_errors(picture["errors"][: rows["errors"]]))
    for each in lists:
        parts += [Text(""), each]
    return Group(*parts)


def _shares(picture: Row, height: int | None) -> dict[str, int]:
    """Return how many rows each list gets: one at least, and what is left in turn.

    >>> _shares({"windows": [1], "senders": [1] * 9}, 17)
    {'campaigns': 0, 'windows': 1, 'waiting': 0, 'senders': 6, 'errors': 0}
    """
    names = ("campaigns", "windows", "waiting", "senders", "errors")
    wanted = {name: len(picture.get(name, ())) for name in names}
    if height is None:
        return dict.fromkeys(names, WHOLE)
    given = {name: min(1, wanted[name]) for name in names}
    lists = len(names) if wanted["errors"] else len(names) - 1
    told = HEAD_LINES + bool(picture.get("problem")) + LIST_LINES * lists
    left = height - told - sum(given.values())
    while left > 0 and given != wanted:
        for name in names:
            if given[name] < wanted[name] and left > 0:
                given[name] += 1
                left -= 1
    return given


def _head(picture: Row, *, is_watched: bool) -> Text:
    moment = datetime.fromisoformat(picture["at"]).astimezone()
    workers = picture["workers"]
    return Text.assemble(
        *(("Penstock", "bold cyan"), f"  {moment:%H:%M:%S}  "),
        *(("workers\N{NO-BREAK SPACE}", "dim"), (str(workers), "bold" if workers else "bold red")),
        ("  Ctrl-C ends it" if is_watched else "", "dim"),
    )


def _totals(totals: Row) -> Text:
    cells = [
        Text.assemble((name + "\N{NO-BREAK SPACE}", "dim"), (value, style))
        for name, value, style in (
            ("msg/s", f"{_rate(totals['rate'])}/{_short(totals['rate_limit'])}", "bold"),
            ("queued", _short(totals["queued"]), "bold"),
            ("waiting", _short(totals["waiting"]), "bold yellow" if totals["waiting"] else "bold"),
            ("flight", _short(totals["in_flight"]), "bold"),
            ("doubt", _short(totals["in_doubt"]), "bold red" if totals["in_doubt"] else "bold"),
            ("errors", _short(totals["errors"]), "bold yellow" if totals["errors"] else "bold"),
        )
    ]
    return Text("  ").join(cells)


def _table(*columns: tuple[str, bool]) -> Table:
    """Return an empty table; a column is its name and whether it holds numbers."""
    table = Table(box=None, expand=True, padding=(0, 1, 0, 0), header_style="dim", pad_edge=False)
    for place, (name, is_number) in enumerate(columns):
        table.add_column(
            name,
            justify="right" if is_number else "left",
            no_wrap=True,
            overflow="ellipsis",
            ratio=1 if place == 0 else None,
        )
    return table


def _campaigns(campaigns: list[Row], now: datetime) -> Table:
    table = _table(
        *(("CAMPAIGN", False), ("state", False), ("ended", True), ("", False)),
        *(("behind", False), ("ends", True)),
    )
    for each in campaigns:
        counts = each["counts"]
        ended = sum(counts[state] for state in ENDS)
        held = sorted(counts["waiting"].items(), key=lambda pair: -pair[1])
        behind = ", ".join(f"{gate} {_short(jobs)}" for gate, jobs in held[:2])
        are_doubts = 0 < counts.get("in_doubt", 0) == each["enqueued"] - ended
        table.add_row(
            Text(each["id"] if each["id"] == each["name"] else f"{each['id']} · {each['name']}"),
            Text(each["state"], STATES.get(each["state"], "")),
            f"{_short(ended)}/{_short(each['enqueued'])}",
            _bar(ended, each["enqueued"], "green"),
            Text(behind or "-", "yellow" if behind else "dim"),
            "doubts left" if are_doubts else _until(each["eta"], now),
        )
    return table


def _windows(windows: list[Row], now: datetime) -> Table:
    table = _table(("LIMIT", False), ("used", True), ("", False), ("debt", True), ("next", True))
    for each in windows:
        is_unlimited = each["limit"] < 0
        is_full = not is_unlimited and each["available"] <= each["kept"]
        name = " · ".join(part for part in (each["portfolio"], each["sender"]) if part)
        table.add_row(
            Text(name),
            f"{_short(each['used'])}/{'∞' if is_unlimited else _short(each['limit'])}",
            _bar(
                each["used"], 0 if is_unlimited else each["limit"], "yellow" if is_full else "green"
            ),
            Text(_short(each["debt"]), "red" if each["debt"] else "dim"),
            _until(each["next_free_at"], now) if is_full else "-",
        )
    return table


def _waiting(waiting: list[Row], now: datetime) -> Table:
    table = Table(box=None, expand=True, padding=(0, 1, 0, 0), header_style="dim", pad_edge=False)
    table.add_column("GATE", no_wrap=True)
    table.add_column("jobs", justify="right", no_wrap=True)
    table.add_column("next", justify="right", no_wrap=True)
    table.add_column("why", ratio=1, no_wrap=True, overflow="ellipsis")
    for each in waiting:
        why = Text(each["meaning"], "dim")
        table.add_row(
            Text(each["gate"], "yellow"), _short(each["jobs"]), _until(each["until"], now), why
        )
    return table


def _senders(senders: list[Row]) -> Table:
    table = _table(
        *(("SENDER", False), ("msg/s", True), ("quality", False), ("status", False)),
        *(("queued", True), ("waiting", True), ("flight", True), ("doubt", True)),
    )
    for each in senders:
        is_closed = bool(each["closed_by"])
        status = "paused" if each["is_paused"] else each["status"]
        table.add_row(
            Text(each["label"]),
            f"{_rate(each['rate'])}/{_short(each['rate_limit'])}",
            Text(each["quality"], QUALITIES.get(each["quality"], "dim")),
            Text(status.lower(), "red" if is_closed else "dim"),
            _short(each["queued"]),
            _short(sum(each["waiting"].values())),
            _short(each["in_flight"]),
            Text(_short(each["in_doubt"]), "red" if each["in_doubt"] else ""),
        )
    return table


def _errors(errors: list[Row]) -> Table:
    table = _table(("ERROR", False), ("code", True), ("times", True))
    for each in errors:
        table.add_row(Text(each["title"]), Text(each["code"]), Text(_short(each["times"]), "red"))
    return table


def _bar(part: int, whole: int, style: str) -> Text:
    filled = min(BAR, round(BAR * part / whole)) if whole > 0 else 0
    return Text.assemble(("━" * filled, style), ("┄" * (BAR - filled), "dim"))


def _rate(value: float) -> str:
    return f"{value:.0f}" if value >= 10 or value == round(value) else f"{value:.1f}"  # noqa: PLR2004 (two digits)


def _short(value: int) -> str:
    """Return a number in five columns.

    >>> [_short(value) for value in (0, 9_999, 12_345, 1_234_567)]
    ['0', '9999', '12.3k', '1.2M']
    """
    if abs(value) < 10_000:  # noqa: PLR2004 (four digits are shown as they are)
        return str(value)
    if abs(value) < 1_000_000:  # noqa: PLR2004
        return f"{value / 1_000:.1f}k"
    return f"{value / 1_000_000:.1f}M"


def _until(moment: str | None, now: datetime) -> str:
    """Return how long it is until a moment, in its largest unit.

    >>> now = datetime.fromisoformat("2026-01-01T00:00:00Z")
    >>> _until("2026-01-01T03:20:00Z", now), _until(None, now)
    ('3.3 h', '-')
    """
    if moment is None:
        return "-"
    seconds = (datetime.fromisoformat(moment) - now).total_seconds()
    if seconds < 1:
        return "now"
    for unit, length_s in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * length_s:
            return f"{seconds / length_s:.1f} {unit}"
    return f"{seconds:.0f} s"
