"""The commands that talk to the API: portfolios, senders, templates, keys and single sends."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from adapters.cli.aftermath import doubt
from adapters.cli.audit import audit
from adapters.cli.campaign import campaign
from adapters.cli.client import Caller
from adapters.cli.dead import dead
from adapters.cli.journey import journey
from adapters.cli.messages import template_message
from adapters.cli.sender import account, sender
from adapters.cli.suppression import erase, suppression
from adapters.cli.template import template
from adapters.cli.top import top
from adapters.cli.verify import verify_log
from adapters.cli.why import why

Json = Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")]

app = typer.Typer(
    help="The gate that lets through exactly as much WhatsApp as the platform can take.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,
)
portfolio = typer.Typer(help="Business portfolios and their messaging limit.", no_args_is_help=True)
key = typer.Typer(help="Who may call the API.", no_args_is_help=True)
app.add_typer(portfolio, name="portfolio")
app.add_typer(sender, name="sender")
app.add_typer(account, name="account")
app.add_typer(template, name="template")
app.add_typer(key, name="key")
app.add_typer(campaign, name="campaign")
app.add_typer(journey, name="journey")
app.add_typer(suppression, name="suppression")
app.add_typer(dead, name="dead")
app.add_typer(doubt, name="doubt")
app.command("why")(why)
app.command("audit")(audit)
app.command("erase")(erase)
app.command("top")(top)
app.command("verify-log")(verify_log)


@portfolio.command("add")
def add_portfolio(
    portfolio_id: str,
    limit: Annotated[str, typer.Option(help="Such as 250, TIER_2K or UNLIMITED.")] = "",
    used_before: Annotated[int | None, typer.Option(help="Places taken elsewhere today.")] = None,
    headroom: Annotated[
        float | None, typer.Option(help="Share kept free for late deliveries.")
    ] = None,
    scope: Annotated[
        str, typer.Option(help="Whose limit it is, for good: portfolio or phone_number.")
    ] = "",
    reserve: Annotated[
        list[str] | None, typer.Option(help="PRIORITY=SHARE of the places, kept for it.")
    ] = None,
    as_json: Json = False,  # noqa: FBT002 (typer's options)
) -> None:
    """Add a portfolio, or change it; what is not given stays as it is."""
    caller = Caller(as_json=as_json)
    body: dict[str, object] = {"messaging_limit": limit or None, "used_before": used_before}
    body |= {"headroom": headroom, "quota_scope": scope or None, "reserve": _reserve_of(reserve)}
    given = {name: value for name, value in body.items() if value is not None}
    caller.show(caller.call("PUT", "v1", "portfolios", portfolio_id, body=given))


def _reserve_of(reserve: list[str] | None) -> dict[str, float] | None:
    """Return shares by priority, from PRIORITY=SHARE; none given: they stay."""
    shares: dict[str, float] = {}
    for each in reserve or ():
        priority, _, share = each.partition("=")
        try:
            shares[priority] = float(share)
        except ValueError as error:
            detail = f"{each}: write PRIORITY=SHARE, such as authentication=0.05"
            raise typer.BadParameter(detail) from error
    return shares or None


@portfolio.command("show")
def show_portfolio(
    portfolio_id: Annotated[str, typer.Argument()] = "",
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """Show a portfolio and its quota, or all portfolios."""
    caller = Caller(as_json=as_json)
    if portfolio_id:
        caller.show(caller.call("GET", "v1", "portfolios", portfolio_id))
        return
    answer = caller.call("GET", "v1", "portfolios")
    caller.show_table(answer, "portfolios", ("id", "messaging_limit", "quota_scope"))


@key.command("create")
def create_key(
    name: str,
    role: Annotated[str, typer.Option(help="admin, send or read.")] = "send",
    portfolio_id: Annotated[
        str, typer.Option("--portfolio", help="The only one it sees; without: all.")
    ] = "",
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """Make a key; it is shown this once."""
    caller = Caller(as_json=as_json)
    body: dict[str, object] = {"name": name, "role": role}
    if portfolio_id:
        body["portfolio"] = portfolio_id
    caller.show(caller.call("POST", "v1", "keys", body=body))


@key.command("list")
def list_keys(as_json: Json = False) -> None:  # noqa: FBT002
    """List keys, without their secrets."""
    caller = Caller(as_json=as_json)
    caller.show_table(caller.call("GET", "v1", "keys"), "keys", ("id", "name", "role", "portfolio"))


@key.command("revoke")
def revoke_key(key_id: str, as_json: Json = False) -> None:  # noqa: FBT002
    """Revoke a key; nobody can call with it any more within 5 s."""
    caller = Caller(as_json=as_json)
    caller.call("DELETE", "v1", "keys", key_id)
    caller.show({"id": key_id, "revoked": True})


@app.command("send")
def send(
    sender_id: Annotated[str, typer.Argument(metavar="SENDER")],
    to: Annotated[str, typer.Argument(metavar="TO")],
    template_name: Annotated[str, typer.Option("--template", help="Its name.")] = "",
    language: Annotated[str, typer.Option(help="Of the template.")] = "en_US",
    param: Annotated[list[str] | None, typer.Option(help="In order, or NAME=VALUE.")] = None,
    header: Annotated[list[str] | None, typer.Option(help="Header parameter.")] = None,
    button: Annotated[list[str] | None, typer.Option(help="Button parameter, in order.")] = None,
    text: Annotated[str, typer.Option(help="Free-form text, inside an open window.")] = "",
    idempotency_key: Annotated[str, typer.Option("--key", help="Twice is once.")] = "",
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """Send one message."""
    caller = Caller(as_json=as_json)
    if bool(template_name) == bool(text):
        raise typer.BadParameter("give either --template or --text")
    message: dict[str, object] = {"type": "text", "text": {"body": text}}
    if template_name:
        message = template_message(
            caller, sender_id, template_name, language, param or [], header or [], button or []
        )
    job: dict[str, Any] = {"sender": sender_id, "to": to, "message": message}
    if idempotency_key:
        job["key"] = idempotency_key
    answer = caller.call("POST", "v1", "jobs", body=job)
    if as_json:
        caller.show(answer)
    else:
        caller.show(answer["results"][0], ("id", "status"))
