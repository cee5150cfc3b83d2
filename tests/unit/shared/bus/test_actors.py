"""A call is carried out for whom it was signed, as it was signed, by whom it was signed: or not at all."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from shared.bus.actors import VISITOR, Actor, Call, Client, Signer, Verifier
from shared.contracts.problems import Problem

PERSON = Actor("influencer", "account-1", "session-1")
CALL = Call("identity", "grant_consent", {"purpose": "product_news"}, PERSON, "command-1", "request-1", 1_700_000_000.5)


@pytest.fixture
def signers(tmp_path: Path) -> dict[str, Signer]:
    made = {}
    for principal in ("gateway", "operator", "audit"):
        key = Ed25519PrivateKey.generate()
        public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        (tmp_path / f"{principal}.pem").write_bytes(public)
        made[principal] = Signer(principal, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return made


@pytest.fixture
def verifier(signers, tmp_path) -> Verifier:
    return Verifier(tmp_path)


def opened(verifier, call, headers, **changes):
    asked = dataclasses.replace(call, **changes)
    return verifier.open(asked.service, asked.method, asked.arguments, headers)


@pytest.mark.parametrize("actor", [PERSON, VISITOR, Actor("compliance", "a", "s")])
@pytest.mark.parametrize("client", [None, Client("192.0.2.7", "Fire\u00e9fox/1", "ab12")])
def test_a_signed_call_is_opened_as_it_was_made(signers, verifier, actor, client):
    call = dataclasses.replace(CALL, actor=actor, client=client)
    assert opened(verifier, call, call.headers(signers["gateway"])) == call


@pytest.mark.parametrize(
    "change", [{"service": "audit"}, {"method": "withdraw_consent"}, {"arguments": {"purpose": "usage_analytics"}}]
)
def test_a_signature_does_not_carry_over_to_another_request(signers, verifier, change):
    with pytest.raises(Problem, match="actor-refused"):
        opened(verifier, CALL, CALL.headers(signers["gateway"]), **change)


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("okacrm-actor", "influencer account-2 session-1"),
        ("okacrm-actor", "compliance account-1 session-1"),
        ("okacrm-actor", "influencer account-1"),
        ("okacrm-client", '{"address": "192.0.2.7"}'),
        ("okacrm-client", '{"nonsense": 1}'),
        ("okacrm-client", "[]"),
        ("okacrm-client", "not JSON"),
        ("okacrm-command", "command-2"),
        ("okacrm-correlation", "request-2"),
        ("okacrm-deadline", "1800000000000"),
        ("okacrm-deadline", "soon"),
        ("okacrm-principal", "operator"),
        ("okacrm-principal", "nobody"),
        ("okacrm-signature", "AAAA"),
        ("okacrm-signature", "not base64!"),
    ],
)
def test_an_altered_header_is_refused(signers, verifier, header, value):
    with pytest.raises(Problem, match="actor-refused"):
        opened(verifier, CALL, CALL.headers(signers["gateway"]) | {header: value})


@pytest.mark.parametrize("header", ["principal", "actor", "command", "correlation", "deadline", "signature"])
def test_a_missing_header_is_refused(signers, verifier, header):
    headers = CALL.headers(signers["gateway"])
    del headers[f"okacrm-{header}"]
    with pytest.raises(Problem, match="actor-refused"):
        opened(verifier, CALL, headers)


@pytest.mark.parametrize(
    ("principal", "actor"),
    [
        ("gateway", Actor("operator")),
        ("gateway", Actor("service", "audit")),
        ("gateway", Actor("visitor", "account-1")),
        ("operator", PERSON),
        ("audit", Actor("service", "identity")),
        ("audit", PERSON),
    ],
)
def test_nobody_speaks_for_those_who_are_not_theirs(signers, verifier, principal, actor):
    call = dataclasses.replace(CALL, actor=actor)
    with pytest.raises(Problem, match="actor-refused"):
        opened(verifier, call, call.headers(signers[principal]))
