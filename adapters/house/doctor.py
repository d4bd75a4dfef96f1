"""`penstock doctor`: looks at everything an operator can get wrong, and says how to mend each."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Final

import aiohttp

from adapters.clock import Clock
from adapters.house.doctor_meta import examine_senders
from adapters.house.doctor_redis import examine_redis
from adapters.house.findings import Finding, State
from adapters.house.keys import RECIPIENTS, key_of_salt, secret_keys
from adapters.meta.webhook import PATH
from adapters.redis.attendance import Attendance
from adapters.redis.connect import Client, RedisAddressError, connect, disconnect
from adapters.redis.registry import RedisRegistry
from adapters.redis.seal import Seal
from adapters.settings import Settings, settings_warnings
from engine.errors import EngineError

SENDERS_MAX: Final = 200  # asked about at Meta; each counts as a call of its account
PROBE_S: Final = 5.0


async def examine(settings: Settings, redis_url: str) -> list[Finding]:
    """Return what is found, in the order in which it matters; never raises for what it examines."""
    findings = [
        Finding("settings", State.WARN, warning, "See `penstock config` and the README's table.")
        for warning in settings_warnings(settings)
    ] or [Finding("settings", State.OK, "no setting is odd")]
    try:
        client = connect(redis_url)
    except RedisAddressError as error:
        return [*findings, Finding("redis", State.FAIL, str(error), "Set PENSTOCK_REDIS_URL.")]
    try:
        findings += [each async for each in examine_redis(client, settings)]
        if any(each.subject == "redis" and each.state is State.FAIL for each in findings):
            return findings
        findings += [each async for each in _examine_house(client, settings)]
    finally:
        await disconnect(client)
    return findings


async def _examine_house(client: Client, settings: Settings) -> AsyncIterator[Finding]:
    try:
        registry = RedisRegistry(client, Seal(*secret_keys(settings)))
    except OSError as error:
        remedy = "Set PENSTOCK_SECRET_KEY, or PENSTOCK_DATA_DIR to where secret.key is."
        yield Finding("secret", State.FAIL, f"no key for sealed tokens: {error}", remedy)
        return
    try:
        await registry.refresh()
        workers = await Attendance(client, Clock().now_ms).count()
        salt = await _salt(registry, settings)
    except EngineError as error:
        yield Finding("registry", State.FAIL, str(error), "See `redis` above.")
        return
    yield salt
    directory = registry.directory
    if not directory.api_keys and settings.api_key is None:
        remedy = "Start `penstock run` or `penstock serve`: the first start makes one and shows it."
        yield Finding("keys", State.WARN, "nobody has an API key yet", remedy)
    if workers:
        yield Finding("workers", State.OK, f"{workers} are alive")
    else:
        yield Finding("workers", State.WARN, "none is alive", "Start `penstock worker` or `run`.")
    async for finding in _examine_webhook(settings):
        yield finding
    senders = list(directory.senders.values())[:SENDERS_MAX]
    async for finding in examine_senders(registry, senders, settings):
        yield finding


async def _salt(registry: RedisRegistry, settings: Settings) -> Finding:
    """Compare the salt that is set with the one by which this ledger counts people."""
    wanted, kept = key_of_salt(settings), await registry.kept_secret(RECIPIENTS)
    if not kept and registry.directory.portfolios:
        lost = "Redis lost the salt by which the people of this ledger are counted"
        remedy = (
            "Set PENSTOCK_PHONE_SALT to the one it had, or restore ps:registry:secrets, before "
            "anything starts: under another one each person takes a second place in the window."
        )
        return Finding("salt", State.FAIL, lost, remedy)
    if wanted and kept and wanted != kept:
        differs = "PENSTOCK_PHONE_SALT is not the one by which this ledger counts people"
        remedy = "Set the one it had, or leave it out: Redis keeps it. Nothing starts with another."
        return Finding("salt", State.FAIL, differs, remedy)
    if not kept:
        source = "PENSTOCK_PHONE_SALT" if wanted else "chance"
        return Finding("salt", State.OK, f"no ledger yet: its first start makes one, of {source}")
    if not wanted:
        return Finding("salt", State.OK, "PENSTOCK_PHONE_SALT is not set; Redis keeps the salt")
    return Finding("salt", State.OK, "PENSTOCK_PHONE_SALT is the one this ledger was begun with")


async def _examine_webhook(settings: Settings) -> AsyncIterator[Finding]:
    if not settings.app_secrets:
        remedy = "Set PENSTOCK_META_APP_SECRET to the app secret of Meta's dashboard."
        yield Finding("webhooks", State.FAIL, "no app secret: webhooks are refused", remedy)
    if settings.meta_verify_token is None:
        remedy = "Set PENSTOCK_META_VERIFY_TOKEN, and the same in Meta's dashboard."
        yield Finding("webhooks", State.WARN, "no verify token: Meta cannot subscribe", remedy)
        return
    host, port = settings.listen_address
    host = "127.0.0.1" if host == "0.0.0.0" else host  # noqa: S104 (any address: ask our own)
    challenge = secrets.token_hex(8)
    query = {
        "hub.mode": "subscribe",
        "hub.verify_token": settings.meta_verify_token.reveal(),
        "hub.challenge": challenge,
    }
    remedy = "Start `penstock serve` or `run` here, or set PENSTOCK_LISTEN as it has it."
    url = f"http://{f'[{host}]' if ':' in host else host}:{port}{PATH}"
    try:
        timeout = aiohttp.ClientTimeout(total=PROBE_S)
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.get(url, params=query) as response,
        ):
            answer, status = await response.text(), response.status
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        why = f"no API answers at {settings.listen} ({type(error).__name__}): handshake not tried"
        yield Finding("webhooks", State.WARN, why, remedy)
        return
    if status == HTTPStatus.OK and answer == challenge:
        yield Finding("webhooks", State.OK, "the handshake works with this verify token")
    else:
        remedy = "Restart the API with the PENSTOCK_META_VERIFY_TOKEN that is set here."
        yield Finding("webhooks", State.FAIL, f"the handshake is refused: HTTP {status}", remedy)
