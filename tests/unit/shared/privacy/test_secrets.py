"""One secret, many uses that know nothing of each other; and one index for all spellings of an address."""

from __future__ import annotations

import pytest

from shared.privacy.secrets import ServiceSecret

SECRET = ServiceSecret(b"s" * 32)


@pytest.mark.parametrize("spelling", ["ADA@example.com", "  ada@EXAMPLE.com ", "\uff41da@example.com"])
def test_spellings_of_one_address_have_one_index(spelling):
    assert SECRET.blind_index("email", spelling) == SECRET.blind_index("email", "ada@example.com")


def test_another_field_or_another_service_has_another_index():
    index = SECRET.blind_index("email", "ada@example.com")
    assert index != SECRET.blind_index("name", "ada@example.com")
    assert index != ServiceSecret(b"t" * 32).blind_index("email", "ada@example.com")


def test_uses_do_not_share_a_key():
    assert SECRET.keyed_hash("idempotency", b"x") != SECRET.keyed_hash("session-token", b"x")
