"""A real SDK as a client, unchanged but for its base URL: https://github.com/david-lev/pywa."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from pywa.client import WhatsApp
from pywa.errors import TemplateNotExists
from pywa.types.callback import Button
from pywa.types.templates import BodyText, TemplateLanguage
from pywa_async.client import WhatsApp as AsyncWhatsApp

from tests.e2e.whole_house import KEY, PORTFOLIO, SENDER, WABA, Whole, a_whole_house

pytestmark = pytest.mark.one_server

PERSON = "4915199999999"
PICTURE = b"\xff\xd8\xff" + b"picture " * 40_000  # longer than one piece
PARAMS = [BodyText("Hi {{1}}", "Eve").params("Ada")]  # type: ignore[arg-type]  # pywa binds it late
KINDS = ["text", "text", "template", "image", "interactive", "location", "reaction"]


async def open_window(whole: Whole) -> str:
    """Let the person write to us; return Meta's id of that message once we heard of it."""
    await whole.control("POST", "inbound", {"phone_number_id": SENDER, "from": f"+{PERSON}"})
    async with asyncio.timeout(30):
        while not await whole.house.client.exists(f"ps:{{{PORTFOLIO}}}:service"):
            await asyncio.sleep(0.02)
    return f"wamid.INBOUND{whole.sandbox.stage.inbound_count:010X}="


async def sent(whole: Whole, count: int) -> list[dict[str, Any]]:
    """Wait until the simulator accepted so many messages; return them."""
    async with asyncio.timeout(20):
        while True:
            messages: list[dict[str, Any]] = await whole.judge("messages")
            if len(messages) >= count:
                return messages
            await asyncio.sleep(0.02)


def speak(whole: Whole, inbound: str) -> dict[str, Any]:
    """Do everything a bot does, with the blocking client."""
    with httpx.Client() as session:
        wa = WhatsApp(phone_id=SENDER, token=KEY, waba_id=WABA, session=session, api_version=25.0)
        session.base_url = f"{whole.url}/v25.0"
        assert wa.mark_message_as_read(inbound).success
        assert wa.indicate_typing(inbound).success
        first = wa.send_message(PERSON, "Hello")
        wa.send_message(PERSON, "and again", reply_to_message_id=first.id)
        wa.send_template(PERSON, "update", TemplateLanguage.ENGLISH_US, PARAMS)
        media = wa.upload_media(PICTURE, mime_type="image/jpeg", filename="a.jpg")
        assert media is not None
        wa.send_image(PERSON, media.id, caption="a picture")
        wa.send_message(PERSON, "Yes or no?", buttons=[Button("Yes", "yes"), Button("No", "no")])
        wa.send_location(PERSON, 48.1, 11.6, name="Here")
        wa.send_reaction(PERSON, "👍", first.id)
        address = wa.get_media_url(media.id)
        assert address.url.startswith(whole.url)
        with pytest.raises(TemplateNotExists):
            wa.send_template(PERSON, "nope", TemplateLanguage.ENGLISH_US)
        found = {
            "first": first.id,
            "file": wa.get_media_bytes(url=address.url),
        }
        assert wa.delete_media(media.id, phone_id=None).success
        return found


async def speak_async(whole: Whole, inbound: str) -> dict[str, Any]:
    """Do the same with the client of asyncio."""
    async with httpx.AsyncClient() as session:
        wa = AsyncWhatsApp(
            phone_id=SENDER, token=KEY, waba_id=WABA, session=session, api_version=25.0
        )
        session.base_url = f"{whole.url}/v25.0"
        assert (await wa.mark_message_as_read(inbound)).success
        assert (await wa.indicate_typing(inbound)).success
        first = await wa.send_message(PERSON, "Hello")
        await wa.send_message(PERSON, "and again", reply_to_message_id=first.id)
        await wa.send_template(PERSON, "update", TemplateLanguage.ENGLISH_US, PARAMS)
        media = await wa.upload_media(PICTURE, mime_type="image/jpeg", filename="a.jpg")
        assert media is not None
        await wa.send_image(PERSON, media.id, caption="a picture")
        choice = [Button("Yes", "yes"), Button("No", "no")]
        await wa.send_message(PERSON, "Yes or no?", buttons=choice)
        await wa.send_location(PERSON, 48.1, 11.6, name="Here")
        await wa.send_reaction(PERSON, "👍", first.id)
        address = await wa.get_media_url(media.id)
        assert address.url.startswith(whole.url)
        with pytest.raises(TemplateNotExists):
            await wa.send_template(PERSON, "nope", TemplateLanguage.ENGLISH_US)
        found = {
            "first": first.id,
            "file": await wa.get_media_bytes(url=address.url),
        }
        assert (await wa.delete_media(media.id, phone_id=None)).success
        return found


def blocking(whole: Whole, inbound: str) -> Awaitable[dict[str, Any]]:
    """Leave the loop to the house while the blocking client speaks."""
    return asyncio.to_thread(speak, whole, inbound)


@pytest.mark.usefixtures("redis_client")
@pytest.mark.parametrize("client", [blocking, speak_async])
async def test_it_does_all_that_a_bot_does(
    server_url: str,
    tmp_path: Path,
    client: Callable[[Whole, str], Awaitable[dict[str, Any]]],
) -> None:
    async with a_whole_house(server_url, tmp_path) as whole:
        inbound = await open_window(whole)
        found = await client(whole, inbound)
        assert found["first"].startswith("pst.")
        assert found["file"] == PICTURE
        messages = await sent(whole, len(KINDS))
        assert sorted(each["kind"] for each in messages) == sorted(KINDS)
        first = next(each["id"] for each in messages if each["values"] == ["Hello"])
        (reaction,) = [each for each in messages if each["kind"] == "reaction"]
        assert first in reaction["values"][0]
        assert [each["reply_to"] for each in messages].count(first) == 1
        assert whole.sandbox.stage.reads == [(SENDER, inbound, False), (SENDER, inbound, True)]
        assert whole.report().violations == {}
