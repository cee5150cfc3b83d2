"""The checker of the log finds everything that is broken on purpose, says where, and repeats no value."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import DBAPIError

from services.audit.checking.fsck import check_log
from services.audit.log.archive import Archive, archive_directory
from services.audit.log.signer import guard_file
from services.audit.log.tiles import StoredTiles
from services.audit.subscriptions import LOG
from services.audit.tree.leaves import Leaf
from services.audit.tree.merkle import leaf_hash
from services.audit.tree.notes import Checkpoint
from shared.runtime.checking import PAGE, Finding, Report, at_one_moment

SECRET = "ada.lovelace@example.org"

PLANTS = {
    "leaf-hash-differs": ("UPDATE leaves SET leaf_hash = sha256(leaf_hash) WHERE leaf_index = 7", "leaf 7"),
    "leaf-invalid": (
        f"UPDATE leaves SET leaf = convert_to(convert_from(leaf, 'UTF8') || ' {SECRET}', 'UTF8') WHERE leaf_index = 9",
        "leaf 9",
    ),
    "leaf-missing": ("DELETE FROM leaves WHERE leaf_index = 450", "leaf 450"),
    "log-head-differs": ("UPDATE log_head SET size = 699", "log_head"),
    "tile-missing": ("DELETE FROM tiles WHERE level = 0 AND index = 1", "tile 0/1"),
    "tile-differs": (
        "UPDATE tiles SET hashes = set_byte(hashes, 32 * 17 + 3, 255 - get_byte(hashes, 32 * 17 + 3)) WHERE index = 1",
        "tile 0/1, hash 17",
    ),
    "tile-root-differs": ("UPDATE tiles SET root = sha256(root) WHERE index = 0", "tile 0/0"),
    "tile-beyond-the-log": ("INSERT INTO tiles SELECT 0, 2, hashes, root FROM tiles WHERE index = 0", "tile 0/2"),
    "checkpoint-not-signed": (
        "UPDATE checkpoints SET note = translate(note, 'abc', 'bca') WHERE size = 300",
        "checkpoint 300",
    ),
    "checkpoint-size-differs": (
        "UPDATE checkpoints SET note = (SELECT note FROM checkpoints WHERE size = 300) WHERE size = 511",
        "checkpoint 511",
    ),
    "checkpoint-beyond-the-log": (
        "INSERT INTO checkpoints SELECT 701, note, signed_at FROM checkpoints WHERE size = 700",
        "checkpoint 701",
    ),
    "term-missing": ("DELETE FROM leaf_terms WHERE leaf_index = 3", "leaf 3"),
    "term-without-leaf": ("INSERT INTO leaf_terms VALUES (3, 3)", "leaf 3"),
    "day-differs": ("UPDATE log_days SET records = records + 1 WHERE first_index = 0", "day "),
    "sealed-value-missing": (
        "DELETE FROM sealed_values WHERE (leaf_index, field) = "
        "(SELECT leaf_index, field FROM sealed_values ORDER BY leaf_index, field LIMIT 1)",
        "leaf 0, field email",
    ),
    "sealed-value-without-leaf": (
        "INSERT INTO sealed_values SELECT 60, field, subject, category, key_id, ciphertext FROM sealed_values LIMIT 1",
        "leaf 60, field email",
    ),
    "sealed-value-differs": (
        "UPDATE sealed_values SET ciphertext = sha256(ciphertext) WHERE leaf_index = 0 AND field = 'name'",
        "leaf 0, field name, sha256",
    ),
    "sealed-value-not-erased": (
        "INSERT INTO sealed_values SELECT 0, 'other', (convert_from(leaf, 'UTF8')::jsonb -> 'subjects' ->> 0)::uuid, "
        "'identity', gen_random_uuid(), leaf FROM leaves WHERE type = 'okacrm.identity.account_erased' LIMIT 1",
        "leaf 0, field other",
    ),
    "consent-missing": ("DELETE FROM consents WHERE leaf_index = 42", "leaf 42"),
    "consent-without-leaf": (
        "INSERT INTO consents (subject, purpose, aspect, state, effective_at, recorded_at, leaf_index) "
        "SELECT subject, purpose, aspect, state, effective_at, recorded_at, 43 FROM consents LIMIT 1",
        "leaf 43",
    ),
    "reliance-missing": ("DELETE FROM reliances WHERE leaf_index = 56", "leaf 56"),
    "reliance-differs": ("UPDATE reliances SET relied_on = subject WHERE leaf_index = 56", "leaf 56, relied_on"),
    "reliance-without-leaf": (
        "INSERT INTO reliances SELECT 43, subject, purpose, channel, occurred_at FROM reliances LIMIT 1",
        "leaf 43",
    ),
    "correction-missing": ("DELETE FROM corrections WHERE leaf_index = 62", "leaf 62"),
    "correction-differs": (
        "UPDATE corrections SET reason = 'never_happened' WHERE leaf_index = 62",
        "leaf 62, reason",
    ),
    "correction-without-leaf": (
        "INSERT INTO corrections SELECT 43, record_id, correction_id, reason, replaced_by, recorded_at "
        "FROM corrections LIMIT 1",
        "leaf 43",
    ),
    "workspace-counter-differs": ("UPDATE workspace_counters SET events = events + 1", "workspace"),
    "workspace-counter-missing": ("DELETE FROM workspace_counters", "workspace"),
    "cursor-differs": ("UPDATE cursors SET position = position - 1", "publisher identity"),
    "cursor-missing": ("DELETE FROM cursors", "publisher identity"),
    "audited-differs": ("UPDATE audited SET positions = positions - 1", "publisher identity"),
}
COLUMNS = {
    "event_id": "gen_random_uuid()",
    "publisher": f"'{SECRET}'",
    "epoch": "epoch + 1",
    "position": "position + 1000",
    "type": f"'{SECRET}'",
    "actor": f"'{SECRET}'",
    "occurred_at": "occurred_at + interval '1 microsecond'",
}
CONSENT_COLUMNS = {
    "subject": "gen_random_uuid()",
    "purpose": f"'{SECRET}'",
    "aspect": "'objection'",
    "channel": f"'{SECRET}'",
    "state": "'withdrawn'",
    "wording_version": "'2026-11-24'",
    "legal_basis": "'contract'",
    "effective_at": "effective_at + interval '1 day'",
    "expires_at": "effective_at + interval '1 day'",
    "recorded_at": "recorded_at + interval '1 day'",
}
SEALED_COLUMNS = {"subject": "gen_random_uuid()", "category": f"'{SECRET}'", "key_id": "gen_random_uuid()"}


def checked(log, *, limit=100, keyring=None):
    """The findings of a check, and its report."""
    findings: list[Finding] = []
    report = Report(tell=findings.append, limit=limit)
    check_log(log.engine, log.signer.verifier, log.directory, LOG, report, keyring=keyring)
    return findings, report


def found(log, *, keyring=None):
    findings, _ = checked(log, keyring=keyring)
    lines = [str(finding) for finding in findings]
    assert not any(SECRET in line or "\n" in line for line in lines)
    return {(finding.what, finding.where) for finding in findings}


def test_a_log_that_nobody_touched_is_clean_and_everything_of_it_was_looked_at(filled):
    findings, report = checked(filled)
    assert findings == []
    looked_at = report.looked_at
    assert (looked_at["leaves"], looked_at["checkpoints"], looked_at["tiles"], looked_at["workspaces"]) == (
        700,
        9,
        2,
        1,
    )
    assert looked_at["consents"] > 100
    assert looked_at["sealed values"] > 0
    assert looked_at["sealed values erased"] > 0
    assert looked_at["sealed values"] + looked_at["sealed values erased"] == 80


def test_a_log_without_leaves_is_clean(log):
    archive_directory(log.directory).mkdir()
    log.sign()
    assert found(log) == set()


@pytest.mark.parametrize("what", PLANTS)
def test_what_is_broken_in_the_database_is_found_where_it_is(copied, what):
    statements, where = PLANTS[what]
    copied.plant(statements)
    assert any(kind == what and place.startswith(where) for kind, place in found(copied))


@pytest.mark.parametrize("column", COLUMNS)
def test_a_column_that_contradicts_its_leaf_is_found(copied, column):
    copied.plant(f"UPDATE leaves SET {column} = {COLUMNS[column]} WHERE leaf_index = 44")
    assert found(copied) == {("leaf-differs-from-its-row", f"leaf 44, {column}")}


@pytest.mark.parametrize("column", CONSENT_COLUMNS)
def test_a_consent_that_contradicts_its_leaf_is_found(copied, column):
    copied.plant(f"UPDATE consents SET {column} = {CONSENT_COLUMNS[column]} WHERE leaf_index = 42")
    assert found(copied) == {("consent-differs", f"leaf 42, {column}")}


@pytest.mark.parametrize("column", SEALED_COLUMNS)
def test_a_sealed_value_under_another_name_is_found(copied, column):
    copied.plant(
        f"UPDATE sealed_values SET {column} = {SEALED_COLUMNS[column]} WHERE leaf_index = 0 AND field = 'name'"
    )
    assert ("sealed-value-differs", f"leaf 0, field name, {column.removesuffix('_id')}") in found(copied)


def rewritten(log, index, **changes):
    """A leaf said otherwise, in itself, its hash and its columns alike: only what is derived from it can tell."""
    with log.databases.engine("audit", "superuser").begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        connection.execute(text("ALTER TABLE leaves DISABLE TRIGGER USER"))
        stored = connection.scalar(text("SELECT leaf FROM leaves WHERE leaf_index = :index"), {"index": index})
        leaf = replace(Leaf.from_bytes(bytes(stored)), **changes)
        connection.execute(
            text(
                "UPDATE leaves SET leaf = :leaf, leaf_hash = :hash, position = :position, epoch = :epoch "
                "WHERE leaf_index = :index"
            ),
            {
                "leaf": leaf.to_bytes(),
                "hash": leaf_hash(leaf.to_bytes()),
                "position": leaf.position,
                "epoch": leaf.epoch,
                "index": index,
            },
        )


def test_a_leaf_rewritten_with_all_that_repeats_it_is_found_by_the_tree_the_checkpoints_and_the_archive(copied):
    rewritten(copied, 100, correlation="another")
    assert {kind for kind, _ in found(copied)} == {
        "tile-differs",
        "tile-root-differs",
        "checkpoint-root-differs",
        "archived-leaf-differs",
    }
    assert ("tile-differs", "tile 0/0, hash 100") in found(copied)
    assert ("archived-leaf-differs", "leaf 100") in found(copied)
    roots = {where for kind, where in found(copied) if kind == "checkpoint-root-differs"}
    assert roots == {f"checkpoint {size}" for size in (255, 256, 300, 511, 512, 513, 700)}


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"position": 5000}, "feed-position-not-contiguous"),
        ({"epoch": 2, "position": 5000}, "feed-position-not-contiguous"),
        (
            {"workspace": "00000000-0000-7000-8000-000000000001", "workspace_counter": 2},
            "workspace-counter-not-contiguous",
        ),
    ],
)
def test_numbers_in_leaves_that_do_not_follow_each_other_are_found(copied, changes, what):
    rewritten(copied, 41, **changes)
    assert any(kind == what and place.startswith("leaf 41, ") for kind, place in found(copied))


def test_an_epoch_that_goes_back_is_found(copied):
    rewritten(copied, 41, epoch=2)
    assert any(kind == "epoch-goes-back" and place.startswith("leaf 42, ") for kind, place in found(copied))


# --- what is outside the database


def segment(log):
    (path,) = archive_directory(log.directory).glob("*.leaves")
    return path


def test_an_archived_leaf_that_differs_is_found(copied):
    lines = segment(copied).read_bytes().split(b"\n")
    lines[7] = lines[7].replace(b'"v":1', b'"v":2')
    segment(copied).write_bytes(b"\n".join(lines))
    assert found(copied) == {("archived-leaf-differs", "leaf 7")}


def test_an_archive_ahead_of_the_log_is_found(copied):
    with segment(copied).open("ab") as file:
        file.write(b"{}\n")
    assert found(copied) == {("archive-ahead-of-the-log", "archive")}


def test_an_archive_that_lost_what_was_signed_is_found(copied):
    lines = segment(copied).read_bytes().splitlines(keepends=True)
    segment(copied).write_bytes(b"".join(lines[:-1]))
    assert found(copied) == {("archive-behind-a-checkpoint", "archive")}


def test_an_archive_with_a_file_missing_is_found(copied):
    segment(copied).rename(archive_directory(copied.directory) / "0000000000065536.leaves")
    assert ("archive-damaged", "archive") in found(copied)


@pytest.mark.parametrize("damage", ["older", "lost"])
def test_a_guard_that_is_not_the_newest_checkpoint_is_found(copied, damage):
    with copied.engine.connect() as connection:
        older = copied.note(connection, 300)
    guard = guard_file(copied.directory)
    guard.write_text(older) if damage == "older" else guard.unlink()
    assert found(copied) == {("guard-differs", "guard")}


def test_without_the_files_the_database_alone_is_judged_and_that_is_said(copied):
    guard_file(copied.directory).unlink()
    report = Report()
    check_log(copied.engine, copied.signer.verifier, None, LOG, report)
    assert report.clean
    assert [note.split(" was ")[0] for note in report.notes] == ["the log directory", "the keyring"]


def test_a_checkpoint_of_another_log_is_not_one_of_this(copied):
    with copied.engine.connect() as connection:
        root = Checkpoint("elsewhere", 700, bytes(StoredTiles(connection).tile(0, 0, 1)[:32]))
    other = copied.signer.sign(root.format())
    with copied.databases.engine("audit", "superuser").begin() as connection:
        connection.execute(text("ALTER TABLE checkpoints DISABLE TRIGGER USER"))
        connection.execute(text("UPDATE checkpoints SET note = :note WHERE size = 300"), {"note": other})
    assert ("checkpoint-not-signed", "checkpoint 300") in found(copied)


# --- how it goes about it


def test_of_each_kind_a_bounded_number_is_told_and_all_are_counted(copied):
    copied.plant("DELETE FROM leaf_terms")
    findings, report = checked(copied, limit=5)
    assert sum(finding.what == "term-missing" for finding in findings) == 5
    assert report.findings["term-missing"] > 400


def test_a_check_can_write_nothing(filled):
    with at_one_moment(filled.engine) as connection, pytest.raises(DBAPIError, match="read-only"):
        connection.execute(text("UPDATE log_head SET size = 0"))


def test_nothing_is_fetched_but_a_page_at_a_time(filled):
    """Every statement that goes over a whole table goes through a cursor of the server."""
    seen: list[tuple[str, bool]] = []

    def note(connection, cursor, statement, parameters, context, many):
        seen.append((statement, bool(getattr(cursor, "name", None))))

    event.listen(filled.engine, "after_cursor_execute", note)
    try:
        checked(filled)
    finally:
        event.remove(filled.engine, "after_cursor_execute", note)
    whole_tables = [(statement, named) for statement, named in seen if "ORDER BY leaf_index\n" in f"{statement}\n"]
    assert len(whole_tables) >= 3
    assert all(named for _, named in whole_tables)
    assert PAGE <= 1_000


def test_the_archive_may_grow_while_it_is_read(copied, monkeypatch):
    """A log in use: leaves that came after the moment of the check are nobody's fault."""
    original = Archive.read

    def read(self, start=0):
        for number, leaf in enumerate(original(self, start)):
            if number == 3 and copied.size() == 700:
                copied.grow(710)
            yield leaf

    monkeypatch.setattr(Archive, "read", read)
    assert found(copied) == set()
    assert os.path.getsize(segment(copied)) > 0
    assert copied.size() == 710
