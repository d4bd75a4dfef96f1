"""A campaign's rows as its templates and the rules of countries let them be queued."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from engine.border_door import Bars
from engine.directory import Campaign, Directory
from engine.recipients import RecipientKeys
from engine.rows import Chunk, Packed, RowError, Sheet, pack
from engine.template_fit import Room, rooms_of, suffix_fields


def sheet_of(campaign: Campaign, directory: Directory) -> Sheet:
    """Return what all rows of a campaign share, as its templates are now."""
    rooms: list[Room] = []
    suffixes: set[int] = set()
    template = campaign.message.get("template")
    template = cast("Mapping[str, object]", template) if isinstance(template, Mapping) else {}
    for key in dict.fromkeys(campaign.templates):
        if key in directory.templates:
            signature = directory.signature(key)
            rooms += rooms_of(signature, template, campaign.fields)
            suffixes |= set(suffix_fields(signature, template, campaign.fields))
    places = tuple(sorted(suffixes))
    return Sheet(
        *(campaign.fields, campaign.content, campaign.repeats_max),
        rooms=tuple(rooms),
        suffixes=places,
        expires_at_ms=campaign.expires_at_ms,
    )


def pack_allowed(chunk: Chunk, sheet: Sheet, recipients: RecipientKeys, bars: Bars) -> Packed:
    """Return a chunk packed, less what the rules of countries refuse."""
    refused = bars.refused(chunk.rows)
    if not refused:
        return pack(chunk, sheet, recipients)
    allowed = [at for at in range(len(chunk.rows)) if at not in refused]
    keys = [chunk.keys[at] for at in allowed] if chunk.keys else chunk.keys
    rows, places = [chunk.rows[at] for at in allowed], [chunk.places[at] for at in allowed]
    packed = pack(Chunk(rows, keys, places), sheet, recipients)
    wrong = [RowError(chunk.places[at], "to", *why) for at, why in refused.items()]
    packed.errors = sorted([*packed.errors, *wrong], key=lambda each: each.index)
    return packed
