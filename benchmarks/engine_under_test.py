"""The only place where a benchmark touches the engine: fill these in, and every row measures.

Nothing here may know how a row measures, and no row may import engine or adapters. What a call
needs beyond its arguments (a client, a wiring) it may keep per `Place` in this module; `close`
gives it back. Benchmarks run with every gate, metrics and the outcome log on.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import msgspec

from benchmarks.programs import Command

Row = tuple[str, str, str]  # 12 digits, two fields of 10 characters


class NotBuiltError(NotImplementedError):
    """The engine cannot do this yet, so there is no number to print."""


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where a benchmark happens."""

    redis_url: str
    graph_url: str
    data_dir: Path
    api_port: int


class Setup(msgspec.Struct, frozen=True, kw_only=True):
    """What must exist before a benchmark begins.

    Senders are `message.sender_id(0)` and up, spread evenly over the portfolios. Two approved
    templates: message.CAMPAIGN_TEMPLATE (marketing, one body text made of the row's two fields)
    and message.CODE_TEMPLATE (authentication). The campaign is started.
    """

    senders: int
    mps: int
    portfolios: int = 1
    messaging_limit: int | None = None  # None: unlimited


async def prepare(place: Place, setup: Setup) -> None:
    """Write portfolios, senders, templates and one started campaign over all senders."""
    _not_built("prepare", place, setup)


async def enqueue(place: Place, rows: Sequence[Row]) -> int:
    """Enqueue campaign rows through the Python API; return how many were accepted.

    Everything the HTTP path promises of a row is done: validated, deduped by `to`.
    """
    _not_built("enqueue", place, rows)


def worker_command(place: Place, *, concurrency: int) -> Command:
    """Return how to start one worker process as it ships: uvloop, metrics and log on."""
    _not_built("worker_command", place, concurrency)


def api_command(place: Place) -> Command:
    """Return how to start one API process that listens on 127.0.0.1:`place.api_port`."""
    _not_built("api_command", place)


def upload_request(place: Place) -> tuple[str, dict[str, str]]:
    """Return path and headers of the campaign's NDJSON upload (INTERFACE 4.3)."""
    _not_built("upload_request", place)


async def claim_and_settle(place: Place, *, batch: int, jobs: int) -> int:
    """Claim and settle (as accepted) queued jobs, `batch` a call, without HTTP; return how many."""
    _not_built("claim_and_settle", place, batch, jobs)


async def receive(place: Place, *, batch: int, statuses: int) -> int:
    """Fold delivered statuses of jobs that claim_and_settle settled; return how many."""
    _not_built("receive", place, batch, statuses)


async def ledger_keys(place: Place) -> list[bytes]:
    """Return the Redis keys that hold the quota windows, and nothing of open sends."""
    _not_built("ledger_keys", place)


async def send_one(place: Place, *, sender: str, to: str) -> None:
    """Enqueue one authentication send now, as a journey node would; return once it is accepted."""
    _not_built("send_one", place, sender, to)


async def reserved_times_ms(place: Place, sender: str) -> list[int]:
    """Return the send times the engine reserved for `sender`, epoch ms, in any order."""
    _not_built("reserved_times_ms", place, sender)


async def close(place: Place) -> None:
    """Close what this module kept for `place`; nothing kept is fine."""
    del place


def _not_built(name: str, *_: object) -> NoReturn:
    raise NotBuiltError(f"engine_under_test.{name} is not filled in yet")
