"""The sandbox's media: uploads live under an id, for whoever has the number's token."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from random import Random

import pytest
from aiohttp import ClientSession, FormData

from adapters.sandbox.server import Sandbox
from tests.e2e.whole_house import SENDER, a_world

TOKEN = {"Authorization": "Bearer token-of-the-test"}
PATH = f"/v25.0/{SENDER}/media"


@asynccontextmanager
async def a_sandbox() -> AsyncGenerator[ClientSession]:
    sandbox = Sandbox(a_world(), now_ms=lambda: 1_764_000_000_000, rng=Random(1))
    async with ClientSession(await sandbox.start()) as session:
        yield session
    await sandbox.stop()


def a_form(*, has_product: bool = True, has_file: bool = True) -> FormData:
    form = FormData(default_to_multipart=True)
    form.add_field("type", "image/png")
    if has_product:
        form.add_field("messaging_product", "whatsapp")
    if has_file:
        form.add_field("file", b"picture", filename="a.png", content_type="image/png")
    return form


async def test_a_file_from_its_upload_to_its_end() -> None:
    async with a_sandbox() as session:
        async with session.post(PATH, data=a_form(), headers=TOKEN) as response:
            media = (await response.json())["id"]
        async with session.get(f"/v25.0/{media}", headers=TOKEN) as response:
            shown = await response.json()
        assert (shown["mime_type"], shown["file_size"]) == ("image/png", 7)
        async with session.get(shown["url"], headers=TOKEN) as response:
            assert (response.content_type, await response.read()) == ("image/png", b"picture")
        async with session.get(shown["url"]) as response:
            assert (await response.json())["error"]["code"] == 190
        async with session.delete(f"/v25.0/{media}", headers=TOKEN) as response:
            assert await response.json() == {"success": True}
        async with session.get(f"/v25.0/{media}", headers=TOKEN) as response:
            assert (await response.json())["error"]["code"] == 100


@pytest.mark.parametrize(
    ("path", "form", "headers", "code"),
    [
        (PATH, a_form(has_product=False), TOKEN, 100),
        (PATH, a_form(has_file=False), TOKEN, 100),
        (PATH, a_form(), {}, 190),
        ("/v25.0/1/media", a_form(), TOKEN, 33),
    ],
)
async def test_an_upload_that_meta_would_refuse_is_refused(
    path: str, form: FormData, headers: dict[str, str], code: int
) -> None:
    async with a_sandbox() as session, session.post(path, data=form, headers=headers) as response:
        assert (await response.json())["error"]["code"] == code


async def test_what_is_marked_as_read_names_a_message() -> None:
    async with a_sandbox() as session:
        for name, code in (("wamid.1", None), ("pst.1", 100), ("", 100)):
            body = {"messaging_product": "whatsapp", "status": "read", "message_id": name}
            path = f"/v25.0/{SENDER}/messages"
            async with session.post(path, json=body, headers=TOKEN) as response:
                assert (await response.json()).get("error", {}).get("code") == code
