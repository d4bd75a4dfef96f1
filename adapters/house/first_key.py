"""The first key: whoever starts a deployment can call it."""

from __future__ import annotations

from adapters.api.front import BOOTSTRAP, hash_of, make_key
from adapters.settings import Secret
from engine.directory import ApiKey, Registry, Role


async def ensure_key(registry: Registry, set_key: Secret | None, now_ms: int) -> str:
    """Make sure that somebody may call; return the key when it was made here, to be shown once."""
    known = registry.directory.api_keys
    if set_key is not None:
        key = ApiKey(BOOTSTRAP, BOOTSTRAP, Role.ADMIN, hash_of(set_key.reveal()))
        if known.get(BOOTSTRAP) != key:
            await registry.put(key)
        return ""
    if known:
        return ""
    token, made = make_key("first start", Role.ADMIN, now_ms)
    await registry.put(made)
    return token
