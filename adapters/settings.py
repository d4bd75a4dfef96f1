"""Read the settings from flags, environment, file and defaults, and check them together."""

import difflib
import ipaddress
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import urlsplit

import msgspec

from adapters.knobs import (
    DAY_SECONDS,
    GUARD_SHARE,
    NAMES,
    NONE,
    Secret,
    Settings,
    parts_of,
    shown,
    split_address,
)
from engine.countries import RULES as COUNTRIES
from engine.model import Gate
from engine.profiles import Profile

__all__ = [
    "Secret",
    "SettingRow",
    "Settings",
    "SettingsError",
    "check_settings",
    "effective",
    "load_settings",
    "settings_warnings",
    "split_address",
]

PREFIX: Final = "PENSTOCK_"
FILE_NAME: Final = "penstock.toml"
LEASE_OVER_TIMEOUT_SECONDS: Final = 10  # a claim must outlive its send, or it is settled too late
CONCURRENCY_MAX: Final = 65_536
QUEUE_MOST: Final = 10**9  # at some 110 bytes a job, more than Redis would hold
SECRET_LENGTH: Final = 16  # characters; a shorter key can be guessed
SECRETS_MAX: Final = 2  # the old one and the new one while rotating
LONGEST_SECONDS: Final = 366 * DAY_SECONDS  # more is a slip of the pen
SEND_TIMEOUT_LONGEST_SECONDS: Final = 600
KEEP_LONGEST_DAYS: Final = 3_650
REDIS_SCHEMES: Final = (
    *("redis", "rediss", "unix", "redis+sentinel", "rediss+sentinel"),
    *("redis+cluster", "rediss+cluster"),
)
NOT_SETTINGS: Final = re.compile(
    r"PENSTOCK_(CONFIG|CI|URL|(TEST|BENCH)_[A-Z0-9_]+)"
    # Kubernetes tells every pod about a Service named penstock or penstock-anything.
    r"|PENSTOCK(_[A-Z0-9_]+)?_(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT(_\d+_(TCP|UDP)\w*)?)"
)
"""Environment names that begin like ours and are none of our settings."""

REMEDIES: Final = {
    "redis_url": f"use `embedded` or an address with one of {', '.join(REDIS_SCHEMES)}",
    "graph_url": "use https:// and a host, without user, query or fragment; http:// is only for "
    "loopback, because access tokens travel in every call",
    "graph_version": "write it as Meta does: v25.0",
    "listen": "write host:port, such as 127.0.0.1:8080",
    "metrics_listen": "write host:port, such as 127.0.0.1:9108",
    "window_seconds": f"use a number above 0, at most {LONGEST_SECONDS}; Meta's own is 86400",
    "guard_seconds": f"use 0 or more, at most {LONGEST_SECONDS}, or leave it out for its share of "
    "the window",
    "concurrency": f"use a whole number from 1 to {CONCURRENCY_MAX}",
    "queue_max": f"use a whole number above 0, at most {QUEUE_MOST}, or 0 for no bound but the "
    "memory of Redis",
    "send_timeout_seconds": f"use a number above 0, at most {SEND_TIMEOUT_LONGEST_SECONDS}",
    "lease_seconds": f"use send_timeout_seconds + {LEASE_OVER_TIMEOUT_SECONDS} or more, at most "
    f"{LONGEST_SECONDS}, or lower send_timeout_seconds",
    "keep_days": "use one window or more (1 day by default; an idempotency key holds that long), "
    f"at most {KEEP_LONGEST_DAYS}",
    "doubt_seconds": f"use 1 or more, at most {LONGEST_SECONDS}, or leave it out for the time of "
    "each category",
    "yellow_share": "use 0 (holds marketing back), or a share from 0.001 to 1 (changes nothing)",
    "red_share": "use 0 (holds marketing back), or a share from 0.001 to 1 (changes nothing)",
    "no_marketing": f"name countries of {', '.join(COUNTRIES)}, or write {NONE}",
    "silence_seconds": f"use 1 or more, at most {LONGEST_SECONDS}",
    "meta_app_secret": "give one secret, or two with a comma between them while rotating",
    "secret_key": "give one key, or two with a comma between them while rotating: the first seals",
    "gates_off": f"a gate is one of {', '.join(Gate)}",
    "log": "use json or console",
    "rules": f"use {' or '.join(Profile)}",
}
MASK: Final = "***"
TEXT_REMEDY: Final = "write a text: UTF-8, and in quotes in the file"


class SettingRow(NamedTuple):
    """One line of `penstock config`."""

    name: str
    shown: str
    source: str
    default: str


class SettingsError(Exception):
    """Some settings are wrong; the message has one line for each, with its remedy."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def load_settings(
    flags: Mapping[str, object] | None = None,
    environment: Mapping[str, str] | None = None,
    directory: Path | None = None,
) -> Settings:
    """Return the settings from flags, else environment, else penstock.toml, else defaults.

    A flag that is None was not given. Raises SettingsError with everything that is wrong.
    """
    environment = os.environ if environment is None else environment
    problems: list[str] = []
    values: dict[str, object] = {}
    sources: dict[str, str] = {}
    file, contents = _read_file(environment, directory or Path.cwd())
    for source, found in (
        (str(file), _from_file(contents, file, problems)),
        ("environment", _from_environment(environment, problems)),
        ("flag", {name: value for name, value in (flags or {}).items() if value is not None}),
    ):
        values |= found
        sources |= dict.fromkeys(found, source)
    converted = _convert(values, sources, problems)
    settings = Settings(**converted, sources=sources)  # type: ignore[arg-type]  # checked above
    problems += check_settings(settings)
    if problems:
        raise SettingsError(problems)
    return settings


def effective(settings: Settings) -> list[SettingRow]:
    """Return a row for each setting: its value with secrets masked, and where it came from."""
    defaults = Settings()
    return [
        SettingRow(
            name,
            shown(name, getattr(settings, name)),
            settings.sources.get(name, "default"),
            shown(name, getattr(defaults, name)),
        )
        for name in NAMES
    ]


def settings_warnings(settings: Settings) -> list[str]:
    """Return what is allowed and should still be said at every start."""
    return [sentence for holds, sentence in _doubtful(settings) if holds]


def check_settings(settings: Settings) -> list[str]:
    """Return a line for every value that is out of its range or does not fit another."""
    return [
        f"{name} = {shown(name, getattr(settings, name))}: {REMEDIES[name]}"
        for name, holds in _rules(settings)
        if not holds
    ]


def _rules(its: Settings) -> Iterator[tuple[str, bool]]:
    """Yield every rule: the setting it is about, and whether it holds."""
    yield "redis_url", _is_redis_url(its.redis_url)
    yield "graph_url", _is_graph_url(its.graph_url)
    yield "graph_version", bool(re.fullmatch(r"v\d{1,3}\.\d{1,3}", its.graph_version))
    yield "listen", _is_address(its.listen)
    yield "metrics_listen", _is_address(its.metrics_listen)
    is_window = _is_between(its.window_seconds, 0.001, LONGEST_SECONDS)
    yield "window_seconds", is_window
    yield "guard_seconds", _is_between(its.guard_seconds or 0, 0, LONGEST_SECONDS)
    yield "concurrency", 1 <= its.concurrency <= CONCURRENCY_MAX
    yield "queue_max", 0 <= its.queue_max <= QUEUE_MOST
    yield (
        "send_timeout_seconds",
        _is_between(its.send_timeout_seconds, 0.001, SEND_TIMEOUT_LONGEST_SECONDS),
    )
    least_seconds = its.send_timeout_seconds + LEASE_OVER_TIMEOUT_SECONDS
    yield "lease_seconds", _is_between(its.lease_seconds, least_seconds, LONGEST_SECONDS)
    least_days = its.window_seconds / DAY_SECONDS if is_window else 0
    yield "keep_days", _is_between(its.keep_days, least_days, KEEP_LONGEST_DAYS)
    doubt_seconds = 1 if its.doubt_seconds is None else its.doubt_seconds
    yield "doubt_seconds", _is_between(doubt_seconds, 1, LONGEST_SECONDS)
    yield "yellow_share", not its.yellow_share or _is_between(its.yellow_share, 0.001, 1)
    yield "red_share", not its.red_share or _is_between(its.red_share, 0.001, 1)
    yield "no_marketing", set(its.countries_without_marketing) <= set(COUNTRIES)
    yield "silence_seconds", _is_between(its.silence_seconds, 1, LONGEST_SECONDS)
    yield "meta_app_secret", len(its.app_secrets) <= SECRETS_MAX
    yield "secret_key", len(its.secret_keys) <= SECRETS_MAX
    yield "gates_off", set(parts_of(its.gates_off)) <= set(Gate)


def _doubtful(its: Settings) -> Iterator[tuple[bool, str]]:
    """Yield what deserves a warning: whether it is so, and the sentence."""
    least_guard_seconds = its.window_seconds * GUARD_SHARE
    yield (
        its.window_seconds != DAY_SECONDS,
        (f"window_seconds is {its.window_seconds:g}, Meta counts over 86400: for tests only"),
    )
    yield (
        its.guard_seconds is not None and its.guard_seconds < least_guard_seconds,
        (f"guard_seconds is below {least_guard_seconds:g}: a slow message may break the limit"),
    )
    yield bool(its.gates_off), f"gates_off = {its.gates_off}: these rules are NOT kept"
    yield its.graph_url != Settings().graph_url, f"graph_url is {its.graph_url}, not Meta's own"
    yield (
        its.meta_app_secret is None,
        ("meta_app_secret is not set: Meta's webhooks are refused, so deliveries stay unknown"),
    )
    api_keys = (its.api_key.reveal(),) if its.api_key else ()
    salts = (its.phone_salt.reveal(),) if its.phone_salt else ()
    guessable = (("api_key", api_keys), ("secret_key", its.secret_keys), ("phone_salt", salts))
    for name, texts in guessable:
        yield (
            any(len(text) < SECRET_LENGTH for text in texts),
            (f"{name} has fewer than {SECRET_LENGTH} characters and can be guessed"),
        )


def _is_between(number: float, least: float, most: float) -> bool:
    return least <= number <= most  # false for NaN


def _is_address(text: str) -> bool:
    try:
        split_address(text)
    except ValueError:
        return False
    return True


def _is_redis_url(text: str) -> bool:
    if text == "embedded":
        return True
    scheme, separator, rest = text.partition("://")
    return bool(separator and rest) and scheme in REDIS_SCHEMES


def _is_graph_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    if not host or "@" in parts.netloc or parts.query or parts.fragment:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(host))


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _read_file(environment: Mapping[str, str], directory: Path) -> tuple[Path, dict[str, object]]:
    """Return the settings file's path and contents, empty when there need be none."""
    named = environment.get("PENSTOCK_CONFIG")
    path = Path(named) if named else directory / FILE_NAME
    try:
        return path, tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        if not named:
            return path, {}
        raise SettingsError([f"PENSTOCK_CONFIG names {path}, and there is no such file"]) from None
    except (OSError, ValueError) as error:  # ValueError: not TOML, or not UTF-8
        raise SettingsError([f"{path} cannot be read: {error}"]) from error


def _from_file(contents: dict[str, object], file: Path, problems: list[str]) -> dict[str, object]:
    problems += [_unknown(name, name, str(file)) for name in contents if name not in NAMES]
    return {
        name: ",".join(map(str, value)) if isinstance(value, list) else value
        for name, value in contents.items()
        if name in NAMES
    }


def _from_environment(environment: Mapping[str, str], problems: list[str]) -> dict[str, object]:
    """Return our variables; a blank one counts as not set, as compose files leave them."""
    values: dict[str, object] = {}
    for variable, text in environment.items():
        name = variable.removeprefix(PREFIX).lower()
        if not variable.startswith(PREFIX) or NOT_SETTINGS.fullmatch(variable):
            continue
        if name not in NAMES:
            problems.append(_unknown(variable, name, "the environment"))
        elif text.strip():
            values[name] = text
    return values


def _unknown(written: str, name: str, place: str) -> str:
    near = difflib.get_close_matches(name.lower(), NAMES, n=1)
    prefix = PREFIX if written.startswith(PREFIX) else ""
    suggestion = (prefix + near[0].upper()) if near and prefix else "".join(near)
    hint = f", did you mean {suggestion}?" if near else "; `penstock config` lists them all"
    return f"unknown setting {written} in {place}{hint}"


def _convert(
    values: Mapping[str, object], sources: Mapping[str, str], problems: list[str]
) -> dict[str, object]:
    """Return the values in their types; one that does not fit is named and left to its default."""
    kinds = {field.name: field.type for field in msgspec.structs.fields(Settings)}
    converted: dict[str, object] = {}
    for name, value in values.items():
        if name not in kinds:
            problems.append(_unknown(name, name, sources[name]))
            continue
        try:
            converted[name] = msgspec.convert(value, kinds[name], strict=False, dec_hook=_made)
        except (msgspec.ValidationError, UnicodeError):
            text = MASK if kinds[name] == Secret | None else shown(name, value)
            remedy = REMEDIES.get(name, TEXT_REMEDY) if text != MASK else TEXT_REMEDY
            problems.append(f"{name} = {text} (from {sources[name]}): {remedy}")
    return converted


def _made(kind: type, value: object) -> object:
    """Return a Secret or a Path of a text, for msgspec."""
    if isinstance(value, kind):
        return value
    if not isinstance(value, str):
        raise msgspec.ValidationError(f"Expected `str`, got `{type(value).__name__}`")
    if kind is Path:
        return Path(value).expanduser()
    value.encode()  # bytes that are no UTF-8 are no secret that anybody could type
    return Secret(value)
