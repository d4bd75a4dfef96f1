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
    guard = QualityGuard(settings.yellow_share, settings.red_share)
    return Keeper(registry, ledger, emit=emit, now_ms=now_ms, guard=guard)
