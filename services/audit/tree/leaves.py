"""Leaf v1: what the audit log says of one event, without any readable personal value.

The canonical bytes (RFC 8785) of this record are what the Merkle tree hashes. They are stored exactly as hashed; a
sealed value stands beside the log and only the hash of its ciphertext stands here, so that it can be erased and every
proof stays valid.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from shared.eventstore.canonical import NotCanonical, canonical_json, parse_canonical

VERSION = 1

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_UTC = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,9})?Z", re.ASCII)


class LeafInvalid(ValueError):
    """Bytes or values that are not a leaf; the message is a short reason that does not change between releases."""


@dataclass(frozen=True, slots=True)
class SealedField:
    """A personal value of the event, by the name of its field: whose it is, under which key, and its ciphertext's hash.

    `sha256` is 64 lower-case hexadecimal digits over the ciphertext as stored.
    """

    field: str
    category: str
    subject: str
    key: str
    sha256: str

    def __post_init__(self) -> None:
        for name in _SEALED_NAMES:
            _require(_SEALED_CHECKS.get(name, _is_text), name, getattr(self, name))


@dataclass(frozen=True, slots=True)
class Leaf:
    """One event as the log records it.

    Ids are strings, and those of events and workspaces are lower-case UUIDs; times are RFC 3339 in UTC, written with
    `Z`; epochs, positions, counters and versions count from 1. An event outside any workspace has neither a workspace
    nor a counter in it. `data` holds the fields of the event that are not personal. Creating one that breaks these
    rules raises `LeafInvalid`, so that nothing enters the log that a verifier would refuse.
    """

    event_id: str
    publisher: str
    epoch: int
    position: int
    workspace: str | None
    workspace_counter: int | None
    stream: str
    stream_version: int
    type: str
    schema_version: int
    actor: str
    subjects: Sequence[str]
    correlation: str
    causation: str | None
    occurred_at: str
    received_at: str
    data: Mapping[str, Any]
    sealed: Sequence[SealedField]

    def __post_init__(self) -> None:
        for name in _LEAF_NAMES:
            _require(_LEAF_CHECKS.get(name, _is_text), name, getattr(self, name))
        if (self.workspace is None) != (self.workspace_counter is None):
            raise LeafInvalid("leaf-workspace_counter")

    def document(self) -> dict[str, Any]:
        """The leaf as the JSON object whose canonical bytes are hashed."""
        document = {name: getattr(self, name) for name in _LEAF_NAMES}
        document["v"] = VERSION
        document["sealed"] = [{name: getattr(each, name) for name in _SEALED_NAMES} for each in self.sealed]
        return document

    def to_bytes(self) -> bytes:
        """The bytes that are hashed and stored. Raises `LeafInvalid` when `data` has no canonical form."""
        try:
            return canonical_json(self.document())
        except NotCanonical:
            raise LeafInvalid("leaf-not-canonical") from None

    @classmethod
    def from_bytes(cls, data: bytes) -> Leaf:
        """The leaf whose bytes these are. Raises `LeafInvalid` for anything but the canonical bytes of a v1 leaf."""
        try:
            document = parse_canonical(data)
        except (NotCanonical, RecursionError):
            raise LeafInvalid("leaf-not-canonical") from None
        if not isinstance(document, dict):
            raise LeafInvalid("leaf-fields-differ")
        version = document.pop("v", None)
        if type(version) is not int or version != VERSION:
            raise LeafInvalid("leaf-version-unknown")
        sealed = document.get("sealed")
        if document.keys() != set(_LEAF_NAMES) or not isinstance(sealed, list):
            raise LeafInvalid("leaf-fields-differ")
        if not all(isinstance(each, dict) and each.keys() == set(_SEALED_NAMES) for each in sealed):
            raise LeafInvalid("leaf-sealed")
        return cls(**{**document, "sealed": [SealedField(**each) for each in sealed]})


def _require(holds: Callable[[Any], bool], name: str, value: Any) -> None:
    if not holds(value):
        raise LeafInvalid(f"leaf-{name}")


def _is_text(value: Any) -> bool:
    """Not empty, and nothing that could move the cursor of the terminal it is printed on."""
    return isinstance(value, str) and value != "" and value.isprintable()


def _is_number(value: Any) -> bool:
    return type(value) is int and value >= 1


def _is_list(value: Any) -> bool:
    return isinstance(value, list | tuple)


def _matches(pattern: re.Pattern[str]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, str) and pattern.fullmatch(value) is not None


def _or_null(holds: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: value is None or holds(value)


_LEAF_NAMES = tuple(each.name for each in fields(Leaf))
_LEAF_CHECKS: dict[str, Callable[[Any], bool]] = {
    "event_id": _matches(_UUID),
    "epoch": _is_number,
    "position": _is_number,
    "workspace": _or_null(_matches(_UUID)),
    "workspace_counter": _or_null(_is_number),
    "stream_version": _is_number,
    "schema_version": _is_number,
    "subjects": lambda value: _is_list(value) and all(map(_is_text, value)),
    "causation": _or_null(_is_text),
    "occurred_at": _matches(_UTC),
    "received_at": _matches(_UTC),
    "data": lambda value: isinstance(value, dict),
    "sealed": lambda value: _is_list(value) and all(isinstance(each, SealedField) for each in value),
}
_SEALED_NAMES = tuple(each.name for each in fields(SealedField))
_SEALED_CHECKS = {"sha256": _matches(_SHA256)}
