"""The commands about numbers and their accounts: add, pause, resume, refresh, export, open."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from adapters.cli.client import Caller

Json = Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")]
SETTABLE = (
    *("portfolio_id", "waba_id", "display_phone_number", "access_token", "throughput", "alias"),
)
"""What of an exported sender can be set again; the rest is Meta's to tell."""

sender = typer.Typer(help="The numbers that send.", no_args_is_help=True)
account = typer.Typer(help="The WhatsApp Business Accounts of the numbers.", no_args_is_help=True)


@sender.command("add")
def add_sender(
    phone_number_id: str,
    portfolio_id: Annotated[str, typer.Option("--portfolio", help="Whose number it is.")] = "",
    waba: Annotated[str, typer.Option(help="WhatsApp Business Account id.")] = "",
    number: Annotated[str, typer.Option(help="As people see it: +1 555 0100.")] = "",
    token: Annotated[
        str,
        typer.Option(
            help="Access token; `-` reads it from standard input, so that no shell keeps it.",
        ),
    ] = "",
    throughput: Annotated[
        int | None, typer.Option(help="Messages a second, at most; 20 for a coexistence number.")
    ] = None,
    alias: Annotated[str | None, typer.Option(help="Its label in metrics.")] = None,
    as_json: Json = False,  # noqa: FBT002 (typer's options)
) -> None:
    """Add a sender, or change it; of a known one, what is not given stays as it is."""
    caller = Caller(as_json=as_json)
    if token == "-":  # noqa: S105 (the sign for standard input)
        token = typer.get_text_stream("stdin").readline().strip()
    body: dict[str, object] = {
        "portfolio_id": portfolio_id,
        "waba_id": waba,
        "display_phone_number": number,
        "access_token": token,
    }
    given = {name: value for name, value in body.items() if value}
    given |= {"throughput": throughput} if throughput is not None else {}
    given |= {"alias": alias} if alias is not None else {}
    caller.show(caller.call("PUT", "v1", "senders", phone_number_id, body=given))


@sender.command("list")
def list_senders(as_json: Json = False) -> None:  # noqa: FBT002
    """List all senders."""
    caller = Caller(as_json=as_json)
    columns = ("id", "alias", "portfolio_id", "waba_id", "throughput", "status", "quality")
    caller.show_table(caller.call("GET", "v1", "senders"), "senders", columns)


@sender.command("show")
def show_sender(phone_number_id: str, as_json: Json = False) -> None:  # noqa: FBT002
    """Show a sender: quality, status, rate, queue, quota, and what closes it."""
    caller = Caller(as_json=as_json)
    caller.show(caller.call("GET", "v1", "senders", phone_number_id))


@sender.command("pause")
def pause_sender(
    phone_number_id: str,
    reason: Annotated[str, typer.Option(help="For whoever asks `penstock why`.")] = "",
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """Let nothing leave by a sender until it is resumed; its jobs keep their places."""
    _act(phone_number_id, "pause", {"reason": reason}, as_json=as_json)


@sender.command("resume")
def resume_sender(phone_number_id: str, as_json: Json = False) -> None:  # noqa: FBT002
    """Open a sender that was paused, or that an answer of Meta closed."""
    _act(phone_number_id, "resume", {}, as_json=as_json)


@sender.command("refresh")
def refresh_sender(phone_number_id: str, as_json: Json = False) -> None:  # noqa: FBT002
    """Ask Meta for a sender's status, quality, throughput and limit."""
    _act(phone_number_id, "refresh", {}, as_json=as_json)


@sender.command("export")
def export_senders(
    file: Annotated[Path | None, typer.Argument(help="Where to; else to standard output.")] = None,
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """Write all senders as JSON, without their tokens."""
    caller = Caller(as_json=True)
    senders = caller.call("GET", "v1", "senders")["senders"]
    kept = ("id", "portfolio_id", "waba_id", "display_phone_number", "alias")
    rows = [
        {name: row[name] for name in kept}
        # What Meta grants is not an operator's to set again: it would hold the number back later.
        | ({"throughput": row["throughput_set"]} if row["throughput_set"] else {})
        for row in senders
    ]
    text = json.dumps(rows, indent=1)
    if file is None:
        typer.echo(text)
    else:
        file.write_text(text + "\n", encoding="utf-8")
        if as_json:
            typer.echo(json.dumps({"file": str(file), "senders": len(rows)}))


@sender.command("import")
def import_senders(
    file: Annotated[Path, typer.Argument(exists=True, help="As `export` writes it.")],
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """Add or change the senders of a file; a new one needs its `access_token` there."""
    caller = Caller(as_json=as_json)
    done: list[dict[str, Any]] = []
    for row in _rows_of(file):
        body = {name: row[name] for name in SETTABLE if name in row}
        done.append(caller.call("PUT", "v1", "senders", str(row["id"]), body=body))
    columns = ("id", "alias", "portfolio_id", "waba_id", "throughput")
    caller.show_table({"senders": done}, "senders", columns)


@account.command("show")
def show_account(waba: str, as_json: Json = False) -> None:  # noqa: FBT002
    """Show what Meta told of an account, and what closes it."""
    caller = Caller(as_json=as_json)
    caller.show(caller.call("GET", "v1", "wabas", waba))


@account.command("open")
def open_account(waba: str, as_json: Json = False) -> None:  # noqa: FBT002
    """Open an account by hand: for who knows that Meta lets it send again."""
    caller = Caller(as_json=as_json)
    caller.show(caller.call("POST", "v1", "wabas", waba, "open"))


def _act(phone_number_id: str, act: str, body: dict[str, object], *, as_json: bool) -> None:
    caller = Caller(as_json=as_json)
    answer = caller.call("POST", "v1", "senders", phone_number_id, act, body=body)
    caller.show(answer, ("id", "status", "quality", "throughput", "rate_limit", "closed_by"))


def _rows_of(file: Path) -> list[dict[str, Any]]:
    try:
        rows = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise typer.BadParameter(f"{file} cannot be read: {error}") from error
    if not isinstance(rows, list) or not all(isinstance(r, dict) and "id" in r for r in rows):
        raise typer.BadParameter(f"{file} is no list of senders, each with an `id`")
    return rows
