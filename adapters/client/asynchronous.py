"""The client for programs with a loop: one session, any number of calls at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from http import HTTPStatus
from io import BytesIO
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import aiohttp
from yarl import URL

from adapters.client import talks
from adapters.client.shapes import (
    Campaign,
    CampaignPlan,
    CampaignStatus,
    Job,
    JobOutcome,
    JobStatus,
    Recipient,
    StreamOutcome,
    UploadOutcome,
)
from adapters.client.steps import NOTHING, Answer, Call, Pause, Result, Talk
from adapters.client.talks import Patience
from adapters.client.uploading import upload_file, upload_rows
from adapters.client.wire import MEDIA, encoding_of, headers_of

PIECE = 2**18  # bytes read and written at once


class AsyncClient:
    """See adapters.client.sync.Client; open it with `async with`, inside the running loop."""

    def __init__(self, url: str, key: str, patience: Patience | None = None) -> None:
        self._url = url.rstrip("/")
        self._key = key
        self.patience = patience or Patience()
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), trust_env=False)
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        if self._session is not None:
            await self._session.close()
        self._session = None

    async def send(self, job: Job) -> JobOutcome:
        """Queue one job; InvalidError says why it can never be sent."""
        return await self.walk(talks.send(job, self.patience))

    async def send_all(self, jobs: Iterable[Job], key: str = "") -> StreamOutcome:
        """Queue any number of jobs with constant memory; the same again under `key` adds none."""
        return await self.walk(talks.send_all(jobs, key, self.patience))

    async def job(self, job_id: str) -> JobStatus:
        """Return where a job stands, and what it waits for."""
        return await self.walk(talks.job(job_id, self.patience))

    async def cancel_job(self, job_id: str) -> None:
        """Cancel a job; ConflictError when it is in flight or has ended."""
        await self.walk(talks.cancel_job(job_id, self.patience))

    async def create_campaign(self, plan: CampaignPlan, key: str = "") -> Campaign:
        """Create a campaign as a draft; the same plan under the same id or `key` is one."""
        return await self.walk(talks.create_campaign(plan, key, self.patience))

    async def campaign(self, campaign_id: str) -> CampaignStatus:
        """Return how far a campaign is."""
        return await self.walk(talks.campaign(campaign_id, self.patience))

    async def start(self, campaign_id: str) -> Campaign:
        """Start a campaign; in force within a second."""
        return await self.walk(talks.move_campaign(campaign_id, "start", self.patience))

    async def pause(self, campaign_id: str) -> Campaign:
        """Hold a campaign; in force within a second."""
        return await self.walk(talks.move_campaign(campaign_id, "pause", self.patience))

    async def resume(self, campaign_id: str) -> Campaign:
        """Let a campaign go on."""
        return await self.walk(talks.move_campaign(campaign_id, "resume", self.patience))

    async def cancel(self, campaign_id: str) -> Campaign:
        """End a campaign; what was not sent never is."""
        return await self.walk(talks.move_campaign(campaign_id, "cancel", self.patience))

    async def upload(
        self, campaign_id: str, recipients: Path | Iterable[Recipient]
    ) -> UploadOutcome:
        """Put recipients into a campaign: a .csv, .ndjson or .gz of them, or rows."""
        if not isinstance(recipients, Path):
            return await self.walk(upload_rows(campaign_id, recipients, self.patience))
        kind, encoding = encoding_of(recipients)
        file = await asyncio.to_thread(recipients.open, "rb")
        try:
            return await self.upload_file(campaign_id, file, kind, encoding)
        finally:
            await asyncio.to_thread(file.close)

    async def upload_file(
        self, campaign_id: str, file: IO[bytes], kind: str = MEDIA[".csv"], encoding: str = ""
    ) -> UploadOutcome:
        """Put an open file into a campaign; it is read as it is sent, and goes on after a cut."""
        talk = upload_file(campaign_id, file, kind, encoding, UploadOutcome, self.patience)
        return await self.walk(talk)

    async def download(self, path: str, into: IO[bytes]) -> None:
        """Write any answer to a file as it comes, however long it is."""
        await self.walk(talks.download(path, into, self.patience))

    async def call(
        self,
        method: str,
        path: str,
        body: object = None,
        headers: dict[str, str] | None = None,
    ) -> dict[str, Any]:
        """Return the JSON of any call of `/openapi.json`; repeated only where that is safe."""
        is_repeatable = method != "POST"
        call = talks.plain(method, path, body, headers or {}, is_repeatable=is_repeatable)
        return await self.walk(talks.asked_for(call, dict[str, Any], self.patience))

    async def walk(self, talk: Talk[Result]) -> Result:
        """Walk a conversation to its end."""
        answer = NOTHING
        step = next(talk)
        while True:
            if isinstance(step, Pause):
                await asyncio.sleep(step.seconds)
                answer = NOTHING
            else:
                answer = await self._ask(step)
            try:
                step = talk.send(answer)
            except StopIteration as end:
                result: Result = end.value
                return result

    async def _ask(self, call: Call) -> Answer:
        assert self._session is not None, "use `async with AsyncClient(…)`"
        try:
            async with self._session.request(
                call.method,
                URL(self._url + call.path, encoded=True),
                data=_body(call),
                headers=headers_of(call, self._key),
                timeout=aiohttp.ClientTimeout(total=call.timeout_s),
                allow_redirects=False,
            ) as response:
                body = await _answer_body(response, call)
                headers = {name.lower(): value for name, value in response.headers.items()}
                return Answer(response.status, body, headers)
        except (aiohttp.ClientError, OSError) as error:
            detail = (
                f"no answer from {URL(self._url).authority}: {str(error) or type(error).__name__}"
            )
            return Answer(0, detail.encode())


def _body(call: Call) -> bytes | AsyncIterator[bytes] | None:
    """Return a body; a long one piece by piece, and a file that stays open for the next try."""
    if call.body is None or (isinstance(call.body, bytes) and len(call.body) <= PIECE):
        return call.body
    return _pieces(BytesIO(call.body) if isinstance(call.body, bytes) else call.body)


async def _answer_body(response: aiohttp.ClientResponse, call: Call) -> bytes:
    """Return a body, or nothing when it goes into a file."""
    if call.into is None or response.status >= HTTPStatus.MULTIPLE_CHOICES:
        return await response.read()
    async for piece in response.content.iter_chunked(PIECE):
        await asyncio.to_thread(call.into.write, piece)
    await asyncio.to_thread(call.into.flush)
    return b""


async def _pieces(file: IO[bytes]) -> AsyncIterator[bytes]:
    while piece := await asyncio.to_thread(file.read, PIECE):
        yield piece
