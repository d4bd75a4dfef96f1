"""Wishes: gates Meta does not have, registered by a test so that they can be judged too."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from adapters.sandbox.world import Send


class Wish(Struct, forbid_unknown_fields=True):
    """No matching send may arrive within [from_ms + grace_ms, until_ms).

    Every filter that is set must match; an empty wish matches every send. Without `from_ms` it
    starts when it is registered; `for_ms` is a length instead of `until_ms`; without both it lasts
    until it is ended. A schedule not to send before T is `{"rule": "schedule", "until_ms": T}`.
    """

    rule: Literal["schedule", "source"]
    id: str = ""
    template: str = ""
    phone_number_id: str = ""
    portfolio_id: str = ""
    opaque_prefix: str = ""
    recipients: list[str] = []
    from_ms: int | None = None
    until_ms: int | None = None
    for_ms: int | None = None
    grace_ms: int | None = None

    def is_broken_by(self, send: Send, at_ms: int) -> bool:
        """Return whether the send arrives in the span it forbids."""
        if at_ms < (self.from_ms or 0) + (self.grace_ms or 0):
            return False
        if self.until_ms is not None and at_ms >= self.until_ms:
            return False
        return (
            (not self.template or self.template == send.template_name)
            and (not self.phone_number_id or self.phone_number_id == send.number.id)
            and (not self.portfolio_id or self.portfolio_id == send.number.portfolio_id)
            and (not self.opaque_prefix or send.opaque.startswith(self.opaque_prefix))
            and (not self.recipients or send.recipient in self.recipients)
        )


class Wishes:
    """All wishes of a run; ended ones stay, since late arrivals cannot break them."""

    def __init__(self) -> None:
        self.standing: dict[str, Wish] = {}

    def register(self, wish: Wish, at_ms: int, source_grace_ms: int) -> Wish:
        """Let a wish stand, with its open fields filled in; an id given twice replaces it."""
        wish.id = wish.id or f"wish-{len(self.standing) + 1}"
        wish.recipients = [recipient.lstrip("+") for recipient in wish.recipients]
        wish.from_ms = at_ms if wish.from_ms is None else wish.from_ms
        if wish.for_ms is not None:
            wish.until_ms = wish.from_ms + wish.for_ms
        if wish.grace_ms is None:
            wish.grace_ms = source_grace_ms if wish.rule == "source" else 0
        self.standing[wish.id] = wish
        return wish

    def end(self, wish_id: str, at_ms: int) -> bool:
        """End a wish now; False when there is none of that id."""
        wish = self.standing.get(wish_id)
        if wish is None:
            return False
        wish.until_ms = at_ms
        return True

    def broken_by(self, send: Send, at_ms: int) -> list[Wish]:
        """Return the wishes this send breaks."""
        return [wish for wish in self.standing.values() if wish.is_broken_by(send, at_ms)]
