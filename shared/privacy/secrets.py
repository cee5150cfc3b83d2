"""Keys derived from one secret of a service, each for one use (HKDF, RFC 5869), and the keyed hashes made with them."""

from __future__ import annotations

import hmac
import unicodedata
from base64 import urlsafe_b64encode
from hashlib import sha256

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from shared.contracts.mailboxes import mailbox


class ServiceSecret:
    """32 bytes that belong to one service. What is derived for one use says nothing about any other use."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self._derived: dict[str, bytes] = {}

    def keyed_hash(self, use: str, message: bytes) -> bytes:
        """HMAC-SHA-256 of `message` under the key for `use`."""
        return hmac.digest(self._key(use), message, sha256)

    def derived_token(self, use: str, message: str) -> str:
        """A token of 256 bits for whoever `message` names: made again where it is needed, and never kept."""
        return urlsafe_b64encode(self.keyed_hash(use, message.encode())).rstrip(b"=").decode()

    def blind_index(self, field: str, value: str) -> bytes:
        """What a personal value is looked up by: equal for equal values after normalisation, and otherwise opaque."""
        return self._index(field, normalised(value))

    def mailbox_index(self, address: str) -> bytes:
        """The blind index of an e-mail address: equal for addresses of one mailbox. Raises `NoMailbox`."""
        return self._index("email", mailbox(address).key)

    def _index(self, field: str, normal_form: str) -> bytes:
        return self.keyed_hash(f"blind-index:{field}", normal_form.encode())

    def _key(self, use: str) -> bytes:
        if use not in self._derived:
            kdf = HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=f"okacrm:{use}".encode())
            self._derived[use] = kdf.derive(self._secret)
        return self._derived[use]


def token_hash(token: str) -> bytes:
    """What may be kept of a derived token. It has 256 bits of its own, so a fast hash is enough."""
    return sha256(token.encode()).digest()


def normalised(value: str) -> str:
    """The form in which two spellings of one name are the same: NFKC, no case, no outer space."""
    return unicodedata.normalize("NFKC", value).strip().casefold()
