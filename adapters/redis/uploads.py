"""How far uploads of recipients came, so that one that was cut is taken up where it ended."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from adapters.redis.calls import Calls
from adapters.redis.results import KEPT_MS as REJECTS_MS
from adapters.redis.results import REJECTS_MAX
from adapters.redis.scripts import Argument, Reply, Scripts
from engine.model import NowMs, PortfolioId
from engine.results import Taken, Upload

KEPT_MS: Final = 86_400_000  # after the last piece


class RedisUploads:
    """See engine.results.UploadStore."""

    def __init__(self, scripts: Scripts, calls: Calls, now_ms: NowMs) -> None:
        self._scripts = scripts
        self._calls = calls
        self._now_ms = now_ms

    async def take(self, portfolio: PortfolioId, upload: Upload, *, anew: bool) -> Taken:
        """See UploadStore.take."""
        told: list[Argument] = [upload.tally, upload.taker, KEPT_MS, int(anew)]
        state, accepted = await self._run("upload_take", portfolio, told)
        return Taken(state or None, accepted)

    async def note(
        self,
        portfolio: PortfolioId,
        upload: Upload,
        state: bytes,
        rejects: Sequence[bytes],
        *,
        complete: bool,
    ) -> int | None:
        """See UploadStore.note."""
        told: list[Argument] = [upload.tally, upload.taker, KEPT_MS, state, int(complete)]
        told += [upload.source, REJECTS_MAX, REJECTS_MS, *rejects]
        accepted = await self._run("upload_note", portfolio, told)
        return None if accepted < 0 else int(accepted)

    async def _run(self, script: str, portfolio: PortfolioId, told: list[Argument]) -> Reply:
        call = self._calls.call(script, portfolio, self._now_ms(), told)
        return (await self._scripts.run([call]))[0]
