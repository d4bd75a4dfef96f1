"""Quiet hours as a command line writes them: `21:00-08:00`, and whose clock."""

from __future__ import annotations

from typing import Annotated, Any

import typer

OFF = "off"
HELP = "Hours in which nobody is written to: 21:00-08:00."
ZONE_HELP = "Whose clock: an IANA zone like Europe/Rome; without it, that of each recipient."

Quiet = Annotated[str, typer.Option("--quiet", help=HELP)]
Zone = Annotated[str, typer.Option("--time-zone", help=ZONE_HELP)]
Unknown = Annotated[
    str, typer.Option(help="The zone of recipients whose number tells none; else UTC.")
]


def quiet_body(quiet: str, time_zone: str, unknown_zone: str) -> dict[str, Any] | None:
    """Return quiet hours as the API takes them; None where none are asked for.

    >>> quiet_body("21:00-08:00", "Europe/Rome", "")
    {'from': '21:00', 'to': '08:00', 'time_zone': 'Europe/Rome'}
    >>> quiet_body("21:00-08:00", "", "Asia/Tokyo")
    {'from': '21:00', 'to': '08:00', 'recipient': True, 'time_zone': 'Asia/Tokyo'}
    """
    if not quiet:
        if time_zone or unknown_zone:
            raise typer.BadParameter("a time zone needs --quiet, like --quiet 21:00-08:00")
        return None
    since, dash, until = (part.strip() for part in quiet.partition("-"))
    if not dash:
        raise typer.BadParameter("write quiet hours as 21:00-08:00")
    if time_zone and unknown_zone:
        raise typer.BadParameter("--time-zone is for all, --unknown-zone for some: give one")
    body: dict[str, Any] = {"from": since, "to": until}
    if time_zone:
        return body | {"time_zone": time_zone}
    return body | {"recipient": True} | ({"time_zone": unknown_zone} if unknown_zone else {})
