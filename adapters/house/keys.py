"""The first key, what seals tokens, what hides people: made where an operator set none."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import tempfile
from typing import Final

import structlog

from adapters.api.front import BOOTSTRAP, hash_of, make_key
from adapters.house.places import PlaceError, try_places
from adapters.redis.connect import Client
from adapters.redis.registry import RedisRegistry
from adapters.redis.seal import Seal
from adapters.settings import Settings
from engine.directory import ApiKey, Role
from engine.errors import EngineError
from engine.recipients import RecipientKeys

RECIPIENTS: Final = "recipients"  # the secret of a ledger that keys the hash of people
SEALED_ELSEWHERE: Final = (
    "add the key that sealed it to PENSTOCK_SECRET_KEY, or add the sender again"
)

log = structlog.get_logger("penstock")


class OtherSaltError(EngineError):
    """People are counted under another PENSTOCK_PHONE_SALT; give that one, or none."""


async def open_registry(client: Client, settings: Settings) -> RedisRegistry:
    """Return the registry as it is now, its tokens under the newest seal."""
    try_places(settings)
    registry = RedisRegistry(client, Seal(*secret_keys(settings)))
    await registry.refresh()
    for sender in await registry.reseal():
        log.error("token_sealed_elsewhere", sender=sender, remedy=SEALED_ELSEWHERE)
    return registry


def secret_keys(settings: Settings) -> tuple[str, ...]:
    """Return the keys of the seal: as set, else kept in the data directory from the first start."""
    if settings.secret_keys:
        return settings.secret_keys
    path = settings.data_dir / "secret.key"
    if not path.exists():
        with tempfile.NamedTemporaryFile(dir=settings.data_dir, mode="w") as file:  # 0600
            file.write(secrets.token_urlsafe(32))
            file.flush()
            with contextlib.suppress(FileExistsError):  # another process was quicker
                os.link(file.name, path)  # whole, or not at all
    key = path.read_bytes()
    if not key.strip() or not key.isascii():
        raise PlaceError(
            f"{path} holds no key: put back the one that sealed the tokens, or set "
            "PENSTOCK_SECRET_KEY and add the senders again"
        )
    return (key.decode("ascii"),)


async def recipient_keys(registry: RedisRegistry, settings: Settings) -> RecipientKeys:
    """Return the hash by which people are known: keyed as set, else as the first start made it.

    OtherSaltError where people are known by another one: under a new one each of them would take
    a second place in the window, and no stop would find them.
    """
    wanted = key_of_salt(settings)
    kept = await registry.secret(RECIPIENTS, wanted)
    if wanted and kept != wanted:
        raise OtherSaltError(
            "this ledger counts people under another PENSTOCK_PHONE_SALT: set that one, "
            "or leave it out to go on with what Redis keeps"
        )
    return RecipientKeys(kept)


def key_of_salt(settings: Settings) -> bytes:
    """Return the key of the hash that PENSTOCK_PHONE_SALT makes; empty where it is left out."""
    salt = settings.phone_salt.reveal() if settings.phone_salt else ""
    return hashlib.sha256(b"penstock recipients\0" + salt.encode()).digest() if salt else b""


async def first_key(registry: RedisRegistry, settings: Settings, now_ms: int) -> str:
    """Make sure that somebody may call; return the key when it was made here, to be shown once."""
    known, set_key = registry.directory.api_keys, settings.api_key
    if set_key is not None:
        key = ApiKey(BOOTSTRAP, BOOTSTRAP, Role.ADMIN, hash_of(set_key.reveal()))
        if known.get(BOOTSTRAP) != key:
            await registry.put(key)
        return ""
    if known:
        return ""
    token, made = make_key("first start", Role.ADMIN, now_ms)

    def first(_: ApiKey | None) -> ApiKey | None:
        return None if known else made  # another process was quicker

    return token if await registry.change(ApiKey, made.id, first, alone=True) else ""
