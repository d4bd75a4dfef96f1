"""A campaign's rows as its templates and the rules of countries let them be queued."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from engine.border_door import CLOSED
from engine.borders import country_of
from engine.countries import MAYBE_US, CountryRules
from engine.directory import Campaign, Directory
from engine.recipients import RecipientKeys, canonical
from engine.rows import Packed, RowError, Sheet, pack
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
    return Sheet(campaign.fields, campaign.content, campaign.repeats_max, tuple(rooms), places)


def pack_allowed(
    campaign: Campaign,
    sheet: Sheet,
    rows: Sequence[tuple[str, Sequence[str]]],
    keys: Sequence[str] | None,
    first: int,
    recipients: RecipientKeys,
    countries: CountryRules,
    closed: Mapping[str, str],
) -> Packed:
    """Return a chunk packed, less what a rule of a country forbids; `first` is its first place.

    `closed`: countries that no account of the campaign may write to, and the sentence that says so.
    """
    refused: dict[int, RowError] = {}
    if countries.applies_to(campaign.category):
        for place, (to, _) in enumerate(rows):
            if to.startswith(MAYBE_US) and canonical(to):
                rule = countries.forbids(to, campaign.category)
                if rule is not None:
                    refused[place] = RowError(first + place, "to", rule.code, rule.detail)
    for place, (to, _) in enumerate(rows) if closed else ():
        country = country_of(canonical(to) or "0")
        if country in closed:
            refused[place] = RowError(first + place, "to", CLOSED, closed[country])
    expires_at_ms = campaign.expires_at_ms
    if not refused:
        return pack(rows, sheet, recipients, expires_at_ms, first, keys)
    places = [place for place in range(len(rows)) if place not in refused]
    kept_keys = [keys[place] for place in places] if keys else None
    kept = [rows[place] for place in places]
    packed = pack(kept, sheet, recipients, expires_at_ms, 0, kept_keys)
    for error in packed.errors:
        error.index = first + places[error.index]
    for row in packed.rows:
        row.place = first + places[row.place]
    packed.errors = sorted([*packed.errors, *refused.values()], key=lambda each: each.index)
    return packed
