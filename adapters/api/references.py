"""Our ids in what a message refers to: a reply's or a reaction's `pst.` becomes Meta's wamid."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import cast

from adapters.api.front import Front
from adapters.api.job_ids import PREFIX
from engine.errors import InvalidJobError
from engine.model import ENDS, JobState

MARK = b'"' + PREFIX.encode()  # what a body without references lacks
PATIENCE_MS = 5_000  # a message that was just accepted from the caller is on its way to Meta
LOOK_FIRST_MS, LOOK_MOST_MS = 20, 320  # between two looks; twice as long each time
MEMBERS = ("context", "reaction")
UNDER_WAY = (JobState.QUEUED, JobState.IN_FLIGHT)


async def with_wamids(
    front: Front, message: Mapping[str, object], *, patience_ms: int = 0
) -> dict[str, object]:
    """Return a message whose references are Meta's.

    Raises InvalidJobError for a message that was never sent. One that is on its way to Meta is
    waited for, up to `patience_ms`.
    """
    changed = dict(message)
    for name in MEMBERS:
        part = message.get(name)
        if not isinstance(part, Mapping):
            continue
        inside = cast("Mapping[str, object]", part)
        our_id = inside.get("message_id")
        if isinstance(our_id, str) and our_id.startswith(PREFIX):
            pointer = f"/message/{name}/message_id"
            wamid = await wamid_of(front, our_id, pointer, patience_ms=patience_ms)
            changed[name] = {**inside, "message_id": wamid}
    return changed


async def wamid_of(front: Front, our_id: str, pointer: str, *, patience_ms: int = 0) -> str:
    """Return Meta's id of a message of ours; InvalidJobError says why it has none."""
    place = front.job_ids.decode(our_id)
    portfolio = front.registry.directory.portfolio_of_number(place[0]) if place else None
    if place is None or portfolio is None:
        raise InvalidJobError("is no message of ours", pointer=pointer, code="unknown_message")
    waited_ms, pause_ms = 0, LOOK_FIRST_MS
    while True:
        view = await front.ledger.job(portfolio.id, place[1])
        if view is None:
            raise InvalidJobError("is no message of ours", pointer=pointer, code="unknown_message")
        if view.wamid:
            return view.wamid
        if view.state in ENDS:
            detail = f"names a message that was never sent: it is {view.state}"
            raise InvalidJobError(detail, pointer=pointer, code="never_sent")
        is_near = view.until_ms is not None and view.until_ms - front.now_ms() <= patience_ms
        if waited_ms >= patience_ms or (view.state not in UNDER_WAY and not is_near):
            detail = f"names a message that was not sent yet: it is {view.state}"
            remedy = "send this one when that one is accepted"
            raise InvalidJobError(detail, pointer=pointer, code="not_sent_yet", remedy=remedy)
        await asyncio.sleep(pause_ms / 1_000)
        waited_ms, pause_ms = waited_ms + pause_ms, min(LOOK_MOST_MS, 2 * pause_ms)
