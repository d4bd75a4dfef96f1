"""A campaign that changed while its rows came in: they are packed anew for what it has become."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from engine.directory import Campaign, Directory, Registry
from engine.errors import HalfChangedError, InvalidJobError
from engine.model import Row
from engine.rows import US, RowError, row_misfits
from engine.sheets import sheet_of

LOOK_EVERY_S: Final = 0.05
LOOKS_MAX: Final = 40  # a change is stored some milliseconds before or after its rows hear of it
BECAME_OTHER: Final = "its fields changed while rows came; send the file again from its begin"
NOT_STORED: Final = "the campaign is being changed; send the rows again, or the change once more"


@dataclass(slots=True)
class Anew:
    """Rows as the campaign wants them now, and what no longer fits."""

    rows: list[Row] = field(default_factory=list[Row])
    errors: list[RowError] = field(default_factory=list[RowError])


async def renewed(registry: Registry, campaign: Campaign, version: int) -> Campaign:
    """Return a campaign as it has become, of whose rows of `version` the ledger said: stale.

    HalfChangedError when its change is not stored, and its process may be gone; InvalidJobError
    when rows for it have other fields now.
    """
    for _ in range(LOOKS_MAX):
        await registry.refresh()
        now = registry.directory.campaigns.get(campaign.id)
        if now is None or now.fields != campaign.fields:
            raise InvalidJobError(BECAME_OTHER, pointer="", code="conflict")
        if now.content > version:
            return now
        await asyncio.sleep(LOOK_EVERY_S)
    raise HalfChangedError(NOT_STORED)


def anew(rows: Sequence[Row], campaign: Campaign, directory: Directory) -> Anew:
    """Return packed rows packed for `campaign`."""
    sheet, found = sheet_of(campaign, directory), Anew()
    for row in rows:
        _, *values = row.tail.decode().split(US)
        if errors := row_misfits(row.place, values, sheet):
            found.errors += errors
            continue
        fresh = Row(row.recipient, row.tail, campaign.content, campaign.repeats_max)
        fresh.expires_at_ms, fresh.place = campaign.expires_at_ms, row.place
        fresh.dedupe, fresh.fingerprint = row.dedupe, row.fingerprint
        found.rows.append(fresh)
    return found
