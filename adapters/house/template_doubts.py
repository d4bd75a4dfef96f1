"""An answer that closed a template's gate is a question about the template: Meta is asked."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from adapters.house.shared import House
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
            await registry.refresh()
            for key in sorted(keys):
                template = registry.directory.templates.get(key)
                if template is not None:  # also while Meta is asked: this question is a newer one
                    now_ms = self._house.clock.now_ms()
                    await registry.put(replace(template, stale_since_ms=now_ms))
        except EngineError:
            self._keys |= keys
            self._has_some.set()
            raise
