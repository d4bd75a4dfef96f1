"""The door: reads a send body strictly, and says with Meta's code what is wrong with it.

Shapes and limits: M/messages/send-messages, M/messages/template-messages,
https://github.com/facebook/openapi business-messaging-api_v23.0.yaml
"""

from __future__ import annotations

import re

import msgspec

from adapters.sandbox.codes import Refusal
from adapters.sandbox.parameters import Component, fill
from adapters.sandbox.world import LiveWorld, Number, Send, refusal_of

OPAQUE_CHARS_MAX = 512  # since 2024-01-26: openapi, changelog
TEXT_CHARS_MAX = 4_096  # K/messages/text-messages
CAPTION_CHARS_MAX = 1_024
USER_ID = re.compile(r"[A-Z]{2}\.(?:ENT\.)?[A-Za-z0-9]{1,128}")  # M/business-scoped-user-ids
SEPARATORS = str.maketrans("", "", " -()")
E164_DIGITS_MIN, E164_DIGITS_MAX = 7, 15


class Language(msgspec.Struct):
    """The language of a template; `policy` is what older clients add."""

    code: str
    policy: str = "deterministic"


class TemplateBody(msgspec.Struct):
    """The template part of a send."""

    name: str
    language: Language
    components: list[Component] = []


class Text(msgspec.Struct):
    """A free-form text."""

    body: str = ""
    preview_url: bool = False


class Media(msgspec.Struct):
    """A free-form image, video, audio, document or sticker: by id or by link."""

    id: str = ""
    link: str = ""
    caption: str = ""
    filename: str = ""


class SendBody(msgspec.Struct, forbid_unknown_fields=True):
    """Everything the messages endpoint takes; a field outside of it is code 100."""

    messaging_product: str = ""
    recipient_type: str = "individual"
    to: str = ""
    recipient: str = ""
    type: str = "text"
    template: TemplateBody | None = None
    text: Text | None = None
    image: Media | None = None
    video: Media | None = None
    audio: Media | None = None
    document: Media | None = None
    sticker: Media | None = None
    location: dict[str, object] | None = None
    contacts: list[dict[str, object]] | None = None
    interactive: dict[str, object] | None = None
    reaction: dict[str, object] | None = None
    context: dict[str, object] | None = None
    biz_opaque_callback_data: str = ""
    recipient_identity_key_hash: str = ""
    status: str = ""
    message_id: str = ""
    typing_indicator: dict[str, object] | None = None
    message_activity_sharing: bool | None = None
    product_policy: str = ""


MEDIA_TYPES = frozenset({"image", "video", "audio", "document", "sticker"})
PLAIN_TYPES = frozenset({"location", "contacts", "interactive", "reaction"})
_decoder = msgspec.json.Decoder(SendBody)


def read_body(raw: bytes) -> SendBody | Refusal:
    """Return the decoded body, or code 100 naming the first thing that is not Meta's shape."""
    try:
        body = _decoder.decode(raw)
    except msgspec.MsgspecError as error:
        return Refusal(100, str(error))
    if body.messaging_product != "whatsapp":
        return Refusal(100, "The parameter messaging_product is required.")
    return body


def read_send(body: SendBody, number: Number, world: LiveWorld, now_ms: int) -> Send | Refusal:
    """Return the send a well-formed body asks for, or the refusal of a malformed one."""
    if len(body.biz_opaque_callback_data) > OPAQUE_CHARS_MAX:
        return Refusal(100, "biz_opaque_callback_data is longer than 512 characters.")
    address = _address(body)
    if isinstance(address, Refusal):
        return address
    written, recipient = address
    recipient = world.plan.wa_ids.get(recipient, recipient)
    if recipient == number.digits:
        return Refusal(131021)
    send = Send(
        number=number,
        to=written,
        recipient=recipient,
        is_user_id=not body.to,
        kind=body.type,
        template=None,
        template_name="",
        language="",
        values=(),
        opaque=body.biz_opaque_callback_data,
        is_open=number.is_open_to(recipient, now_ms, world.plan.service_window_ms),
        reply_to=str((body.context or {}).get("message_id", "")),
    )
    refusal = (
        _read_template(body, send, world)
        if body.type == "template"
        else _read_free_form(body, send)
    )
    return refusal or send


def _address(body: SendBody) -> tuple[str, str] | Refusal:
    """Return the address as written and in canonical form; `to` wins over `recipient`.

    A number without `+` would go to a stranger in the sender's own country (trap 12), so it is
    refused here although Meta would send it.
    """
    if body.recipient_type != "individual":
        return Refusal(131051, f"recipient_type {body.recipient_type} is not simulated.")
    written = body.to
    if not written:
        if USER_ID.fullmatch(body.recipient):
            return body.recipient, body.recipient
        return Refusal(131008 if not body.recipient else 100, "The parameter to is required.")
    digits = written[1:]
    if not (digits.isdecimal() and digits.isascii()):
        digits = written.translate(SEPARATORS)[1:]
    if (
        written[0] != "+"
        or not (digits.isdecimal() and digits.isascii())
        or not E164_DIGITS_MIN <= len(digits) <= E164_DIGITS_MAX
        or digits[0] == "0"
    ):
        return Refusal(100, "The parameter to must be an E.164 number with a leading +.")
    return written, digits


def _read_template(body: SendBody, send: Send, world: LiveWorld) -> Refusal | None:
    """Fill `send` with its template, or return why its parameters do not fit.

    A template that does not exist is left None under its name: the judge refuses it, because
    sending it again is the client's offence and not a slip of the pen.
    """
    if body.template is None:
        return Refusal(131008, "The parameter template is required.")
    name, language = body.template.name, body.template.language.code
    send.template_name, send.language = name, language
    template = world.templates.get((send.number.waba_id, name, language))
    send.template = template
    if template is None:
        return None
    if template.category == "AUTHENTICATION" and send.is_user_id:
        return Refusal(131062)
    filled = fill(body.template.components, template.shape, template.category)
    if not isinstance(filled, Refusal):
        send.values = filled
        return None
    # A template that may not be sent is the judge's case, whatever its parameters.
    return filled if template.notice is None else None


def _read_free_form(body: SendBody, send: Send) -> Refusal | None:
    """Fill `send` with its words, or return what a free-form message lacks."""
    if body.type == "text":
        return _read_text(body.text, send)
    if body.type in MEDIA_TYPES:
        media: Media | None = getattr(body, body.type)
        return _read_media(media, send)
    if body.type not in PLAIN_TYPES:
        return Refusal(131051, f"Message type {body.type} is not supported.")
    content: object = getattr(body, body.type)
    if not content:
        return Refusal(131008, f"The parameter {body.type} is required.")
    send.values = (msgspec.json.encode(content).decode(),)
    return None


def _read_text(text: Text | None, send: Send) -> Refusal | None:
    """Fill `send` with a text, or return what is wrong with it."""
    if text is None or not text.body:
        return Refusal(131008, "The parameter text.body is required.")
    if len(text.body) > TEXT_CHARS_MAX:
        return Refusal(100, "Param text.body must be at most 4096 characters long.")
    send.values = (text.body,)
    return None


def _read_media(media: Media | None, send: Send) -> Refusal | None:
    """Fill `send` with a media message, or return what is wrong with it."""
    if media is None or not (media.id or media.link):
        return Refusal(131008, f"The parameter {send.kind}.id or link is required.")
    if len(media.caption) > CAPTION_CHARS_MAX:
        return Refusal(100, "Param caption must be at most 1024 characters long.")
    send.values = (media.id, media.link, media.caption)
    return None


def unknown_template(send: Send, world: LiveWorld, now_ms: int) -> Refusal:
    """Return 132001 for a template its WABA does not have in that language."""
    notice = world.missing_notice((send.number.waba_id, send.template_name, send.language))
    details = f"template name ({send.template_name}) does not exist in {send.language}"
    return refusal_of(notice, now_ms, details)
