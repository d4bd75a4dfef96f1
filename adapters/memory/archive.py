"""The archive of replaced template sets with nothing behind it, for one process and its tests."""

from __future__ import annotations

from collections.abc import Sequence

from engine.directory import Template
from engine.model import WabaId

KEPT_MAX = 5


class MemoryArchive:
    """See engine.template_ports.Archive."""

    def __init__(self) -> None:
        self._sets: dict[WabaId, dict[int, list[Template]]] = {}

    async def keep(self, waba: WabaId, at_ms: int, templates: Sequence[Template]) -> None:
        """See Archive.keep."""
        kept = self._sets.setdefault(waba, {})
        kept[at_ms] = list(templates)
        for old in sorted(kept, reverse=True)[KEPT_MAX:]:
            del kept[old]

    async def moments(self, waba: WabaId) -> list[int]:
        """See Archive.moments."""
        return sorted(self._sets.get(waba, {}), reverse=True)

    async def read(self, waba: WabaId, at_ms: int) -> list[Template] | None:
        """See Archive.read."""
        return self._sets.get(waba, {}).get(at_ms)
