"""`penstock doctor`: looks at everything an operator can get wrong, and says how to mend each."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus
from typing import Final

import aiohttp
from redis import RedisError

from adapters.clock import Clock
from adapters.house.keys import secret_keys
from adapters.house.meeting import time_of, what_is_wrong
from adapters.house.shared import build_ledger
from adapters.knobs import shown
from adapters.meta.listings import MetaNumber
from adapters.meta.management import (
    Management,
    build_management_session,
)
from adapters.meta.webhook import PATH
from adapters.redis.attendance import Attendance
from adapters.redis.connect import Client, RedisAddressError, connect, disconnect
from adapters.redis.fitness import Severity, check_server
from adapters.redis.registry import RedisRegistry, Seal
from adapters.redis.server_health import read_health
from adapters.settings import Settings, settings_warnings
from engine.directory import Sender
from engine.errors import EngineError, ProviderAwayError, ProviderBusyError, ProviderRefusedError
from engine.facts import of_sender
from engine.senders import CEILING, value_of

CLOCK_WARN_US: Final = 500_000
CLOCK_MOST_US: Final = 2_000_000  # beyond it a worker claims nothing
SLOW_US: Final = 10_000  # of a round trip
FULL_SHARE: Final = 0.8
SENDERS_MAX: Final = 200  # asked about at Meta; each counts as a call of its account
META_PATIENCE_S: Final = 20.0
PROBE_S: Final = 5.0


class State(StrEnum):
    """What a finding means."""

    OK = "ok"
    WARN = "warn"  # it works, and should be looked at
    FAIL = "fail"  # it does not work, or is not safe


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    subject: str
    state: State
    found: str
    remedy: str = ""


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
        findings += [each async for each in _examine_redis(client, settings)]
        if any(each.subject == "redis" and each.state is State.FAIL for each in findings):
            return findings
        findings += [each async for each in _examine_house(client, settings)]
    finally:
        await disconnect(client)
    return findings


# -- Redis ---------------------------------------------------------------------------------------


async def _examine_redis(client: Client, settings: Settings) -> AsyncIterator[Finding]:
    address = shown("redis_url", settings.redis_url)
    try:
        servers = await check_server(client)
    except (RedisError, OSError, TimeoutError) as error:
        yield Finding("redis", State.FAIL, *what_is_wrong(error, settings))
        return
    for each in servers:
        state = State.FAIL if each.severity is Severity.REFUSE else State.WARN
        yield Finding("redis", state, each.sentence, each.remedy)
    if not servers:
        yield Finding("redis", State.OK, f"{address}: version, role, persistence, eviction")
    try:
        yield await _clock(client)
        for each_health in await read_health(client):
            yield _memory(each_health.node, each_health.used_bytes, each_health.most_bytes)
        await build_ledger(client, Clock(), settings).load()
        yield Finding("scripts", State.OK, "the server takes the ledger's scripts")
    except (RedisError, OSError, EngineError) as error:
        remedy = "Let the user of PENSTOCK_REDIS_URL run TIME, EVALSHA, SCRIPT LOAD or FUNCTION."
        yield Finding("scripts", State.FAIL, f"Redis refuses a command: {error}", remedy)


async def _clock(client: Client) -> Finding:
    """Compare this machine's clock with the server's; the quickest of some samples tells most."""
    clock = Clock()
    samples: list[tuple[int, int]] = []
    for _ in range(5):
        before_us = clock.now_us()
        theirs_us = await time_of(client)
        after_us = clock.now_us()
        samples.append((after_us - before_us, theirs_us - (before_us + after_us) // 2))
    took_us, off_us = min(samples)
    off_s = round(off_us / 1e6, 3) + 0.0  # no minus before a zero
    found = f"this machine is {off_s:+.3f} s off; a round trip takes {took_us / 1e3:.1f} ms"
    if abs(off_us) > CLOCK_WARN_US:
        state = State.FAIL if abs(off_us) > CLOCK_MOST_US else State.WARN
        return Finding("clock", state, found, "Let NTP run here and on the hosts of Redis.")
    if took_us > SLOW_US:
        return Finding("clock", State.WARN, found, "Bring the workers nearer to Redis.")
    return Finding("clock", State.OK, found)


def _memory(node: str, used_bytes: int, most_bytes: int) -> Finding:
    used_mib = used_bytes / 2**20
    if not most_bytes:
        return Finding("memory", State.OK, f"{node} uses {used_mib:,.0f} MiB; its most is not told")
    found = f"{node} uses {used_mib:,.0f} of {most_bytes / 2**20:,.0f} MiB"
    if used_bytes > FULL_SHARE * most_bytes:
        return Finding("memory", State.WARN, found, "Raise maxmemory; when full it takes no jobs.")
    return Finding("memory", State.OK, found)


# -- what is kept in it, and what is around it ---------------------------------------------------


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
    except EngineError as error:
        yield Finding("registry", State.FAIL, str(error), "See `redis` above.")
        return
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
    async for finding in _examine_senders(registry, senders, settings):
        yield finding


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


async def _examine_senders(
    registry: RedisRegistry, senders: Iterable[Sender], settings: Settings
) -> AsyncIterator[Finding]:
    session = build_management_session()
    management = Management(
        session,
        graph_url=settings.graph_url,
        graph_version=settings.graph_version,
        now_ms=Clock().now_ms,
    )
    try:
        for sender in senders:
            yield await _examine_sender(registry, sender, management)
    finally:
        await session.close()


async def _examine_sender(
    registry: RedisRegistry, sender: Sender, management: Management
) -> Finding:
    subject = f"sender {sender.alias or sender.id}"
    renew = f"Run `penstock sender add {sender.id} … --token -` with a new token."
    try:
        if registry.is_sealed_elsewhere(sender.id):
            found, remedy = "another key sealed its token", "Set the PENSTOCK_SECRET_KEY it had."
            return Finding(subject, State.FAIL, found, remedy)
        token = registry.token_of(sender.id)
        if not token:
            return Finding(subject, State.FAIL, "it has no access token", renew)
        async with asyncio.timeout(META_PATIENCE_S):
            number = await management.number(sender.waba_id, sender.id, token)
    except ProviderRefusedError as error:
        return Finding(subject, State.FAIL, f"Meta refuses: {error}", renew)
    except (ProviderAwayError, ProviderBusyError, TimeoutError) as error:
        why = f"Meta does not answer: {str(error) or 'no answer in time'}"
        return Finding(subject, State.WARN, why, "Ask again; check the way to PENSTOCK_GRAPH_URL.")
    ceiling = value_of(registry.directory.facts, of_sender(sender.id, CEILING))
    return _number_finding(subject, sender, number, ceiling)


def _number_finding(subject: str, sender: Sender, number: MetaNumber, ceiling: str) -> Finding:
    """Return how a number stands; a ceiling that an operator set below Meta's word is meant so."""
    found = f"{number.status}, quality {number.quality}, name {number.name_status}"
    if not number.is_connected:
        return Finding(subject, State.FAIL, found, "Register the number at Meta.")
    granted_mps = number.throughput_mps
    if granted_mps is not None and granted_mps != sender.throughput:
        found += f", Meta grants {granted_mps} a second and we keep {sender.throughput}"
        if not ceiling or granted_mps < sender.throughput:
            return Finding(
                subject, State.WARN, found, f"Run `penstock sender refresh {sender.id}`."
            )
        found += ", as an operator set it"
    if number.quality == "RED":
        return Finding(subject, State.WARN, found, "See PenstockQualityFalls in docs/runbook.md.")
    return Finding(subject, State.OK, found)
