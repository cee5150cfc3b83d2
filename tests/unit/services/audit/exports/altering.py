"""Bundles altered by chance, as somebody would who holds everything but the log's private key; and what they then say.

One log, four bundles and an export of all of it are true. An alteration is drawn from a grammar: of rows, JSON, CSV,
notes and keys, of which files there are, and of how they are packed. `is_true` judges what a reader is shown, and knows
nothing of proofs: it reads with the standard library, leniently and in every way a reader could, and compares what it
finds with what is true.
"""

from __future__ import annotations

import csv
import io
import json
import random
import struct
import zipfile
import zlib
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.audit.exports.bundles import make_bundle, readable_files
from services.audit.exports.forms import FORMS, Asked, manifest, measured
from services.audit.search.language import parse
from services.audit.tree.evidence import ConsistencyProof, RecordProof
from services.audit.tree.merkle import consistency_proof, inclusion_proof
from services.audit.tree.notes import Checkpoint, NoteSigner
from shared.contracts.times import rfc3339
from shared.eventstore.canonical import canonical_json
from tests.unit.services.audit.conftest import ORIGIN, NaiveTree, leaf
from tests.unit.services.audit.exports.test_bundles import MOMENT, OFFICER, PERSON, WORKSPACE, Files, record, unpacked

SIZE = 20
QUERIES = ("", f"workspace:{WORKSPACE}", "publisher:identity", f"subject:{PERSON} type:okacrm.identity.session_opened")
ROWS = ("records.ndjson", "records.csv")
_ORDER_OF_ED25519 = 2**252 + 27742317777372353535851937790883648493


# --- what is true ----------------------------------------------------------------------------------------------------


class Truth:
    """A log in which somebody asked four times about its first records, and what it answered."""

    def __init__(self) -> None:
        self.signer = NoteSigner(ORIGIN, Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
        self.impostor = NoteSigner(ORIGIN, Ed25519PrivateKey.from_private_bytes(bytes(32)))
        self.witness = NoteSigner("witness.example", Ed25519PrivateKey.from_private_bytes(b"\7" * 32))
        self.leaves = [record(index).to_bytes() for index in range(SIZE)]
        self.notes = [self._note(size) for size in range(SIZE + 1)]
        for number, query in enumerate(QUERIES):
            self._append("export_requested", self._request(number, query))
            files = self.readable(number, self.wanted(number))
            stated = [{"name": name, **_measured(data)} for name, data in sorted(files.items())]
            told = {"export_id": self._id(number), "records": len(self.wanted(number)), "files": stated}
            self._append("export_prepared", {**told, "prepared_at": rfc3339(MOMENT)})
        self._append("export_completed", {})
        self.tree = NaiveTree(self.leaves)
        self.bundles = [self.bundle(number, len(self.leaves)) for number in range(len(QUERIES))]
        self.export = self._export()

    @property
    def key(self) -> str:
        return str(self.signer.verifier)

    def wanted(self, number: int) -> list[int]:
        query = parse(QUERIES[number])
        return [index for index in range(SIZE) if query.holds(record(index))]

    def asked(self, number: int, form: str = "evidence") -> Asked:
        told = self._request(number, QUERIES[number])
        return Asked(
            UUID(told["export_id"]),
            form,
            told["query"],
            self.notes[SIZE],
            told["workspaces"],
            told["publishers"],
            OFFICER,
            MOMENT,
        )

    def readable(self, number: int, rows: list[int]) -> Files:
        leaves = [(index, self.leaves[index]) for index in rows]
        return readable_files(self.asked(number), leaves, [self.signer.verifier])

    def bundle(self, number: int, newest: int, rows: list[int] | None = None) -> Files:
        """A bundle at a checkpoint; of other rows than are wanted it is still made as an honest server would."""
        rows = self.wanted(number) if rows is None else rows
        own = [SIZE + 2 * number, SIZE + 2 * number + 1]
        extends = ConsistencyProof(self.notes[SIZE], consistency_proof(self.tree, SIZE, newest))
        return unpacked(
            make_bundle(
                self.asked(number),
                self.notes[newest],
                extends,
                len(rows),
                self.readable(number, [each for each in rows if each < SIZE]),
                [self.proof(index, newest) for index in sorted({*rows, *own})],
            )
        )

    def proof(self, index: int, newest: int) -> RecordProof:
        return RecordProof(self.leaves[index], index, inclusion_proof(self.tree, index, newest))

    def _export(self) -> Files:
        rows = list(enumerate(self.leaves[:SIZE]))
        data = FORMS["ndjson"].write(rows)
        described = manifest(self.asked(0, "ndjson"), SIZE, {"records.ndjson": measured(data)})
        return {"records.ndjson": data, "manifest.json": canonical_json(described)}

    def _append(self, type: str, data: dict[str, Any]) -> None:
        index = len(self.leaves)
        changes = {"publisher": "audit", "position": index - SIZE + 1, "type": f"okacrm.audit.{type}", "actor": OFFICER}
        self.leaves.append(leaf(index, **changes, subjects=[], sealed=[], data=data).to_bytes())
        self.notes.append(self._note(index + 1))

    def _note(self, size: int) -> str:
        return self.signer.sign(Checkpoint(ORIGIN, size, NaiveTree(self.leaves[:size]).root(size)).format())

    def _request(self, number: int, query: str) -> dict[str, Any]:
        records = [record(index) for index in range(SIZE)]
        workspaces = [{"workspace": WORKSPACE, "counter": sum(each.workspace == WORKSPACE for each in records)}]
        publishers = [
            {"publisher": "identity", "epoch": 1, "position": sum(each.publisher == "identity" for each in records)}
        ]
        return {
            "export_id": self._id(number),
            "form": "evidence",
            "query": query,
            "size": SIZE,
            "workspaces": workspaces if query.startswith("workspace") else [],
            "publishers": publishers if query.startswith("publisher") else [],
            "requested_at": rfc3339(MOMENT),
        }

    @staticmethod
    def _id(number: int) -> str:
        return str(UUID(int=900 + number))


@cache
def truth() -> Truth:
    return Truth()


def _measured(data: bytes) -> dict[str, Any]:
    return {"bytes": len(data), "sha256": sha256(data).hexdigest()}


# --- what a reader is shown, and whether it is true ------------------------------------------------------------------


@dataclass
class Case:
    """An altered bundle: a ZIP, or what is in a folder; with what is given beside it."""

    steps: list[str]
    zip: bytes | None = None
    folder: Files = field(default_factory=dict)
    odd: tuple[str, str] | None = None
    """What else is in the folder: a kind of thing, and its name."""
    kept: str | None = None

    def put(self, place: Path) -> Path:
        """The path of the bundle, below a folder that is empty."""
        place.mkdir()
        if self.zip is not None:
            (place / "bundle.zip").write_bytes(self.zip)
            return place / "bundle.zip"
        for name, data in self.folder.items():
            (place / name).write_bytes(data)
        if self.odd:
            self._add_odd(place, *self.odd)
        return place

    def _add_odd(self, place: Path, kind: str, name: str) -> None:
        path = place / name
        if kind == "folder":
            path.unlink(missing_ok=True)
            path.mkdir()
        elif kind == "link" and path.exists():
            outside = place.parent / f"{place.name}.outside"
            path.rename(outside)
            path.symlink_to(outside)
        else:
            path.write_bytes(b"VERIFIED\n")


def is_true(case: Case) -> bool:
    """Whether all that any reader can find in this is true, and nothing else is there."""
    if case.odd:
        return False
    if case.kept is not None and not any(_text(case.kept) == _text(note) for note in truth().notes):
        return False
    views = [case.folder] if case.zip is None else list(_views(case.zip))
    return bool(views) and all(_says_the_truth(view) for view in views)


def _text(note: str) -> str:
    return note.rpartition("\n\n")[0]


def _views(data: bytes) -> Iterator[Files]:
    """What readers find in a ZIP: by its directory, and from one header to the next; none in what is no ZIP at all."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = archive.namelist()
            odd = {"twice": b""} if len(set(names)) != len(names) else {}
            view = {name: archive.read(name) for name in names} | odd
            links = [each.filename for each in archive.infolist() if each.external_attr >> 28 == 0o12]
    except Exception:  # noqa: BLE001 - the library raises much, and such a ZIP shows nothing
        return
    yield view | dict.fromkeys(links, b"a link")
    yield _by_headers(data)
    if data[:4] != b"PK\3\4":
        yield {"before": data[:4]}


def _by_headers(data: bytes) -> Files:
    view: Files = {}
    at = data.find(b"PK\3\4")
    while at >= 0 and len(data) >= at + 30:
        flags, method, _, _, crc, size, _, name_length, extra = struct.unpack("<4H3L2H", data[at + 6 : at + 30])
        name = data[at + 30 : at + 30 + name_length].decode("latin-1")
        start = at + 30 + name_length + extra
        content = data[start : start + size]
        try:
            content = zlib.decompressobj(-15).decompress(content) if method == 8 else content
        except zlib.error:
            content = b"damaged"
        fits = zlib.crc32(content) == crc and not flags and name not in view
        view[name] = content if fits else b"damaged"
        at = data.find(b"PK\3\4", start + size)
    return view


def _says_the_truth(view: Mapping[str, bytes]) -> bool:
    try:
        told = _json(view["manifest.json"])
        if told["form"] != "evidence":
            return _is_the_export(view, told)
        number = [str(UUID(int=900 + number)) for number in range(len(QUERIES))].index(told["export_id"])
        original = truth().bundles[number]
        return (
            view.keys() == original.keys()
            and _claims(told) == _claims(_json(original["manifest.json"]))
            and told["files"] == {name: _measured(data) for name, data in view.items() if name != "manifest.json"}
            and _rows(view["records.ndjson"]) == _rows(original["records.ndjson"])
            and _cells(view["records.csv"]) == _cells(original["records.csv"])
            and _proven(view["evidence.json"]) == _proven(original["evidence.json"])
            and all(view[name] == original[name] for name in ("keys.txt", "summary.html", "verify.py"))
        )
    except (KeyError, ValueError, TypeError, AttributeError, RecursionError, csv.Error):
        return False


def _is_the_export(view: Mapping[str, bytes], told: dict[str, Any]) -> bool:
    """Who asked, and when, is said to be unproven; everything else has to be so."""
    original = _json(truth().export["manifest.json"])
    proven = ("checkpoint", "columns", "files", "form", "format", "query", "records")
    return (
        view.keys() == truth().export.keys()
        and _written([told[name] for name in proven]) == _written([original[name] for name in proven])
        and _rows(view["records.ndjson"]) == _rows(truth().export["records.ndjson"])
    )


def _json(data: bytes) -> Any:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len({key for key, _ in pairs}) != len(pairs):
            raise ValueError("which of them would a reader take?")
        return dict(pairs)

    return json.loads(data.decode(), object_pairs_hook=once)


def _written(value: Any) -> str:
    """Values are compared as they are written, since `True` equals 1."""
    return json.dumps(value, sort_keys=True)


def _claims(told: dict[str, Any]) -> str:
    return _written({name: value for name, value in told.items() if name != "files"})


def _rows(data: bytes) -> list[str]:
    return [_written(_json(line)) for line in data.split(b"\n") if line]


def _cells(data: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(data.decode(), newline=""), strict=True))


def _proven(data: bytes) -> list[tuple[str, bytes]]:
    return [(_written(each["index"]), b64decode(each["leaf"])) for each in _json(data)["records"]]


# --- the grammar -----------------------------------------------------------------------------------------------------

Change = Callable[[random.Random, Files], None]

TEXTS = ["", "x", "\x00", "\x1b[2J", "\u202e", "\u200b", "caf\u00e9", "cafe\u0301", "\U0001f600", "\ufeff", "a" * 5_000]
VALUES: list[Any] = [
    None,
    True,
    False,
    0,
    1,
    -1,
    2**53,
    2**63,
    10**20,
    10**400,
    1.0,
    1.5,
    [],
    {},
    [[]],
    {"a": {}},
    *TEXTS,
]


def _any_value(rng: random.Random) -> Any:
    return rng.choice(VALUES)


def _document(files: Files, name: str) -> Any:
    try:
        return json.loads(files[name])
    except (KeyError, ValueError, RecursionError):
        return None


def _spelled(rng: random.Random, value: Any) -> bytes:
    """A JSON text of a value: mostly the canonical one."""
    form = rng.choice(["canonical"] * 8 + ["indented", "ascii", "bom", "newline", "utf-16"])
    canonical = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    text = {
        "indented": lambda: json.dumps(value, indent=1),
        "ascii": lambda: json.dumps(value, sort_keys=True, separators=(",", ":")),
        "bom": lambda: "\ufeff" + canonical,
        "newline": lambda: canonical + "\n",
    }.get(form, lambda: canonical)()
    return text.encode("utf-16" if form == "utf-16" else "utf-8", "surrogatepass")


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Every container and key in a value."""
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else []
    return [(value, key) for key in keys] + [place for key in keys for place in _places(value[key])]


def alter_value(rng: random.Random, value: Any) -> None:
    """One change somewhere in a JSON value."""
    places = _places(value)
    if not places:
        return
    within, key = rng.choice(places)
    kind = rng.randrange(7)
    old = within[key]
    if kind == 0 and isinstance(within, dict):
        del within[key]
    elif kind == 1 and isinstance(within, dict):
        within[rng.choice(["a", "index", "records", "\u00e9", "", f"{key} "])] = old
    elif kind == 2 and isinstance(within, list):
        rng.shuffle(within)
    elif kind == 3 and isinstance(within, list):
        within.insert(key, old)
    elif kind == 4 and isinstance(old, int):
        within[key] = rng.choice([bool(old), float(old), str(old), old + 1, old - 1, -old])
    elif kind == 5 and isinstance(old, str) and old:
        at = rng.randrange(len(old))
        within[key] = old[:at] + rng.choice(["", "\n", " ", "A", old[at].swapcase(), "\ud800"]) + old[at + 1 :]
    else:
        within[key] = _any_value(rng)


def json_value(rng: random.Random, files: Files) -> None:
    name = rng.choice(["evidence.json", "manifest.json"])
    document = _document(files, name)
    if document is not None:
        alter_value(rng, document)
        files[name] = _spelled(rng, document)


def truth_for_number(rng: random.Random, files: Files) -> None:
    """To some readers `true` is 1, and 1.0 as well."""
    ones = [b'"epoch":1,', b'"index":1,', b'"records":1,', b'"counter":1,', b'"v":1}', b'"schema_version":1,']
    found = [(name, one) for name in sorted(files) for one in ones if one in files[name] and "json" in name]
    if found:
        name, one = rng.choice(found)
        written = rng.choice([b"true", b"true", b"1.0", b"+1", b"01"])
        files[name] = files[name].replace(one, one.replace(b"1", written), 1)


def json_spelling(rng: random.Random, files: Files) -> None:
    name = rng.choice(["evidence.json", "manifest.json"])
    document = _document(files, name)
    if document is not None:
        files[name] = _spelled(rng, document)


def json_text(rng: random.Random, files: Files) -> None:
    name = rng.choice([name for name in ("evidence.json", "manifest.json", "records.ndjson") if name in files])
    data = files[name]
    key = rng.choice([b'"records":', b'"index":', b'"format":', b'"query":', b'"checkpoint":', b'"form":', b'"leaf":'])
    files[name] = rng.choice(
        [
            lambda: data.replace(key, key + b"1," + key, 1),
            lambda: data.replace(key, b'"x":1,' + key, 1),
            lambda: data.replace(b"1", rng.choice([b"01", b"1.0", b"1e0", b"-0", b"true", b"NaN", b"9" * 5_000]), 1),
            lambda: data.replace(b",", rng.choice([b",,", b" ,", b",\n", b";"]), 1),
            lambda: data.replace(b'"', b"'", 2),
            lambda: b"[" * 3_000 + data,
            lambda: data.replace(b"a", b"\\u0061", 1),
            lambda: data.replace(b"/", b"\\/", 1),
        ]
    )()


def any_bytes(rng: random.Random, files: Files) -> None:
    name = rng.choice(sorted(files))
    data = bytearray(files[name])
    for _ in range(rng.choice([1, 1, 1, 5])):
        at = rng.randrange(len(data) + 1)
        data[at : at + rng.randrange(2)] = rng.choice([b"", bytes([rng.randrange(256)]), b"\0", b"\r\n", b"\xff"])
    files[name] = bytes(data)


def rows_by_hand(rng: random.Random, files: Files) -> None:
    """Drop, repeat, exchange, invent or edit a row, in some of the files that show it."""
    kind, at = rng.randrange(5), rng.random()
    touched = [name for name in ROWS if name in files and rng.random() < 0.8]
    for name in touched:
        end = b"\n" if name == "records.ndjson" else b"\r\n"
        lines = files[name].split(end)
        first = 0 if name == "records.ndjson" else 1
        if len(lines) < first + 2:
            continue
        row = first + int(at * (len(lines) - first - 1))
        if kind == 0:
            del lines[row]
        elif kind == 1:
            lines.insert(row, lines[row])
        elif kind == 2:
            lines[row], lines[first] = lines[first], lines[row]
        elif kind == 3:
            lines.insert(row, lines[row].replace(b"visitor", b"nobody"))
        else:
            lines[row] = lines[row].replace(*rng.choice([(b"visitor", b"staff"), (b"RS", b"DE"), (b"2026", b"2025")]))
        files[name] = end.join(lines)
    document = _document(files, "manifest.json")
    if isinstance(document, dict) and kind in (0, 1, 3) and isinstance(document.get("records"), int):
        document["records"] += -1 if kind == 0 else 1
        files["manifest.json"] = canonical_or(document, files["manifest.json"])


def canonical_or(value: Any, otherwise: bytes) -> bytes:
    try:
        return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()
    except (ValueError, RecursionError):
        return otherwise


def rows_by_proof(rng: random.Random, files: Files) -> None:
    """A bundle as an honest server makes it, of other rows: all that it holds is in the log."""
    number = rng.randrange(len(QUERIES))
    rows, newest = truth().wanted(number), _newest(rng)
    if rng.random() < 0.6:
        rows = [each for each in rows if rng.random() < 0.8]
    else:
        rows = sorted({*rows, rng.randrange(newest)})
    files.clear()
    files.update(truth().bundle(number, newest, rows))


def _newest(rng: random.Random) -> int:
    return rng.randrange(SIZE + 2 * len(QUERIES), len(truth().leaves) + 1)


def another_checkpoint(rng: random.Random, files: Files) -> None:
    """The same, proven under a checkpoint of another moment: as true as it was."""
    told = _document(files, "manifest.json")
    ids = [str(UUID(int=900 + number)) for number in range(len(QUERIES))]
    if isinstance(told, dict) and told.get("export_id") in ids and "evidence.json" in files:
        made = truth().bundle(ids.index(told["export_id"]), _newest(rng))
        files["evidence.json"] = made["evidence.json"]
        if rng.random() < 0.8:
            files["manifest.json"] = made["manifest.json"]


def files_of_another(rng: random.Random, files: Files) -> None:
    """Files of another bundle of the same log, as they are."""
    other = rng.choice([*truth().bundles, truth().export])
    for name in rng.sample(sorted(other), rng.randrange(1, len(other) + 1)):
        files[name] = other[name]


def notes(rng: random.Random, files: Files) -> None:
    name = rng.choice(["evidence.json", "manifest.json"])
    document = _document(files, name)
    holders = [document] if isinstance(document, dict) else []
    holders += [each for each in [document.get("consistency")] if isinstance(each, dict)] if holders else []
    holders = [each for each in holders if isinstance(each.get("checkpoint"), str)]
    if holders:
        holder = rng.choice(holders)
        holder["checkpoint"] = alter_note(rng, holder["checkpoint"])
        files[name] = canonical_or(document, files[name])


def alter_note(rng: random.Random, note: str) -> str:
    """A note of the log changed, another one of it, or one by somebody else."""
    line = truth().witness.sign("anything\n").rpartition("\n\n")[2]
    size = rng.choice(["0", "1", "19", "020", "-1", "1e3", "10" * 10, "9" * 5_000, "\u0662"])
    text = note.rpartition("\n\n")[0] + "\n"
    return rng.choice(
        [
            lambda: rng.choice(truth().notes),
            lambda: note + line,
            lambda: note + note.rpartition("\n\n")[2],
            lambda: note.replace("\n\n", rng.choice(["\n", "\n\n\n", "\n \n", "\r\n\r\n"])),
            lambda: note.replace(f"\n{SIZE}\n", f"\n{size}\n"),
            lambda: note.replace("=\n", rng.choice(["\n", "==\n", "=\n\n", "=", " =\n", "=\nextension\n"])),
            lambda: note.replace(ORIGIN, rng.choice(["evil.example", ORIGIN + "\x1b", ORIGIN + "\u200b", ""])),
            lambda: note.replace("\u2014", rng.choice(["-", "\u2013", "\u2014 "])),
            lambda: truth().impostor.sign(text) if _can_be_signed(text) else note,
            lambda: truth().witness.sign(text) if _can_be_signed(text) else note,
            lambda: _with_other_scalar(note),
            lambda: note + "x" * 100_000,
            lambda: line,
            lambda: "",
        ]
    )()


def _can_be_signed(text: str) -> bool:
    return not any(each < " " and each != "\n" for each in text) and text.isascii()


def _with_other_scalar(note: str) -> str:
    """The signature with the order of the group added to its scalar, which some libraries take for the same."""
    head, _, encoded = note.rstrip("\n").rpartition(" ")
    try:
        data = b64decode(encoded)
        scalar = int.from_bytes(data[36:], "little") + _ORDER_OF_ED25519
        return f"{head} {b64encode(data[:36] + scalar.to_bytes(32, 'little')).decode()}\n"
    except (ValueError, OverflowError):
        return note


def keys(rng: random.Random, files: Files) -> None:
    key = truth().key
    files["keys.txt"] = rng.choice(
        [
            f"{truth().impostor.verifier}\n",
            f"{key}\n{truth().impostor.verifier}\n",
            f"{key} 5\n",
            f"{key} {'9' * 5_000}\n",
            "@/dev/zero\n",
            f"@/dev/stdin\n{key}\n",
            f"{key}\r\n",
            f"\x1b[2J{key}\n",
            f"\u202e{key}\n",
            f"{key}\n" * 20_000,
            "",
        ]
    ).encode()


def table(rng: random.Random, files: Files) -> None:
    if "records.csv" in files:
        data = files["records.csv"]
        files["records.csv"] = rng.choice(
            [
                lambda: data.replace(b"\r\n", b"\n"),
                lambda: b"\xef\xbb\xbf" + data,
                lambda: data.replace(b",", b";"),
                lambda: data.replace(b"visitor", b"\0", 1),
                lambda: data.replace(b"visitor", b'"visitor"', 1),
                lambda: data.replace(b"visitor", b"=visitor", 1),
                lambda: data + b"\r\n",
                lambda: data.replace(b"index", b"Index", 1),
                lambda: data.replace(b"'-1", b"-1", 1),
            ]
        )()


def pages(rng: random.Random, files: Files) -> None:
    name = rng.choice(["summary.html", "verify.py"])
    if name in files:
        files[name] = rng.choice(
            [
                lambda: files[name].replace(b"visitor", b"staff", 1),
                lambda: b"print('VERIFIED')\n",
                lambda: files[name] + b"<!-- -->",
                lambda: b"",
            ]
        )()


def form(rng: random.Random, files: Files) -> None:
    """Say that it is an export without proofs, and leave them out."""
    document = _document(files, "manifest.json")
    if not isinstance(document, dict):
        return
    document["form"] = rng.choice(["ndjson", "csv", "evidence", "pdf"])
    if rng.random() < 0.5:
        document["query"] = ""
    name = "records.csv" if document["form"] == "csv" else "records.ndjson"
    document["checkpoint"] = rng.choice([document.get("checkpoint"), rng.choice(truth().notes)])
    for other in [*files]:
        if other != name and rng.random() < 0.9:
            del files[other]
    document["files"] = {name: _measured(files.get(name, b""))}
    files["manifest.json"] = canonical_or(document, b"{}")


def names(rng: random.Random, files: Files) -> None:
    """A file more, a file less, or one under another name."""
    kind = rng.randrange(3)
    if kind != 0 and files:
        moved = files.pop(rng.choice(sorted(files)))
        if kind == 1:
            return
        files[rng.choice(["Keys.txt", "evidence.json.", "manife\u017ft.json", "keys.txt\u200b"])] = moved
    else:
        files[rng.choice(["argparse.py", "records.CSV", "README", "evidence.json~", "\u202etxt.syek"])] = b"VERIFIED"


CHANGES: list[Change] = [
    json_value,
    json_value,
    json_value,
    json_spelling,
    truth_for_number,
    truth_for_number,
    json_text,
    any_bytes,
    rows_by_hand,
    rows_by_hand,
    rows_by_proof,
    another_checkpoint,
    files_of_another,
    notes,
    keys,
    table,
    pages,
    form,
    names,
]


def rehash(files: Files) -> None:
    """Let the manifest list the files as they are, so that only what is proven can give them away."""
    document = _document(files, "manifest.json")
    if isinstance(document, dict) and isinstance(document.get("files"), dict):
        listed = [name for name in document["files"] if name in files] or [each for each in files if "json" not in each]
        document["files"] = {name: _measured(files[name]) for name in listed}
        files["manifest.json"] = canonical_or(document, files["manifest.json"])


# --- packing ---------------------------------------------------------------------------------------------------------


def pack(rng: random.Random, files: Files, case: Case) -> None:
    """Into a folder or a ZIP, now and then an odd one."""
    if rng.random() < 0.5:
        case.folder = files
        if rng.random() < 0.1:
            kind = rng.choice(["folder", "link", "file"])
            case.odd = (kind, "json.py" if kind == "file" else rng.choice(sorted(files) or ["keys.txt"]))
            case.steps.append(f"odd {kind}")
        return
    case.zip = _packed(files, zipfile.ZIP_DEFLATED)
    if rng.random() < 0.4:
        alter = rng.choice(ZIPS)
        case.steps.append(alter.__name__)
        case.zip = alter(rng, files, case.zip)


def _packed(files: Files, method: int, **attributes: Any) -> bytes:
    into = io.BytesIO()
    with zipfile.ZipFile(into, "w") as archive:
        for name, data in files.items():
            info = zipfile.ZipInfo(name)
            for attribute, value in attributes.items():
                setattr(info, attribute, value)
            archive.writestr(info, data, method)
    return into.getvalue()


def zip_method(rng: random.Random, files: Files, data: bytes) -> bytes:
    return _packed(files, rng.choice([zipfile.ZIP_STORED, zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2]))


def zip_around(rng: random.Random, files: Files, data: bytes) -> bytes:
    return rng.choice([b"", b"PK", b"#!/bin/sh\n", data]) + data + rng.choice([b"", b"\0", b"PK\5\6", data])


def zip_byte(rng: random.Random, files: Files, data: bytes) -> bytes:
    changed = bytearray(data)
    directory = data.rfind(b"PK\1\2")
    at = rng.choice([rng.randrange(len(data)), rng.randrange(60), rng.randrange(max(directory, 0), len(data))])
    changed[at] ^= 1 << rng.randrange(8)
    return bytes(changed)


def zip_cut(rng: random.Random, files: Files, data: bytes) -> bytes:
    return data[: rng.randrange(len(data))]


def zip_twice(rng: random.Random, files: Files, data: bytes) -> bytes:
    name = rng.choice(sorted(files) or ["keys.txt"])
    hidden = name[:-1] + "_"
    order = [(hidden, b"other"), *files.items()] if rng.random() < 0.5 else [*files.items(), (hidden, b"other")]
    return _packed(dict(order), zipfile.ZIP_STORED).replace(_latin(hidden), _latin(name))


def zip_renamed(rng: random.Random, files: Files, data: bytes) -> bytes:
    name = _latin(rng.choice(sorted(files) or ["keys.txt"]))
    other = rng.choice([name.upper(), b"../" + name[3:], b"/" + name[1:], name[:-1] + b"\0", name[:-1] + b"/"])
    return data.replace(name, other, rng.choice([1, -1]))


def zip_attributes(rng: random.Random, files: Files, data: bytes) -> bytes:
    extra = struct.pack("<HHB", 0x7075, 1, 1)
    attributes = rng.choice(
        [
            {"external_attr": 0o120777 << 16},
            {"external_attr": 0o040755 << 16},
            {"extra": extra},
            {"comment": b"VERIFIED"},
            {"date_time": (2030, 1, 1, 0, 0, 0)},
            {"create_system": 0},
        ]
    )
    return _packed(files, zipfile.ZIP_DEFLATED, **attributes)


def zip_encrypted(rng: random.Random, files: Files, data: bytes) -> bytes:
    flagged = bytearray(data)
    for signature, offset in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        at = data.find(signature)
        if at >= 0 and rng.random() < 0.8:
            flagged[at + offset] |= rng.choice([1, 8])
    return bytes(flagged)


def zip_bomb(rng: random.Random, files: Files, data: bytes) -> bytes:
    return _packed(files | {rng.choice(sorted(files) or ["keys.txt"]): b"[" * (4 << 20)}, zipfile.ZIP_DEFLATED)


def _latin(name: str) -> bytes:
    return name.encode("utf-8")


ZIPS = [
    zip_method,
    zip_around,
    zip_byte,
    zip_byte,
    zip_byte,
    zip_cut,
    zip_twice,
    zip_renamed,
    zip_attributes,
    zip_encrypted,
    zip_bomb,
]


def altered(seed: int) -> Case:
    """The case of a seed: always the same."""
    rng = random.Random(seed)
    files = dict(rng.choice([*truth().bundles, truth().export]))
    changes = rng.choices(CHANGES, k=rng.choice([0, 1, 1, 1, 1, 2, 3]))
    case = Case([each.__name__ for each in changes])
    for change in changes:
        if files:
            change(rng, files)
    if changes and rng.random() < 0.6:
        case.steps.append("rehash")
        rehash(files)
    if rng.random() < 0.15:
        note = rng.choice(truth().notes)
        case.kept = note if rng.random() < 0.5 else alter_note(rng, note)
        case.steps.append("kept")
    pack(rng, files, case)
    return case
