"""A shared message and a job's values make exactly the JSON that a JSON library would make."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.contents import compile_shared, render_whole
from engine.errors import InvalidJobError
from engine.ports import Claimed
from tests.builders import a_claimed, a_shared_message

OPAQUE = "1.1.1.1.aa.bb"
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x1f"))


def a_job(*values: str, to: str = "+4915100000001", content: int = 1) -> Claimed:
    return a_claimed(tail="\x1f".join((to, *values)).encode(), content=content)


def test_the_body_is_the_message_with_values_recipient_and_opaque() -> None:
    body = json.loads(compile_shared(a_shared_message()).render(a_job("Anna", "42"), OPAQUE))
    assert body == {
        "messaging_product": "whatsapp",
        "to": "+4915100000001",
        "biz_opaque_callback_data": OPAQUE,
        "type": "template",
        "template": {
            "name": "welcome",
            "language": {"code": "en"},
            "components": [
                {
                    "type": "body",
                    "parameters": [
                        {"type": "text", "text": "Anna"},
                        {"type": "text", "text": "42"},
                    ],
                }
            ],
        },
    }


def test_a_user_id_goes_into_recipient() -> None:
    body = json.loads(
        compile_shared(a_shared_message()).render(a_job("A", "B", to="DE.123abc"), OPAQUE)
    )
    assert body["recipient"] == "DE.123abc"
    assert "to" not in body


@given(name=TEXTS, code=TEXTS, literal=TEXTS)
def test_every_text_is_escaped_as_json_has_it(name: str, code: str, literal: str) -> None:
    literal = literal.replace("{", "(")
    message = {"type": "text", "text": {"body": f"{literal}{{{{code}}}} 100% {{{{name}}}}"}}
    shared = compile_shared(json.dumps({"message": message, "fields": ["name", "code"]}).encode())
    body = json.loads(shared.render(a_job(name, code), OPAQUE))
    assert body["text"]["body"] == f"{literal}{code} 100% {name}"


def test_numbers_lists_nulls_and_unknown_members_stay_as_they_are() -> None:
    message: dict[str, object] = {"type": "x", "new": {"{{name}}": "{{name}}"}}
    message['é"'] = [1, 2.5, None, True, [], {}]
    shared = compile_shared(json.dumps({"message": message, "fields": ["name"]}).encode())
    body = json.loads(shared.render(a_job("N"), OPAQUE))
    assert body['é"'] == [1, 2.5, None, True, [], {}]
    assert body["new"] == {"{{name}}": "N"}


def test_a_field_may_be_used_twice_and_another_never() -> None:
    message = {"type": "x", "a": "{{ b }}{{b}}"}
    shared = compile_shared(json.dumps({"message": message, "fields": ["a", "b"]}).encode())
    assert json.loads(shared.render(a_job("1", "2"), OPAQUE))["a"] == "22"


def test_our_members_cannot_be_given_by_the_caller() -> None:
    message = {"type": "x", "to": "+1", "biz_opaque_callback_data": "mine"}
    shared = compile_shared(json.dumps({"message": message}).encode())
    body = shared.render(a_job(), OPAQUE)
    assert body.count(b'"to"') == 1
    assert json.loads(body)["biz_opaque_callback_data"] == OPAQUE


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        (b"no json", ""),
        (b"[]", ""),
        (b"{}", "/message"),
        (b'{"message":{}}', "/message"),
        (b'{"message":{"a":"b"},"fields":"name"}', "/fields"),
        (b'{"message":{"a":"b"},"fields":["x","x"]}', "/fields/1"),
        (b'{"message":{"a":"b"},"fields":[1]}', "/fields/0"),
        (b'{"message":{"a/b":["{{c}}"]},"fields":[]}', "/message/a~1b/0"),
        (b'{"message":{"a":{"t":"{{nam}}"}},"fields":["name"]}', "/message/a/t"),
    ],
)
def test_a_faulty_shared_message_is_refused_at_its_place(body: bytes, pointer: str) -> None:
    with pytest.raises(InvalidJobError) as refused:
        compile_shared(body)
    assert refused.value.pointer == pointer


@pytest.mark.parametrize("values", [(), ("one",), ("one", "two", "three")])
def test_a_job_with_other_fields_is_refused(values: tuple[str, ...]) -> None:
    with pytest.raises(InvalidJobError):
        compile_shared(a_shared_message()).render(a_job(*values), OPAQUE)


def test_a_whole_message_is_kept_and_ours_win() -> None:
    job = a_job('{"type":"text","text":{"body":"é"},"to":"+1"} ', content=0)
    body = render_whole(job, OPAQUE)
    assert json.loads(body) == {
        "type": "text",
        "text": {"body": "é"},
        "messaging_product": "whatsapp",
        "to": "+4915100000001",
        "biz_opaque_callback_data": OPAQUE,
    }


@pytest.mark.parametrize("message", ["", "{}", "text"])
def test_a_job_without_a_message_is_refused(message: str) -> None:
    with pytest.raises(InvalidJobError):
        render_whole(a_job(message, content=0), OPAQUE)
