#!/usr/bin/env python3
"""Verifies what was exported from an Okacrm audit log, offline and without Okacrm.

    python3 verify.py [BUNDLE] --key KEY [--older-checkpoint FILE [--consistency FILE]] [--json]

It needs Python 3.11 and the package `cryptography`, no other file and no network. BUNDLE is an evidence bundle (a ZIP,
or the folder it was unpacked to), or the folder of an export without proofs; by default the folder of this file. KEY is
the log's public key, or @ and a file with one a line; behind a retired key stands the size of the last checkpoint that
counts of it. Take them from a source that did not give you the bundle.

Exit code: 0 verified, 1 not verified, 2 wrong usage, 3 consistent, but only with the key that came along.

What is checked follows RFC 6962 and RFC 9162 (Merkle trees), C2SP signed-note and tlog-checkpoint (checkpoints), RFC
8785 (canonical JSON) and RFC 4180 (CSV).
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import sys
import zipfile
import zlib
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Any, NoReturn

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

EVIDENCE, MANIFEST, KEYS = "evidence.json", "manifest.json", "keys.txt"
RECORDS = {"ndjson": "records.ndjson", "csv": "records.csv"}
BESIDE = ("summary.html", "verify.py")
EVIDENCE_FORMAT = "okacrm-evidence/v1"
MANIFEST_FORMAT = "okacrm-export/v1"
REQUEST_TYPE = "okacrm.audit.export_requested"

COLUMNS = [
    "index",
    "event_id",
    "publisher",
    "epoch",
    "position",
    "workspace",
    "workspace_counter",
    "stream",
    "stream_version",
    "type",
    "schema_version",
    "actor",
    "subjects",
    "correlation",
    "causation",
    "occurred_at",
    "received_at",
    "data",
    "sealed",
]

OK, NOT_VERIFIED, OWN_KEY_ONLY = 0, 1, 3
MOST_BYTES = 1 << 30
_DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError)
"""What the standard library raises for a ZIP that is none."""


class Invalid(Exception):
    """The bundle does not prove what it claims: `reason` is short and stable, `where` names the part that failed."""

    def __init__(self, reason: str, where: str) -> None:
        super().__init__(f"{where}: {reason}")
        self.reason = reason
        self.where = where


@dataclass(frozen=True)
class Checkpoint:
    """What a log has signed: who it is, how many records it has, and its Merkle root."""

    origin: str
    size: int
    root: bytes

    def __str__(self) -> str:
        return f"{self.origin}, {self.size} records, root {b64encode(self.root).decode()}"


@dataclass(frozen=True)
class Record:
    """A record of the log: its index, its bytes, and what they say."""

    index: int
    data: bytes
    leaf: Mapping[str, Any]


@dataclass
class Report:
    """What was found to hold, in sentences; `complete` says of what the export holds everything, if of anything."""

    checkpoint: Checkpoint
    records: int
    query: str
    proven: bool
    complete: str | None
    holds: list[str] = field(default_factory=list)
    not_shown: list[str] = field(default_factory=list)


# --- canonical forms: of every text only one spelling is accepted, so that no byte is free ---------------------------


def canonical(value: Any) -> bytes:
    """RFC 8785, for objects with ASCII keys, strings, truth values, null and integers."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()


def parse(data: bytes, where: str) -> Any:
    """The value whose canonical bytes these are."""
    try:
        value = json.loads(data.decode(), parse_float=_refuse, parse_constant=_refuse)
        if canonical(value) == data:
            return value
    except (ValueError, RecursionError):
        pass
    raise Invalid("not-canonical-json", where)


def _refuse(text: str) -> NoReturn:
    raise ValueError(text)


def members(value: Any, names: set[str], where: str) -> dict[str, Any]:
    """An object with exactly these members."""
    if not isinstance(value, dict) or value.keys() != names:
        raise Invalid("fields-differ", where)
    return value


def base64(value: Any, where: str) -> bytes:
    try:
        data = b64decode(value, validate=True)
    except (ValueError, TypeError):
        raise Invalid("base64-malformed", where) from None
    if b64encode(data).decode() != value:
        raise Invalid("base64-not-canonical", where)
    return data


def hashes(value: Any, where: str) -> list[bytes]:
    if not isinstance(value, list):
        raise Invalid("path-malformed", where)
    found = [base64(each, where) for each in value]
    if any(len(each) != 32 for each in found):
        raise Invalid("hash-not-32-bytes", where)
    return found


# --- checkpoints: C2SP signed-note and tlog-checkpoint ---------------------------------------------------------------


@dataclass(frozen=True)
class Key:
    """An Ed25519 public key by name and id; a retired one counts up to the checkpoint of the size `signed_up_to`."""

    name: str
    id: bytes
    public: bytes
    signed_up_to: int | None


def parse_key(line: str) -> Key:
    """The key `<name>+<key id>+<base64 of 0x01 and the key>`, with a space and a size behind it if it is retired."""
    text, _, signed_up_to = line.partition(" ")
    name, _, rest = text.partition("+")
    key_id, _, encoded = rest.partition("+")
    typed = base64(encoded, "key")
    if not name or typed[:1] != b"\x01" or len(typed) != 33:
        raise Invalid("key-malformed", "key")
    if sha256(name.encode() + b"\n" + typed).digest()[:4].hex() != key_id:
        raise Invalid("key-id-differs", "key")
    return Key(name, bytes.fromhex(key_id), typed[1:], decimal(signed_up_to, "key") if signed_up_to else None)


def decimal(text: str, where: str) -> int:
    if not (text.isascii() and text.isdigit() and str(int(text)) == text):
        raise Invalid("number-malformed", where)
    return int(text)


def read_checkpoint(note: Any, keys: Sequence[str], where: str) -> Checkpoint:
    """The checkpoint in a note with exactly one signature, by one of `keys`, which is picked by the id it names."""
    if not isinstance(note, str):
        raise Invalid("note-malformed", where)
    text, _, block = note.partition("\n\n")
    lines = text.split("\n")
    signature = block.removesuffix("\n").split(" ")
    if len(lines) != 3 or not block.endswith("\n") or len(signature) != 3 or signature[0] != "\u2014":
        raise Invalid("note-malformed", where)
    origin, size, root = lines
    signed = base64(signature[2], where)
    key = {(each.name, each.id): each for each in map(parse_key, keys)}.get((signature[1], signed[:4]))
    if key is None:
        raise Invalid("not-signed-by-a-known-key", where)
    try:
        Ed25519PublicKey.from_public_bytes(key.public).verify(signed[4:], f"{text}\n".encode())
    except InvalidSignature:
        raise Invalid("signature-wrong", where) from None
    if origin != signature[1]:
        raise Invalid("origin-differs-from-key", where)
    checkpoint = Checkpoint(origin, decimal(size, where), hashes([root], where)[0])
    if key.signed_up_to is not None and key.signed_up_to < checkpoint.size:
        raise Invalid("key-retired", where)
    return checkpoint


# --- Merkle trees: RFC 6962 section 2.1, RFC 9162 sections 2.1.3.2 and 2.1.4.2 ---------------------------------------


def leaf_hash(data: bytes) -> bytes:
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()


def check_inclusion(leaf: bytes, index: Any, size: int, path: Sequence[bytes], root: bytes, where: str) -> None:
    """That the leaf stands at `index` of the tree of `size` leaves with this root."""
    if type(index) is not int or not 0 <= index < size:
        raise Invalid("index-outside-tree", where)
    fn, sn, node = index, size - 1, leaf
    for sibling in path:
        if sn == 0:
            raise Invalid("path-too-long", where)
        if fn & 1 or fn == sn:
            node = node_hash(sibling, node)
            while fn and not fn & 1:
                fn, sn = fn >> 1, sn >> 1
        else:
            node = node_hash(node, sibling)
        fn, sn = fn >> 1, sn >> 1
    if sn != 0:
        raise Invalid("path-too-short", where)
    if node != root:
        raise Invalid("root-differs", where)


def check_consistency(old: Checkpoint, new: Checkpoint, path: Sequence[bytes], where: str) -> None:
    """That the newer tree begins with the very leaves of the older one."""
    if old.origin != new.origin:
        raise Invalid("origin-differs", where)
    if old.size > new.size:
        raise Invalid("size-shrank", where)
    if old.size in (0, new.size):
        if path:
            raise Invalid("path-too-long", where)
        if old.root != (new.root if old.size else sha256(b"").digest()):
            raise Invalid("root-differs", where)
        return
    fn, sn = old.size - 1, new.size - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    nodes = list(path) if fn else [old.root, *path]
    if not nodes:
        raise Invalid("path-too-short", where)
    old_node = new_node = nodes[0]
    for sibling in nodes[1:]:
        if sn == 0:
            raise Invalid("path-too-long", where)
        if fn & 1 or fn == sn:
            old_node, new_node = node_hash(sibling, old_node), node_hash(sibling, new_node)
            while fn and not fn & 1:
                fn, sn = fn >> 1, sn >> 1
        else:
            new_node = node_hash(new_node, sibling)
        fn, sn = fn >> 1, sn >> 1
    if sn != 0:
        raise Invalid("path-too-short", where)
    if old_node != old.root or new_node != new.root:
        raise Invalid("root-differs", where)


def root_of(leaves: Iterable[bytes]) -> bytes:
    """The root over all leaves, from one perfect subtree for each bit of their number."""
    subtrees: list[tuple[int, bytes]] = []
    for data in leaves:
        height, node = 0, leaf_hash(data)
        while subtrees and subtrees[-1][0] == height:
            node = node_hash(subtrees.pop()[1], node)
            height += 1
        subtrees.append((height, node))
    if not subtrees:
        return sha256(b"").digest()
    _, node = subtrees.pop()
    while subtrees:
        node = node_hash(subtrees.pop()[1], node)
    return node


# --- records ---------------------------------------------------------------------------------------------------------


def read_leaf(data: bytes, where: str) -> dict[str, Any]:
    """What a leaf says. Its bytes are proven, so all that is asked is that they say it in one way and completely."""
    leaf = parse(data, where)
    names = {*COLUMNS, "v"} - {"index"}
    if not isinstance(leaf, dict) or leaf.keys() != names or leaf["v"] != 1:
        raise Invalid("leaf-unknown", where)
    return leaf


def ndjson_of(records: Iterable[Record]) -> bytes:
    """Each record as a line: its index, and the very bytes that the log hashes."""
    return b"".join(b'{"index":%d,"leaf":%b}\n' % (each.index, each.data) for each in records)


def csv_of(records: Iterable[Record]) -> bytes:
    """RFC 4180; text that a spreadsheet would take for a formula has an apostrophe before it."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for each in records:
        row = {**each.leaf, "index": each.index, "subjects": " ".join(each.leaf["subjects"])}
        row |= {name: canonical(each.leaf[name]).decode() for name in ("data", "sealed")}
        writer.writerow([_cell(row[name]) for name in COLUMNS])
    return file.getvalue().encode()


def _cell(value: Any) -> str:
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r", "'")) else text


def is_wanted(query: str, leaf: Mapping[str, Any], where: str) -> bool:
    """Whether a query in its plainest form asks for a record: terms that all have to hold, and values of which one."""
    return all(_holds(term, leaf, where) for term in query.split(" ") if term)


def _holds(term: str, leaf: Mapping[str, Any], where: str) -> bool:
    qualifier, _, value = term.removeprefix("-").partition(":")
    if qualifier == "occurred":
        since, _, until = value.partition("..")
        moment = datetime.fromisoformat(leaf["occurred_at"])
        held = (not since or datetime.fromisoformat(since) <= moment) and (
            not until or moment < datetime.fromisoformat(until)
        )
    else:
        held = not _values_of(qualifier, leaf, where).isdisjoint(value.split(","))
    return held is not term.startswith("-")


def _values_of(qualifier: str, leaf: Mapping[str, Any], where: str) -> set[Any]:
    """Under which values of a qualifier a record is found."""
    if qualifier in ("type", "publisher", "workspace"):
        return {leaf[qualifier]}
    if qualifier == "actor":
        return {leaf["actor"], leaf["actor"].partition(":")[0]}
    if qualifier == "subject":
        return set(leaf["subjects"])
    if qualifier == "category":
        return {each["category"] for each in leaf["sealed"]}
    if qualifier == "recipient":
        recipient = leaf["data"].get("recipient_id")
        return {recipient} if isinstance(recipient, str) else set()
    raise Invalid("query-unknown", where)


# --- completeness ----------------------------------------------------------------------------------------------------


def check_complete(query: str, records: Sequence[Record], tree: Checkpoint, heads: Mapping[str, Any]) -> str | None:
    """Of what these are all records at the checkpoint `tree`, as far as that can be known; None where it cannot.

    `heads` is what the log itself stated of how far publishers and workspaces had come. Raises `Invalid` where
    something is missing.
    """
    if not query:
        return check_whole_log(((each.index, each.data) for each in records), tree)
    qualifier, _, values = query.partition(":")
    if " " in query or qualifier not in ("workspace", "publisher"):
        return None
    if qualifier == "workspace":
        for value in values.split(","):
            _check_workspace(value, records, _stated(heads, "workspaces", "workspace", value)["counter"])
        return (
            f"{query}: the numbers that the log gives to the records of each workspace go from 1 to the one that the "
            "log itself stated as its last, without a hole"
        )
    if any(each.leaf["epoch"] != 1 for each in records):
        return None
    for value in values.split(","):
        _check_publisher(value, records, _stated(heads, "publishers", "publisher", value))
    return (
        f"{query}: the positions of each publisher's feed go from 1 to the one that the log itself stated as the last "
        "it had, without a hole"
    )


def check_whole_log(records: Iterable[tuple[int, bytes]], tree: Checkpoint) -> str:
    """That these are all records of the log, by index and bytes. Raises `Invalid` where they are not."""
    size = 0

    def counted() -> Iterator[bytes]:
        nonlocal size
        for index, data in records:
            if index != size:
                raise Invalid("record-omitted", f"record {size}")
            size += 1
            yield data

    root = root_of(counted())
    if size != tree.size:
        raise Invalid("record-omitted", f"record {size}")
    if root != tree.root:
        raise Invalid("root-differs", "log")
    return "the whole log: the root made of these records is the root of the checkpoint"


def _stated(heads: Mapping[str, Any], kind: str, name: str, value: str) -> Mapping[str, Any]:
    for each in heads[kind]:
        if each[name] == value:
            return dict(each)
    raise Invalid("head-not-stated", f"{name} {value}")


def _check_workspace(workspace: str, records: Sequence[Record], head: int) -> None:
    counters = [each.leaf["workspace_counter"] for each in records if each.leaf["workspace"] == workspace]
    if counters != list(range(1, head + 1)):
        raise Invalid("record-omitted", f"workspace {workspace}")


def _check_publisher(publisher: str, records: Sequence[Record], head: Mapping[str, Any]) -> None:
    positions = [each.leaf["position"] for each in records if each.leaf["publisher"] == publisher]
    if head["epoch"] > 1 or positions != list(range(1, head["position"] + 1)):
        raise Invalid("record-omitted", f"publisher {publisher}")


Verdict = tuple[Report, Checkpoint, Iterable[bytes] | None]
"""What was found, the newest checkpoint that was shown, and all records of the log if they are here."""


# --- a bundle --------------------------------------------------------------------------------------------------------


def verify(
    files: Mapping[str, bytes], keys: Sequence[str], kept: str | None = None, consistency: bytes | None = None
) -> Report:
    """What the files of a bundle, or of an export without proofs, prove by the log's keys. Raises `Invalid`.

    `kept` is a checkpoint of the log from earlier, which the log still has to begin with, and `consistency` the answer
    of the log about it, where the bundle itself cannot show that.
    """
    if MANIFEST not in files:
        raise Invalid("file-missing", MANIFEST)
    try:
        manifest = _read_manifest(files[MANIFEST])
        check = _verify_evidence if EVIDENCE in files else _verify_plain
        report, newest, whole_log = check(files, manifest, keys)
        if kept is not None:
            _check_kept(read_checkpoint(kept, keys, "older checkpoint"), report, newest, whole_log, consistency)
    except (AttributeError, KeyError, TypeError, ValueError):
        # A log may sign nonsense: values of another kind than they have to be.
        raise Invalid("malformed", "bundle") from None
    return report


def _read_manifest(data: bytes) -> dict[str, Any]:
    manifest = parse(data, MANIFEST)
    if not isinstance(manifest, dict) or manifest.get("format") != MANIFEST_FORMAT:
        raise Invalid("format-unknown", MANIFEST)
    names = {"checkpoint", "columns", "export_id", "files", "form", "format", "publishers", "query", "records"}
    members(manifest, names | {"requested_at", "requested_by", "workspaces"}, MANIFEST)
    if manifest["columns"] != COLUMNS or not isinstance(manifest["files"], dict):
        raise Invalid("fields-differ", MANIFEST)
    return manifest


def _verify_evidence(files: Mapping[str, bytes], manifest: Mapping[str, Any], keys: Sequence[str]) -> Verdict:
    document = parse(files[EVIDENCE], EVIDENCE)
    if not isinstance(document, dict) or document.get("format") != EVIDENCE_FORMAT:
        raise Invalid("format-unknown", EVIDENCE)
    members(document, {"checkpoint", "consistency", "format", "records"}, EVIDENCE)
    newest = read_checkpoint(document["checkpoint"], keys, "checkpoint")
    older = members(document["consistency"], {"checkpoint", "path"}, "consistency")
    asked_at = read_checkpoint(older["checkpoint"], keys, "consistency")
    check_consistency(asked_at, newest, hashes(older["path"], "consistency"), "consistency")
    proven = _read_records(document["records"], newest)
    records = [each for each in proven if each.index < asked_at.size]
    request = _request_among(proven[len(records) :])
    _check_manifest(manifest, request, older["checkpoint"], asked_at, len(records))
    for each in records:
        if not is_wanted(manifest["query"], each.leaf, f"record {each.index}"):
            raise Invalid("record-not-asked-for", f"record {each.index}")
    _check_files(manifest, files, {RECORDS["ndjson"]: ndjson_of(records), RECORDS["csv"]: csv_of(records)})
    complete = check_complete(manifest["query"], records, asked_at, request.leaf["data"])
    report = Report(asked_at, len(records), manifest["query"], True, complete)
    report.holds += [
        f"Each of the {len(records)} records is in the log, as it stands in the bundle, at the place that is said.",
        f"The log itself has on record who asked for them, for what, and when: record {request.leaf['event_id']}.",
        "The log as it was when they were asked for is the beginning of the log under the newer checkpoint.",
        "The files for reading, records.ndjson and records.csv, say what the proven records say.",
        "The pages summary.html and verify.py are those that the manifest names, and prove nothing by themselves.",
    ]
    return report, newest, [each.data for each in records] if not manifest["query"] else None


def _read_records(value: Any, tree: Checkpoint) -> list[Record]:
    if not isinstance(value, list) or not value:
        raise Invalid("no-records", EVIDENCE)
    records: list[Record] = []
    for number, each in enumerate(value, start=1):
        where = f"record {number}"
        entry = members(each, {"index", "leaf", "path"}, where)
        data = base64(entry["leaf"], where)
        check_inclusion(leaf_hash(data), entry["index"], tree.size, hashes(entry["path"], where), tree.root, where)
        if records and entry["index"] <= records[-1].index:
            raise Invalid("records-out-of-order", where)
        records.append(Record(entry["index"], data, read_leaf(data, where)))
    return records


def _request_among(later: Sequence[Record]) -> Record:
    """What came after the checkpoint that was asked about: the record of the request, and nothing else."""
    if len(later) != 1 or later[0].leaf["type"] != REQUEST_TYPE or later[0].leaf["publisher"] != "audit":
        raise Invalid("request-missing", EVIDENCE)
    return later[0]


def _check_manifest(
    manifest: Mapping[str, Any], request: Record, note: str, asked_at: Checkpoint, records: int
) -> None:
    """Every member of the manifest is what the log's own record of the request says, or what was counted."""
    told = request.leaf["data"]
    expected = {
        "export_id": told["export_id"],
        "query": told["query"],
        "form": told["form"],
        "requested_at": told["requested_at"],
        "requested_by": request.leaf["actor"],
        "workspaces": told["workspaces"],
        "publishers": told["publishers"],
        "checkpoint": note,
        "records": records,
    }
    for name, value in expected.items():
        if manifest[name] != value:
            raise Invalid(f"{name}-differs", MANIFEST)
    if told["size"] != asked_at.size:
        raise Invalid("checkpoint-differs", MANIFEST)


def _check_files(manifest: Mapping[str, Any], files: Mapping[str, bytes], derived: Mapping[str, bytes]) -> None:
    for name, data in derived.items():
        if files.get(name) != data:
            raise Invalid("records-differ", name)
    if manifest["files"].keys() != {EVIDENCE, KEYS, *derived, *BESIDE}:
        raise Invalid("fields-differ", MANIFEST)
    for name, said in manifest["files"].items():
        if name not in files:
            raise Invalid("file-missing", name)
        if members(said, {"bytes", "sha256"}, MANIFEST) != _measured(files[name]):
            raise Invalid("file-differs", name)


def _measured(data: bytes) -> dict[str, Any]:
    return {"bytes": len(data), "sha256": sha256(data).hexdigest()}


def _verify_plain(files: Mapping[str, bytes], manifest: Mapping[str, Any], keys: Sequence[str]) -> Verdict:
    """An export without proofs fits its manifest; only where it is the whole log do the records prove themselves."""
    tree = read_checkpoint(manifest["checkpoint"], keys, "checkpoint")
    name = RECORDS.get(manifest["form"], "")
    if name not in files:
        raise Invalid("file-missing", name or "records")
    data = files[name]
    if manifest["files"] != {name: _measured(data)}:
        raise Invalid("file-differs", name)
    is_ndjson = manifest["form"] == "ndjson"
    counted = sum(1 for _ in _records_of_ndjson(data)) if is_ndjson else _rows_of_csv(data)
    if counted != manifest["records"]:
        raise Invalid("records-differ", MANIFEST)
    is_whole = is_ndjson and not manifest["query"]
    complete = check_whole_log(_records_of_ndjson(data), tree) if is_whole else None
    report = Report(tree, counted, manifest["query"], is_whole, complete)
    report.holds += ["The file is the one that the manifest names, with as many records."]
    if not is_whole:
        report.not_shown.append("That these records are in the log: ask for an evidence bundle of them.")
    return report, tree, (leaf for _, leaf in _records_of_ndjson(data)) if is_whole else None


def _records_of_ndjson(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Indexes and bytes of the records, one after the other, since there may be more of them than memory holds."""
    for number, line in enumerate(io.BytesIO(data), start=1):
        where = f"line {number}"
        document = members(parse(line.removesuffix(b"\n"), where), {"index", "leaf"}, where)
        yield document["index"], canonical(document["leaf"])


def _rows_of_csv(data: bytes) -> int:
    rows = csv.reader(io.StringIO(data.decode("utf-8", "replace"), newline=""))
    if next(rows, None) != COLUMNS:
        raise Invalid("fields-differ", RECORDS["csv"])
    return sum(1 for _ in rows)


def _check_kept(
    kept: Checkpoint, report: Report, newest: Checkpoint, whole_log: Iterable[bytes] | None, consistency: bytes | None
) -> None:
    """That the log still begins with what a reader saw of it: by what is here, or by what the log answered about it."""
    where = "older checkpoint"
    if kept.size > newest.size:
        raise Invalid("older-than-what-was-kept", where)
    if kept not in (report.checkpoint, newest):
        if consistency is not None:
            answer = members(_json(consistency, "consistency file"), {"from", "to", "hashes"}, "consistency file")
            if (answer["from"], answer["to"]) != (kept.size, newest.size):
                raise Invalid("sizes-differ", "consistency file")
            check_consistency(kept, newest, hashes(answer["hashes"], "consistency file"), where)
        elif whole_log is not None and kept.size <= report.records and kept.origin == newest.origin:
            if root_of(islice(whole_log, kept.size)) != kept.root:
                raise Invalid("root-differs", where)
        else:
            raise Invalid("no-consistency-with-older-checkpoint", where)
    report.holds.append(f"The log still begins with the {kept.size} records of the checkpoint that was kept.")


def _json(data: bytes, where: str) -> Any:
    try:
        return json.loads(data)
    except ValueError:
        raise Invalid("not-json", where) from None


# --- the command line ------------------------------------------------------------------------------------------------


def read_files(path: Path) -> dict[str, bytes]:
    """The files of a bundle by name, from its ZIP or from a folder, where files of other names are left alone."""
    known = {EVIDENCE, MANIFEST, KEYS, *RECORDS.values(), *BESIDE}
    if path.is_dir():
        return {name: (path / name).read_bytes() for name in known if (path / name).is_file()}
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            names = [each.filename for each in entries]
            if len(set(names)) != len(names) or not known.issuperset(names):
                raise Invalid("files-unknown", path.name)
            if sum(each.file_size for each in entries) > MOST_BYTES:
                raise Invalid("too-large", path.name)
            return {name: archive.read(name) for name in names}
    except (*_DAMAGED, OSError):
        raise Invalid("not-a-bundle", path.name) from None


def read_keys(given: Sequence[str]) -> list[str]:
    """Keys as they were given: each a key, or @ and a file with one a line."""
    lines = [
        line for each in given for line in (Path(each[1:]).read_text().splitlines() if each[:1] == "@" else [each])
    ]
    keys = [line.strip() for line in lines if line.strip()]
    for key in keys:
        parse_key(key)
    return keys


def told(report: Report, keys: Sequence[str], *, own_key_only: bool) -> str:
    """The report in words."""
    lines = ["CONSISTENT, BUT ONLY WITH THE KEY THAT CAME ALONG" if own_key_only else "VERIFIED"]
    if own_key_only:
        lines += ["  Whoever made this up could have made up the key as well. Compare it with one from another source,"]
        lines += ["  and run this again with --key:", *(f"    {key}" for key in keys)]
    lines += ["", f"  log       {report.checkpoint}", f"  asked     {report.query or '(everything)'}"]
    lines += [f"  records   {report.records}", ""]
    lines += [f"  + {each}" for each in report.holds]
    if report.complete:
        lines.append(f"  + Complete for {report.complete}.")
    else:
        lines.append("  - Whether these are ALL records that were asked for cannot be told from what is here.")
    lines += [f"  - Not shown: {each}" for each in report.not_shown]
    lines.append("  - What happened and was never recorded, and whether a record tells the truth, no log can prove.")
    return "\n".join(lines)


def as_json(report: Report, *, own_key_only: bool) -> str:
    document = {
        "verified": not own_key_only,
        "own_key_only": own_key_only,
        "origin": report.checkpoint.origin,
        "size": report.checkpoint.size,
        "root": b64encode(report.checkpoint.root).decode(),
        "query": report.query,
        "records": report.records,
        "proven": report.proven,
        "complete": report.complete,
        "holds": report.holds,
        "not_shown": report.not_shown,
    }
    return json.dumps(document, indent=2, ensure_ascii=False)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Verifies what was exported from an Okacrm audit log.")
    parser.add_argument("bundle", nargs="?", type=Path, default=Path(__file__).resolve().parent)
    parser.add_argument("--key", action="append", default=[], metavar="KEY|@FILE", help="public key of the log")
    parser.add_argument("--older-checkpoint", type=Path, metavar="FILE", help="a checkpoint you kept")
    parser.add_argument("--consistency", type=Path, metavar="FILE", help="the log's answer about that checkpoint")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    given = parser.parse_args(arguments)
    try:
        files = read_files(given.bundle)
        own_key_only = not given.key
        keys = read_keys(given.key or files.get(KEYS, b"").decode("utf-8", "replace").splitlines())
        kept = given.older_checkpoint.read_bytes().decode("utf-8", "replace") if given.older_checkpoint else None
        report = verify(files, keys, kept, given.consistency.read_bytes() if given.consistency else None)
    except OSError as error:
        parser.error(str(error))
    except Invalid as error:
        if given.json:
            print(json.dumps({"verified": False, "reason": error.reason, "where": error.where}))
        else:
            print(f"NOT VERIFIED: {error}", file=sys.stderr)
        return NOT_VERIFIED
    text = as_json(report, own_key_only=own_key_only) if given.json else told(report, keys, own_key_only=own_key_only)
    print(text)
    return OWN_KEY_ONLY if own_key_only else OK


if __name__ == "__main__":
    sys.exit(main())
