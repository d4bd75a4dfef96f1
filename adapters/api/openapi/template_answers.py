"""The shapes of answers about templates: a field more may come, none goes or changes."""

from __future__ import annotations

from typing import Literal

import msgspec

from adapters.api.openapi.answers import Count, Time
from adapters.api.problems import FieldError
from engine.model import TemplateStatus

TemplateCategory = Literal["MARKETING", "UTILITY", "AUTHENTICATION"]


class TemplateDraftAnswer(msgspec.Struct):
    """What a template shall become once it is submitted."""

    category: TemplateCategory
    parameter_format: str
    components: list[dict[str, object]]


class TouchedAnswer(msgspec.Struct):
    """What a template's change did to who uses it, and what no longer fits.

    `jobs` of it waited, and ended with the template. A direct caller's jobs wait, or ended.
    """

    id: str
    did: Literal["stopped", "resumed", "cancelled", "stays_stopped", "fits", "waits", "ended"]
    errors: list[FieldError]
    jobs: Count


class TemplateAnswer(msgspec.Struct):
    """A template in one language, in Meta's words."""

    id: str | None
    name: str
    language: str
    category: TemplateCategory
    coming_category: str | None
    status: TemplateStatus
    quality: str
    label: str
    rejected_reason: str | None
    parameter_format: str
    components: list[dict[str, object]]
    status_at: Time | None
    read_at: Time | None
    edited_at: list[Time | None]
    draft: TemplateDraftAnswer | None


class TemplatesAnswer(msgspec.Struct):
    """All templates of a WhatsApp Business Account."""

    templates: list[TemplateAnswer]


class TemplateChangeAnswer(TemplateAnswer):
    """A template after a change, and what that did to those who use it."""

    campaigns: list[TouchedAnswer]
    journeys: list[TouchedAnswer]
    direct: list[TouchedAnswer]


class ChangesAnswer(msgspec.Struct):
    """Which templates an import changed, by their keys."""

    added: list[str]
    changed: list[str]
    deleted: list[str]


class ImportAnswer(TemplatesAnswer):
    """What an import brought; `previous` is the path of the set it replaced."""

    imported: Count
    deleted: Count
    unreadable: Count
    changes: ChangesAnswer
    campaigns: list[TouchedAnswer]
    journeys: list[TouchedAnswer]
    direct: list[TouchedAnswer]
    previous: str | None
    warnings: list[str] = []


class TemplateSet(msgspec.Struct):
    """A set of templates that an import replaced."""

    replaced_at: Time | None
    path: str


class TemplateSetsAnswer(msgspec.Struct):
    """The sets that imports replaced, the newest first."""

    sets: list[TemplateSet]


class PreviewAnswer(msgspec.Struct, omit_defaults=True):
    """What a person would see; what a template does not have is null."""

    header: str | dict[str, object] | None
    body: str | None
    footer: str | None
    buttons: list[dict[str, object]]
    cards: list[dict[str, object]] = []


class RulesAnswer(msgspec.Struct):
    """How an account's templates are judged."""

    profile: Literal["meta", "seed"]
    tracking: str


class SampleAnswer(msgspec.Struct):
    """The handle of an uploaded sample."""

    handle: str


class TrialAnswer(msgspec.Struct):
    """Meta's answer to a test send, yes or no (`ok`), as it came, and what was sent."""

    ok: bool
    reached_nobody: bool  # surely: then it does not count, and its place is free again
    status: int
    headers: dict[str, str]
    body: object
    request: dict[str, object]
