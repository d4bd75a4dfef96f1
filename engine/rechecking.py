"""Jobs made for other words of their template, or another category, are looked at once more."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final, cast

from engine.contents import SEPARATOR, WHOLE, whole_for
from engine.countries import CountryRules
from engine.directory import Campaign, Directory, Template
from engine.outcomes import Dropped, Outcome, Suppressed
from engine.ports import Claimed
from engine.rows import Sheet, row_misfits
from engine.sheets import sheet_of
from engine.template_fit import check_message

CODES: Final = {"parameter_count": 132000, "card_count": 132000, "too_long": 132005}
FORMAT_CODE: Final = 132012
"""Meta's own codes for what does not fit, as it would have answered.

https://developers.facebook.com/documentation/business-messaging/whatsapp/support/error-codes
"""
COUNTRY_CODE: Final = 131049  # as Meta answers marketing to the United States
SHEETS_MAX: Final = 1_000
HEARD_MS: Final = 5_000  # how long a door may not have heard of a change


class Rechecks:
    """Asked for each claimed job, just before it is made: most cost two look-ups.

    A single job carries the version of its template that it was checked for; a campaign's rows
    are looked at where the campaign is older than its template's change. What may not leave any
    more ends here, and not one byte of it is written.
    """

    def __init__(self, directory: Directory, countries: CountryRules) -> None:
        self._directory = directory
        self._templates = directory.templates
        self._countries = countries
        self._sheets: dict[tuple[str, str], tuple[Campaign, Template, Sheet]] = {}

    def objection(self, job: Claimed) -> Outcome | None:
        """Return how a job ends that may not leave as it is; None when it may."""
        template = self._templates.get(job.lane.template)
        if template is None or not template.version:
            return None
        if 0 < job.content < WHOLE:
            return self._of_row(job, template)
        if job.content == whole_for(template.version):
            return None
        return self._of_whole(job, template)

    def _of_whole(self, job: Claimed, template: Template) -> Outcome | None:
        to, _, body = job.tail.partition(SEPARATOR)
        message = cast("Mapping[str, object]", json.loads(body)).get("template")
        filled = cast("Mapping[str, object]", message) if isinstance(message, Mapping) else {}
        for found in check_message(self._directory.signature(template.key), filled):
            return _misfit(found.code, f"/message{found.pointer}", found.detail)
        return self._forbidden(to.decode(), template)

    def _of_row(self, job: Claimed, template: Template) -> Outcome | None:
        campaign = self._directory.campaigns.get(job.lane.source.partition(":")[2])
        if campaign is None or campaign.created_at_ms > template.changed_at_ms + HEARD_MS:
            return None
        to, *values = job.tail.decode().split(SEPARATOR.decode())
        sheet = self._sheet(campaign, template)
        if len(values) == len(sheet.fields):  # else it is refused when it is rendered
            for found in row_misfits(0, values, sheet):
                return _misfit(found.code, f"/fields/{found.field}", found.detail)
        return self._forbidden(to, template)

    def _forbidden(self, to: str, template: Template) -> Outcome | None:
        rule = self._countries.forbids(to, template.category)
        return None if rule is None else Suppressed(COUNTRY_CODE, rule.detail)

    def _sheet(self, campaign: Campaign, template: Template) -> Sheet:
        """Return what the rows of a campaign must be like now; made once for each change."""
        name = campaign.id, template.key
        known = self._sheets.get(name)
        if known is None or known[0] is not campaign or known[1] is not template:
            if len(self._sheets) >= SHEETS_MAX:
                self._sheets.clear()  # most of them are of campaigns that are over
            known = self._sheets[name] = campaign, template, sheet_of(campaign, self._directory)
        return known[2]


def _misfit(code: str, pointer: str, detail: str) -> Dropped:
    return Dropped(CODES.get(code, FORMAT_CODE), detail, field=pointer)
