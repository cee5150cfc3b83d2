"""One secret, many uses that know nothing of each other; and one index for all spellings of an address."""

from __future__ import annotations

import pytest

from shared.privacy.secrets import ServiceSecret

SECRET = ServiceSecret(b"s" * 32)


@pytest.mark.parametrize("spelling", ["Ada.Lovelace", "  ada.lovelace ", "\uff41da.lovelace"])
def test_spellings_of_one_name_have_one_index(spelling):
    assert SECRET.blind_index("username", spelling) == SECRET.blind_index("username", "ada.lovelace")


def test_addresses_of_one_mailbox_have_one_index_and_no_others():
    index = SECRET.mailbox_index("anna@faß.example")
    assert index == SECRET.mailbox_index("Anna@XN--FA-HIA.example")
    assert index != SECRET.mailbox_index("anna@fass.example")


def test_an_ordinary_address_has_the_index_that_it_always_had():
    assert SECRET.mailbox_index("Ada@Example.com") == SECRET.blind_index("email", "ada@example.com")


def test_another_field_or_another_service_has_another_index():
    index = SECRET.mailbox_index("ada@example.com")
    assert index != SECRET.blind_index("name", "ada@example.com")
    assert index != ServiceSecret(b"t" * 32).mailbox_index("ada@example.com")


def test_uses_do_not_share_a_key():
    assert SECRET.keyed_hash("idempotency", b"x") != SECRET.keyed_hash("session-token", b"x")
