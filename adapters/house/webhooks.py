"""The door for Meta's webhooks, and how many calls came to it."""

from __future__ import annotations

from adapters.meta.folding import Folding
from adapters.meta.webhook import Webhook
from adapters.redis.letterbox import Inbox
from adapters.settings import Settings


def build_webhook(settings: Settings, inbox: Inbox) -> Webhook:
    """Return the door for Meta's webhooks."""
    token = settings.meta_verify_token.reveal() if settings.meta_verify_token else ""
    return Webhook(app_secrets=settings.app_secrets, verify_token=token, inbox=inbox.keep)


def counted(webhook: Webhook, folding: Folding | None) -> dict[tuple[str, ...], int]:
    """Return webhook calls (field `all`), and what they brought by field, by what became of it."""
    calls = {"kept": webhook.kept, **webhook.refused}
    shown: dict[tuple[str, ...], int] = {("all", name): times for name, times in calls.items()}
    return shown | dict(folding.results) if folding else shown
