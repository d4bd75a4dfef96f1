"""What rides along with a message comes back whole, or not at all."""

import pytest

from engine.model import JobKey, RecipientKey
from engine.opaque import LENGTH_MAX, Opaque, OpaqueCodec

CODEC = OpaqueCodec(b"a secret of this deployment")
PERSON = RecipientKey(b"\x00\xff8bytes")


@pytest.mark.parametrize(
    ("key", "attempt"),
    [(JobKey(1, 1), 1), (JobKey(0, 0), 0), (JobKey(10**12 - 1, 10**16 - 1), 10**9 - 1)],
)
def test_what_was_written_is_read_back(key: JobKey, attempt: int) -> None:
    text = CODEC.encode(key, attempt, PERSON)
    assert CODEC.decode(text) == Opaque(key, attempt, PERSON)
    assert text.isascii()
    assert len(text) <= LENGTH_MAX


def test_no_character_can_be_changed() -> None:
    text = CODEC.encode(JobKey(3, 17), 1, PERSON)
    for place, character in enumerate(text):
        other = "1" if character != "1" else "2"
        assert CODEC.decode(text[:place] + other + text[place + 1 :]) is None


def test_another_deployment_cannot_write_ours() -> None:
    assert CODEC.decode(OpaqueCodec(b"another").encode(JobKey(3, 17), 1, PERSON)) is None


@pytest.mark.parametrize(
    "text",
    ["", "order-1234", "1.3.17.1", "2.3.17.1.00.00", "1.3.17.1.\u0660." + "0" * 16, "{}" * 200],
)
def test_a_foreign_text_is_nothing(text: str) -> None:
    assert CODEC.decode(text) is None
