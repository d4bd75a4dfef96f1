"""The client for programs without a loop: one connection, kept open, for one thread."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterable
from contextlib import suppress
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self
from urllib.parse import urlsplit

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


class Client:
    """Calls the API of `url` with `key`; refusals are raised (adapters.client.errors).

    What may be done twice is asked again, longer and longer, as `patience` says; redirects are
    never followed. Use it in one thread, and close it, or use it with `with`.
    """

    def __init__(self, url: str, key: str, patience: Patience | None = None) -> None:
        self._parts = urlsplit(url.rstrip("/"))
        self._key = key
        self.patience = patience or Patience()
        self._connection: HTTPConnection | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; the next call opens another one."""
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    def send(self, job: Job) -> JobOutcome:
        """Queue one job; InvalidError says why it can never be sent."""
        return self.walk(talks.send(job, self.patience))

    def send_all(self, jobs: Iterable[Job], key: str = "") -> StreamOutcome:
        """Queue any number of jobs with constant memory; the same again under `key` adds none."""
        return self.walk(talks.send_all(jobs, key, self.patience))

    def job(self, job_id: str) -> JobStatus:
        """Return where a job stands, and what it waits for."""
        return self.walk(talks.job(job_id, self.patience))

    def cancel_job(self, job_id: str) -> None:
        """Cancel a job; ConflictError when it is in flight or has ended."""
        self.walk(talks.cancel_job(job_id, self.patience))

    def create_campaign(self, plan: CampaignPlan, key: str = "") -> Campaign:
        """Create a campaign as a draft; the same plan under the same id or `key` is one."""
        return self.walk(talks.create_campaign(plan, key, self.patience))

    def campaign(self, campaign_id: str) -> CampaignStatus:
        """Return how far a campaign is."""
        return self.walk(talks.campaign(campaign_id, self.patience))

    def start(self, campaign_id: str) -> Campaign:
        """Start a campaign; in force within a second."""
        return self.walk(talks.move_campaign(campaign_id, "start", self.patience))

    def pause(self, campaign_id: str) -> Campaign:
        """Hold a campaign; in force within a second."""
        return self.walk(talks.move_campaign(campaign_id, "pause", self.patience))

    def resume(self, campaign_id: str) -> Campaign:
        """Let a campaign go on."""
        return self.walk(talks.move_campaign(campaign_id, "resume", self.patience))

    def cancel(self, campaign_id: str) -> Campaign:
        """End a campaign; what was not sent never is."""
        return self.walk(talks.move_campaign(campaign_id, "cancel", self.patience))

    def upload(self, campaign_id: str, recipients: Path | Iterable[Recipient]) -> UploadOutcome:
        """Put recipients into a campaign: a .csv, .ndjson or .gz of them, or rows."""
        if not isinstance(recipients, Path):
            return self.walk(upload_rows(campaign_id, recipients, self.patience))
        with recipients.open("rb") as file:
            kind, encoding = encoding_of(recipients)
            return self.upload_file(campaign_id, file, kind, encoding)

    def upload_file(
        self, campaign_id: str, file: IO[bytes], kind: str = MEDIA[".csv"], encoding: str = ""
    ) -> UploadOutcome:
        """Put an open file into a campaign; it is read as it is sent, and goes on after a cut."""
        return self.walk(
            upload_file(campaign_id, file, kind, encoding, UploadOutcome, self.patience)
        )

    def download(self, path: str, into: IO[bytes]) -> None:
        """Write any answer to a file as it comes, however long it is."""
        self.walk(talks.download(path, into, self.patience))

    def call(
        self,
        method: str,
        path: str,
        body: object = None,
        headers: dict[str, str] | None = None,
    ) -> dict[str, Any]:
        """Return the JSON of any call of `/openapi.json`; repeated only where that is safe."""
        is_repeatable = method != "POST"
        call = talks.plain(method, path, body, headers or {}, is_repeatable=is_repeatable)
        return self.walk(talks.asked_for(call, dict[str, Any], self.patience))

    def walk(self, talk: Talk[Result]) -> Result:
        """Walk a conversation to its end."""
        answer = NOTHING
        step = next(talk)
        while True:
            if isinstance(step, Pause):
                time.sleep(step.seconds)
                answer = NOTHING
            else:
                answer = self._ask(step)
            try:
                step = talk.send(answer)
            except StopIteration as end:
                result: Result = end.value
                return result

    def _ask(self, call: Call) -> Answer:
        connection = self._connection or self._connect(call.timeout_s)
        self._connection = connection
        if connection.sock is not None:
            connection.sock.settimeout(call.timeout_s)
        connection.timeout = call.timeout_s
        try:
            target = self._parts.path + call.path
            with suppress(BrokenPipeError, ConnectionResetError):
                # A refusal may have come while the body was still on its way: look for it.
                connection.request(call.method, target, call.body, headers_of(call, self._key))
            response = connection.getresponse()
            body = _body(response, call)
        except (OSError, HTTPException) as error:
            self.close()
            detail = f"no answer from {self._parts.netloc}: {str(error) or type(error).__name__}"
            return Answer(0, detail.encode())
        if response.will_close:
            self.close()
        headers = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, body, headers)

    def _connect(self, timeout_s: float) -> HTTPConnection:
        kind = HTTPSConnection if self._parts.scheme == "https" else HTTPConnection
        return kind(self._parts.hostname or "", self._parts.port, timeout=timeout_s)


def _body(response: HTTPResponse, call: Call) -> bytes:
    """Return a body, or nothing when it goes into a file; raise OSError when it is cut off."""
    if call.into is None or response.status >= HTTPStatus.MULTIPLE_CHOICES:
        return response.read()
    shutil.copyfileobj(response, call.into)
    if response.length:  # what was promised and did not come: the library does not say
        raise ConnectionResetError("the answer broke off")
    call.into.flush()
    return b""
