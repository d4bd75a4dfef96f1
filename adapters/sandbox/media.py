"""Media: what a number uploads lives under an id; its address is good for whoever has the token.

Shapes, K/business-phone-numbers/media.md: upload, address, download, deletion.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import BodyPartReader, web
from aiohttp.http_exceptions import HttpProcessingError

from adapters.sandbox.codes import Refusal
from adapters.sandbox.management import answered, refused
from adapters.sandbox.stage import Stage
from adapters.sandbox.world import Number

BYTES_MAX = 100 * 2**20  # of a document; the other kinds are smaller
PLACE = "/_media"  # outside of any version, as lookaside.fbsbx.com is
NOT_THERE = 33


@dataclass(slots=True)
class Upload:
    """One file that a number uploaded."""

    number: Number
    content: bytes
    mime_type: str


class MediaDesk:
    """Answers the calls about media; `stage` gives the run that is played now."""

    def __init__(self, stage: Callable[[], Stage]) -> None:
        self._stage = stage
        self._uploads: dict[str, Upload] = {}

    def forget(self) -> None:
        """Forget all uploads."""
        self._uploads.clear()

    def knows(self, node: str) -> bool:
        """Return whether an id is an upload's."""
        return node in self._uploads

    async def upload(self, request: web.Request) -> web.Response:
        """POST a file as multipart/form-data: `messaging_product`, `type` and `file`."""
        stage = self._stage()
        number = stage.world.numbers.get(request.match_info["node"])
        if number is None:
            return refused(stage, Refusal(NOT_THERE, "Unknown phone number id"))
        if request.headers.get("Authorization") != number.authorization:
            return refused(stage, Refusal(190))
        if not request.content_type.startswith("multipart/"):
            return refused(stage, Refusal(100, "The body must be multipart/form-data."))
        try:
            words, content, mime_type = await _parts_of(request)
        except (ValueError, LookupError, RuntimeError, HttpProcessingError):
            words, content, mime_type = {}, None, ""  # what cannot be read names nothing
        if words.get("messaging_product") != "whatsapp":
            return refused(stage, Refusal(100, "The parameter messaging_product is required."))
        if content is None:
            return refused(stage, Refusal(100, "The parameter file is required."))
        media_id = str(10**15 + len(self._uploads) + 1)
        self._uploads[media_id] = Upload(number, content, words.get("type") or mime_type)
        return answered({"id": media_id})

    async def read(self, request: web.Request) -> web.Response:
        """GET the address of a file."""
        return self._of_upload(
            request, lambda name, upload: answered(_shown(request, name, upload))
        )

    async def delete(self, request: web.Request) -> web.Response:
        """DELETE a file."""

        def forget(name: str, _upload: Upload) -> web.Response:
            del self._uploads[name]
            return answered({"success": True})

        return self._of_upload(request, forget)

    async def download(self, request: web.Request) -> web.Response:
        """GET the file itself."""
        return self._of_upload(
            request,
            lambda _name, upload: web.Response(
                body=upload.content, headers={"Content-Type": upload.mime_type}
            ),
        )

    def _of_upload(
        self, request: web.Request, act: Callable[[str, Upload], web.Response]
    ) -> web.Response:
        stage, name = self._stage(), request.match_info["node"]
        upload = self._uploads.get(name)
        if upload is None:
            return refused(stage, Refusal(100, f"Object with ID '{name}' does not exist"))
        if request.headers.get("Authorization") != upload.number.authorization:
            return refused(stage, Refusal(190))
        return act(name, upload)


def _shown(request: web.Request, name: str, upload: Upload) -> dict[str, object]:
    """Return what Meta says of a file."""
    return {
        "messaging_product": "whatsapp",
        "url": str(request.url.origin().with_path(f"{PLACE}/{name}")),
        "mime_type": upload.mime_type,
        "sha256": hashlib.sha256(upload.content).hexdigest(),
        "file_size": len(upload.content),
        "id": name,
    }


async def _parts_of(request: web.Request) -> tuple[dict[str, str], bytes | None, str]:
    """Return a form's words, its file and the file's type."""
    words: dict[str, str] = {}
    content, mime_type = None, ""
    async for part in await request.multipart():
        if not isinstance(part, BodyPartReader):
            continue
        if part.name == "file":
            content = bytes(await part.read())
            mime_type = part.headers.get("Content-Type", "application/octet-stream")
        elif part.name:
            words[part.name] = await part.text()
    return words, content, mime_type
