"""The message every competitor sends, and the names the sink recognises it by."""

import msgspec

BODY_BYTES = 585  # a template with two parameters, as Meta gets it
SENDERS = 16  # phone numbers of one portfolio in the main benchmark
CAMPAIGN_TEMPLATE = "campaign_offer"
CODE_TEMPLATE = "login_code"
GRAPH_VERSION = "v25.0"


def sender_id(index: int) -> str:
    """Return the phone number id of the benchmark's sender `index`."""
    return str(106_540_352_242_922 + index)


def recipient(index: int) -> str:
    """Return the 12 digits of person `index`; different people for different indices.

    >>> recipient(7)
    '491700000007'
    """
    return str(491_700_000_000 + index)


def row(index: int) -> tuple[str, tuple[str, str]]:
    """Return one recipient row of a campaign: 12 digits and two fields of 10 characters."""
    fields = f"name{index % 1_000_000:06d}", f"code{index % 1_000_000:06d}"
    return recipient(index), fields


def template_body(to: str, template: str = CAMPAIGN_TEMPLATE) -> bytes:
    """Return a template message to `to` as Meta's JSON, exactly BODY_BYTES long."""
    body = {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        "to": to,
        "type": "template",
        "biz_opaque_callback_data": "1.0000000000000000.1.0000000000000000",
        "template": {
            "name": template,
            "language": {"policy": "deterministic", "code": "en_US"},
            "components": [
                {"type": "body", "parameters": [{"type": "text", "text": ""}]},
            ],
        },
    }
    missing_bytes = BODY_BYTES - len(msgspec.json.encode(body))
    body["template"]["components"][0]["parameters"][0]["text"] = "x" * missing_bytes  # type: ignore[index]
    return msgspec.json.encode(body)


def messages_path(index: int) -> str:
    """Return the path of the send call of sender `index`."""
    return f"/{GRAPH_VERSION}/{sender_id(index)}/messages"
