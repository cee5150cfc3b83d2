"""A new key signs no checkpoint before the log tells that it took over, and the log tells it once."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import text

from services.audit.checking.fsck import check_log
from services.audit.intake.recovery import _move_cursors
from services.audit.intake.sequencing import append_entries
from services.audit.log import checkpoints
from services.audit.log.checkpoints import Checkpointer
from services.audit.log.queries import log_keys
from services.audit.log.rotation import rotate
from services.audit.log.signer import keys_file
from services.audit.subscriptions import LOG
from services.audit.tree.notes import Checkpoint, NoteSigner, Verifier, verify_checkpoint
from shared.bus.loops import Loop
from shared.runtime.checking import Report
from tests.component.services.audit.conftest import ORIGIN, MadeLog, entry, plain_entry
from tests.making import eventually, running

ROTATED = "okacrm.audit.checkpoint_key_rotated"


class Signing:
    """A log whose courier signs it, beside whoever rotates its key."""

    def __init__(self, log: MadeLog, key_file: Path) -> None:
        self.log, self.key_file = log, key_file

    @contextmanager
    def running(self) -> Iterator[None]:
        with running() as (run, stopping):
            checkpointer = Checkpointer(
                self.log.engine, self.log.store, self.log.directory, self._keys, self.log.signer.verifier, stopping
            )
            run(Loop("checkpoints", checkpointer.run, checkpoints.PERIOD))
            yield

    def _keys(self) -> list[NoteSigner]:
        return NoteSigner.all_from_pem(ORIGIN, self.key_file.read_bytes())

    def rotate(self) -> Verifier:
        eventually(keys_file(self.log.directory).exists)
        return rotate(self.key_file, ORIGIN, self.log.directory)

    def append(self, *entries):
        with self.log.engine.begin() as connection:
            append_entries(connection, entries)
            _move_cursors(connection, LOG, list(entries))

    def rotations(self):
        """What audit has put on record of rotations."""
        with self.log.engine.connect() as connection:
            rows = connection.execute(text("SELECT body FROM events WHERE type = :type"), {"type": ROTATED}).all()
        return [json.loads(bytes(row.body))["data"] for row in rows]

    def signed(self, key):
        """The sizes of the stored checkpoints that a key signed."""
        with self.log.engine.connect() as connection:
            notes = connection.scalars(text("SELECT note FROM checkpoints ORDER BY size")).all()
        return [verify_checkpoint(note, [key]).size for note in notes if f" {_line_of(key)}" in note]

    def told_keys(self):
        """The keys of the log as it tells them itself."""
        with self.log.engine.connect() as connection:
            return log_keys(connection, self.log.signer.verifier)

    def findings(self):
        report = Report(tell=(findings := []).append)
        check_log(self.log.engine, self.log.signer.verifier, self.log.directory, LOG, report)
        return {(finding.what, finding.where) for finding in findings}


def _line_of(key):
    """How a signature line of this key begins: its name, and the key id in the first digits of the base64."""
    return f"{key.name} {b64encode(key.key_id + bytes(2)).decode()[:5]}"


def rotation_entry(index, data):
    return entry(index, "x", publisher="audit", position=1, type=ROTATED, data=data)


@pytest.fixture
def signing(log, tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoints, "PERIOD", 0.02)
    key_file = tmp_path / "log.pem"
    key_file.write_bytes(log.signer.pem())
    log.grow(5, plain_entry)
    return Signing(log, key_file)


def test_the_new_key_signs_first_a_tree_that_tells_of_it(signing):
    old = signing.log.signer.verifier
    with signing.running():
        new = signing.rotate()
        (told,) = eventually(signing.rotations)
        signing.append(*map(plain_entry, range(5, 9)))
    # The process dies and comes again before the record has come round to the log.
    with signing.running():
        assert signing.told_keys() == [old]
        assert signing.signed(new) == []
        signing.append(rotation_entry(9, told))
        eventually(lambda: signing.signed(new))
    assert signing.signed(new) == [10]
    assert max(signing.signed(old)) == told["signed_up_to"] == 5
    assert signing.rotations() == [told]
    assert (told["old_key"], told["new_key"]) == (str(old), str(new))
    assert [(key, key.signed_up_to) for key in signing.told_keys()] == [(new, None), (old, 5)]
    assert signing.findings() == set()


def test_a_checkpoint_of_a_retired_key_over_a_larger_tree_is_found(signing):
    with signing.running():
        new = signing.rotate()
        (told,) = eventually(signing.rotations)
        signing.append(rotation_entry(5, told))
        eventually(lambda: signing.signed(new))
    assert signing.findings() == set()
    with signing.log.engine.connect() as connection:
        root = verify_checkpoint(connection.scalar(text("SELECT note FROM checkpoints WHERE size = 6")), [new]).root
    forged = signing.log.signer.sign(Checkpoint(ORIGIN, 6, root).format())
    signing.log.plant(f"UPDATE checkpoints SET note = '{forged}' WHERE size = 6")
    assert ("checkpoint-not-signed", "checkpoint 6") in signing.findings()


def test_keys_that_the_signer_does_not_list_are_found(signing):
    stranger = NoteSigner.generate(ORIGIN)
    listed = keys_file(signing.log.directory)
    listed.write_text(f"{stranger.verifier}\n")
    assert signing.findings() == {("log-keys-differ", "keys")}
    listed.write_text(f"{stranger.verifier}\n{signing.log.signer.verifier} 5\n")
    assert signing.findings() == set(), "a key that has signed nothing yet need not be in the log"
