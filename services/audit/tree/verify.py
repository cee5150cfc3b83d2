#!/usr/bin/env python3
"""Verifies what was exported from an Okacrm audit log, offline and without Okacrm.

    python3 -I verify.py [BUNDLE] --key KEY [--older-checkpoint FILE [--consistency FILE]] [--json]

It needs Python 3.11 and the package `cryptography`, no other file and no network. BUNDLE is an evidence bundle (a ZIP,
or the folder it was unpacked to), or the folder of an export of the whole log; by default the folder of this file. KEY
is the log's public key, or @ and a file with one a line; behind a retired key stands the size of the last checkpoint
that counts of it. Take them from a source that did not give you the bundle.

Exit code: 0 verified, 1 not verified, 2 cannot be read or wrong usage, 3 consistent, but only with the key that came
along. Verified means that every row is proven, and that every file is the one that the log itself has on record.

What is checked follows RFC 6962 and RFC 9162 (Merkle trees), C2SP signed-note and tlog-checkpoint (checkpoints), RFC
8785 (canonical JSON), RFC 4180 (CSV) and APPNOTE 6.3 (ZIP).
"""

import sys

if __name__ == "__main__" and not sys.flags.isolated:
    # Python would take a file beside this one for a module of its own, and so run what came with the bundle. Nothing
    # may be imported before this, not even from `__future__`; `sys` and `os` are part of the interpreter.
    import os

    if os.name == "posix" and sys.executable:
        os.execv(sys.executable, [sys.executable, "-I", __file__, *sys.argv[1:]])  # noqa: S606
    print("CANNOT BE READ: run this as: python3 -I verify.py", file=sys.stderr)
    sys.exit(2)

import argparse
import csv
import io
import json
import os
import stat
import struct
import zlib
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, NoReturn

try:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
except ImportError:
    print("CANNOT BE READ: `python3 -I` does not find the package cryptography", file=sys.stderr)
    sys.exit(2)

EVIDENCE, MANIFEST, KEYS = "evidence.json", "manifest.json", "keys.txt"
NDJSON, CSV = "records.ndjson", "records.csv"
STATED = (KEYS, CSV, NDJSON, "summary.html", "verify.py")
"""The files of a bundle that the log has on record before the bundle is made; the others are proven or derived."""
NAMES = {EVIDENCE, MANIFEST, *STATED}
EVIDENCE_FORMAT = "okacrm-evidence/v1"
MANIFEST_FORMAT = "okacrm-export/v1"
REQUEST_TYPE = "okacrm.audit.export_requested"
STATEMENT_TYPE = "okacrm.audit.export_prepared"

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

OK, NOT_VERIFIED, UNREADABLE, OWN_KEY_ONLY = 0, 1, 2, 3

CHUNK = 1 << 16
MOST_OF_A_FILE = 1 << 28
"""Bytes of one file of a bundle. None of them is held as a whole, so this bounds time and not memory."""
MOST_OF_EVIDENCE = 1 << 26
MOST_OF_A_RECORD = 1 << 23
MOST_OF_A_PAGE = 1 << 20
"""Bytes of what is read as a whole: the manifest, keys, and the files that are named on the command line."""
MOST_VALUES = 200_000
"""Values in one JSON text, each of which takes far more memory than the text of it."""
LARGEST_INTEGER, LARGEST_SIZE = 2**53 - 1, 2**63 - 1
MOST_SIGNATURES = 16


class Refused(Exception):
    """What was given proves nothing: `reason` is short and stable, `where` names the part that failed."""

    verdict, words, status = "not-verified", "NOT VERIFIED", NOT_VERIFIED

    def __init__(self, reason: str, where: str) -> None:
        super().__init__(f"{where}: {reason}")
        self.reason = reason
        self.where = where


class Invalid(Refused):
    """It was read, and does not prove what it claims."""


class Unreadable(Refused):
    """It could not be read: no such file, no ZIP of the one form that is accepted, or too much of it."""

    verdict, words, status = "cannot-be-read", "CANNOT BE READ", UNREADABLE


HINTS = {
    "rows-without-proof": "An export without proofs shows rows and proves none of them: ask for an evidence bundle.",
    "statement-missing": "The bundle does not hold what the log has on record of its contents: ask for a new one.",
    "record-omitted": "The log itself has more records on record than are here.",
}


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
    """What was found to hold, in sentences; `complete` says of what the export holds everything, if of anything.

    All rows are proven. `unproven` names what else a reader may believe and is not.
    """

    checkpoint: Checkpoint
    records: int
    query: str
    complete: str | None
    holds: list[str] = field(default_factory=list)
    unproven: list[str] = field(default_factory=list)


# --- reading files: never more at a time than was asked for ----------------------------------------------------------

Bundle = Mapping[str, Callable[[], Iterator[bytes]]]
"""The files of a bundle by name; each can be opened, and then comes in pieces."""


class Reader:
    """Reads one file of a bundle from its beginning to its end, and measures it."""

    def __init__(self, bundle: Bundle, name: str, most: int = MOST_OF_A_FILE) -> None:
        if name not in bundle:
            raise Invalid("file-missing", name)
        self.name = name
        self._pieces = bundle[name]()
        self._most = most
        self._ahead = bytearray()
        self._length = 0
        self._hash = sha256()

    def until(self, end: bytes, most: int) -> bytes:
        """What comes up to and with `end`, or what is left where it does not come any more."""
        searched = 0
        while (at := self._ahead.find(end, searched)) < 0:
            if len(self._ahead) > most:
                raise Unreadable("too-large", self.name)
            searched = max(0, len(self._ahead) - len(end) + 1)
            if not self._read_on():
                return self._take(len(self._ahead))
        if at > most:
            raise Unreadable("too-large", self.name)
        return self._take(at + len(end))

    def expect(self, data: bytes) -> None:
        """Read what has to come next, and nothing else than that."""
        while len(self._ahead) < len(data) and self._read_on():
            pass
        if self._take(len(data)) != data:
            raise Invalid("records-differ", self.name)

    def is_at_end(self) -> bool:
        return not self._ahead and not self._read_on()

    def measured(self) -> dict[str, Any]:
        """Length and SHA-256 of the whole file, as a manifest tells them."""
        self._ahead.clear()
        while self._read_on():
            self._ahead.clear()
        return {"bytes": self._length, "sha256": self._hash.hexdigest()}

    def _take(self, length: int) -> bytes:
        taken = bytes(self._ahead[:length])
        del self._ahead[:length]
        return taken

    def _read_on(self) -> bool:
        piece = next(self._pieces, b"")
        self._length += len(piece)
        if self._length > self._most:
            raise Unreadable("too-large", self.name)
        self._hash.update(piece)
        self._ahead += piece
        return bool(piece)


def read_whole(bundle: Bundle, name: str, most: int = MOST_OF_A_PAGE) -> bytes:
    """The bytes of a file of a bundle that is small enough to be held."""
    reader = Reader(bundle, name, most)
    data = bytearray()
    while piece := reader.until(b"\n", most):
        data += piece
    return bytes(data)


def read_file(path: Path, most: int = MOST_OF_A_PAGE) -> bytes:
    """The bytes of a file that the command line names. Raises `Unreadable`."""
    data = bytearray()
    for piece in _pieces_of(path):
        data += piece
        if len(data) > most:
            raise Unreadable("too-large", path.name)
    return bytes(data)


def text_of(data: bytes, where: str) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise Unreadable("not-utf-8", where) from None


def _pieces_of(path: Path, start: int = 0, length: int | None = None, *, links: bool = True) -> Iterator[bytes]:
    """A regular file, or a part of it, piece by piece; nothing that waits for somebody else or never ends."""
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        with open(os.open(path, flags | (0 if links else getattr(os, "O_NOFOLLOW", 0))), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise Unreadable("not-a-regular-file", path.name)
            file.seek(start)
            left = sys.maxsize if length is None else length
            while left and (piece := file.read(min(CHUNK, left))):
                left -= len(piece)
                yield piece
    except (OSError, ValueError) as error:
        raise Unreadable(_reason_of(error), path.name) from None


def _reason_of(error: Exception) -> str:
    return "no-such-file" if isinstance(error, FileNotFoundError) else "cannot-be-opened"


def is_bundle(path: Path) -> bool:
    """Whether this is to be read as a bundle, and not as the evidence of single records, which is one JSON object."""
    return path.is_dir() or _bytes_at(path, 0, 1) != b"{"


def open_bundle(path: Path) -> Bundle:
    """The files of a bundle, from its ZIP or from a folder. Raises `Unreadable` where anything else is among them."""
    try:
        found = _folder(path) if path.is_dir() else _zip(path)
    except (OSError, ValueError) as error:
        raise Unreadable(_reason_of(error), path.name) from None
    return found


def _folder(path: Path) -> Bundle:
    files: dict[str, Callable[[], Iterator[bytes]]] = {}
    with os.scandir(path) as entries:
        for entry in entries:
            if entry.name not in NAMES:
                raise Unreadable("file-unknown", entry.name)
            if entry.is_symlink() or not entry.is_file(follow_symlinks=False):
                raise Unreadable("not-a-regular-file", entry.name)
            files[entry.name] = _opener(path / entry.name)
    return files


def _opener(path: Path) -> Callable[[], Iterator[bytes]]:
    return lambda: _pieces_of(path, links=False)


# --- ZIP: one form of it, in which every reader finds the same files -------------------------------------------------

_LOCAL, _CENTRAL, _END = struct.Struct("<4s5H3L2H"), struct.Struct("<4s6H3L5H2L"), struct.Struct("<4s4H2LH")
_METHODS = STORED, DEFLATED = 0, 8


@dataclass(frozen=True)
class _Entry:
    """A file in a ZIP: how it is packed, where its bytes stand, and what it is said to be."""

    name: str
    method: int
    crc: int
    start: int
    packed: int
    size: int


def _zip(path: Path) -> Bundle:
    """The files of a ZIP that consists of them, the directory and its end, from the first byte to the last."""
    length = path.stat().st_size
    start, listed = _zip_directory(path, length)
    files: dict[str, Callable[[], Iterator[bytes]]] = {}
    at = 0
    for central, name in listed:
        local = _LOCAL.size + len(name)
        # What both say of a file stands in the same order in both.
        header = _bytes_at(path, at, local)
        offset, mode = central[-1], central[-2] >> 16
        if offset != at or header[:4] != b"PK\3\4" or header[4:30] != _CENTRAL.pack(*central)[6:32]:
            raise Unreadable("zip-headers-differ", path.name)
        flags, method, crc, packed, size, extra, comment = *central[3:5], *central[7:10], *central[11:13]
        if flags or extra or comment or method not in _METHODS or stat.S_IFMT(mode) not in (0, stat.S_IFREG):
            raise Unreadable("zip-not-plain", path.name)
        known = {each.encode(): each for each in NAMES}.get(name)
        if known is None or header[30:] != name:
            raise Unreadable("file-unknown", path.name)
        if known in files:
            raise Unreadable("file-repeated", known)
        if size > MOST_OF_A_FILE:
            raise Unreadable("too-large", known)
        files[known] = _unpacker(path, _Entry(known, method, crc, at + local, packed, size))
        at += local + packed
    if at != start:
        raise Unreadable("zip-not-in-one-piece", path.name)
    return files


def _zip_directory(path: Path, length: int) -> tuple[int, list[tuple[tuple[Any, ...], bytes]]]:
    """Where the directory begins, and its entries with their names; behind it there is nothing but the end."""
    end = _bytes_at(path, length - _END.size, _END.size) if length >= _END.size else b""
    if end[:4] != b"PK\5\6":
        raise Unreadable("no-zip", path.name)
    _, disk, first_disk, here, count, size, start, comment = _END.unpack(end)
    if disk or first_disk or comment or here != count or start + size + _END.size != length or size > MOST_OF_A_PAGE:
        raise Unreadable("zip-not-in-one-piece", path.name)
    directory = _bytes_at(path, start, size)
    entries = []
    at = 0
    for _ in range(count):
        fixed = directory[at : at + _CENTRAL.size]
        if len(fixed) != _CENTRAL.size or fixed[:4] != b"PK\1\2":
            raise Unreadable("zip-not-in-one-piece", path.name)
        central = _CENTRAL.unpack(fixed)
        at += _CENTRAL.size
        entries.append((central, directory[at : at + central[10]]))
        at += central[10]
    if at != size:
        raise Unreadable("zip-not-in-one-piece", path.name)
    return start, entries


def _bytes_at(path: Path, start: int, length: int) -> bytes:
    return b"".join(_pieces_of(path, start, length))


def _unpacker(path: Path, entry: _Entry) -> Callable[[], Iterator[bytes]]:
    return lambda: _checked(path, entry)


def _checked(path: Path, entry: _Entry) -> Iterator[bytes]:
    """The pieces of a file in a ZIP, with the length and the sum that the ZIP says they have."""
    packed = _pieces_of(path, entry.start, entry.packed)
    length = crc = 0
    for piece in _inflated(packed, entry.name) if entry.method == DEFLATED else packed:
        length, crc = length + len(piece), zlib.crc32(piece, crc)
        if length > entry.size:
            break
        yield piece
    if (length, crc) != (entry.size, entry.crc):
        raise Unreadable("zip-damaged", entry.name)


def _inflated(packed: Iterator[bytes], name: str) -> Iterator[bytes]:
    inflating = zlib.decompressobj(-15)
    try:
        for piece in packed:
            if inflating.eof:
                raise Unreadable("zip-damaged", name)
            # There may be more to come of what was taken in already, also where nothing is waiting.
            while data := inflating.decompress(piece, CHUNK):
                piece = inflating.unconsumed_tail
                yield data
    except zlib.error:
        raise Unreadable("zip-damaged", name) from None
    if not inflating.eof or inflating.unused_data:
        raise Unreadable("zip-damaged", name)


# --- canonical forms: of every text only one spelling is accepted, so that no byte is free ---------------------------


def canonical(value: Any) -> bytes:
    """RFC 8785, for objects with ASCII keys, strings, truth values, null and integers."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()


def is_same(one: Any, other: Any) -> bool:
    """Whether two values are written alike. To Python `true` equals 1, which they are not."""
    return canonical(one) == canonical(other)


def parse(data: bytes, where: str) -> Any:
    """The value whose canonical bytes these are."""
    try:
        value = parse_any(data, where)
        if canonical(value) == data:
            return value
    except (ValueError, RecursionError):
        pass
    raise Invalid("not-canonical-json", where)


def parse_any(data: bytes, where: str) -> Any:
    """The value of a JSON text, in which each key stands once and each number is an integer of bearable size."""
    if sum(data.count(each) for each in (b",", b"[", b"{")) > MOST_VALUES:
        raise Unreadable("too-many-values", where)
    try:
        return json.loads(
            data.decode(),
            parse_int=_integer,
            parse_float=_refuse,
            parse_constant=_refuse,
            object_pairs_hook=_object,
        )
    except (ValueError, RecursionError):
        raise Invalid("not-json", where) from None


def _integer(text: str) -> int:
    if len(text) > 17 or abs(int(text)) > LARGEST_INTEGER:
        _refuse(text)
    return int(text)


def _refuse(text: str) -> NoReturn:
    raise ValueError(text)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs) or not all(map(str.isascii, found)):
        raise ValueError("a key stands twice, or is not ASCII")
    return found


def members(value: Any, names: set[str], where: str) -> dict[str, Any]:
    """An object with exactly these members."""
    if not isinstance(value, dict) or value.keys() != names:
        raise Invalid("fields-differ", where)
    return value


def base64(value: Any, where: str) -> bytes:
    if not isinstance(value, str):
        raise Invalid("base64-malformed", where)
    try:
        data = b64decode(value, validate=True)
    except ValueError:
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


def decimal(text: str, where: str) -> int:
    """A number from 0 to 2^63 - 1 in ASCII digits without leading zeros."""
    if not (text.isascii() and text.isdigit() and len(text) <= 19 and str(int(text)) == text):
        raise Invalid("number-malformed", where)
    if int(text) > LARGEST_SIZE:
        raise Invalid("number-malformed", where)
    return int(text)


# --- checkpoints: C2SP signed-note and tlog-checkpoint ---------------------------------------------------------------


@dataclass(frozen=True)
class Key:
    """An Ed25519 public key by name and id; a retired one counts up to the checkpoint of the size `signed_up_to`."""

    name: str
    id: bytes
    public: bytes
    signed_up_to: int | None


def parse_key(line: str, where: str = "key") -> Key:
    """The key `<name>+<key id>+<base64 of 0x01 and the key>`, with a space and a size behind it if it is retired."""
    text, _, signed_up_to = line.partition(" ")
    name, _, rest = text.partition("+")
    key_id, _, encoded = rest.partition("+")
    typed = base64(encoded, where)
    if not _is_key_name(name) or not name.isprintable() or typed[:1] != b"\x01" or len(typed) != 33:
        raise Invalid("key-malformed", where)
    if sha256(name.encode() + b"\n" + typed).digest()[:4].hex() != key_id:
        raise Invalid("key-id-differs", where)
    return Key(name, bytes.fromhex(key_id), typed[1:], decimal(signed_up_to, where) if signed_up_to else None)


def _is_key_name(name: str) -> bool:
    return bool(name) and "+" not in name and not any(map(str.isspace, name))


def read_checkpoint(note: Any, keys: Sequence[str], where: str, *, sole_signature: bool = True) -> Checkpoint:
    """The checkpoint in a note that a key of `keys` has signed, which is picked by the name and id of its line.

    In a bundle a note has this one signature, since a line that nobody checks could be changed unnoticed. A note of
    somebody else may have lines of keys that are not known here, as those of witnesses; they are ignored.
    """
    if not isinstance(note, str) or len(note) > MOST_OF_A_PAGE:
        raise Invalid("note-malformed", where)
    if any(each < " " and each != "\n" for each in note):
        raise Invalid("control-character", where)
    text, separator, block = note.rpartition("\n\n")
    lines = text.split("\n")
    if not separator or not block.endswith("\n") or len(lines) != 3:
        raise Invalid("note-malformed", where)
    signatures = [_signature(line, where) for line in block.removesuffix("\n").split("\n")]
    if len(signatures) > (1 if sole_signature else MOST_SIGNATURES):
        raise Invalid("more-than-one-signature" if sole_signature else "too-many-signatures", where)
    known = {(each.name, each.id): each for each in (parse_key(line) for line in keys)}
    signers = [(known[name, data[:4]], data[4:]) for name, data in signatures if (name, data[:4]) in known]
    if not signers:
        raise Invalid("not-signed-by-a-known-key", where)
    for key, signature in signers:
        _check_signature(key, f"{text}\n", signature, where)
    if len({key.id for key, _ in signers}) != len(signers):
        raise Invalid("signature-repeated", where)
    origin, size, root = lines
    own = [key for key, _ in signers if key.name == origin]
    if not own:
        raise Invalid("origin-differs-from-key", where)
    checkpoint = Checkpoint(origin, decimal(size, where), hashes([root], where)[0])
    if all(key.signed_up_to is not None and key.signed_up_to < checkpoint.size for key in own):
        raise Invalid("key-retired", where)
    return checkpoint


def _signature(line: str, where: str) -> tuple[str, bytes]:
    """The name of a key, and its id with the signature behind it."""
    dash, _, rest = line.partition(" ")
    name, _, encoded = rest.partition(" ")
    signature = base64(encoded, where)
    if dash != "\u2014" or not _is_key_name(name) or len(signature) <= 4:
        raise Invalid("note-malformed", where)
    return name, signature


def _check_signature(key: Key, text: str, signature: bytes, where: str) -> None:
    try:
        Ed25519PublicKey.from_public_bytes(key.public).verify(signature, text.encode())
    except (InvalidSignature, UnicodeEncodeError):
        raise Invalid("signature-wrong", where) from None


# --- Merkle trees: RFC 6962 section 2.1, RFC 9162 sections 2.1.3.2 and 2.1.4.2 ---------------------------------------

EMPTY_ROOT = sha256(b"").digest()


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
    """That the newer tree begins with the very leaves of the older one.

    Of a tree without leaves nothing follows: every tree begins with it, and only that it is one can be checked.
    """
    if old.origin != new.origin:
        raise Invalid("origin-differs", where)
    if old.size > new.size:
        raise Invalid("size-shrank", where)
    if (old.size == 0 and old.root != EMPTY_ROOT) or (new.size == 0 and new.root != EMPTY_ROOT):
        raise Invalid("root-differs", where)
    if old.size in (0, new.size):
        if path:
            raise Invalid("path-too-long", where)
        if old.size == new.size and old.root != new.root:
            raise Invalid("root-differs", where)
        return
    fn, sn = old.size - 1, new.size - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    nodes = list(path) if fn else [old.root, *path]
    if not path:
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


class Tree:
    """A tree that leaves are added to: one perfect subtree for each bit of their number."""

    def __init__(self) -> None:
        self.size = 0
        self._subtrees: list[tuple[int, bytes]] = []

    def add(self, data: bytes) -> None:
        height, node = 0, leaf_hash(data)
        while self._subtrees and self._subtrees[-1][0] == height:
            node = node_hash(self._subtrees.pop()[1], node)
            height += 1
        self._subtrees.append((height, node))
        self.size += 1

    def root(self) -> bytes:
        if not self._subtrees:
            return EMPTY_ROOT
        *others, (_, node) = self._subtrees
        for _, left in reversed(others):
            node = node_hash(left, node)
        return node


# --- records ---------------------------------------------------------------------------------------------------------


def read_leaf(data: bytes, where: str) -> dict[str, Any]:
    """What a leaf says. Its bytes are proven, so all that is asked is that they say it in one way and completely."""
    leaf = parse(data, where)
    names = {*COLUMNS, "v"} - {"index"}
    if not isinstance(leaf, dict) or leaf.keys() != names or not is_same(leaf["v"], 1):
        raise Invalid("leaf-unknown", where)
    return leaf


def ndjson_of(record: Record) -> bytes:
    """A record as a line: its index, and the very bytes that the log hashes."""
    return b'{"index":%d,"leaf":%b}\n' % (record.index, record.data)


def csv_of(record: Record) -> bytes:
    """RFC 4180; text that a spreadsheet would take for a formula has an apostrophe before it."""
    row = {**record.leaf, "index": record.index, "subjects": " ".join(record.leaf["subjects"])}
    row |= {name: canonical(record.leaf[name]).decode() for name in ("data", "sealed")}
    return _csv_row(_cell(row[name]) for name in COLUMNS)


def _csv_row(cells: Iterable[str]) -> bytes:
    file = io.StringIO()
    csv.writer(file, lineterminator="\r\n").writerow(cells)
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


class Everything:
    """Whether records are all of the log, and which root it had when it was as large as a checkpoint that was kept."""

    def __init__(self, kept_size: int | None) -> None:
        self._tree = Tree()
        self._kept_size = kept_size
        self.kept_root: bytes | None = None

    def add(self, index: Any, data: bytes) -> None:
        if not is_same(index, self._tree.size):
            raise Invalid("record-omitted", f"record {self._tree.size}")
        self._tree.add(data)
        if self._tree.size == self._kept_size:
            self.kept_root = self._tree.root()

    def check(self, tree: Checkpoint) -> str:
        """Of what the records are all. Raises `Invalid` where they are not."""
        if self._tree.size != tree.size:
            raise Invalid("record-omitted", f"record {self._tree.size}")
        if self._tree.root() != tree.root:
            raise Invalid("root-differs", "log")
        return "the whole log: the root made of these records is the root of the checkpoint"


NUMBERS = {
    "workspace": ("workspaces", "workspace_counter", "counter"),
    "publisher": ("publishers", "position", "position"),
}
"""By qualifier: where the log states how far it had come, the number of a record, and its name in what is stated."""


class Numbered:
    """Whether records of workspaces, or of publishers, go from 1 to the number that the log stated as the last."""

    def __init__(self, qualifier: str, values: Iterable[str]) -> None:
        self._qualifier = qualifier
        self._last = dict.fromkeys(values, 0)
        self._hole: str | None = None
        self._began_again = False

    def add(self, leaf: Mapping[str, Any]) -> None:
        value = leaf[self._qualifier]
        if not is_same(leaf[NUMBERS[self._qualifier][1]], self._last[value] + 1):
            self._hole = self._hole or value
        self._last[value] += 1
        self._began_again |= self._qualifier == "publisher" and not is_same(leaf["epoch"], 1)

    def check(self, query: str, heads: Mapping[str, Any]) -> str | None:
        """Of what the records are all; None where a feed was begun again. Raises `Invalid` where one is missing."""
        if self._began_again:
            return None
        stated, _, number = NUMBERS[self._qualifier]
        for value, last in self._last.items():
            head = next((each for each in heads[stated] if each[self._qualifier] == value), None)
            if head is None:
                raise Invalid("head-not-stated", f"{self._qualifier} {value}")
            if value == self._hole or not is_same(head[number], last) or head.get("epoch", 1) > 1:
                raise Invalid("record-omitted", f"{self._qualifier} {value}")
        return (
            f"{query}: the numbers that the log gives to the records of each {self._qualifier} go from 1 to the one "
            "that the log itself stated as its last, without a hole"
        )


class Selection:
    """What can be told about the completeness of the records that answer a query, from what is seen of each."""

    def __init__(self, query: str, kept_size: int | None) -> None:
        self._query = query
        qualifier, _, values = query.partition(":")
        self._everything = None if query else Everything(kept_size)
        is_numbered = " " not in query and qualifier in NUMBERS
        self._numbered = Numbered(qualifier, values.split(",")) if is_numbered else None

    @property
    def kept_root(self) -> bytes | None:
        return self._everything.kept_root if self._everything else None

    def add(self, record: Record) -> None:
        if self._everything:
            self._everything.add(record.index, record.data)
        if self._numbered:
            self._numbered.add(record.leaf)

    def check(self, tree: Checkpoint, heads: Mapping[str, Any]) -> str | None:
        """Of what these are all records at the checkpoint `tree`; None where that cannot be told from outside.

        `heads` is what the log itself stated of how far publishers and workspaces had come. Raises `Invalid` where
        something is missing.
        """
        if self._everything:
            return self._everything.check(tree)
        return self._numbered.check(self._query, heads) if self._numbered else None


# --- a bundle --------------------------------------------------------------------------------------------------------

Verdict = tuple[Report, Checkpoint, bytes | None]
"""What was found, the newest checkpoint, and the root at the size of the checkpoint that was kept, if it is known."""


def verify(bundle: Bundle, keys: Sequence[str], kept: str | None = None, consistency: bytes | None = None) -> Report:
    """What the files of a bundle, or of an export of the whole log, prove by the log's keys. Raises `Refused`.

    `kept` is a checkpoint of the log from earlier, which the log still has to begin with, and `consistency` the answer
    of the log about it, where the bundle itself cannot show that.
    """
    try:
        manifest = _read_manifest(read_whole(bundle, MANIFEST))
        older = None if kept is None else read_checkpoint(kept, keys, "older checkpoint", sole_signature=False)
        check = _verify_bundle if EVIDENCE in bundle else _verify_whole_log
        report, newest, kept_root = check(bundle, manifest, keys, older.size if older else None)
        if older is not None:
            _check_kept(older, report, newest, kept_root, consistency)
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError):
        # A log may sign nonsense: values of another kind than they have to be.
        raise Invalid("malformed", "bundle") from None
    return report


def _read_manifest(data: bytes) -> dict[str, Any]:
    manifest = parse(data, MANIFEST)
    if not isinstance(manifest, dict) or manifest.get("format") != MANIFEST_FORMAT:
        raise Invalid("format-unknown", MANIFEST)
    names = {"checkpoint", "columns", "export_id", "files", "form", "format", "publishers", "query", "records"}
    members(manifest, names | {"requested_at", "requested_by", "workspaces"}, MANIFEST)
    if manifest["columns"] != COLUMNS or not isinstance(manifest["query"], str):
        raise Invalid("fields-differ", MANIFEST)
    return manifest


def _verify_bundle(bundle: Bundle, manifest: Mapping[str, Any], keys: Sequence[str], kept_size: int | None) -> Verdict:
    for name in sorted(NAMES - bundle.keys()):
        raise Invalid("file-missing", name)
    evidence = Reader(bundle, EVIDENCE, MOST_OF_EVIDENCE)
    newest, asked_at, note = _read_checkpoints(evidence, keys)
    rows = _Rows(bundle, manifest["query"], kept_size)
    later = []
    for record in _proven_records(evidence, newest):
        if record.index < asked_at.size:
            rows.add(record)
            continue
        later.append(record)
    request, statement = _request_and_statement(later)
    _check_manifest(manifest, request, note, asked_at)
    complete = rows.selection.check(asked_at, request.leaf["data"])
    files = rows.measured() | {EVIDENCE: evidence.measured()}
    files |= {name: Reader(bundle, name).measured() for name in STATED if name not in files}
    _check_statement(statement, request, rows.count, files)
    _check_listed(manifest, rows.count, files)
    report = Report(asked_at, rows.count, manifest["query"], complete)
    report.holds += [
        f"Each of the {rows.count} records is in the log, as it stands in the bundle, at the place that is said.",
        f"The log itself has on record who asked for them, for what, and when: record {request.leaf['event_id']}.",
        f"The log itself has on record that they are {rows.count}, and which files were made of them: record "
        f"{statement.leaf['event_id']}. They are the files that are here.",
        "The log as it was when they were asked for is the beginning of the log under the newer checkpoint.",
    ]
    if complete is None:
        report.unproven.append(
            f"that these are all records that were asked for. The log stated that it found {rows.count}, which nobody "
            "outside can count."
        )
    return report, newest, rows.selection.kept_root


class _Rows:
    """The records that answer the query: each is compared with the files for reading, and counted."""

    def __init__(self, bundle: Bundle, query: str, kept_size: int | None) -> None:
        self._query = query
        self._ndjson, self._csv = Reader(bundle, NDJSON), Reader(bundle, CSV)
        self._csv.expect(_csv_row(COLUMNS))
        self.selection = Selection(query, kept_size)
        self.count = 0

    def add(self, record: Record) -> None:
        where = f"record {record.index}"
        if not is_wanted(self._query, record.leaf, where):
            raise Invalid("record-not-asked-for", where)
        self._ndjson.expect(ndjson_of(record))
        self._csv.expect(csv_of(record))
        self.selection.add(record)
        self.count += 1

    def measured(self) -> dict[str, Any]:
        """Length and hash of the files for reading, which hold no more than the records."""
        for each in (self._ndjson, self._csv):
            if not each.is_at_end():
                raise Invalid("records-differ", each.name)
        return {each.name: each.measured() for each in (self._ndjson, self._csv)}


def _read_checkpoints(evidence: Reader, keys: Sequence[str]) -> tuple[Checkpoint, Checkpoint, str]:
    """The newest checkpoint, the one that was asked at and its note: what stands before the records, which are last."""
    head = evidence.until(b',"records":[', MOST_OF_A_PAGE)
    document = parse(head + b"]}", EVIDENCE)
    if not isinstance(document, dict) or document.get("format") != EVIDENCE_FORMAT:
        raise Invalid("format-unknown", EVIDENCE)
    members(document, {"checkpoint", "consistency", "format", "records"}, EVIDENCE)
    newest = read_checkpoint(document["checkpoint"], keys, "checkpoint")
    older = members(document["consistency"], {"checkpoint", "path"}, "consistency")
    asked_at = read_checkpoint(older["checkpoint"], keys, "consistency")
    check_consistency(asked_at, newest, hashes(older["path"], "consistency"), "consistency")
    return newest, asked_at, older["checkpoint"]


def _proven_records(evidence: Reader, tree: Checkpoint) -> Iterator[Record]:
    """The records one after the other, each proven. None of their members holds a brace, so each goes to the first."""
    index, number, separator = -1, 0, b""
    while (piece := evidence.until(b"}", MOST_OF_A_RECORD)) != b"]}":
        number += 1
        where = f"record {number}"
        if not piece.startswith(separator):
            raise Invalid("not-canonical-json", EVIDENCE)
        entry = members(parse(piece.removeprefix(separator), where), {"index", "leaf", "path"}, where)
        data = base64(entry["leaf"], where)
        check_inclusion(leaf_hash(data), entry["index"], tree.size, hashes(entry["path"], where), tree.root, where)
        if entry["index"] <= index:
            raise Invalid("records-out-of-order", where)
        index, separator = entry["index"], b","
        yield Record(index, data, read_leaf(data, where))
    if not evidence.is_at_end():
        raise Invalid("not-canonical-json", EVIDENCE)


def _request_and_statement(later: Sequence[Record]) -> tuple[Record, Record]:
    """What came after the checkpoint that was asked about: the request, and what the log stated of its answer."""
    types = [each.leaf["type"] if each.leaf["publisher"] == "audit" else None for each in later]
    if types[:1] != [REQUEST_TYPE]:
        raise Invalid("request-missing", EVIDENCE)
    if types[1:] != [STATEMENT_TYPE]:
        raise Invalid("statement-missing", EVIDENCE)
    return later[0], later[1]


def _check_manifest(manifest: Mapping[str, Any], request: Record, note: str, asked_at: Checkpoint) -> None:
    """What the manifest says of the request is what the log's own record of it says."""
    told = request.leaf["data"]
    names = ("export_id", "query", "form", "requested_at", "workspaces", "publishers")
    expected = {name: told[name] for name in names} | {"requested_by": request.leaf["actor"], "checkpoint": note}
    for name, value in expected.items():
        if not is_same(manifest[name], value):
            raise Invalid(f"{name}-differs", MANIFEST)
    if not is_same(told["size"], asked_at.size):
        raise Invalid("checkpoint-differs", MANIFEST)


def _check_statement(statement: Record, request: Record, count: int, files: Mapping[str, Any]) -> None:
    """The records are as many, and the files those, as the log has on record since before the bundle was made."""
    told = statement.leaf["data"]
    if not is_same(told["export_id"], request.leaf["data"]["export_id"]):
        raise Invalid("statement-missing", EVIDENCE)
    if not is_same(told["records"], count):
        raise Invalid("record-omitted" if count < told["records"] else "records-differ", EVIDENCE)
    stated = {each["name"]: {"bytes": each["bytes"], "sha256": each["sha256"]} for each in told["files"]}
    for name in STATED:
        if not is_same(stated.pop(name, None), files[name]):
            raise Invalid("file-differs", name)
    if stated:
        raise Invalid("file-missing", min(stated))


def _check_listed(manifest: Mapping[str, Any], count: int, files: Mapping[str, Any]) -> None:
    """The manifest lists the files as they are, and no others."""
    if not is_same(manifest["records"], count):
        raise Invalid("records-differ", MANIFEST)
    if not isinstance(manifest["files"], dict) or manifest["files"].keys() != files.keys():
        raise Invalid("fields-differ", MANIFEST)
    for name, measured in files.items():
        if not is_same(manifest["files"][name], measured):
            raise Invalid("file-differs", name)


def _verify_whole_log(
    bundle: Bundle, manifest: Mapping[str, Any], keys: Sequence[str], kept_size: int | None
) -> Verdict:
    """An export brings no proofs; its records prove themselves only where it is the whole log, as the log hashes it."""
    if manifest["form"] not in ("ndjson", "csv"):
        raise Invalid("file-missing", EVIDENCE)
    name = {"ndjson": NDJSON, "csv": CSV}[manifest["form"]]
    for missing in sorted({name} - bundle.keys()):
        raise Invalid("file-missing", missing)
    for other in sorted(bundle.keys() - {name, MANIFEST}):
        raise Unreadable("file-unknown", other)
    if name == CSV or manifest["query"]:
        raise Invalid("rows-without-proof", name)
    tree = read_checkpoint(manifest["checkpoint"], keys, "checkpoint")
    everything = Everything(kept_size)
    file = Reader(bundle, name, LARGEST_SIZE)
    for number in range(tree.size):
        where = f"line {number + 1}"
        line = file.until(b"\n", MOST_OF_A_RECORD)
        if not line:
            raise Invalid("record-omitted", f"record {number}")
        entry = members(parse(line.removesuffix(b"\n"), where), {"index", "leaf"}, where)
        everything.add(entry["index"], canonical(entry["leaf"]))
        if not line.endswith(b"\n"):
            raise Invalid("records-differ", where)
    if not file.is_at_end():
        raise Invalid("records-differ", name)
    complete = everything.check(tree)
    _check_listed(manifest, tree.size, {name: file.measured()})
    report = Report(tree, tree.size, "", complete)
    report.holds.append(
        f"Each of the {tree.size} records is in the log, as it stands in the file, at the place that is said."
    )
    report.unproven.append("who asked for the export, and when, as manifest.json has it.")
    return report, tree, everything.kept_root


def _check_kept(
    kept: Checkpoint, report: Report, newest: Checkpoint, kept_root: bytes | None, consistency: bytes | None
) -> None:
    """That the log still begins with what a reader saw of it: by what is here, or by what the log answered about it."""
    where = "older checkpoint"
    if kept.size > newest.size:
        raise Invalid("older-than-what-was-kept", where)
    if kept.origin != newest.origin:
        raise Invalid("origin-differs", where)
    if consistency is not None:
        answer = members(parse_any(consistency, "consistency file"), {"from", "to", "hashes"}, "consistency file")
        if not is_same([answer["from"], answer["to"]], [kept.size, newest.size]):
            raise Invalid("sizes-differ", "consistency file")
        check_consistency(kept, newest, hashes(answer["hashes"], "consistency file"), where)
    elif kept.size == 0:
        check_consistency(kept, newest, [], where)
    elif kept not in (report.checkpoint, newest):
        if kept_root is None:
            raise Invalid("no-consistency-with-older-checkpoint", where)
        if kept_root != kept.root:
            raise Invalid("root-differs", where)
    if kept.size == 0:
        report.unproven.append("that the log is the one you saw: the checkpoint that was kept is of an empty log.")
    else:
        report.holds.append(f"The log still begins with the {kept.size} records of the checkpoint that was kept.")


# --- the command line ------------------------------------------------------------------------------------------------


def read_keys(given: Sequence[str], bundle: Bundle) -> list[str]:
    """The keys that were given: each a key, or @ and a file with one a line; else those in the bundle.

    Only the command line can name a file. A line that begins with @ in a list of keys is no key.
    """
    if not given:
        return _keys_of(text_of(read_whole(bundle, KEYS), KEYS), KEYS)
    try:
        return [key for each in given for key in _keys_of(_told(each), "--key")]
    except Invalid as error:
        raise Unreadable(error.reason, error.where) from None


def _told(given: str) -> str:
    return text_of(read_file(Path(given[1:])), "--key") if given.startswith("@") else given


def _keys_of(text: str, where: str) -> list[str]:
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    for line in lines:
        parse_key(line, where)
    return lines


def told(report: Report, keys: Sequence[str], *, own_key_only: bool) -> str:
    """The report in words."""
    lines = ["CONSISTENT, BUT ONLY WITH THE KEY THAT CAME ALONG" if own_key_only else "VERIFIED"]
    if own_key_only:
        lines += ["  Whoever made this up could have made up the key as well. Compare it with one from another source,"]
        lines += ["  and run this again with --key:", *(f"    {key}" for key in keys)]
    lines += [f"  Not proven: {each}" for each in report.unproven]
    lines += ["", f"  log       {report.checkpoint}", f"  asked     {report.query or '(everything)'}"]
    lines += [f"  records   {report.records}", ""]
    lines += [f"  + {each}" for each in report.holds]
    if report.complete:
        lines.append(f"  + Complete for {report.complete}.")
    lines.append("  - What happened and was never recorded, and whether a record tells the truth, no log can prove.")
    return "\n".join(map(printable, lines))


def printable(text: str) -> str:
    """Text without anything that moves the cursor of a terminal, or cannot be seen on it."""
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def as_json(report: Report, *, own_key_only: bool) -> str:
    document = {
        "verified": not own_key_only,
        "verdict": "own-key-only" if own_key_only else "verified",
        "unproven": report.unproven,
        "own_key_only": own_key_only,
        "origin": report.checkpoint.origin,
        "size": report.checkpoint.size,
        "root": b64encode(report.checkpoint.root).decode(),
        "query": report.query,
        "records": report.records,
        "complete": report.complete,
        "holds": report.holds,
    }
    return json.dumps(document, indent=2)


def refusal(error: Refused, *, as_json: bool) -> str:
    """Why something is not verified, in words or as JSON."""
    if as_json:
        document = {"verified": False, "verdict": error.verdict, "reason": error.reason, "where": error.where}
        return json.dumps(document)
    lines = [f"{error.words}: {error}", *(f"  {HINTS[each]}" for each in [error.reason] if each in HINTS)]
    return "\n".join(map(printable, lines))


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python3 -I verify.py", description="Verifies what was exported from an Okacrm audit log."
    )
    parser.add_argument("bundle", nargs="?", type=Path, default=Path(__file__).resolve().parent)
    parser.add_argument("--key", action="append", default=[], metavar="KEY|@FILE", help="public key of the log")
    parser.add_argument("--older-checkpoint", type=Path, metavar="FILE", help="a checkpoint you kept")
    parser.add_argument("--consistency", type=Path, metavar="FILE", help="the log's answer about that checkpoint")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    given = parser.parse_args(arguments)
    own_key_only = not given.key
    try:
        bundle = open_bundle(given.bundle)
        keys = read_keys(given.key, bundle)
        kept = text_of(read_file(given.older_checkpoint), "older checkpoint") if given.older_checkpoint else None
        report = verify(bundle, keys, kept, read_file(given.consistency) if given.consistency else None)
    except Refused as error:
        _print(refusal(error, as_json=given.json), sys.stdout if given.json else sys.stderr)
        return error.status
    _print(as_json(report, own_key_only=own_key_only) if given.json else told(report, keys, own_key_only=own_key_only))
    return OWN_KEY_ONLY if own_key_only else OK


def _print(text: str, file: Any = None) -> None:
    """Print what the terminal can show, and the rest by its number."""
    file = file or sys.stdout
    encoding = file.encoding or "ascii"
    print(text.encode(encoding, "backslashreplace").decode(encoding), file=file)


if __name__ == "__main__":
    sys.exit(main())
