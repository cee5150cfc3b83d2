"""Who calls: an actor, vouched for by the principal that signs the call (Ed25519, RFC 8032).

The signature covers the method, the hash of the arguments, the actor, the client, the ids and the deadline, so that
nothing on the broker can be altered, replayed under another name, or run after its time.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, cast

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from shared.contracts.problems import Problem
from shared.contracts.vocabulary import GUARDS, TEAM
from shared.eventstore.canonical import canonical_json

GATEWAY, OPERATOR = "gateway", "operator"


ACTOR_KINDS = (*GUARDS, "visitor", TEAM, "operator", "service")


@dataclass(frozen=True)
class Actor:
    """Whoever does something: a signed-in person, an anonymous visitor, an internal team, an operator, or a service.

    `kind` is one of `ACTOR_KINDS`. `id` is the account's id, or the name of
    the team or service.
    """

    kind: str
    id: str = ""
    session_id: str = ""

    def __str__(self) -> str:
        return f"{self.kind}:{self.id}" if self.id else self.kind


VISITOR = Actor("visitor")


@dataclass(frozen=True)
class Client:
    """The program that a person uses, as the gateway sees it: technical data of a call, and no part of what is asked.

    The same command from another address is the same command. `held_token` is the hash of the session token that the
    client brought along, where a call may take its place; `visitor_token` is what a visitor who chose about cookies is
    known by. With `objects` the client says by `Sec-GPC: 1` that its person objects (Global Privacy Control).
    """

    address: str
    user_agent: str = ""
    held_token: str = ""
    visitor_token: str = field(default="", repr=False)
    objects: bool = False


@dataclass(frozen=True)
class Call:
    """One call of one method of one service. `deadline` is in Unix seconds; `client` is told to some methods only."""

    service: str
    method: str
    arguments: dict[str, Any]
    actor: Actor
    command_id: str
    correlation_id: str
    deadline: float
    client: Client | None = None

    def signed_bytes(self, principal: str) -> bytes:
        return canonical_json(
            {
                "principal": principal,
                "service": self.service,
                "method": self.method,
                "arguments": sha256(canonical_json(self.arguments)).hexdigest(),
                "actor": [self.actor.kind, self.actor.id, self.actor.session_id],
                "client": self.client and asdict(self.client),
                "command": self.command_id,
                "correlation": self.correlation_id,
                "deadline": _milliseconds(self.deadline),
            }
        )

    def headers(self, signer: Signer) -> dict[str, str]:
        """The message headers that carry everything of the call but the method and the arguments."""
        client = {"okacrm-client": json.dumps(asdict(self.client))} if self.client else {}
        return client | {
            "okacrm-principal": signer.principal,
            "okacrm-actor": " ".join((self.actor.kind, self.actor.id or "-", self.actor.session_id or "-")),
            "okacrm-command": self.command_id,
            "okacrm-correlation": self.correlation_id,
            "okacrm-deadline": str(_milliseconds(self.deadline)),
            "okacrm-signature": signer.sign(self),
        }


class Signer:
    """Signs calls as one principal."""

    def __init__(self, principal: str, private_key_pem: bytes) -> None:
        self.principal = principal
        self._key = cast(Ed25519PrivateKey, load_pem_private_key(private_key_pem, password=None))

    def sign(self, call: Call) -> str:
        return b64encode(self._key.sign(call.signed_bytes(self.principal))).decode()


class Verifier:
    """Knows the public keys of the principals, and for whom each of them may speak."""

    def __init__(self, trusted_keys: Path) -> None:
        self._keys = {
            path.stem: cast(Ed25519PublicKey, load_pem_public_key(path.read_bytes()))
            for path in sorted(trusted_keys.glob("*.pem"))
        }

    def open(self, service: str, method: str, arguments: dict[str, Any], headers: Mapping[str, Any]) -> Call:
        """The verified call. Raises `Problem("actor-refused")` for a missing, forged or overreaching signature."""
        try:
            principal = str(headers["okacrm-principal"])
            kind, id, session_id = str(headers["okacrm-actor"]).split(" ")
            call = Call(
                service=service,
                method=method,
                arguments=arguments,
                actor=Actor(kind, id.strip("-") and id, session_id.strip("-") and session_id),
                command_id=str(headers["okacrm-command"]),
                correlation_id=str(headers["okacrm-correlation"]),
                deadline=int(headers["okacrm-deadline"]) / 1000,
                client=Client(**json.loads(headers["okacrm-client"])) if "okacrm-client" in headers else None,
            )
            signature = b64decode(str(headers["okacrm-signature"]), validate=True)
            self._keys[principal].verify(signature, call.signed_bytes(principal))
        except (KeyError, TypeError, ValueError, InvalidSignature):
            raise Problem("actor-refused") from None
        if not _may_speak_for(principal, call.actor):
            raise Problem("actor-refused")
        return call


def _may_speak_for(principal: str, actor: Actor) -> bool:
    if principal == GATEWAY:
        return actor.kind in (*GUARDS, TEAM) or actor == VISITOR
    if principal == OPERATOR:
        return actor.kind == OPERATOR
    return actor == Actor("service", principal)


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)
