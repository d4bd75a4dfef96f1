"""`penstock template`: what may be sent, from its draft to its end, and test sends."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from adapters.cli.client import FAILED, Caller, console, kind_of
from adapters.cli.messages import filling

Json = Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")]
File = Annotated[
    Path, typer.Option(exists=True, dir_okay=False, readable=True, help="Its components as JSON.")
]
Params = Annotated[list[str] | None, typer.Option(help="In order, or NAME=VALUE.")]
Profile = Annotated[str, typer.Option(help="Which rules judge it: meta, or the stricter seed.")]
COLUMNS = ("name", "language", "category", "status", "quality")
USERS = ("campaigns", "journeys", "direct")
CHANGED = ("name", "language", "status", "category", "rejected_reason", *USERS)
OURS = ("category", "components", "parameter_format")
KINDS = {
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".png": "image/png",
    ".mp4": "video/mp4",
    ".pdf": "application/pdf",
}

template = typer.Typer(help="What may be sent.", no_args_is_help=True)


@template.command("import")
def import_templates(
    waba: str,
    mode: Annotated[
        str, typer.Option(help="`merge`, or `replace`: what is gone is gone.")
    ] = "merge",
    as_json: Json = False,  # noqa: FBT002 (typer's options)
) -> None:
    """Pull all templates of a WhatsApp Business Account from Meta; tell what changed."""
    caller = Caller(as_json=as_json)
    path = ("v1", "wabas", waba, "templates", "import")
    answer = caller.call("POST", *path, body={"mode": mode})
    caller.show_table(answer, "templates", COLUMNS)
    if not as_json:
        caller.show(
            answer, ("imported", "deleted", "unreadable", "changes", "campaigns", "previous")
        )


@template.command("sets")
def show_sets(
    waba: str,
    output: Annotated[
        Path | None, typer.Option(dir_okay=False, help="Write one to this file: the newest.")
    ] = None,
    kept: Annotated[str, typer.Option("--set", help="Which to write: the end of its path.")] = "",
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """List the sets that imports replaced, or write one to a file."""
    if kept and output is None:
        raise typer.BadParameter("needs --output FILE: where it is written", param_hint="--set")
    path = ("v1", "wabas", waba, "template-sets")
    answer = Caller(as_json=as_json).call("GET", *path)
    if output is None:
        Caller(as_json=as_json).show_table(answer, "sets", ("replaced_at", "path"))
        return
    known = [each["path"].rpartition("/")[2] for each in answer["sets"]]
    if not known or kept not in {"", *known}:
        raise typer.BadParameter(f"kept of {waba}: {', '.join(known) or 'no set yet'}")
    one = kept or known[0]
    with output.open("wb") as opened:
        Caller(as_json=as_json).download(*path, one, to=opened)
    Caller(as_json=as_json).show({"set": one, "written": str(output)})


@template.command("list")
def list_templates(waba: str, as_json: Json = False) -> None:  # noqa: FBT002
    """List what is known of an account's templates."""
    caller = Caller(as_json=as_json)
    answer = caller.call("GET", "v1", "wabas", waba, "templates")
    caller.show_table(answer, "templates", COLUMNS)


@template.command("show")
def show_template(waba: str, name: str, language: str, as_json: Json = False) -> None:  # noqa: FBT002
    """Show one template."""
    caller = Caller(as_json=as_json)
    caller.show(caller.call("GET", *_path(waba, name, language)))


@template.command("edit")
def edit(
    waba: str,
    name: str,
    language: str,
    file: File,
    profile: Profile = "",
    submit: Annotated[bool, typer.Option(help="Submit it at once.")] = True,  # noqa: FBT002
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """Check a template's JSON and submit it: new ones too. Its campaigns stop until approval."""
    caller = Caller(as_json=as_json)
    path = _path(waba, name, language)
    body = _read(file)
    if profile:
        body["profile"] = profile
    answer = caller.call("PUT", *path, body=body)
    if submit:
        answer = caller.call("POST", *path, "submit", body={"profile": profile or None})
    caller.show(answer, CHANGED if submit else ("name", "language", "status", "draft"))


@template.command("submit")
def submit(
    waba: str,
    name: str,
    language: str,
    profile: Profile = "",
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """Submit the draft that is kept of a template."""
    caller = Caller(as_json=as_json)
    path = _path(waba, name, language)
    caller.show(caller.call("POST", *path, "submit", body={"profile": profile or None}), CHANGED)


@template.command("refresh")
def refresh(waba: str, name: str, language: str, as_json: Json = False) -> None:  # noqa: FBT002
    """Ask Meta what a template is now."""
    caller = Caller(as_json=as_json)
    caller.show(caller.call("POST", *_path(waba, name, language), "refresh"), CHANGED)


@template.command("delete")
def delete(
    waba: str,
    name: str,
    language: str,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,  # noqa: FBT002
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """Delete a template at Meta; campaigns that use it are cancelled, its name is locked."""
    if not yes and not as_json:
        question = f"Delete {name} ({language}) at Meta and cancel the campaigns that use it?"
        typer.confirm(question, abort=True)
    caller = Caller(as_json=as_json)
    caller.show(caller.call("DELETE", *_path(waba, name, language)), CHANGED)


@template.command("preview")
def preview(
    waba: str,
    name: str,
    language: str,
    param: Params = None,
    header: Annotated[list[str] | None, typer.Option(help="Header parameter.")] = None,
    button: Annotated[list[str] | None, typer.Option(help="Button parameter, in order.")] = None,
    draft: Annotated[bool, typer.Option("--draft", help="The draft, not what is sent.")] = False,  # noqa: FBT002
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """Show what a person would see: with these parameters, or with the template's samples."""
    caller = Caller(as_json=as_json)
    path = _path(waba, name, language)
    body: dict[str, Any] = {"draft": draft}
    if param or header or button:
        known = caller.call("GET", *path)
        body["components"] = filling(known, param or [], header or [], button or [])
    answer = caller.call("POST", *path, "preview", body=body)
    caller.show(answer)


@template.command("test")
def try_template(
    waba: str,
    name: str,
    language: str,
    to: str,
    sender: Annotated[str, typer.Option(help="Phone number id; any of the account's.")] = "",
    param: Params = None,
    header: Annotated[list[str] | None, typer.Option(help="Header parameter.")] = None,
    button: Annotated[list[str] | None, typer.Option(help="Button parameter, in order.")] = None,
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """Send it now to one number and print Meta's whole response, ready to copy."""
    caller = Caller(as_json=as_json)
    path = _path(waba, name, language)
    body: dict[str, Any] = {"to": to}
    if sender:
        body["sender"] = sender
    if param or header or button:
        known = caller.call("GET", *path)
        body["components"] = filling(known, param or [], header or [], button or [])
    answer = caller.call("POST", *path, "test", body=body)
    typer.echo(json.dumps(answer, indent=None if as_json else 2, ensure_ascii=False))
    if not answer["ok"]:
        raise typer.Exit(FAILED)


@template.command("sample")
def sample(
    waba: str,
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True)],
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """Upload a sample of a header's media; print the handle for `example.header_handle`."""
    caller = Caller(as_json=as_json)
    kind = kind_of(file, KINDS)
    path = ("v1", "wabas", waba, "templates", "samples")
    with file.open("rb") as opened:
        answer = caller.upload(*path, file=opened, kind=kind)
    caller.show(answer)


@template.command("rules")
def rules(
    waba: str,
    profile: Annotated[str, typer.Option(help="meta, or the stricter seed.")] = "",
    region: Annotated[str, typer.Option(help="EU1, IN1, SG1 or US1: its tracking address.")] = "",
    tracking: Annotated[
        str, typer.Option(help="What dynamic URLs begin with; off: anything.")
    ] = "",
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """Show or set how an account's templates are judged."""
    caller = Caller(as_json=as_json)
    path = ("v1", "wabas", waba, "template-rules")
    known = caller.call("GET", *path)
    if profile or region or tracking:
        body: dict[str, Any] = {"profile": profile or known["profile"]}
        its = {"tracking": "" if tracking == "off" else tracking or known["tracking"]}
        body |= {"region": region, "tracking": tracking} if region else its
        known = caller.call("PUT", *path, body=body)
    caller.show(known)


def _path(waba: str, name: str, language: str) -> tuple[str, ...]:
    return "v1", "wabas", waba, "templates", name, language


def _read(file: Path) -> dict[str, Any]:
    """Return what a file says of a template; what `show --json` prints more is left out."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise typer.BadParameter(f"{file} is no JSON file: {error}") from error
    if not isinstance(content, dict):
        raise typer.BadParameter(f"{file} must hold an object with category and components")
    left_out = sorted(content.keys() - {*OURS})
    if left_out:
        console.print(f"left out: {', '.join(left_out)}", style="dim", highlight=False)
    return {name: content[name] for name in OURS if name in content}
