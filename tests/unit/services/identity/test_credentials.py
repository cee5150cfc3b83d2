"""Passwords that are easy to guess are refused; tokens are made again for the same command and for no other."""

from __future__ import annotations

from uuid import uuid4

import pytest
from argon2 import PasswordHasher
from zxcvbn.matching import RANKED_DICTIONARIES

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
        "lovelacelovelace",
        "Lovelace Ada 1",
        "password12345",
        "qwertyuiopasdf",
        "abcdefghijklmnop",
        "11111111111111111111",
        "aaaaaaaaaaaa" * 80,
    ],
)
def test_a_password_that_is_easy_to_guess_is_refused(passwords, weak):
    with pytest.raises(Problem, match="password-too-weak"):
        passwords.hash(weak, personal=("ada.lovelace@example.com", "Ada Lovelace"))


@pytest.mark.parametrize(
    "strong",
    [
        PASSWORD,
        "violet-harbour-lantern-42",
        "\u6b63\u3057\u3044\u99ac\u306e\u96fb\u6c60\u30db\u30c3\u30c1\u30ad\u30b9",
        "".join(chr(33 + 37 * number % 94) for number in range(1024)),
    ],
    ids=["words", "words and a number", "other letters", "long"],
)
def test_a_password_that_is_hard_to_guess_is_kept_however_long_and_in_whatever_letters(passwords, strong):
    passwords.hash(strong, personal=("ada.lovelace@example.com", "Ada Lovelace"))


def test_what_is_personal_to_one_is_nothing_to_another(passwords):
    words = "zanzibar-kolibri"
    passwords.hash(words, personal=("Ada Lovelace",))
    with pytest.raises(Problem, match="password-too-weak"):
        passwords.hash(words, personal=("Zanzibar Kolibri",))
    passwords.hash(words, personal=("Ada Lovelace",))
    assert "user_inputs" not in RANKED_DICTIONARIES


def test_a_password_is_hashed_anew_only_when_the_parameters_have_changed(passwords):
    current = Credential(uuid4(), passwords.hash(PASSWORD, personal=()))
    assert passwords.hashed_anew(current, PASSWORD) is None
    former = Credential(uuid4(), PasswordHasher(time_cost=1, memory_cost=8 * 1024).hash(PASSWORD))
    renewed = passwords.hashed_anew(former, PASSWORD)
    assert renewed != former.password_hash
    assert passwords.fits(Credential(former.account_id, renewed), PASSWORD)


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
