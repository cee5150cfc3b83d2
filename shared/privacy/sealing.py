"""Sealing of personal values: AES-256-GCM under a key of (subject, category, scope).

A sealed value describes itself, so that whoever stores or forwards it needs no contract. It is bound, as associated
data, to the event that first carried it, to its field and to its subject: moved to another event, another field or
another person, it does not open.
"""

from __future__ import annotations

import os
from base64 import b64decode, b64encode
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from shared.contracts.categories import Category

NONCE_BYTES = 12
Entropy = Callable[[int], bytes]


class SealBroken(Exception):
    """A ciphertext does not open under its key: it was changed, or moved from where it belongs."""


@dataclass(frozen=True)
class Sealed:
    """A personal value as it is stored and sent: unreadable, and saying under which key, whose and from where it is."""

    ciphertext: bytes
    key_id: UUID
    category: Category
    subject: UUID
    field: str
    event_id: UUID

    def to_json(self) -> dict[str, str]:
        return {
            "category": self.category.value,
            "ciphertext": b64encode(self.ciphertext).decode(),
            "event": str(self.event_id),
            "field": self.field,
            "key": str(self.key_id),
            "subject": str(self.subject),
        }

    @classmethod
    def from_json(cls, data: dict[str, str]) -> Sealed:
        return cls(
            ciphertext=b64decode(data["ciphertext"], validate=True),
            key_id=UUID(data["key"]),
            category=Category(data["category"]),
            subject=UUID(data["subject"]),
            field=data["field"],
            event_id=UUID(data["event"]),
        )

    @property
    def associated_data(self) -> bytes:
        return f"{self.event_id}\n{self.field}\n{self.subject}".encode()


def is_sealed(value: Any) -> bool:
    """Whether a field of an event's data holds a sealed value; no public field is ever an object."""
    return isinstance(value, dict) and "ciphertext" in value


def seal(
    plaintext: bytes,
    key: bytes,
    *,
    key_id: UUID,
    category: Category,
    subject: UUID,
    field: str,
    event_id: UUID,
    entropy: Entropy = os.urandom,
) -> Sealed:
    """Seals `plaintext` (NIST SP 800-38D; the 96-bit random nonce is the first 12 bytes of the ciphertext)."""
    nonce = entropy(NONCE_BYTES)
    unsealed = Sealed(b"", key_id, category, subject, field, event_id)
    body = AESGCM(key).encrypt(nonce, plaintext, unsealed.associated_data)
    return Sealed(nonce + body, key_id, category, subject, field, event_id)


def unseal(sealed: Sealed, key: bytes) -> bytes:
    """The plaintext. Raises `SealBroken` if anything was changed or moved."""
    nonce, body = sealed.ciphertext[:NONCE_BYTES], sealed.ciphertext[NONCE_BYTES:]
    try:
        return AESGCM(key).decrypt(nonce, body, sealed.associated_data)
    except (InvalidTag, ValueError):
        raise SealBroken(f"{sealed.field} of event {sealed.event_id}") from None
