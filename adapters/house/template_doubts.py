"""An answer that closed a template's gate is a question about the template: Meta is asked."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from adapters.house.shared import House
from engine.directory import Template
from engine.errors import EngineError
from engine.events import Event, GateClosed
from engine.model import Gate


class TemplateDoubts:
    """Hears of gates that close, and marks their templates stale: an API process asks Meta."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._keys: set[str] = set()
        self._has_some = asyncio.Event()
        house.keep("template doubts", self._mark)

    def emit(self, event: Event) -> None:
        """Pass an event on; remember a template whose gate it closed."""
        if isinstance(event, GateClosed) and event.gate is Gate.TEMPLATE:
            self._keys.add(event.key.partition("|")[2])  # of `sender|WABA/name/language`
            self._has_some.set()
        self._house.emit(event)

    async def _mark(self) -> None:
        await self._has_some.wait()
        self._has_some.clear()
        keys, self._keys = self._keys, set()
        registry = self._house.registry
        try:
            for key in sorted(keys):
                await registry.change(Template, key, self._doubted)
        except EngineError:
            self._keys |= keys
            self._has_some.set()
            raise

    def _doubted(self, known: Template | None) -> Template | None:
        """Return a template with a question, a newer one also while Meta is asked."""
        if known is None:
            return None
        return replace(known, stale_since_ms=self._house.clock.now_ms())
