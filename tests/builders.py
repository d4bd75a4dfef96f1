"""Valid things, of which a test says only what matters to it."""

# ruff: noqa: ANN401  # a builder passes on whatever its type checker will check in `replace`

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from engine.alike import AlikeRows
from engine.directory import Template
from engine.model import (
    Category,
    JobKey,
    Lane,
    Priority,
    RecipientKey,
    Row,
    SenderId,
    SourceState,
    TemplateStatus,
    WabaId,
)
from engine.ports import Claimed, PortfolioSpec, SenderSpec, SourceSpec, TemplateSpec
from engine.template_changes import TemplateChanges
from engine.template_journeys import Touched
from tests.virtual_time import START_MS

SENDER = SenderId("100000000000001")
TEMPLATE = "W/welcome/en"
LANE = Lane("campaign:spring", SENDER, TEMPLATE, Priority.MARKETING)


def a_lane(**changes: Any) -> Lane:
    """A marketing lane."""
    return replace(LANE, **changes)


def a_recipient(number: int = 1) -> RecipientKey:
    """The key of one person."""
    return RecipientKey(number.to_bytes(8))


def a_row(number: int = 1, **changes: Any) -> Row:
    """A row for one person, with two field values."""
    tail = f"+4915100{number:06d}\x1fAnna\x1fCODE".encode()
    return replace(Row(a_recipient(number), tail), **changes)


def alike_rows(rows: Sequence[Row]) -> AlikeRows:
    """Rows as a campaign's come: of one message and expiry, each known by its recipient."""
    people, tails = [row.recipient for row in rows], [row.tail for row in rows]
    shared = rows[0].content, rows[0].repeats_max, rows[0].expires_at_ms
    return AlikeRows(people, tails, [row.place for row in rows], *shared)


def a_claimed(now_ms: int = START_MS, **changes: Any) -> Claimed:
    """A claimed job whose send time is now."""
    job = Claimed(
        key=JobKey(1, 1),
        attempt=1,
        send_at_us=now_ms * 1_000,
        lease_until_ms=now_ms + 30_000,
        due_ms=now_ms,
        recipient=a_recipient(),
        content=1,
        tail=b"+4915100000001\x1fAnna\x1fCODE",
        lane=LANE,
        counted=True,
    )
    return replace(job, **changes)


def a_shared_message(**changes: Any) -> bytes:
    """A source's message with two fields."""
    text = [{"type": "text", "text": "{{name}}"}, {"type": "text", "text": "{{code}}"}]
    template = {
        "name": "welcome",
        "language": {"code": "en"},
        "components": [{"type": "body", "parameters": text}],
    }
    shared = {"message": {"type": "template", "template": template}, "fields": ["name", "code"]}
    return json.dumps(shared | changes).encode()


def a_portfolio(places: int = 250, **changes: Any) -> PortfolioSpec:
    """A portfolio of the smallest tier."""
    return replace(PortfolioSpec(places), **changes)


def a_sender(**changes: Any) -> SenderSpec:
    """An open sender of 80 messages a second."""
    return replace(SenderSpec(WabaId("W")), **changes)


def a_template(**changes: Any) -> TemplateSpec:
    """An approved marketing template."""
    return replace(TemplateSpec(TemplateStatus.APPROVED, Category.MARKETING), **changes)


def a_source(**changes: Any) -> SourceSpec:
    """A running source of weight one."""
    return replace(SourceSpec(SourceState.RUNNING), **changes)


async def put_in_force(
    changes: TemplateChanges, template: Template, *, is_edit: bool = False
) -> list[Touched]:
    """Put a template in force, whatever it was; return the sources it touched."""
    _, touched = await changes.change(template.key, lambda _known: template, is_edit=is_edit)
    return touched
