"""Cursors of lists as they leave the gateway: sealed, for one list and for who was given them.

A service says with a key of its own where a list goes on. Outside, nobody reads that key, and nobody makes one up: what
comes back is opened only for the question and the caller that it was given to. Whatever else is sent is no cursor.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from shared.bus.actors import Actor
from shared.contracts.problems import Problem

LIMIT = "limit"
"""How long a page is does not say what is listed, and may change from page to page."""
Question = bytes
"""What a cursor is bound to."""


class Cursors:
    """Seals and opens cursors. All gateways of a platform share one key, so that each opens what another sealed."""

    def __init__(self, key: bytes) -> None:
        # AES-SIV (RFC 5297) needs no nonce: the same page is answered with the same cursor.
        self._cipher = AESSIV(key)

    def seal(self, place: str, question: Question) -> str:
        """The cursor for where a list goes on."""
        return urlsafe_b64encode(self._cipher.encrypt(place.encode(), [question])).decode().rstrip("=")

    def open(self, cursor: str, question: Question) -> str:
        """Where the list goes on. Raises `Problem("cursor-invalid")` for what was not given for this question."""
        try:
            sealed = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
            place = self._cipher.decrypt(sealed, [question]).decode()
        except (ValueError, InvalidTag):
            raise Problem("cursor-invalid") from None
        if self.seal(place, question) != cursor:  # base64 has several spellings of the same bytes
            raise Problem("cursor-invalid")
        return place


def question_of(list_name: str, arguments: Mapping[str, Any], actor: Actor) -> Question:
    """What a page is of: the list, everything that says what is in it, and the person and guard who ask.

    Not their session: a person who signs in again reads on.
    """
    asked = {name: value for name, value in arguments.items() if name not in ("cursor", LIMIT)}
    return json.dumps([list_name, actor.kind, actor.id, asked], sort_keys=True).encode()
