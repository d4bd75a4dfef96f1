"""What a caller asks of a campaign, and the draft it describes: all that is wrong at once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from engine.contents import compile_shared
from engine.directory import Campaign, Directory, Sender
from engine.errors import InvalidJobError
from engine.hands import share_objections
from engine.messages import SeveralErrors, check_job_message, fields_of, repeats_max
from engine.model import Category, Priority
from engine.quiet import QuietHours
from engine.quiet_keeper import QuietKeeper, quiet_objections

SENDERS_MAX = 1_000
RESERVED_FIELDS = ("to", "key")


@dataclass(slots=True)
class CampaignWish:
    """A campaign as the caller asked for it."""

    id: str
    name: str
    senders: list[str]
    message: dict[str, object]
    priority: Priority | None = None
    weight: int = 1
    start_at_ms: int = 0
    expires_at_ms: int = 0
    delivery: str = ""
    on_template_change: str = "resume"
    recipients_max: int = 0
    quiet: QuietHours | None = None
    shares: Mapping[str, int] = field(default_factory=dict)  # sender -> parts; 1 where not named


def draft_of(
    wish: CampaignWish, directory: Directory, quiet: QuietKeeper | None
) -> tuple[Campaign, bytes]:
    """Return the campaign a wish describes, and what all its jobs share.

    Raises SeveralErrors with everything that is wrong; InvalidJobError for a message that does not
    compile.
    """
    draft = _draft(wish, directory, quiet)
    return draft, shared_body(draft)


def _draft(wish: CampaignWish, directory: Directory, quiet: QuietKeeper | None) -> Campaign:
    """Return the campaign a wish describes; raise everything that is wrong with it at once."""
    errors: list[InvalidJobError] = []
    senders = _senders(wish, directory.senders, errors)
    errors += share_objections(wish.shares, wish.senders)
    shares = tuple(wish.shares.get(sender.id, 1) for sender in senders)
    fields = fields_of(wish.message)
    errors += [
        wrong("/message", "reserved_field", f"{{{{{name}}}}} is reserved; rename the field")
        for name in RESERVED_FIELDS
        if name in fields
    ]
    if wish.message.get("type") != "template":
        errors.append(wrong("/message/type", "unknown_type", "must be `template`"))
    errors += quiet_objections(wish.quiet, quiet)
    templates: list[str] = []
    category = Category.MARKETING
    for sender in senders if not errors else []:
        checked = check_job_message(directory, sender.waba_id, wish.message)
        errors += [each for each in checked.errors if not _is_known(each, errors)]
        templates.append(checked.template)
        category = checked.category
    if errors:
        raise SeveralErrors(errors)
    return Campaign(
        id=wish.id,
        name=wish.name,
        portfolio_id=senders[0].portfolio_id,
        senders=tuple(sender.id for sender in senders),
        message=wish.message,
        fields=fields,
        templates=tuple(templates),
        category=category,
        priority=Priority[category.name] if wish.priority is None else wish.priority,
        content=0,
        weight=wish.weight,
        start_at_ms=wish.start_at_ms,
        expires_at_ms=wish.expires_at_ms,
        repeats_max=repeats_max(category, wish.delivery),
        on_template_change=wish.on_template_change,
        recipients_max=wish.recipients_max,
        quiet=wish.quiet,
        shares=shares if len(set(shares)) > 1 else (),
    )


def _senders(
    wish: CampaignWish, known: Mapping[str, Sender], errors: list[InvalidJobError]
) -> list[Sender]:
    if not 0 < len(wish.senders) <= SENDERS_MAX:
        errors.append(wrong("/senders", "count", f"name 1 to {SENDERS_MAX} senders"))
    senders: dict[str, Sender] = {}
    for place, name in enumerate(wish.senders):
        if name not in known:
            detail = "is no sender we know; add it with penstock sender add"
            errors.append(wrong(f"/senders/{place}", "unknown_sender", detail))
        elif name in senders:
            errors.append(wrong(f"/senders/{place}", "repeated", "is named twice"))
        else:
            senders[name] = known[name]
    if len({sender.portfolio_id for sender in senders.values()}) > 1:
        detail = "belong to several portfolios; make one campaign for each"
        errors.append(wrong("/senders", "several_portfolios", detail))
    return list(senders.values())


def shared_body(draft: Campaign) -> bytes:
    """Return what all its jobs share, as the ledger keeps it; refuse what cannot be filled in."""
    shared = {"message": draft.message, "fields": draft.fields}
    body = json.dumps(shared, ensure_ascii=False).encode()
    compile_shared(body)
    return body


def same_campaign(known: Campaign, draft: Campaign) -> Campaign:
    """Return the known campaign when the draft describes it, else refuse."""
    as_created = replace(
        known,
        content=0,
        state=draft.state,
        created_at_ms=0,
        started_at_ms=0,
        stopped_by="",
        stopped_from=None,
        paused_because="",
    )
    if as_created != draft:
        detail = "is the id of another campaign; choose another id"
        raise InvalidJobError(detail, pointer="/id", code="conflict")
    return known


def _is_known(error: InvalidJobError, errors: list[InvalidJobError]) -> bool:
    return any((each.pointer, each.code) == (error.pointer, error.code) for each in errors)


def wrong(pointer: str, code: str, detail: str) -> InvalidJobError:
    """Return what is wrong with one field of a wish, and how to mend it."""
    return InvalidJobError(detail, pointer=pointer, code=code)
