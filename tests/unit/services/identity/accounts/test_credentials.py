"""Passwords that are easy to guess are refused; tokens are made again for the same command and for no other."""

from __future__ import annotations

from uuid import uuid4

import pytest
from argon2 import PasswordHasher
from argon2.exceptions import VerificationError
from zxcvbn.matching import RANKED_DICTIONARIES

from services.identity.access.tokens import session_token
from services.identity.accounts.credentials import Credential, Passwords
from shared.contracts.problems import Problem
from shared.contracts.vocabulary import PASSWORD_WEAKNESSES
from shared.privacy.secrets import ServiceSecret, token_hash
from tests.making import PASSWORD


def of_a_service(secret: bytes, hasher: PasswordHasher | None = None) -> Passwords:
    return Passwords(lambda function, *arguments: function(*arguments), ServiceSecret(secret), hasher)


@pytest.fixture(scope="module")
def passwords() -> Passwords:
    return of_a_service(b"s" * 32)


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
    quick = of_a_service(b"s" * 32, PasswordHasher(time_cost=1, memory_cost=8 * 1024))
    former = Credential(uuid4(), quick.hash(PASSWORD, personal=()))
    renewed = passwords.hashed_anew(former, PASSWORD)
    assert renewed != former.password_hash
    assert passwords.fits(Credential(former.account_id, renewed), PASSWORD)


def test_a_password_is_kept_as_argon2id_and_fits_only_itself(passwords):
    kept = Credential(uuid4(), passwords.hash(PASSWORD, personal=()))
    assert kept.password_hash.partition("$")[2].startswith("argon2id$")
    assert passwords.check(kept, PASSWORD) is kept
    with pytest.raises(Problem, match="sign-in-refused"):
        passwords.check(kept, PASSWORD + "!")


def test_without_the_key_of_the_service_no_guess_can_be_tried_on_a_hash(passwords):
    kept = Credential(uuid4(), passwords.hash(PASSWORD, personal=()))
    assert not of_a_service(b"t" * 32).fits(kept, PASSWORD)
    with pytest.raises(VerificationError):
        PasswordHasher().verify("$" + kept.password_hash.partition("$")[2], PASSWORD)


def test_a_hash_from_before_that_key_counts_until_it_is_hashed_anew(passwords):
    former = Credential(uuid4(), PasswordHasher().hash(PASSWORD))
    assert passwords.fits(former, PASSWORD)
    assert not passwords.fits(former, PASSWORD + "!")
    renewed = Credential(former.account_id, passwords.hashed_anew(former, PASSWORD))
    assert passwords.fits(renewed, PASSWORD)
    assert passwords.hashed_anew(renewed, PASSWORD) is None


NFC = "b\u00fccher-tragen-wir-42-\u00e5"
NFD = "bu\u0308cher-tragen-wir-42-a\u030a"


@pytest.mark.parametrize("typed", [NFC, NFD, NFC.replace("42", "\uff14\uff12")])
def test_a_password_is_the_same_from_every_keyboard(passwords, typed):
    for chosen in (NFC, NFD):
        kept = Credential(uuid4(), passwords.hash(chosen, personal=()))
        assert passwords.fits(kept, typed)
    assert not passwords.fits(kept, typed.replace("\u00fc", "u").replace("\u0308", ""))


def test_a_hash_of_the_letters_as_typed_counts_until_it_is_hashed_anew(passwords):
    peppered = ServiceSecret(b"s" * 32).keyed_hash("password", NFD.encode())
    former = Credential(uuid4(), "hmac-sha-256" + PasswordHasher().hash(peppered))
    assert passwords.fits(former, NFD)
    assert not passwords.fits(former, NFC)
    renewed = Credential(former.account_id, passwords.hashed_anew(former, NFD))
    assert passwords.fits(renewed, NFC)
    assert passwords.hashed_anew(renewed, NFD) is None


@pytest.mark.parametrize(
    ("weak", "weakness"),
    [
        ("violet-42", "too_short"),
        ("correcthorsebatterystaple", "breached_password"),
        ("password12345", "common_password"),
        ("Lovelace Ada 1", "about_yourself"),
        ("kjhgfdsaqwer", "keyboard_pattern"),
        ("aaaaaaaaaaaaaaaa", "repetition"),
        ("abcdefghijklmnop", "sequence"),
        ("smithson", "common_name"),
        ("13.04.1986 1", "date"),
        ("nevertheless 1", "common_word"),
    ],
)
def test_a_refusal_says_how_weak_a_password_is_and_why_but_never_what_it_is(passwords, weak, weakness):
    with pytest.raises(Problem, match="password-too-weak") as refused:
        passwords.hash(weak, personal=("ada.lovelace@example.com", "Ada Lovelace"))
    told = refused.value.members
    assert told.keys() == {"score", "weaknesses"}
    assert 0 <= told["score"] <= 4
    assert weakness in told["weaknesses"]
    assert set(told["weaknesses"]) <= set(PASSWORD_WEAKNESSES)


def test_an_address_without_an_account_is_refused_in_the_same_words(passwords):
    with pytest.raises(Problem, match="sign-in-refused"):
        passwords.check(None, PASSWORD)


def test_a_token_belongs_to_one_command_and_one_session():
    secret, command, session = ServiceSecret(b"s" * 32), uuid4(), uuid4()
    token = session_token(secret, command, session)
    assert token == session_token(secret, command, session)
    assert len({token, session_token(secret, uuid4(), session), session_token(secret, command, uuid4())}) == 3
    assert token.encode() not in token_hash(token)
