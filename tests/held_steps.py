"""What a simulated Meta does later waits for the test: what is so before is seen in peace."""

from collections.abc import Callable

import pytest

from adapters.sandbox.stage import Stage


class HeldSteps:
    """All that is to happen after exactly so long, until `take`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, after_ms: int) -> None:
        self._held: list[Callable[[], None]] = []
        later = Stage.later

        def hold(stage: Stage, its_ms: int, action: Callable[[], None]) -> None:
            if its_ms == after_ms:
                self._held.append(action)
            else:
                later(stage, its_ms, action)

        monkeypatch.setattr(Stage, "later", hold)

    def take(self) -> None:
        """Take those steps that were to come until now."""
        assert self._held
        held, self._held = self._held, []
        for step in held:
            step()
