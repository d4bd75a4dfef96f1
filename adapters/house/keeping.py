"""What keeps the gates as the world is, made from the settings."""

from __future__ import annotations

from adapters.redis.registry import RedisRegistry
from adapters.settings import Settings
from engine.events import Emit
from engine.keeper import Keeper, World
from engine.model import NowMs
from engine.senders import QualityGuard


def build_keeper(
    settings: Settings, registry: RedisRegistry, ledger: World, emit: Emit, now_ms: NowMs
) -> Keeper:
    """Return what keeps the gates as the world is."""
    return Keeper(registry, ledger, emit=emit, now_ms=now_ms, guard=guard_of(settings))


def guard_of(settings: Settings) -> QualityGuard:
    """Return what the quality of a number holds back."""
    return QualityGuard(settings.yellow_share, settings.red_share)
