"""The same command twice is one command: how a client's key becomes the id under which a service remembers."""

from __future__ import annotations

import re
import secrets
from hashlib import sha256
from uuid import UUID

from shared.bus.actors import Actor
from shared.contracts.problems import Problem

HEADER = "Idempotency-Key"

_KEY = re.compile(r"[\x21-\x7e]{16,255}", re.ASCII)
_VERSION_8, _VARIANT = 0x8 << 76, 0b10 << 62


def key_of(header: str | None) -> str:
    """The key of a command: the client's own, or a random one that the answer tells, so that a retry can name it."""
    if header is None:
        return secrets.token_urlsafe(24)
    if not _KEY.fullmatch(header):
        raise Problem("idempotency-key-malformed")
    return header


def command_id(actor: Actor, method: str, path_template: str, key: str) -> str:
    """The id of the command: the same for the same person, kind of request and key, and for nobody else.

    A UUID version 8 (RFC 9562) from SHA-256. None of the parts can hold a line break.
    """
    name = "\n".join((actor.kind, actor.id, method, path_template, key))
    number = int.from_bytes(sha256(name.encode()).digest()[:16], "big")
    number &= ~(0xF << 76) & ~(0b11 << 62)
    return str(UUID(int=number | _VERSION_8 | _VARIANT))
