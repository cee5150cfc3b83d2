"""A sealed value opens with its key, where it belongs, unchanged; in every other case it does not."""

from __future__ import annotations

import dataclasses
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contracts.categories import Category
from shared.privacy.sealing import SealBroken, Sealed, is_sealed, seal, unseal

KEY = bytes(range(32))


def sealed(plaintext: bytes = b'"ada@example.com"') -> Sealed:
    return seal(
        plaintext, KEY, key_id=uuid4(), category=Category.IDENTITY, subject=uuid4(), field="email", event_id=uuid4()
    )


@given(st.binary())
def test_what_was_sealed_opens(plaintext):
    assert unseal(sealed(plaintext), KEY) == plaintext


def test_it_survives_its_way_as_json():
    value = sealed()
    assert Sealed.from_json(value.to_json()) == value
    assert is_sealed(value.to_json())


@given(st.integers(0, 43), st.integers(1, 255))
def test_a_changed_byte_breaks_the_seal(place, difference):
    value = sealed()
    changed = bytearray(value.ciphertext)
    changed[place] ^= difference
    with pytest.raises(SealBroken):
        unseal(dataclasses.replace(value, ciphertext=bytes(changed)), KEY)


@pytest.mark.parametrize("moved", [{"event_id": uuid4()}, {"subject": uuid4()}, {"field": "name"}])
def test_a_value_that_was_moved_does_not_open(moved):
    with pytest.raises(SealBroken):
        unseal(dataclasses.replace(sealed(), **moved), KEY)


def test_another_key_does_not_open_it():
    with pytest.raises(SealBroken):
        unseal(sealed(), bytes(32))


def test_a_truncated_ciphertext_is_a_broken_seal():
    with pytest.raises(SealBroken):
        unseal(dataclasses.replace(sealed(), ciphertext=b"short"), KEY)


def test_two_sealings_of_one_value_have_nothing_in_common():
    first, second = sealed(), sealed()
    assert first.ciphertext[:12] != second.ciphertext[:12]
    assert first.ciphertext[12:] != second.ciphertext[12:]
