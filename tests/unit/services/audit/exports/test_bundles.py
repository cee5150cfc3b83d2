"""A bundle convinces somebody outside of what is true, and of nothing else, whatever the server tries.

Every lie is told to both: to the verifier of one file, which knows nothing of Okacrm, and to `okacrm audit verify`.
"""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from deploy.cli.audit import audit
from services.audit.exports.bundles import make_bundle, readable_files
from services.audit.exports.forms import COLUMNS, FORMS, Asked, manifest, measured
from services.audit.search.language import QUALIFIERS, parse
from services.audit.tree import verify
from services.audit.tree.evidence import ConsistencyProof, RecordProof
from services.audit.tree.leaves import Leaf
from services.audit.tree.merkle import consistency_proof
from services.audit.tree.notes import Checkpoint, NoteSigner
from shared.contracts.times import rfc3339
from shared.eventstore.canonical import canonical_json
from tests.unit.services.audit.conftest import ORIGIN, Log, NaiveTree, leaf

SIZE, NEWEST = 20, 23
WORKSPACE, OTHER = str(UUID(int=501)), str(UUID(int=502))
PERSON = str(UUID(int=7))
OFFICER = f"compliance:{UUID(int=77)}"
EXPORT = UUID(int=900)
MOMENT = datetime(2026, 2, 1, 10, tzinfo=UTC)
QUERIES = {
    "everything": "",
    "workspace": f"workspace:{WORKSPACE}",
    "publisher": "publisher:identity",
    "person": f"subject:{PERSON} type:okacrm.identity.session_opened",
}

Files = dict[str, bytes]


@dataclass
class World:
    """A log that somebody asked about when it had `SIZE` records, and what a server makes of it."""

    query: str
    form: str = "evidence"
    signer: NoteSigner = field(
        default_factory=lambda: NoteSigner(ORIGIN, Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
    )
    change: Mapping[int, Leaf] = field(default_factory=dict)
    """Records that the server has put in the place of others."""
    stated: Mapping[str, Any] = field(default_factory=dict)
    """What the log's record of the request says other than the truth."""
    prepared: Mapping[str, Any] = field(default_factory=dict)
    """What the log's record of what the bundle holds says other than the truth."""

    def __post_init__(self) -> None:
        self.asked_for = parse(self.query)
        leaves = [self.change.get(index, record(index)) for index in range(SIZE)]
        self.request = leaf(
            SIZE,
            publisher="audit",
            position=1,
            type="okacrm.audit.export_requested",
            actor=OFFICER,
            subjects=[],
            sealed=[],
            data={
                "export_id": str(EXPORT),
                "form": self.form,
                "query": str(self.asked_for),
                "size": SIZE,
                "requested_at": rfc3339(MOMENT),
                **self.heads(),
                **self.stated,
            },
        )
        self.wanted = [index for index in range(SIZE) if self.asked_for.holds(leaves[index])]
        self.log = Log([each.to_bytes() for each in leaves], self.signer)
        later = [self.request, self.statement(), leaf(SIZE + 2, publisher="audit", position=3)]
        self.log = Log([each.to_bytes() for each in [*leaves, *later]], self.signer)

    def statement(self) -> Leaf:
        files = [
            {"name": name, "bytes": len(data), "sha256": sha256(data).hexdigest()}
            for name, data in sorted(self.readable(self.wanted).items())
        ]
        told = {"export_id": str(EXPORT), "records": len(self.wanted), "files": files, "prepared_at": rfc3339(MOMENT)}
        return leaf(
            SIZE + 1,
            publisher="audit",
            position=2,
            type="okacrm.audit.export_prepared",
            actor="service:audit",
            subjects=[],
            sealed=[],
            data={**told, **self.prepared},
        )

    def readable(self, indexes: Sequence[int], asked: Asked | None = None) -> Files:
        leaves = [(index, self.log.leaves[index]) for index in indexes]
        return readable_files(asked or self.asked(), leaves, [self.signer.verifier])

    @property
    def key(self) -> str:
        return str(self.signer.verifier)

    def heads(self) -> dict[str, Any]:
        named = {term.qualifier: term.values for term in self.asked_for.terms}
        records = [record(index) for index in range(SIZE)]
        return {
            "workspaces": [
                {"workspace": each, "counter": sum(record.workspace == each for record in records)}
                for each in named.get("workspace", ())
            ],
            "publishers": [
                {"publisher": each, "epoch": 1, "position": sum(record.publisher == each for record in records)}
                for each in named.get("publisher", ())
            ],
        }

    def asked(self) -> Asked:
        heads = {name: self.stated.get(name, value) for name, value in self.heads().items()}
        note = self.log.checkpoint(SIZE)
        return Asked(EXPORT, self.form, str(self.asked_for), note, **heads, requested_by=OFFICER, requested_at=MOMENT)

    def bundle(self, indexes: list[int] | None = None, **changes: Any) -> bytes:
        """What an honest server sends about the records at `indexes`, or all that are wanted."""
        chosen = self.wanted if indexes is None else indexes
        path = consistency_proof(self.log.tree, SIZE, NEWEST)
        return make_bundle(
            changes.get("asked", self.asked()),
            self.log.checkpoint(NEWEST),
            ConsistencyProof(self.log.checkpoint(SIZE), path),
            len(chosen),
            self.readable(chosen, changes.get("asked")),
            changes.get("proofs") or self.proofs(chosen),
        )

    def proofs(self, indexes: Sequence[int]) -> list[RecordProof]:
        """Of the records at `indexes`, of the request, and of what the bundle holds."""
        return [self.log.record(index, NEWEST) for index in [*indexes, SIZE, SIZE + 1]]

    def files(self, indexes: list[int] | None = None, **changes: Any) -> Files:
        return unpacked(self.bundle(indexes, **changes))


def record(index: int) -> Leaf:
    """Two publishers take turns, and every third record is of one of two workspaces."""
    publisher, place = ("identity", "billing")[index % 2], index // 2
    workspace = (WORKSPACE, OTHER)[index // 3 % 2] if index % 3 == 0 else None
    earlier = [each for each in range(0, index, 3) if (WORKSPACE, OTHER)[each // 3 % 2] == workspace]
    return leaf(
        index,
        publisher=publisher,
        position=place + 1,
        type=f"okacrm.{publisher}.{('session_opened', 'consent_granted')[index // 2 % 2]}",
        workspace=workspace,
        workspace_counter=len(earlier) + 1 if workspace else None,
        correlation="-1+cmd" if index == 4 else "c-1",
        occurred_at=f"2026-01-31T09:{index:02d}:00.000000Z",
    )


def unpacked(bundle: bytes) -> Files:
    with zipfile.ZipFile(io.BytesIO(bundle)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def opened(files: Files) -> verify.Bundle:
    """Files that are held, as the verifier reads them."""
    return {name: lambda data=data: iter([data] if data else []) for name, data in files.items()}  # type: ignore[misc]


def put(files: Files, folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return folder


def edited(files: Files, name: str, change: Callable[[Any], Any]) -> Files:
    """The files with one JSON document changed, and every hash in the manifest made to fit."""
    document = json.loads(files[name])
    change(document)
    return rehashed(files | {name: canonical_json(document)})


def rehashed(files: Files) -> Files:
    document = json.loads(files["manifest.json"])
    for name, said in document["files"].items():
        if name in files:
            said["bytes"], said["sha256"] = measured(files[name])
    return files | {"manifest.json": canonical_json(document)}


@pytest.fixture(params=["verify.py", "okacrm audit verify"])
def verdict(request, tmp_path, capsys) -> Callable[..., str]:
    """How files are judged by one of the two verifiers: the reason of a refusal, or what they prove."""

    def judge(files: Files, key: str, *options: str) -> str:
        arguments = [str(put(files, tmp_path / "bundle")), "--key", key, "--json", *options]
        if request.param == "verify.py":
            code, output = verify.main(arguments), capsys.readouterr().out
        else:
            result = CliRunner().invoke(audit, ["verify", *arguments])
            code, output = result.exit_code, result.stdout
        answer = json.loads(output)
        assert (code, answer["verified"], answer["verdict"]) in {
            (0, True, "verified"),
            (1, False, "not-verified"),
            (2, False, "cannot-be-read"),
        }
        return f"complete: {answer['complete']}" if answer["verified"] else str(answer["reason"])

    return judge


def kept(tmp_path: Path, note: str) -> tuple[str, str]:
    (tmp_path / "kept").write_text(note)
    return "--older-checkpoint", str(tmp_path / "kept")


# --- what a bundle proves --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "complete"),
    [
        ("everything", "the whole log"),
        ("workspace", "workspace:"),
        ("publisher", "publisher:identity"),
        ("person", "None"),
    ],
)
def test_an_honest_bundle_is_verified_and_claims_no_more_than_can_be_known(verdict, query, complete):
    world = World(QUERIES[query])
    assert verdict(world.files(), world.key).startswith(f"complete: {complete}")


def test_the_records_are_the_ones_that_were_asked_for():
    world = World(QUERIES["person"])
    files = world.files()
    report = verify.verify(opened(files), [world.key])
    assert (report.records, report.query) == (len(world.wanted), QUERIES["person"])
    assert report.unproven[0].startswith("that these are all records that were asked for.")
    assert [json.loads(line)["index"] for line in files["records.ndjson"].splitlines()] == world.wanted


def test_a_machine_without_okacrm_verifies_the_zip(tmp_path):
    world = World(QUERIES["workspace"])
    (tmp_path / "bundle.zip").write_bytes(world.bundle())
    (tmp_path / "verify.py").write_bytes(world.files()["verify.py"])
    run = [sys.executable, "-I", "verify.py", "bundle.zip", "--key", world.key]
    result = subprocess.run(run, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("VERIFIED\n")
    assert f"Complete for workspace:{WORKSPACE}" in result.stdout


def test_the_key_that_came_along_is_not_enough(tmp_path, capsys):
    world = World(QUERIES["person"])
    folder = put(world.files(), tmp_path / "bundle")
    assert verify.main([str(folder)]) == 3
    told = capsys.readouterr().out
    assert told.startswith("CONSISTENT, BUT ONLY WITH THE KEY THAT CAME ALONG")
    assert world.key in told


def test_an_earlier_key_of_the_log_is_picked_by_its_id(verdict):
    world = World(QUERIES["person"])
    later = NoteSigner(ORIGIN, Ed25519PrivateKey.from_private_bytes(b"\x05" * 32))
    assert verdict(world.files(), world.key, "--key", str(later.verifier)) == "complete: None"


def test_a_retired_key_counts_up_to_the_last_checkpoint_that_it_signed(verdict):
    world = World(QUERIES["person"])
    assert verdict(world.files(), f"{world.key} {NEWEST}") == "complete: None"
    assert verdict(world.files(), f"{world.key} {NEWEST - 1}") == "key-retired"


def test_the_same_records_make_the_same_bytes():
    assert World(QUERIES["everything"]).bundle() == World(QUERIES["everything"]).bundle()


def test_a_workspace_without_records_is_complete(verdict):
    world = World(f"workspace:{UUID(int=503)}")
    assert world.wanted == []
    assert verdict(world.files(), world.key).startswith("complete: workspace")


# --- a server that lies ----------------------------------------------------------------------------------------------

every_query = pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES)


@every_query
def test_a_fork(verdict, tmp_path, query):
    honest = World(query)
    rewritten = World(query, change={6: replace(record(6), actor="somebody else")})
    older = kept(tmp_path, honest.log.checkpoint(12))
    reason = verdict(rewritten.files(), honest.key, *older)
    assert reason == ("no-consistency-with-older-checkpoint" if query else "root-differs")
    proof = {"from": 12, "to": NEWEST, "hashes": []}
    for log in (honest.log, rewritten.log):
        path = log.consistency(12, NEWEST).path
        (tmp_path / "answer").write_text(
            json.dumps(proof | {"hashes": [verify.b64encode(each).decode() for each in path]})
        )
        assert (
            verdict(rewritten.files(), honest.key, *older, "--consistency", str(tmp_path / "answer")) == "root-differs"
        )


def test_the_log_answers_about_a_checkpoint_that_was_kept(verdict, tmp_path):
    world = World(QUERIES["person"])
    path = [verify.b64encode(each).decode() for each in world.log.consistency(12, NEWEST).path]
    (tmp_path / "answer").write_text(json.dumps({"from": 12, "to": NEWEST, "hashes": path}))
    older = kept(tmp_path, world.log.checkpoint(12))
    assert verdict(world.files(), world.key, *older, "--consistency", str(tmp_path / "answer")) == "complete: None"
    assert verdict(World("").files(), world.key, *kept(tmp_path, World("").log.checkpoint(12))).startswith("complete")
    assert verdict(world.files(), world.key, *kept(tmp_path, world.log.checkpoint(SIZE))) == "complete: None"


@every_query
def test_a_truncated_log_and_a_restored_old_backup(verdict, tmp_path, query):
    """Whoever kept a checkpoint of more records notices that there are fewer now, however that came about."""
    world = World(query)
    later = Log([*world.log.leaves, leaf(99).to_bytes()], world.signer).checkpoint(NEWEST + 1)
    assert verdict(world.files(), world.key, *kept(tmp_path, later)) == "older-than-what-was-kept"


@every_query
def test_an_edited_record(verdict, query):
    world = World(query)
    lie = replace(record(world.wanted[0]), actor="somebody else").to_bytes()
    proofs = world.proofs(world.wanted)
    proofs[0] = replace(proofs[0], leaf=lie)
    assert verdict(world.files(proofs=proofs), world.key) == "root-differs"


@every_query
def test_records_in_another_order(verdict, query):
    world = World(query)
    proofs = world.proofs(world.wanted)
    proofs[0], proofs[1] = replace(proofs[0], leaf=proofs[1].leaf), replace(proofs[1], leaf=proofs[0].leaf)
    assert verdict(world.files(proofs=proofs), world.key) == "root-differs"
    reordered = edited(world.files(), "evidence.json", lambda document: document["records"].reverse())
    assert verdict(reordered, world.key) in {"records-out-of-order", "root-differs"}


@every_query
def test_another_key_under_the_same_name(verdict, query):
    impostor = NoteSigner(ORIGIN, Ed25519PrivateKey.from_private_bytes(b"\x09" * 32))
    assert verdict(World(query, signer=impostor).files(), World(query).key) == "not-signed-by-a-known-key"


def test_the_key_of_another_log(verdict):
    other = NoteSigner("another.example", Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
    note = other.sign(Checkpoint(ORIGIN, SIZE, World("").log.tree.root(SIZE)).format())
    files = edited(World("").files(), "evidence.json", lambda document: document.update(checkpoint=note))
    assert verdict(files, str(other.verifier)) == "origin-differs-from-key"


@pytest.mark.parametrize("query", QUERIES)
@pytest.mark.parametrize("place", [0, 1, -1], ids=["first", "middle", "last"])
def test_an_omitted_record(verdict, query, place):
    world = World(QUERIES[query])
    left = [index for index in world.wanted if index != world.wanted[place]]
    assert verdict(world.files(left), world.key) == "record-omitted"


@pytest.mark.parametrize("query", ["workspace", "publisher"])
def test_an_end_that_is_left_out_of_the_manifest_as_well(verdict, query):
    """How far the log had come is what its own record of the request says, whatever the manifest says."""
    world = World(QUERIES[query])
    heads = {
        "workspaces": [{"workspace": each["workspace"], "counter": 1} for each in world.heads()["workspaces"]],
        "publishers": [each | {"position": 1} for each in world.heads()["publishers"]],
    }
    files = world.files(world.wanted[:1], asked=replace(world.asked(), **heads))
    assert verdict(files, world.key) == f"{query}s-differs"


def test_a_log_that_did_not_state_how_far_it_had_come(verdict):
    world = World(QUERIES["workspace"], stated={"workspaces": []})
    assert verdict(world.files(), world.key) == "head-not-stated"


@every_query
def test_a_record_that_was_not_asked_for(verdict, query):
    world = World(query)
    more = next(index for index in (*range(SIZE), SIZE + 2) if index not in world.wanted)
    expected = "record-not-asked-for" if query else "statement-missing"
    assert verdict(world.files([*world.wanted, more]), world.key) == expected


@every_query
def test_a_record_that_is_in_the_files_and_not_proven(verdict, query):
    world = World(query)
    files = world.files()
    extra = b'{"index":99,"leaf":%b}\n' % leaf(99).to_bytes()
    assert verdict(rehashed(files | {"records.ndjson": files["records.ndjson"] + extra}), world.key) == "records-differ"


@every_query
@pytest.mark.parametrize("name", ["records.ndjson", "records.csv"])
def test_a_readable_file_that_says_something_else(verdict, query, name):
    world = World(query)
    files = world.files()
    for lie in (
        files[name].replace(b"visitor", b"nobody.", 1),
        b"".join(files[name].splitlines(keepends=True)[:-1]),
        files[name] + b"\n",
        b"".join(sorted(files[name].splitlines(keepends=True), reverse=True)),
    ):
        assert verdict(rehashed(files | {name: lie}), world.key) == "records-differ"


@pytest.mark.parametrize(
    ("member", "value", "expected"),
    [
        ("records", 4, "records-differ"),
        ("query", f"subject:{PERSON}", "query-differs"),
        ("form", "csv", "form-differs"),
        ("export_id", str(UUID(int=1)), "export_id-differs"),
        ("requested_by", "compliance:nobody", "requested_by-differs"),
        ("requested_at", "2026-02-01T10:00:00.000001Z", "requested_at-differs"),
        ("workspaces", [{"workspace": WORKSPACE, "counter": 1}], "workspaces-differs"),
        ("publishers", [{"publisher": "identity", "epoch": 1, "position": 1}], "publishers-differs"),
        ("checkpoint", World("").log.checkpoint(12), "checkpoint-differs"),
        ("columns", ["index"], "fields-differ"),
        ("format", "okacrm-export/v2", "format-unknown"),
        ("comment", "hello", "fields-differ"),
        ("records", True, "records-differ"),
        ("files", {}, "fields-differ"),
        ("files", [], "fields-differ"),
    ],
)
def test_a_changed_manifest(verdict, member, value, expected):
    files = World(QUERIES["person"]).files()
    document = json.loads(files["manifest.json"]) | {member: value}
    lie = files | {"manifest.json": canonical_json(document)}
    assert verdict(lie, World("").key) == expected


@pytest.mark.parametrize(
    "name", ["evidence.json", "keys.txt", "records.csv", "records.ndjson", "summary.html", "verify.py"]
)
def test_a_changed_hash_and_a_file_that_is_not_there(verdict, name):
    files = World(QUERIES["person"]).files()
    document = json.loads(files["manifest.json"])
    document["files"][name]["sha256"] = sha256(b"").hexdigest()
    assert verdict(files | {"manifest.json": canonical_json(document)}, World("").key) == "file-differs"


def test_a_request_that_the_log_does_not_have(verdict):
    world = World(QUERIES["person"])
    for later, reason in (
        ([SIZE + 1], "request-missing"),
        ([SIZE, SIZE + 1, SIZE + 2], "statement-missing"),
        ([SIZE, SIZE + 2], "statement-missing"),
        ([SIZE], "statement-missing"),
        ([], "request-missing"),
    ):
        proofs = [world.log.record(index, NEWEST) for index in [*world.wanted, *later]]
        assert verdict(world.files(proofs=proofs), world.key) == reason


@pytest.mark.parametrize("name", verify.STATED)
def test_a_file_other_than_the_log_has_on_record(verdict, name):
    """Whoever puts another page, key or verifier into a bundle can make its manifest fit, but not the log."""
    files = World(QUERIES["person"]).files()
    lie = rehashed(files | {name: files[name].replace(b"okacrm", b"0kacrm", 1)})
    assert verdict(lie, World("").key) == ("records-differ" if name.startswith("records") else "file-differs")


@pytest.mark.parametrize(
    ("prepared", "expected"),
    [
        ({"records": 99}, "record-omitted"),
        ({"records": 1}, "records-differ"),
        ({"records": True}, "records-differ"),
        ({"export_id": str(UUID(int=901))}, "statement-missing"),
        ({"files": []}, "file-differs"),
        ({"files": [{"name": "x"}]}, "malformed"),
        ({"files": 7}, "malformed"),
    ],
)
def test_what_the_log_states_of_a_bundle_is_about_another(verdict, prepared, expected):
    world = World(QUERIES["person"], prepared=prepared)
    assert verdict(world.files(), world.key) == expected


def test_a_log_that_signs_nonsense(verdict):
    """A leaf can be in the log and yet not say what a leaf says."""
    world = World(QUERIES["person"], stated={"query": 7})
    assert verdict(world.files(), world.key) == "query-differs"
    for data in (b"{}", b"[]", record(3).to_bytes() + b" ", canonical_json(record(3).document() | {"v": 2})):
        with pytest.raises(verify.Invalid):
            verify.read_leaf(data, "leaf")


# --- no byte is free -------------------------------------------------------------------------------------------------


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_any_byte_of_any_file(data):
    world, files = HONEST
    name = data.draw(st.sampled_from(sorted(files)), label="file")
    changed = _with_one_byte_changed(files[name], data)
    if changed != files[name]:
        with pytest.raises(verify.Refused):
            verify.verify(opened(files | {name: changed}), [world.key])


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_any_byte_of_the_zip(tmp_path_factory, data):
    """Some bytes of a ZIP say nothing, such as times; those that say something cannot be changed unnoticed."""
    world, files = HONEST
    path = tmp_path_factory.getbasetemp() / "changed.zip"
    path.write_bytes(_with_one_byte_changed(HONEST_ZIP, data))
    try:
        found = verify.open_bundle(path)
        report = verify.verify(found, [world.key])
    except verify.Refused:
        return
    assert {name: b"".join(found[name]()) for name in found} == files
    assert report == verify.verify(opened(files), [world.key])


def _with_one_byte_changed(original: bytes, data: st.DataObject) -> bytes:
    at = data.draw(st.integers(0, len(original)), label="at")
    byte = bytes([data.draw(st.integers(0, 255), label="byte")])
    inserted = data.draw(st.sampled_from([byte, b""]), label="inserted")
    removed = data.draw(st.integers(0, 1), label="removed")
    return original[:at] + inserted + original[at + removed :]


HONEST = (World(QUERIES["workspace"]), World(QUERIES["workspace"]).files())
HONEST_ZIP = HONEST[0].bundle()


# --- exports without proofs ------------------------------------------------------------------------------------------


def exported(world: World) -> Files:
    form = FORMS[world.form]
    data = form.header + form.write([(index, world.log.leaves[index]) for index in world.wanted])
    described = manifest(world.asked(), len(world.wanted), {form.file: measured(data)})
    return {form.file: data, "manifest.json": canonical_json(described)}


def test_the_whole_log_proves_itself(verdict):
    world = World("", form="ndjson")
    files = exported(world)
    assert verdict(files, world.key).startswith("complete: the whole log")
    lines = files["records.ndjson"].splitlines(keepends=True)
    for lie, reason in (
        (b"".join(lines[:-1]), "record-omitted"),
        (b"".join([*lines, lines[-1]]), "records-differ"),
        (files["records.ndjson"].removesuffix(b"\n"), "records-differ"),
        (files["records.ndjson"].replace(b'{"index":1,', b'{"index":true,', 1), "record-omitted"),
        (b"".join([lines[1], lines[0], *lines[2:]]), "record-omitted"),
        (files["records.ndjson"].replace(b"visitor", b"nobody.", 1), "root-differs"),
    ):
        assert verdict(files | {"records.ndjson": lie}, world.key) == reason
        assert verdict(rehashed(files | {"records.ndjson": lie}), world.key) == reason


@pytest.mark.parametrize(("query", "form"), [("person", "ndjson"), ("person", "csv"), ("everything", "csv")])
def test_rows_without_proof_are_not_verified(verdict, query, form):
    world = World(QUERIES[query], form=form)
    assert verdict(exported(world), world.key) == "rows-without-proof"


def test_proofs_that_are_dropped_and_a_checkpoint_that_is_pasted_in(verdict):
    """Invented rows under a genuine checkpoint: nothing ties the two together."""
    world = World(QUERIES["person"])
    files = world.files()
    invented = files["records.ndjson"].replace(b"visitor", b"invente")
    document = json.loads(files["manifest.json"])
    for form, query, reason in (
        ("evidence", document["query"], "file-missing"),
        ("ndjson", document["query"], "rows-without-proof"),
        ("ndjson", "", "record-omitted"),
        ("csv", "", "file-missing"),
    ):
        lie = document | {"form": form, "query": query, "files": {"records.ndjson": {"bytes": 0, "sha256": ""}}}
        lies = rehashed({"records.ndjson": invented, "manifest.json": canonical_json(lie)})
        assert verdict(lies, world.key) == reason


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1+cmd", "@SUM(A1)", "'=1"])
def test_a_spreadsheet_finds_no_formula(text):
    row = FORMS["csv"].write([(4, replace(record(4), correlation=text).to_bytes())])
    (cells,) = csv.reader([row.decode()])
    assert cells[COLUMNS.index("correlation")] == f"'{text}"
    assert not any(cell.startswith(("=", "+", "-", "@")) for cell in cells)


# --- the two ways of saying the same ---------------------------------------------------------------------------------


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.builds(
            lambda negated, term: f"{'-' if negated else ''}{term}",
            st.booleans(),
            st.sampled_from(
                (
                    f"subject:{PERSON}",
                    f"subject:{UUID(int=8)},{PERSON}",
                    "actor:visitor",
                    "actor:staff",
                    "type:identity.session_opened,billing.consent_granted",
                    "publisher:identity",
                    f"workspace:{WORKSPACE},{OTHER}",
                    "category:identity",
                    "category:financial",
                    f"recipient:{PERSON}",
                    "occurred:2026-01-31T09:04:00Z..2026-01-31T09:12:00Z",
                    "occurred:..2026-01-31T09:07:00Z",
                    "occurred:2026-01-31",
                )
            ),
        ),
        max_size=3,
    ),
    st.integers(0, SIZE - 1),
)
def test_a_query_means_the_same_to_the_verifier(terms, index):
    query, told = parse(" ".join(terms)), record(index)
    assert verify.is_wanted(str(query), told.document(), "query") is query.holds(told)


def test_every_qualifier_is_known_to_the_verifier():
    for qualifier in set(QUALIFIERS) - {"occurred"}:
        verify.is_wanted(f"{qualifier}:x", record(0).document(), "query")


def test_roots_and_proofs_against_the_definitions():
    """RFC 6962 as it is written, for every size and every pair of sizes up to 33."""
    leaves = [bytes([number]) for number in range(33)]
    tree = NaiveTree(leaves)
    for size in range(34):
        grown = verify.Tree()
        for each in leaves[:size]:
            grown.add(each)
        assert grown.root() == tree.root(size)
        newer = verify.Checkpoint(ORIGIN, size, tree.root(size))
        for index in range(size):
            path = tree.path(index, 0, size)
            verify.check_inclusion(verify.leaf_hash(leaves[index]), index, size, path, newer.root, "leaf")
        for old in range(1, size + 1):
            path = tree.proof(old, 0, size)
            verify.check_consistency(verify.Checkpoint(ORIGIN, old, tree.root(old)), newer, path, "log")
            for wrong in ([*path, bytes(32)], [bytes(32), *path[1:]], path[:-1]):
                if wrong != path:
                    with pytest.raises(verify.Invalid):
                        verify.check_consistency(verify.Checkpoint(ORIGIN, old, tree.root(old)), newer, wrong, "log")
