"""`POST …/templates/{name}/{language}/test`: one message now, answered with Meta's response."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from http import HTTPStatus
from typing import Final

from aiohttp import web

from adapters.api.bodies import Strict, read_json
from adapters.api.front import Front, as_json
from adapters.api.openapi.described import described
from adapters.api.openapi.template_answers import TrialAnswer
from adapters.api.problems import Problem
from adapters.api.templates import ONE, filled, named, refusal
from engine.directory import Role, Sender
from engine.errors import InvalidJobError, LedgerError, ProviderRefusedError
from engine.model import Gate, TemplateStatus
from engine.ports import FOREVER_MS
from engine.recipients import canonical, on_the_wire, why_not
from engine.template_ports import Place

REFUSALS: Final[Mapping[Gate, str]] = {
    Gate.QUOTA: "the messaging limit is used up; wait until a place falls free",
    Gate.PAIR: "this person was just written to too often from this number; wait",
    Gate.SENDER: "the ledger does not know this sender yet; put it again",
    Gate.TEMPLATE: "the template is not APPROVED any more",
}


class TrialBody(Strict):
    """To whom, from which sender (any of the account's), with which parameters (the samples)."""

    to: str
    sender: str | None = None
    components: list[dict[str, object]] | None = None


class TrialRoutes:
    """The route of test sends."""

    def __init__(self, front: Front) -> None:
        self._front = front

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Add it."""
        router.add_post(ONE + "/test", self._front.may(Role.ADMIN, self._test))

    @described(
        "Send one message with a template now",
        takes=TrialBody,
        gives=TrialAnswer,
        refuses=(409, 502),
        is_harmless_again=False,  # the person would have it twice
    )
    async def _test(self, request: web.Request) -> web.Response:
        """Send past the queue what is approved; its place and send time are taken in one step.

        The answer is 200 whether Meta said yes or no: `ok` tells which. A refusal that proves that
        nobody was reached gives the place back, also one that comes later by webhook.
        """
        template = self._front.templates.get(*named(request))
        body = await read_json(request, TrialBody)
        identity = canonical(body.to)
        if identity is None:
            code, detail = why_not(body.to)
            raise refusal("/to", code, detail)
        sender = self._sender(template.waba_id, body.sender)
        if template.status is not TemplateStatus.APPROVED:
            detail = f"is {template.status}; only APPROVED templates can be sent"
            raise InvalidJobError(detail, pointer="", code="not_approved")
        _, filling = filled(template, body.components)
        place = await self._front.take_place(sender, identity, template)
        if place.gate is not None:
            raise self._refusal(place)
        shown: dict[str, object] = {
            "name": template.name,
            "language": {"code": template.language},
        }
        if filling:
            shown["components"] = list(filling)
        message = {"type": "template", "template": shown}
        if place.opaque:
            message["biz_opaque_callback_data"] = place.opaque
        wait_ms = place.send_at_us // 1_000 - self._front.now_ms()
        await asyncio.sleep(max(0, wait_ms) / 1_000)  # its send time: the sender may be busy
        to, is_kept = on_the_wire(identity), True
        try:
            answer = await self._front.try_now(sender.id, to, message)
            is_kept = not answer["reached_nobody"]
        except ProviderRefusedError:
            is_kept = False  # nothing was written
            raise
        finally:
            if not is_kept:
                with suppress(LedgerError):  # then its place ends with its window
                    await self._front.give_place(sender, identity, template, place)
        return as_json(answer)

    def _refusal(self, place: Place) -> Problem:
        """Return why there is no place now, and when to come again where that is known."""
        assert place.gate is not None
        detail, retry_after_s = REFUSALS[place.gate], 0
        if place.until_ms < FOREVER_MS:
            retry_after_s = max(1, -(-(place.until_ms - self._front.now_ms()) // 1_000))
            detail += f", in {retry_after_s} s"
        code = "no_place" if place.gate is Gate.QUOTA else f"closed_{place.gate.value}"
        return Problem(HTTPStatus.CONFLICT, detail, code=code, retry_after_s=retry_after_s)

    def _sender(self, waba: str, name: str | None) -> Sender:
        """Return the sender that was named, or any of the account's; refuse one of another's."""
        senders = self._front.registry.directory.senders
        if name is None:
            found = next((each for each in senders.values() if each.waba_id == waba), None)
        else:
            found = senders.get(name)
        if found is None or found.waba_id != waba:
            detail = f"is no sender of WABA {waba}; penstock sender list shows them"
            raise refusal("/sender", "unknown_sender", detail)
        return found
