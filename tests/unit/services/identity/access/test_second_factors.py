"""Codes are those of RFC 6238, within one step of the clock; recovery codes belong to one command and one account."""

from __future__ import annotations

from base64 import b32encode
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import pytest

from services.identity.access.second_factors import new_secret, provisioning_uri, recovery_codes, step_of
from shared.privacy.secrets import ServiceSecret

SECRET = b32encode(b"12345678901234567890").decode()
"""Of RFC 6238, appendix B."""


@pytest.mark.parametrize(
    ("seconds", "code"),
    [(59, "287082"), (1111111109, "081804"), (1234567890, "005924"), (2000000000, "279037"), (20000000000, "353130")],
)
def test_the_codes_are_those_of_rfc_6238(seconds: int, code: str) -> None:
    assert step_of(SECRET, code, datetime.fromtimestamp(seconds, UTC)) == seconds // 30


@pytest.mark.parametrize(("off", "counts"), [(-60, False), (-30, True), (0, True), (30, True), (60, False)])
def test_a_clock_may_be_off_by_one_step(off: int, counts: bool) -> None:
    moment = datetime.fromtimestamp(1111111109 + off, UTC)
    assert (step_of(SECRET, "081804", moment) == 1111111109 // 30) is counts


@pytest.mark.parametrize("code", ["", "81804", "0081804", " 081804", "\u0660\u0668\u0661\u0668\u0660\u0664", "-81804"])
def test_a_code_has_one_spelling(code: str) -> None:
    assert step_of(SECRET, code, datetime.fromtimestamp(1111111109, UTC)) is None


def test_an_authenticator_is_told_secret_person_and_house() -> None:
    secret = new_secret()
    uri = urlsplit(provisioning_uri(secret, "ada+crm@example.org"))
    assert (uri.scheme, uri.netloc, uri.path) == ("otpauth", "totp", "/Okacrm:ada%2Bcrm%40example.org")
    assert parse_qs(uri.query) == {"secret": [secret], "issuer": ["Okacrm"]}


def test_recovery_codes_belong_to_one_command_and_one_account() -> None:
    secret, command, account = ServiceSecret(b"s" * 32), uuid4(), uuid4()
    codes = recovery_codes(secret, command, account)
    assert codes == recovery_codes(secret, command, account)
    others = recovery_codes(secret, uuid4(), account) + recovery_codes(secret, command, uuid4())
    assert len({*codes, *others}) == 30
