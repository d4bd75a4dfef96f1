"""Recipients: one canonical text a person, one key, and why not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.recipients import (
    RecipientKeys,
    canonical,
    canonical_chunk,
    on_the_wire,
    why_not,
)

KEYS = RecipientKeys(b"a secret of this test's ledger")


@pytest.mark.parametrize(
    ("text", "identity"),
    [
        ("+4915112345678", "4915112345678"),
        ("4915112345678", "4915112345678"),
        ("12345678", "12345678"),
        ("123456789012345", "123456789012345"),
        ("US.13491208655302741918", "US.13491208655302741918"),
        ("US.ENT.11815799212886844830", "US.ENT.11815799212886844830"),
    ],
)
def test_a_number_and_a_user_id_are_one_canonical_text(text: str, identity: str) -> None:
    assert canonical(text) == identity


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "missing"),
        ("  ", "missing"),
        ("0151123456", "no_country_code"),
        ("+0151123456", "no_country_code"),
        ("1234567", "too_short"),
        ("1234567890123456", "too_long"),
        ("(415) 555-0132", "formatted"),
        ("+49 151 1234567", "formatted"),
        ("++4915112345678", "not_a_number"),
        ("4915112345678\n", "not_a_number"),
        ("٤٩١٥١١٢٣٤٥٦٧", "not_a_number"),
        ("us.1349", "not_a_number"),
        ("US.", "not_a_number"),
        ("US." + "a" * 129, "not_a_number"),
    ],
)
def test_what_is_no_recipient_is_refused_with_its_reason(text: str, code: str) -> None:
    assert canonical(text) is None
    assert why_not(text)[0] == code


def test_a_chunk_is_canonical_as_a_whole_or_looked_at_one_by_one() -> None:
    assert canonical_chunk(["+4915112345678", "4915112345679"]) == "4915112345678\n4915112345679"
    assert canonical_chunk(["+4915112345678", "US.1349"]) is None
    assert canonical_chunk(["4915112345678\n4915112345679"]) is None


@given(st.lists(st.text(alphabet="+0123456789\n ", max_size=17), min_size=1, max_size=5))
def test_a_chunk_says_the_same_as_each_of_its_texts(texts: list[str]) -> None:
    each = [identity for identity in map(canonical, texts) if identity is not None]
    assert canonical_chunk(texts) == ("\n".join(each) if len(each) == len(texts) else None)


def test_a_key_is_eight_bytes_that_say_nothing_without_the_secret() -> None:
    assert len(KEYS.key("4915112345678")) == 8
    assert KEYS.keys([b"4915112345678"]) == [KEYS.key("4915112345678")]
    assert RecipientKeys(b"another secret of a ledger").key("4915112345678") != KEYS.key(
        "4915112345678"
    )


def test_a_name_is_never_taken_for_a_person() -> None:
    assert KEYS.dedupe("4915112345678") != KEYS.key("4915112345678")
    assert KEYS.fingerprint(b"ab", b"c") != KEYS.fingerprint(b"a", b"bc")


def test_a_number_leaves_with_its_plus_and_a_user_id_as_it_is() -> None:
    assert on_the_wire("4915112345678") == "+4915112345678"
    assert on_the_wire("US.1349") == "US.1349"
