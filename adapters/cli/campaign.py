"""`penstock campaign`: create, upload, start, pause, resume, cancel, status."""

from __future__ import annotations

import csv
import io
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import IO, Annotated, Any

import typer
from rich.markup import escape

from adapters.cli.client import FAILED, Caller, console, is_terminal, kind_of
from adapters.cli.messages import template_message
from adapters.cli.quiet import HELP, OFF, Quiet, Unknown, Zone, quiet_body
from adapters.cli.status import status_table

Shares = Annotated[
    list[str] | None,
    typer.Option(help="SENDER=N: how many parts of the people it is dealt; 1 where not named."),
]
Json = Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")]
KINDS = {".csv": "text/csv", ".ndjson": "application/x-ndjson", ".jsonl": "application/x-ndjson"}
WATCH_S = 1.0
STATUS = ("id", "name", "state", "enqueued", "counts", "delivery", "eta", "warnings")
OVER = ("completed", "cancelled")
SHOWN_ERRORS = 20
PRIORITY_HELP = "authentication, service, utility or marketing; else by its template."
DELIVERY_HELP = "at_most_once or at_least_once; else by its category."

campaign = typer.Typer(help="Campaigns.", no_args_is_help=True)


@campaign.command("create")
def create(
    name: str,
    sender: Annotated[list[str], typer.Option(help="Phone number id; several share the work.")],
    template: Annotated[str, typer.Option(help="Template name.")] = "",
    language: Annotated[str, typer.Option(help="Of the template.")] = "en_US",
    param: Annotated[
        list[str] | None, typer.Option(help='Text with {{column}}s: --param "{{name}}".')
    ] = None,
    header: Annotated[list[str] | None, typer.Option(help="Header parameter.")] = None,
    button: Annotated[list[str] | None, typer.Option(help="Button parameter, in order.")] = None,
    share: Shares = None,
    message: Annotated[
        Path | None, typer.Option(help="A Cloud API message as JSON, instead of --template.")
    ] = None,
    campaign_id: Annotated[str, typer.Option("--id", help="Yours; else one is made.")] = "",
    weight: Annotated[int, typer.Option(help="Its share beside other campaigns.")] = 1,
    start_at: Annotated[str, typer.Option(help="RFC 3339, with time zone.")] = "",
    expires_at: Annotated[str, typer.Option(help="RFC 3339, with time zone.")] = "",
    priority: Annotated[str, typer.Option(help=PRIORITY_HELP)] = "",
    delivery: Annotated[str, typer.Option(help=DELIVERY_HELP)] = "",
    on_template_change: Annotated[
        str, typer.Option(help="When its template is approved again: resume or stay_stopped.")
    ] = "",
    recipients_max: Annotated[int, typer.Option(help="Rows it takes; 0 is all.")] = 0,
    quiet: Quiet = "",
    time_zone: Zone = "",
    unknown_zone: Unknown = "",
    as_json: Json = False,  # noqa: FBT002 (typer's options)
) -> None:
    """Create a campaign as a draft."""
    caller = Caller(as_json=as_json)
    if bool(template) == (message is not None):
        raise typer.BadParameter("give either --template or --message")
    body: dict[str, Any] = {"name": name, "senders": sender, "weight": weight}
    if message is not None:
        body["message"] = _read_message(message)
    else:
        body["message"] = template_message(
            caller, sender[0], template, language, param or [], header or [], button or []
        )
    wishes: dict[str, Any] = {"id": campaign_id, "start_at": start_at, "expires_at": expires_at}
    wishes |= {"priority": priority, "delivery": delivery, "shares": _shares_of(share or [])}
    wishes |= {"on_template_change": on_template_change, "recipients_max": recipients_max}
    body |= {wish: value for wish, value in wishes.items() if value}
    if (hours := quiet_body(quiet, time_zone, unknown_zone)) is not None:
        body["quiet_hours"] = hours
    answer = caller.call("POST", "v1", "campaigns", body=body)
    caller.show(answer, ("id", "name", "state", "fields", "senders"))


@campaign.command("upload")
def upload(
    campaign_id: str,
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True)],
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """Upload recipients: a CSV with a column `to`, or NDJSON; it goes on after a cut."""
    from rich.progress import Progress  # noqa: PLC0415 (no other command needs it)

    caller = Caller(as_json=as_json)
    kind = kind_of(file, KINDS)
    with (
        Progress(console=console, disable=as_json or not is_terminal()) as progress,
        progress.open(file, "rb", description="uploading") as opened,
    ):
        answer = caller.upload_recipients(campaign_id, opened, kind)
    caller.show(answer, ("read", "accepted", "duplicates", "rejected"))
    if not as_json:
        for each in answer["errors"][:SHOWN_ERRORS]:
            place = f"row {each['row']}" + (f", {each['field']}" if each["field"] else "")
            console.print(escape(f"  {place}: {each['detail']}"), highlight=False)
        if answer["rejected"] > SHOWN_ERRORS:
            console.print(f"  … {answer['rejected']} rows in all; --json has them")
    if answer["read"] and not answer["accepted"] + answer["duplicates"]:
        raise typer.Exit(FAILED)


def _shares_of(share: list[str]) -> dict[str, int]:
    """Return parts of the people by sender, from SENDER=N."""
    shares: dict[str, int] = {}
    for each in share:
        sender, _, parts = each.partition("=")
        if not parts.isdecimal():
            raise typer.BadParameter(f"{each}: write SENDER=N, such as 106540352242922=3")
        shares[sender] = int(parts)
    return shares


def _moving(action: str) -> None:
    @campaign.command(action, help=f"{action.capitalize()} a campaign; in force within a second.")
    def move(campaign_id: str, as_json: Json = False) -> None:  # noqa: FBT002
        caller = Caller(as_json=as_json)
        answer = caller.call("POST", "v1", "campaigns", campaign_id, action)
        caller.show(answer, ("id", "state"))


@campaign.command("results")
def results(
    campaign_id: str,
    rejected: Annotated[  # noqa: FBT002
        bool, typer.Option("--rejected", help="The rows that were refused.")
    ] = False,
    output: Annotated[Path | None, typer.Option(help="A file; else standard output.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a row.")] = False,  # noqa: FBT002
) -> None:
    """Write what became of each row as CSV."""
    name = "rejected.csv" if rejected else "results.csv"
    caller = Caller(as_json=as_json)
    path = ("v1", "campaigns", campaign_id, name)

    def write(to: IO[bytes]) -> None:
        if not as_json:
            caller.download(*path, to=to)
            return
        with tempfile.TemporaryFile() as whole:
            caller.download(*path, to=whole)
            whole.seek(0)
            with io.TextIOWrapper(whole, encoding="utf-8", newline="") as text:
                for row in csv.DictReader(text):
                    to.write(json.dumps(row).encode() + b"\n")

    if output is None:
        write(sys.stdout.buffer)
        return
    part = output.with_name(f"{output.name}.part")  # what is there stays until all has come
    try:
        with part.open("wb") as file:
            write(file)
        part.replace(output)
    finally:
        part.unlink(missing_ok=True)


@campaign.command("retry-failed")
def retry_failed(campaign_id: str, as_json: Json = False) -> None:  # noqa: FBT002
    """Queue the failed rows once more, those that failed later too; each failure once."""
    caller = Caller(as_json=as_json)
    answer = caller.call("POST", "v1", "campaigns", campaign_id, "retry-failed")
    caller.show(answer, ("failed", "retried", "forgotten"))


@campaign.command("start")
def start(
    campaign_id: str,
    dry_run: Annotated[  # noqa: FBT002
        bool, typer.Option("--dry-run", help="Only tell what would go now, and until when.")
    ] = False,
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """Start a campaign; in force within a second."""
    caller = Caller(as_json=as_json)
    path = ("v1", "campaigns", campaign_id, "start")
    if dry_run:
        answer = caller.call("POST", *path, query="?dry_run=true")
        caller.show(answer, ("id", "rows", "at_once", "eta", "warnings"))
    else:
        caller.show(caller.call("POST", *path), ("id", "state"))


@campaign.command("change")
def change(
    campaign_id: str,
    name: Annotated[str, typer.Option(help="As people know it.")] = "",
    sender: Annotated[list[str] | None, typer.Option(help="All of them, old ones too.")] = None,
    share: Shares = None,
    message: Annotated[Path | None, typer.Option(help="A Cloud API message as JSON.")] = None,
    weight: Annotated[int, typer.Option(help="Its share beside other campaigns.")] = 0,
    start_at: Annotated[str, typer.Option(help="RFC 3339, with time zone.")] = "",
    expires_at: Annotated[str, typer.Option(help="RFC 3339, with time zone.")] = "",
    priority: Annotated[str, typer.Option(help=PRIORITY_HELP)] = "",
    delivery: Annotated[str, typer.Option(help=DELIVERY_HELP)] = "",
    recipients_max: Annotated[int, typer.Option(help="Rows it takes.")] = 0,
    misfits: Annotated[
        str, typer.Option(help="Waiting rows that do not fit a new message: refuse or cancel.")
    ] = "",
    on_template_change: Annotated[str, typer.Option(help="resume or stay_stopped.")] = "",
    quiet: Annotated[str, typer.Option("--quiet", help=f"{HELP} `off` takes them away.")] = "",
    time_zone: Zone = "",
    unknown_zone: Unknown = "",
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """Change a campaign; rows that wait leave with its new message, priority and end."""
    caller = Caller(as_json=as_json)
    wishes = {
        "name": name,
        "senders": sender,
        "shares": _shares_of(share or []),
        "message": _read_message(message) if message else None,
        "weight": weight,
        "start_at": start_at,
        "expires_at": expires_at,
        "priority": priority,
        "delivery": delivery,
        "recipients_max": recipients_max,
        "misfits": misfits,
        "on_template_change": on_template_change,
    }
    body = {wish: value for wish, value in wishes.items() if value}
    if quiet or time_zone or unknown_zone:
        hours = quiet_body(quiet, time_zone, unknown_zone) if quiet != OFF else None
        body["quiet_hours"] = hours
    answer = caller.call("PATCH", "v1", "campaigns", campaign_id, body=body)
    shown = ("id", "name", "state", "version", "senders", "weight", "quiet_hours")
    caller.show(answer, (*shown, "misfit_rows", "misfits"))


for _action in ("pause", "resume", "cancel"):
    _moving(_action)


@campaign.command("status")
def status(
    campaign_id: str,
    watch: Annotated[bool, typer.Option("--watch", help="Until it is over.")] = False,  # noqa: FBT002
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """Show how far a campaign is; on a terminal as bars."""
    caller = Caller(as_json=as_json)
    answer = caller.call("GET", "v1", "campaigns", campaign_id)
    if as_json or not watch or not is_terminal():
        _show_status(caller, answer)
        while watch and answer["state"] not in OVER:
            time.sleep(WATCH_S)
            answer = caller.call("GET", "v1", "campaigns", campaign_id)
            _show_status(caller, answer)
        return
    from rich.live import Live  # noqa: PLC0415 (as Progress)

    with Live(status_table(answer), console=console) as live:
        while answer["state"] not in OVER:
            time.sleep(WATCH_S)
            answer = caller.call("GET", "v1", "campaigns", campaign_id)
            live.update(status_table(answer))


def _show_status(caller: Caller, answer: dict[str, Any]) -> None:
    if caller.as_json or not is_terminal():
        caller.show(answer, STATUS)
    else:
        console.print(status_table(answer))


@campaign.command("list")
def list_campaigns(as_json: Json = False) -> None:  # noqa: FBT002
    """List all campaigns."""
    caller = Caller(as_json=as_json)
    answer = caller.call("GET", "v1", "campaigns")
    caller.show_table(answer, "campaigns", ("id", "name", "state", "created_at"))


def _read_message(path: Path) -> object:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise typer.BadParameter(f"{path} is no JSON file: {error}") from error
