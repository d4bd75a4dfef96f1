"""Ask a server whether a ledger may be trusted to it, and say what to change when not."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from redis.asyncio import Redis, RedisCluster
from redis.exceptions import NoPermissionError, ResponseError

from adapters.redis.connect import Client
from adapters.redis.server_program import OLDEST


class Severity(StrEnum):
    """What a finding means for the start."""

    REFUSE = "refuse"
    WARN = "warn"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it should be, in a sentence, with its remedy in another."""

    severity: Severity
    subject: str
    sentence: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.sentence} {self.remedy}"


class UnfitServerError(Exception):
    """The ledger must not be kept on this server; the message says why and what to change."""


AOF: Final = "aof_enabled"  # as INFO calls it
NUMBERS_OF_A_VERSION: Final = 2


async def check_server(client: Client, *, allow_volatile: bool = False) -> list[Finding]:
    """Return what is wrong with the server, worst first; empty when nothing is.

    `allow_volatile` says that losing the ledger in a restart is accepted. A managed server that
    forbids its settings to be read gets a warning and not a refusal. Raises redis-py's errors
    when it cannot be reached.
    """
    findings: list[Finding] = []
    for node, facts in (await _facts(client)).items():
        at = f" at {node}" if node else ""
        findings += _check_facts(facts, at, allow_volatile=allow_volatile)
    return sorted(findings, key=lambda finding: finding.severity)


async def require_fit_server(client: Client, *, allow_volatile: bool = False) -> list[Finding]:
    """Return the warnings, or raise UnfitServerError when the server must be refused."""
    findings = await check_server(client, allow_volatile=allow_volatile)
    refusals = [str(finding) for finding in findings if finding.severity is Severity.REFUSE]
    if refusals:
        raise UnfitServerError("\n".join(refusals))
    return findings


async def _facts(client: Client) -> dict[str, Mapping[str, Any]]:
    """Return what each primary tells about itself, by address; one alone has no address."""
    try:
        if isinstance(client, RedisCluster):
            replies: Any = await client.info(target_nodes=RedisCluster.PRIMARIES)
            by_node = {"": replies} if "redis_version" in replies else dict(replies)
            return {node: {**facts, "role": "master"} for node, facts in by_node.items()}
        facts: dict[str, Any] = dict(await client.info())
    except ResponseError as error:
        if isinstance(error, NoPermissionError) or "unknown command 'INFO'" in str(error):
            return {"": {}}  # the access list forbids it, or it has another name
        raise
    for directive, field in (("maxmemory-policy", "maxmemory_policy"), ("appendonly", AOF)):
        setting = None if field in facts else await _configured(client, directive)
        if setting is not None:
            facts[field] = setting
    return {"": facts}


async def _configured(client: Redis, directive: str) -> str | None:
    """Return a setting that INFO did not tell, or None when CONFIG is forbidden too."""
    try:
        reply: Any = await client.config_get(directive)
    except ResponseError:
        return None
    settings = {_text(name): _text(value) for name, value in dict(reply).items()}
    return settings.get(directive)


def _check_facts(facts: Mapping[str, Any], at: str, *, allow_volatile: bool) -> list[Finding]:
    checks = [
        _check_version(facts, at),
        _check_role(facts, at),
        _check_loading(facts, at),
        _check_eviction(facts, at),
        None if allow_volatile else _check_durability(facts, at),
    ]
    return [finding for finding in checks if finding is not None]


def _check_version(facts: Mapping[str, Any], at: str) -> Finding | None:
    """Valkey calls itself Redis 7.2.4 for old clients and tells its own version beside it."""
    flavour = "valkey" if "valkey_version" in facts else "redis"
    version = _text(facts.get(f"{flavour}_version", ""))
    numbers = [int(part) for part in version.split(".")[:2] if part.isdigit()]
    if len(numbers) < NUMBERS_OF_A_VERSION:
        return _not_told("version", "its version", at)
    if (numbers[0], numbers[1]) >= OLDEST[flavour]:
        return None
    least = ".".join(map(str, OLDEST[flavour]))
    return Finding(
        Severity.REFUSE,
        "version",
        f"The server{at} is {flavour} {version}; the ledger's scripts need {least}.",
        "Use Redis >= 7.0 or Valkey >= 7.2.",
    )


def _check_role(facts: Mapping[str, Any], at: str) -> Finding | None:
    role = _text(facts.get("role", "master"))
    if role == "master":
        return None
    return Finding(
        Severity.REFUSE,
        "role",
        f"The server{at} is a {role}: it cannot be written to.",
        "Point PENSTOCK_REDIS_URL at its master, or use redis+sentinel:// to follow it.",
    )


def _check_loading(facts: Mapping[str, Any], at: str) -> Finding | None:
    if not int(facts.get("loading", 0)):
        return None
    return Finding(
        Severity.REFUSE,
        "loading",
        f"The server{at} is still reading its data.",
        "Wait until it has finished.",
    )


def _check_eviction(facts: Mapping[str, Any], at: str) -> Finding | None:
    policy = _text(facts.get("maxmemory_policy", ""))
    if not policy:
        return _not_told("maxmemory-policy", "its maxmemory-policy", at)
    if policy == "noeviction":
        return None
    return Finding(
        Severity.REFUSE,
        "maxmemory-policy",
        f"The server{at} evicts keys when it is full (maxmemory-policy {policy}): jobs would "
        "vanish and the quota ledger would forget whom it counted.",
        "Run `CONFIG SET maxmemory-policy noeviction` and put it in the configuration file, or "
        "choose a noeviction parameter group.",
    )


def _check_durability(facts: Mapping[str, Any], at: str) -> Finding | None:
    if AOF not in facts:
        return _not_told("appendonly", "whether it has an append-only file", at)
    if facts[AOF] in {1, "yes"}:
        return None
    return Finding(
        Severity.WARN,
        "appendonly",
        f"The server{at} keeps no append-only file: a restart loses queued jobs and the quota "
        "ledger since its last snapshot.",
        "Run `CONFIG SET appendonly yes` and put it in the configuration file.",
    )


def _not_told(subject: str, what: str, at: str) -> Finding:
    return Finding(
        Severity.WARN,
        subject,
        f"The server{at} does not tell {what}, so it could not be checked.",
        "Look it up where the server is administered.",
    )


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
