"""The evidence bundle: records of the log with all that is needed to check them, in one file and without a network.

A bundle is one canonical JSON document (RFC 8785, no final newline):

    {"checkpoint": <signed note>,
     "consistency": null | {"checkpoint": <older signed note>, "path": [<base64 hash>, …]},
     "format": "okacrm-evidence/v1",
     "records": [{"index": N, "leaf": <base64 of the leaf's bytes>, "path": [<base64 hash>, …]}, …]}

All records are proven in the tree of the one checkpoint, in the order of the log. No byte is free: the document has one
spelling, each leaf and path hashes to the signed root, and each note carries one signature and no other line. What is
trusted, the log's keys, is never in the bundle but given by whoever verifies it. A record's `index` and `path` and the
`checkpoint` are together a C2SP tlog-proof (`services.audit.tree.proofs`) for tools not ours.

A bundle proves what it holds. That it holds *every* record of some kind is another claim, which it does not make.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from services.audit.tree.leaves import Leaf, LeafInvalid
from services.audit.tree.merkle import ProofInvalid, leaf_hash, verify_consistency, verify_inclusion
from services.audit.tree.notes import Checkpoint, NoteInvalid, Verifier, decode_base64, encode_base64, verify_checkpoint
from shared.eventstore.canonical import NotCanonical, canonical_json, parse_canonical

FORMAT = "okacrm-evidence/v1"

MOST_OF_A_RECORD = 1 << 23
"""Bytes read of one record with its proof, or of what stands before the records."""
MOST_VALUES = 200_000
"""Values in them, each of which takes far more memory than its text."""

_RECORDS = b',"records":['


class EvidenceInvalid(Exception):
    """A bundle does not prove what it claims: `reason` is short and stable, `where` names the part that failed."""

    def __init__(self, reason: str, where: str) -> None:
        super().__init__(f"{where}: {reason}")
        self.reason = reason
        self.where = where


# --- making -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class RecordProof:
    """A leaf as stored, its index in the log and its path to the root of the bundle's checkpoint."""

    leaf: bytes
    index: int
    path: Sequence[bytes]


@dataclass(frozen=True)
class ConsistencyProof:
    """An older checkpoint as it was signed, and the path that shows that the bundle's checkpoint extends it."""

    checkpoint: str
    path: Sequence[bytes]


def bundle(checkpoint: str, records: Sequence[RecordProof], consistency: ConsistencyProof | None = None) -> bytes:
    """The bytes of a bundle. `checkpoint` is a note with one signature; records are put in the order of the log."""
    return canonical_json(
        {
            "format": FORMAT,
            "checkpoint": checkpoint,
            "consistency": None
            if consistency is None
            else {"checkpoint": consistency.checkpoint, "path": [encode_base64(each) for each in consistency.path]},
            "records": [
                {
                    "index": record.index,
                    "leaf": encode_base64(record.leaf),
                    "path": [encode_base64(each) for each in record.path],
                }
                for record in sorted(records, key=lambda record: record.index)
            ],
        }
    )


# --- verifying --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Record:
    """A leaf that was proven to stand at `index` of the log."""

    index: int
    leaf: Leaf


@dataclass(frozen=True)
class Evidence:
    """What a verified bundle proves; `older` is the checkpoint that `checkpoint` was shown to extend."""

    checkpoint: Checkpoint
    records: tuple[Record, ...]
    older: Checkpoint | None


def verify(data: bytes, keys: Sequence[Verifier], older_checkpoint: str | None = None) -> Evidence:
    """Check a whole bundle against the log's keys, which the caller holds.

    `keys` may hold earlier keys of the log too; each note is checked with the key its signature names. With
    `older_checkpoint`, a note the caller kept, the bundle must also show that the log still begins with what that note
    committed to. Raises `EvidenceInvalid`.
    """
    document = _parse(data)
    checkpoint = _checkpoint(document["checkpoint"], keys, "checkpoint")
    older = _older(document["consistency"], checkpoint, keys)
    if older_checkpoint is not None:
        try:
            kept = verify_checkpoint(older_checkpoint, keys)
        except NoteInvalid as error:
            raise EvidenceInvalid(str(error), "older checkpoint") from None
        if kept not in (older, checkpoint):
            raise EvidenceInvalid("no-consistency-with-older-checkpoint", "older checkpoint")
    return Evidence(checkpoint, _records(document["records"], checkpoint), older)


def _parse(data: bytes) -> dict[str, Any]:
    """The document, with each of its records still to be read.

    Records are the last member and hold no brace but their own, so the document is divided without reading it as a
    whole, which could take a hundred times the memory of its bytes. Each piece is canonical, and so the whole is.
    """
    start = data.find(_RECORDS) + len(_RECORDS)
    has_records = start >= len(_RECORDS)
    document = _canonical(data[:start] + b"]}" if has_records else data, "bundle")
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise EvidenceInvalid("format-unknown", "bundle")
    _object(document, {"checkpoint", "consistency", "format", "records"}, "bundle")
    return document | {"records": _divided(data, start)} if has_records else document


def _divided(data: bytes, at: int) -> Iterator[Any]:
    """The records of a document, of which the first stands at `at`."""
    number = 0
    while data[at : at + 3] != b"]}":
        number += 1
        end = data.find(b"}", at)
        piece = data[at + (number > 1) : end + 1]
        if end < 0 or (number > 1 and data[at : at + 1] != b","):
            raise EvidenceInvalid("not-canonical-json", "bundle")
        at = end + 1
        yield _canonical(piece, f"record {number}")
    if not number:
        raise EvidenceInvalid("no-records", "bundle")


def _canonical(data: bytes, where: str) -> Any:
    if len(data) > MOST_OF_A_RECORD or sum(data.count(each) for each in (b",", b"[", b"{")) > MOST_VALUES:
        raise EvidenceInvalid("too-large", where)
    try:
        return parse_canonical(data)
    except NotCanonical:
        raise EvidenceInvalid("not-canonical-json", where) from None


def _checkpoint(note: Any, keys: Sequence[Verifier], where: str) -> Checkpoint:
    if not isinstance(note, str):
        raise EvidenceInvalid("note-malformed", where)
    try:
        return verify_checkpoint(note, keys, sole_signature=True)
    except NoteInvalid as error:
        raise EvidenceInvalid(str(error), where) from None


def _older(value: Any, checkpoint: Checkpoint, keys: Sequence[Verifier]) -> Checkpoint | None:
    if value is None:
        return None
    where = "consistency"
    document = _object(value, {"checkpoint", "path"}, where)
    older = _checkpoint(document["checkpoint"], keys, where)
    if older.origin != checkpoint.origin:
        raise EvidenceInvalid("origin-differs", where)
    path = _hashes(document["path"], where)
    try:
        verify_consistency(older.size, older.root, checkpoint.size, checkpoint.root, path)
    except ProofInvalid as error:
        raise EvidenceInvalid(str(error), where) from None
    return older


def _records(value: Any, checkpoint: Checkpoint) -> tuple[Record, ...]:
    if not isinstance(value, Iterator):
        raise EvidenceInvalid("no-records", "bundle")
    records: list[Record] = []
    for number, each in enumerate(value, start=1):
        where = f"record {number}"
        document = _object(each, {"index", "leaf", "path"}, where)
        index = document["index"]
        if type(index) is not int:
            raise EvidenceInvalid("number-malformed", where)
        if records and index <= records[-1].index:
            raise EvidenceInvalid("records-out-of-order", where)
        leaf = _base64(document["leaf"], where)
        path = _hashes(document["path"], where)
        try:
            verify_inclusion(leaf_hash(leaf), index, checkpoint.size, path, checkpoint.root)
            records.append(Record(index, Leaf.from_bytes(leaf)))
        except (ProofInvalid, LeafInvalid) as error:
            raise EvidenceInvalid(str(error), where) from None
    return tuple(records)


def _object(value: Any, keys: set[str], where: str) -> dict[str, Any]:
    if not isinstance(value, dict) or value.keys() != keys:
        raise EvidenceInvalid("fields-differ", where)
    return value


def _hashes(value: Any, where: str) -> list[bytes]:
    if not isinstance(value, list):
        raise EvidenceInvalid("path-malformed", where)
    return [_base64(each, where) for each in value]


def _base64(value: Any, where: str) -> bytes:
    if not isinstance(value, str):
        raise EvidenceInvalid("base64-malformed", where)
    try:
        return decode_base64(value)
    except NoteInvalid as error:
        raise EvidenceInvalid(str(error), where) from None
