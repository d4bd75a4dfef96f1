"""The receipts of an accepted message: sent, delivered, read, as orderly or badly as planned."""

from __future__ import annotations

from collections.abc import Callable

from adapters.sandbox.faults import Lottery
from adapters.sandbox.rules.judge import Judge
from adapters.sandbox.scenario import World
from adapters.sandbox.webhooks.payloads import Pricing, Status
from adapters.sandbox.webhooks.postman import Postman
from adapters.sandbox.world import Send

Later = Callable[[int, Callable[[], None]], None]


class Receipts:
    """Says what becomes of accepted messages, by way of the postman."""

    def __init__(
        self,
        plan: World,
        *,
        judge: Judge,
        lottery: Lottery,
        postman: Postman,
        now_ms: Callable[[], int],
        later: Later,
    ) -> None:
        webhook = plan.webhook
        self._plan = webhook
        self._moves_marks = plan.rules.delivery_moves_mark
        self._judge = judge
        self._draw = lottery.draw
        self._postman = postman
        self._now_ms = now_ms
        self._later = later
        self._pricings: dict[tuple[str, bool], Pricing] = {}
        self._is_bad = any(
            (
                webhook.late_rate,
                webhook.double_rate,
                webhook.reorder_rate,
                webhook.loss_rate,
                webhook.before_response_rate,
            )
        )

    def status(self, send: Send, wamid: str, name: str, at_ms: int) -> Status:
        """Return one status update of a message."""
        recipient_id, user_id = ("", send.recipient) if send.is_user_id else (send.recipient, "")
        return Status(wamid, name, str(at_ms // 1_000), recipient_id, user_id, send.opaque)

    def announce(self, send: Send, wamid: str, at_ms: int) -> Status | None:
        """Post sent, delivered and maybe read, as well or badly as the scenario wants.

        Returns the `sent` update instead of posting it when it must come before the response.
        """
        plan = self._plan
        draw, key = self._draw, key_of(send)
        updates = self._updates(send, wamid, at_ms)
        if self._moves_marks and len(updates) > 1:
            self._later(updates[1][1], lambda: self._judge.deliver(send, self._now_ms()))
        if not self._is_bad:
            for status, after_ms in updates:
                self._postman.post_status(send.number, status, after_ms + plan.delay_ms)
            return None
        if draw("reorder", key) < plan.reorder_rate:
            delays = [after_ms for _, after_ms in updates]
            gap_ms = plan.flush_ms  # the next round at least, else one post would hold both
            updates = [
                (status, delays[-1 - i] + gap_ms * (len(delays) - i))
                for i, (status, _) in enumerate(updates)
            ]
        first: Status | None = None
        if draw("before", key) < plan.before_response_rate:
            first = updates.pop(0)[0]
        for status, after_ms in updates:
            self._post_badly(send, status, after_ms + plan.delay_ms)
        return first

    def _updates(self, send: Send, wamid: str, at_ms: int) -> list[tuple[Status, int]]:
        """Return a message's updates and how long after its acceptance each happens."""
        plan = self._plan
        pricing = self._pricing(send)
        sent = self.status(send, wamid, "sent", at_ms + plan.sent_after_ms)
        sent.pricing = pricing
        if plan.has_conversation:
            sent.conversation = {
                "id": wamid[-22:-1].lower(),
                "expiration_timestamp": str(at_ms // 1_000 + 86_400),
                "origin": {"type": send.category},
            }
        updates = [(sent, plan.sent_after_ms)]
        # Reactions bring `sent` and nothing else (K/messages).
        if send.kind == "reaction" or not self._happens("delivered", send, plan.delivered_rate):
            return updates
        delivered = self.status(send, wamid, "delivered", at_ms + plan.delivered_after_ms)
        delivered.pricing = pricing
        updates.append((delivered, plan.delivered_after_ms))
        if self._happens("read", send, plan.read_rate):
            read = self.status(send, wamid, "read", at_ms + plan.read_after_ms)
            updates.append((read, plan.read_after_ms))
        return updates

    def _happens(self, purpose: str, send: Send, rate: float) -> bool:
        """Return whether something happens to a message, without a draw where it is certain."""
        return rate >= 1.0 or (rate > 0.0 and self._draw(purpose, key_of(send)) < rate)

    def _post_badly(self, send: Send, status: Status, after_ms: int) -> None:
        """Post an update late, twice, or not at all."""
        plan, key, number = self._plan, f"{key_of(send)}|{status.status}", send.number
        if self._draw("loss", key) < plan.loss_rate:
            return
        if self._draw("late", key) < plan.late_rate:
            after_ms += plan.late_ms
        self._postman.post_status(number, status, after_ms)
        if self._draw("double", key) < plan.double_rate:
            self._postman.post_status(number, status, after_ms + plan.flush_ms)

    def _pricing(self, send: Send) -> Pricing:
        """Return the price of a message (M/webhooks/reference/messages/status)."""
        key = (send.category, send.is_open)
        pricing = self._pricings.get(key)
        if pricing is None:
            kind = "free_customer_service" if send.is_open else "regular"
            pricing = Pricing(not send.is_open, "PMP", kind, send.category)
            self._pricings[key] = pricing
        return pricing


def key_of(send: Send) -> str:
    """Return what a send's draws depend on."""
    return f"{send.recipient}|{send.opaque}"
