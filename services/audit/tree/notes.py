"""Signed notes and checkpoints, in the formats of C2SP signed-note and tlog-checkpoint.

A note is text with Ed25519 signature lines under it; a checkpoint is a note whose text says how large the log is and
what its Merkle root is. Reading is strict: of all the ways to write the same thing only one is accepted, so that no
byte of an accepted note is free.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from services.audit.tree.merkle import HASH_SIZE

ED25519 = b"\x01"
"""Signature type of Ed25519 (C2SP signed-note, "Signature types")."""

MAX_SIGNATURES = 16
"""Signature lines read in one note: what every C2SP verifier must accept at least."""

MAX_SIZE = 2**63 - 1
"""Largest tree size or leaf index read from text."""

_END_OF_PEM = b"-----END PRIVATE KEY-----\n"


class NoteInvalid(ValueError):
    """A note, key or checkpoint is malformed or not signed as required; the message is a short, stable reason."""


def encode_base64(data: bytes) -> str:
    """RFC 4648 section 4, padded."""
    return b64encode(data).decode("ascii")


def decode_base64(text: str) -> bytes:
    """RFC 4648 section 4, and only in its canonical spelling: padded, nothing ignored, unused bits zero.

    Raises `NoteInvalid`.
    """
    try:
        data = b64decode(text, validate=True)
    except (Base64Error, ValueError):
        raise NoteInvalid("base64-malformed") from None
    if encode_base64(data) != text:
        raise NoteInvalid("base64-not-canonical")
    return data


def parse_decimal(text: str) -> int:
    """A number from 0 to 2^63 - 1 in ASCII digits without leading zeros. Raises `NoteInvalid`."""
    if not (text.isascii() and text.isdigit()) or len(text) > 19 or (text[0] == "0" and text != "0"):
        raise NoteInvalid("number-malformed")
    number = int(text)
    if number > MAX_SIZE:
        raise NoteInvalid("number-malformed")
    return number


# --- keys -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Verifier:
    """A key that notes are checked with: its name and its Ed25519 public key (32 bytes, RFC 8032).

    Its text form is `<name>+<key id in hex>+<base64 of 0x01 ‖ public key>`. A retired key of a log says the size of the
    last checkpoint that it signed, which is not part of its identity; None while it signs.
    """

    name: str
    public_key: bytes
    signed_up_to: int | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        if not _is_key_name(self.name) or not self.name.isprintable():
            raise NoteInvalid("key-name-malformed")
        if len(self.public_key) != 32:
            raise NoteInvalid("key-malformed")

    @classmethod
    def parse(cls, text: str) -> Verifier:
        """Read the text form. Raises `NoteInvalid`, also when the key id is not that of the key."""
        parts = text.split("+", 2)
        if len(parts) != 3:
            raise NoteInvalid("key-malformed")
        name, key_id, encoded = parts
        typed_key = decode_base64(encoded)
        if typed_key[:1] != ED25519:
            raise NoteInvalid("key-type-unknown")
        verifier = cls(name, typed_key[1:])
        if verifier.key_id.hex() != key_id:
            raise NoteInvalid("key-id-differs")
        return verifier

    @classmethod
    def from_pem(cls, name: str, pem: bytes) -> Verifier:
        """Raises `NoteInvalid` when the PEM holds another kind of key, `ValueError` when it holds none."""
        key = load_pem_public_key(pem)
        if not isinstance(key, Ed25519PublicKey):
            raise NoteInvalid("key-type-unknown")
        return cls(name, key.public_bytes_raw())

    @property
    def key_id(self) -> bytes:
        """First 4 bytes of SHA-256(name ‖ newline ‖ 0x01 ‖ public key)."""
        return sha256(self.name.encode() + b"\n" + ED25519 + self.public_key).digest()[:4]

    def __str__(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{encode_base64(ED25519 + self.public_key)}"

    def retired(self, signed_up_to: int) -> Verifier:
        """The same key, after it signed its last checkpoint, one of that size."""
        return replace(self, signed_up_to=signed_up_to)

    def check(self, text: str, signature: bytes) -> None:
        """Raise `NoteInvalid` unless `signature` is this key's over `text`."""
        try:
            Ed25519PublicKey.from_public_bytes(self.public_key).verify(signature, text.encode())
        except InvalidSignature:
            raise NoteInvalid("signature-wrong") from None


class NoteSigner:
    """A named Ed25519 private key that signs notes."""

    def __init__(self, name: str, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.verifier = Verifier(name, key.public_key().public_bytes_raw())

    @classmethod
    def from_pem(cls, name: str, pem: bytes) -> NoteSigner:
        """Raises `NoteInvalid` when the PEM holds another kind of key, `ValueError` when it holds none."""
        key = load_pem_private_key(pem, password=None)
        if not isinstance(key, Ed25519PrivateKey):
            raise NoteInvalid("key-type-unknown")
        return cls(name, key)

    @classmethod
    def all_from_pem(cls, name: str, pem: bytes) -> list[NoteSigner]:
        """Every key of a file that holds one PEM after the other, as it does while a key is replaced.

        Raises as `from_pem` does, also when there is no key at all.
        """
        blocks = pem.split(_END_OF_PEM)[:-1]
        if not blocks:
            raise ValueError("no private key")
        return [cls.from_pem(name, block + _END_OF_PEM) for block in blocks]

    @classmethod
    def generate(cls, name: str) -> NoteSigner:
        return cls(name, Ed25519PrivateKey.generate())

    def pem(self) -> bytes:
        return self._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    def sign(self, text: str) -> str:
        """The note: `text`, a blank line and this key's signature. Raises `NoteInvalid` for text no note can hold."""
        _require_note_text(text)
        if not text.endswith("\n"):
            raise NoteInvalid("text-without-final-newline")
        signature = encode_base64(self.verifier.key_id + self._key.sign(text.encode()))
        return f"{text}\n— {self.verifier.name} {signature}\n"


def holds_key(private_keys: Sequence[NoteSigner], key: Verifier) -> bool:
    """Return whether one of these private keys is the one that belongs to `key`."""
    return any(each.verifier == key for each in private_keys)


def format_keys(keys: Sequence[Verifier]) -> str:
    """The keys of a log as text: one a line, and after a retired one a space and the size up to which it signed."""
    return "".join(f"{key}\n" if key.signed_up_to is None else f"{key} {key.signed_up_to}\n" for key in keys)


def parse_keys(text: str) -> list[Verifier]:
    """Read what `format_keys` writes; empty lines are skipped. Raises `NoteInvalid`."""
    return [_parse_key(line) for line in text.splitlines() if line.strip()]


def _parse_key(line: str) -> Verifier:
    key, *signed_up_to = line.split()
    if len(signed_up_to) > 1:
        raise NoteInvalid("key-malformed")
    verifier = Verifier.parse(key)
    return verifier.retired(parse_decimal(signed_up_to[0])) if signed_up_to else verifier


def _is_key_name(name: str) -> bool:
    """Whether C2SP signed-note lets a key be called so."""
    return bool(name) and "+" not in name and not any(each.isspace() for each in name)


# --- notes ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class VerifiedNote:
    """The text of a note, with its final newline, and the keys whose signatures were found right."""

    text: str
    signers: tuple[Verifier, ...]


@dataclass(frozen=True)
class _Signature:
    name: str
    key_id: bytes
    signature: bytes


def verify_note(note: str, keys: Sequence[Verifier], *, sole_signature: bool = False) -> VerifiedNote:
    """Read a note signed by at least one of `keys`.

    A signature is matched to a key by name and key id. Signatures of other keys are ignored, as C2SP signed-note asks;
    with `sole_signature` the note must have one signature line and no more, since a line that nobody checks could be
    changed unnoticed. Raises `NoteInvalid`, also when any signature of a known key is wrong.
    """
    text, signatures = _parse_note(note)
    if sole_signature and len(signatures) != 1:
        raise NoteInvalid("more-than-one-signature")
    known = {(key.name, key.key_id): key for key in keys}
    signers = []
    for each in signatures:
        if key := known.get((each.name, each.key_id)):
            key.check(text, each.signature)
            signers.append(key)
    if not signers:
        raise NoteInvalid("not-signed-by-a-known-key")
    if len(set(signers)) != len(signers):
        raise NoteInvalid("signature-repeated")
    return VerifiedNote(text, tuple(signers))


def _parse_note(note: str) -> tuple[str, list[_Signature]]:
    _require_note_text(note)
    body, separator, block = note.rpartition("\n\n")
    if not separator or not block.endswith("\n"):
        raise NoteInvalid("note-malformed")
    lines = block.removesuffix("\n").split("\n")
    if len(lines) > MAX_SIGNATURES:
        raise NoteInvalid("too-many-signatures")
    signatures = [_parse_signature(line) for line in lines]
    return body + "\n", signatures


def _parse_signature(line: str) -> _Signature:
    dash, *rest = line.split(" ")
    if dash != "—" or len(rest) != 2 or not _is_key_name(rest[0]):
        raise NoteInvalid("signature-line-malformed")
    data = decode_base64(rest[1])
    if len(data) <= 4:
        raise NoteInvalid("signature-line-malformed")
    return _Signature(rest[0], data[:4], data[4:])


def _require_note_text(text: str) -> None:
    """UTF-8 without control characters other than newline (C2SP signed-note, "Format")."""
    if any(character < " " and character != "\n" for character in text):
        raise NoteInvalid("control-character")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise NoteInvalid("not-utf-8") from None


# --- checkpoints ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Checkpoint:
    """What a log commits to: its identity, its number of leaves and its Merkle root (32 bytes)."""

    origin: str
    size: int
    root: bytes

    def format(self) -> str:
        """The text that is signed: three lines, of C2SP tlog-checkpoint."""
        return f"{self.origin}\n{self.size}\n{encode_base64(self.root)}\n"

    @classmethod
    def parse(cls, text: str) -> Checkpoint:
        """Read the text of a checkpoint. Extension lines are refused: this log writes none. Raises `NoteInvalid`."""
        lines = text.split("\n")
        if len(lines) != 4 or lines[3] or not lines[0]:
            raise NoteInvalid("checkpoint-malformed")
        root = decode_base64(lines[2])
        if len(root) != HASH_SIZE:
            raise NoteInvalid("hash-not-32-bytes")
        return cls(lines[0], parse_decimal(lines[1]), root)


def verify_checkpoint(note: str, keys: Sequence[Verifier], *, sole_signature: bool = False) -> Checkpoint:
    """Read a signed checkpoint, pinned to its log: a key of `keys` that is named as the origin must have signed it.

    A retired key counts for checkpoints up to the size of the last that it signed. See `verify_note` for `keys` and
    `sole_signature`. Raises `NoteInvalid`.
    """
    verified = verify_note(note, keys, sole_signature=sole_signature)
    checkpoint = Checkpoint.parse(verified.text)
    signers = [key for key in verified.signers if key.name == checkpoint.origin]
    if not signers:
        raise NoteInvalid("origin-differs-from-key")
    if all(key.signed_up_to is not None and key.signed_up_to < checkpoint.size for key in signers):
        raise NoteInvalid("key-retired")
    return checkpoint
