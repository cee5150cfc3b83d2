"""Passwords that are easy to guess are refused; tokens are made again for the same command and for no other."""

from __future__ import annotations

from uuid import uuid4

import pytest

from services.identity.credentials import Credential, Passwords, session_token, token_hash
from shared.contracts.problems import Problem
from shared.privacy.secrets import ServiceSecret
from tests.making import PASSWORD


@pytest.fixture(scope="module")
def passwords() -> Passwords:
    return Passwords(run=lambda function, *arguments: function(*arguments))


@pytest.mark.parametrize(
    "weak",
    [
        "",
        "short",
        "elevenchars",
        "aaaaaaaaaaaaaaaa",
        "ababababababab",
        "ada.lovelace@example.com",
        "ADA.Lovelace@Example.com",
    ],
)
def test_a_password_that_is_easy_to_guess_is_refused(passwords, weak):
    with pytest.raises(Problem, match="password-too-weak"):
        passwords.hash(weak, personal=("ada.lovelace@example.com", "Ada Lovelace"))


def test_a_password_is_kept_as_argon2id_and_fits_only_itself(passwords):
    kept = Credential(uuid4(), passwords.hash(PASSWORD, personal=()))
    assert kept.password_hash.startswith("$argon2id$")
    assert passwords.check(kept, PASSWORD) is kept
    with pytest.raises(Problem, match="sign-in-refused"):
        passwords.check(kept, PASSWORD + "!")


def test_an_address_without_an_account_is_refused_in_the_same_words(passwords):
    with pytest.raises(Problem, match="sign-in-refused"):
        passwords.check(None, PASSWORD)


def test_a_token_belongs_to_one_command_and_one_session():
    secret, command, session = ServiceSecret(b"s" * 32), uuid4(), uuid4()
    token = session_token(secret, command, session)
    assert token == session_token(secret, command, session)
    assert len({token, session_token(secret, uuid4(), session), session_token(secret, command, uuid4())}) == 3
    assert token.encode() not in token_hash(token)
