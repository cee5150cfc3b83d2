"""Tokens of links: made again from the request alone, and worth nothing for anything else."""

from __future__ import annotations

from uuid import uuid4

from services.identity.accounts.links import EMAIL_CHANGE, PASSWORD_RESET, VERIFICATION, link_token
from shared.privacy.secrets import ServiceSecret, token_hash

SECRET = ServiceSecret(b"s" * 32)


def test_the_same_request_has_the_same_token_wherever_it_is_made():
    request_id = uuid4()
    assert link_token(ServiceSecret(b"s" * 32), PASSWORD_RESET, request_id) == link_token(
        SECRET, PASSWORD_RESET, request_id
    )


def test_a_token_fits_one_purpose_one_request_and_one_secret():
    request_id = uuid4()
    tokens = {link_token(SECRET, purpose, request_id) for purpose in (VERIFICATION, EMAIL_CHANGE, PASSWORD_RESET)}
    tokens |= {
        link_token(SECRET, VERIFICATION, uuid4()),
        link_token(ServiceSecret(b"t" * 32), VERIFICATION, request_id),
    }
    assert len(tokens) == 5


def test_a_token_fits_into_a_link_and_its_hash_does_not_show_it():
    token = link_token(SECRET, VERIFICATION, uuid4())
    assert token.replace("-", "").replace("_", "").isalnum()
    assert len(token) == 43
    assert token.encode() not in token_hash(token)
    assert len(token_hash(token)) == 32
