"""How long each script takes, told once a round trip."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from adapters.redis.scripts import Call, Client, Reply, Scripts

Observe = Callable[[str, int], None]  # the script's name, microseconds


def _nobody(_script: str, _took_us: int) -> None:
    """Tell nobody."""


class TimedScripts(Scripts):
    """Scripts that tell how long a round trip took, whether it was answered or not.

    A round trip runs one script, perhaps for several portfolios at once.
    """

    observe: Observe = staticmethod(_nobody)

    def __init__(self, client: Client, now_us: Callable[[], int]) -> None:
        super().__init__(client)
        self._now_us = now_us

    async def run(self, calls: Sequence[Call]) -> list[Reply]:
        """See Scripts.run."""
        started_us = self._now_us()
        try:
            return await super().run(calls)
        finally:
            if calls:
                self.observe(calls[0].script, self._now_us() - started_us)
