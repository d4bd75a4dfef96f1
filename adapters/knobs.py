"""Every knob of Penstock: its unit in its name, its default beside it."""

import ipaddress
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal

import msgspec

from engine.model import Category, Gate
from engine.profiles import Profile

DAY_SECONDS: Final = 86_400
NONE: Final = "none"  # instead of a list, where the default has some
SHOWN_MAX: Final = 300  # characters of a value for people
GUARD_SHARE: Final = 300 / DAY_SECONDS  # flight time and clock skew, as a share of the window
AUTHENTICATION_TIMEOUT_SECONDS: Final = 10  # a code is worth little after that
DOUBT_SECONDS: Final[Mapping[Category, float]] = {
    Category.AUTHENTICATION: 15,
    Category.UTILITY: 120,
    Category.MARKETING: 3_600,
    Category.SERVICE: 3_600,
}


class Secret:
    """A text that shows itself only to who asks by `reveal()`: never in a log or a traceback."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the text itself; do not keep it longer than its use."""
        return self._text

    def __repr__(self) -> str:
        return "***"

    def __format__(self, _spec: str) -> str:
        return "***"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other.reveal() == self._text

    def __hash__(self) -> int:
        return hash(self._text)


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The settings in force; each field is `PENSTOCK_` and its name in the environment."""

    redis_url: str = "embedded"
    data_dir: Path = Path(".penstock")
    graph_url: str = "https://graph.facebook.com"
    graph_version: str = "v25.0"
    listen: str = "127.0.0.1:8080"
    metrics_listen: str = "127.0.0.1:9108"
    api_key: Secret | None = None
    meta_app_secret: Secret | None = None  # two, comma separated, while rotating
    secret_key: Secret | None = None  # two, comma separated, while rotating: the first seals
    meta_verify_token: Secret | None = None
    window_seconds: float = DAY_SECONDS
    guard_seconds: float | None = None  # None: the window's share
    concurrency: int = 512
    queue_max: int = 20_000_000  # jobs that wait in one portfolio; 0 is no bound
    send_timeout_seconds: float = 20
    lease_seconds: float = 30
    keep_days: float = 7
    export_dir: Path | None = None  # None: the data directory
    doubt_seconds: float | None = None  # None: by category
    phone_salt: Secret | None = None
    log: Literal["json", "console"] = "json"
    rules: Profile = Profile.TODAY
    yellow_share: float = 0.5  # of a number's send times, for marketing while it is YELLOW
    red_share: float = 0.0  # and while it is RED; 0 holds marketing back
    no_marketing: str = "US"  # countries, comma separated, to whose numbers Meta delivers none
    silence_seconds: float = 900  # sends without a webhook: longer is told
    gates_off: str = ""  # comma separated; only to prove that the sandbox convicts

    sources: dict[str, str] = {}  # where each one came from; not a setting itself

    @property
    def window_ms(self) -> int:
        """Length of the rolling quota window."""
        return round(self.window_seconds * 1000)

    @property
    def guard_ms(self) -> int:
        """How much longer than the window a recipient stays counted."""
        if self.guard_seconds is None:
            return math.ceil(self.window_seconds * GUARD_SHARE * 1000)
        return round(self.guard_seconds * 1000)

    @property
    def send_timeout_ms(self) -> int:
        """Total time of one Graph call."""
        return round(self.send_timeout_seconds * 1000)

    @property
    def authentication_send_timeout_ms(self) -> int:
        """Total time of one Graph call that carries a code."""
        return min(self.send_timeout_ms, AUTHENTICATION_TIMEOUT_SECONDS * 1000)

    @property
    def lease_ms(self) -> int:
        """How long a claim holds."""
        return round(self.lease_seconds * 1000)

    @property
    def keep_ms(self) -> int:
        """How long finished jobs can be asked for."""
        return round(self.keep_days * DAY_SECONDS * 1000)

    @property
    def silence_ms(self) -> int:
        """How long messages may leave without a webhook before it is told."""
        return round(self.silence_seconds * 1000)

    @property
    def export_path(self) -> Path:
        """Where the outcome log is written before it is trimmed."""
        return self.export_dir or self.data_dir

    @property
    def listen_address(self) -> tuple[str, int]:
        """Host and port of the API."""
        return split_address(self.listen)

    @property
    def metrics_address(self) -> tuple[str, int]:
        """Host and port of a worker's metrics and health."""
        return split_address(self.metrics_listen)

    @property
    def app_secrets(self) -> tuple[str, ...]:
        """The secrets Meta may have signed with, newest first; empty: refuse webhooks."""
        return tuple(parts_of(self.meta_app_secret.reveal() if self.meta_app_secret else ""))

    @property
    def secret_keys(self) -> tuple[str, ...]:
        """The keys of the seal, the one that seals first; empty: the data directory has it."""
        return tuple(parts_of(self.secret_key.reveal() if self.secret_key else ""))

    @property
    def countries_without_marketing(self) -> list[str]:
        """The countries to whose numbers no marketing goes."""
        return [each for each in parts_of(self.no_marketing) if each != NONE]

    @property
    def gates_switched_off(self) -> frozenset[Gate]:
        """The gates that do not hold back anything, for proving the judge."""
        return frozenset(map(Gate, parts_of(self.gates_off)))

    def doubt_ms(self, category: Category) -> int:
        """Return how long a send of `category` stays in doubt before its policy decides."""
        seconds = DOUBT_SECONDS[category] if self.doubt_seconds is None else self.doubt_seconds
        return round(seconds * 1000)

    def __repr__(self) -> str:
        texts = (f"{name}={shown(name, getattr(self, name))}" for name in NAMES)
        return f"Settings({', '.join(texts)})"


NAMES: Final = tuple(name for name in Settings.__struct_fields__ if name != "sources")


def split_address(text: str) -> tuple[str, int]:
    """Return host and port of `host:port`, `:port` or `[v6]:port`; raise ValueError otherwise."""
    host, colon, port = text.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = str(ipaddress.IPv6Address(host[1:-1]))
    elif ":" in host:
        raise ValueError(text)
    if not colon or not port.isascii() or not port.isdigit() or int(port) > 65_535:  # noqa: PLR2004
        raise ValueError(text)
    return host or "0.0.0.0", int(port)  # noqa: S104 - `:8080` means every interface, as in Go


def parts_of(text: str) -> list[str]:
    """Return the parts of a comma separated text."""
    return [part.strip() for part in text.split(",") if part.strip()]


def shown(name: str, value: object) -> str:
    """Return a value for people: on one line, secrets masked, also the password in an address."""
    if value is None or value == "":
        return "-"
    text = f"{value:g}" if isinstance(value, float) else str(value)
    if name.endswith("_url"):
        text = re.sub(r"//[^/@]*@", "//***@", re.sub(r"(password=)[^&]*", r"\1***", text))
    text = "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)
    return text if len(text) <= SHOWN_MAX else f"{text[:SHOWN_MAX]}…"
