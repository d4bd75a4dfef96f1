"""Graph's nodes of a number, a template and an account; who reads one knows it from then on."""

from __future__ import annotations

from adapters.sandbox.stage import Stage
from adapters.sandbox.world import Account, Number, Template

TIERS = {250: "TIER_250", 2_000: "TIER_2K", 10_000: "TIER_10K", 100_000: "TIER_100K"}
HIGH_MPS = 1_000  # M/throughput


def number_fields(stage: Stage, number: Number) -> dict[str, object]:
    """Return a phone number's node; who reads it knows its status and limit from now on."""
    at_ms = stage.now_ms()
    if number.notice is not None:
        number.notice.tell(at_ms)
    quota = stage.judge.quota_of(number)
    quota.tell(at_ms)
    return {
        "id": number.id,
        "display_phone_number": number.display_phone_number,
        "verified_name": number.verified_name,
        "quality_rating": number.quality_rating,
        "status": number.status,
        "name_status": number.name_status,
        "code_verification_status": number.code_verification_status,
        "platform_type": "CLOUD_API",
        "account_mode": "SANDBOX",
        "throughput": {"level": "HIGH" if number.throughput_mps >= HIGH_MPS else "STANDARD"},
        "whatsapp_business_manager_messaging_limit": tier_of(quota.limit),
    }


def template_fields(stage: Stage, template: Template) -> dict[str, object]:
    """Return a template's node; who reads it knows its status from now on."""
    if template.notice is not None:
        template.notice.tell(stage.now_ms())
    return {
        "id": template.id,
        "name": template.name,
        "language": template.language,
        "status": template.status,
        "category": template.category,
        "parameter_format": template.parameter_format,
        "quality_score": {"score": template.quality},
        "components": template.components,
        "rejected_reason": template.rejected_reason,
    }


def account_fields(stage: Stage, account: Account) -> dict[str, object]:
    """Return a WABA's node."""
    limit = stage.judge.quotas_of(account.portfolio_id)[0].limit
    return {
        "id": account.id,
        "account_review_status": "APPROVED",
        "whatsapp_business_manager_messaging_limit": tier_of(limit),
    }


def tier_of(limit: int) -> str:
    """Return Meta's word for a limit (M/messaging-limits); one between the levels is a number."""
    return "TIER_UNLIMITED" if limit < 0 else TIERS.get(limit, f"TIER_{limit}")
