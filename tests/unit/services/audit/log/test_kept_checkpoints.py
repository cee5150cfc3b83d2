"""Kept checkpoints: none is lost, an earlier guard is refused, and a restored database is given what it lacks."""

from __future__ import annotations

import pytest

from services.audit.log.archive import ArchiveDamaged
from services.audit.log.kept_checkpoints import CheckpointKeeper, KeptCheckpoint, KeptCheckpoints, checkpoint_directory
from services.audit.log.signer import GuardUnusable
from services.audit.tree.notes import Checkpoint, NoteSigner

KEY = NoteSigner.generate("okacrm.net/audit/test")


def note(size: int, root: int = 7) -> str:
    return KEY.sign(Checkpoint(KEY.verifier.name, size, bytes([root]) * 32).format())


@pytest.fixture
def keeper(tmp_path):
    with CheckpointKeeper(tmp_path) as made:
        yield made


def kept(tmp_path):
    return [each.size for each in KeptCheckpoints(tmp_path).read()]


def test_each_checkpoint_is_kept_once_and_that_of_the_empty_tree_is_not(keeper, tmp_path):
    for size in (0, 0, 3, 3, 8):
        keeper.keep(note(size))
    assert kept(tmp_path) == [3, 8]
    assert next(KeptCheckpoints(tmp_path).read(1)) == KeptCheckpoint(8, note(8))


@pytest.mark.parametrize("earlier", [note(3), note(0), note(8, root=9)], ids=["earlier", "empty", "other"])
def test_a_guard_that_was_put_back_is_refused(keeper, tmp_path, earlier):
    keeper.keep(note(3))
    keeper.keep(note(8))
    with pytest.raises(GuardUnusable, match="put back"):
        keeper.keep(earlier)
    assert kept(tmp_path) == [3, 8]


def test_who_opens_them_again_knows_the_newest(tmp_path):
    with CheckpointKeeper(tmp_path) as keeper:
        keeper.keep(note(8))
    with CheckpointKeeper(tmp_path) as keeper, pytest.raises(GuardUnusable):
        keeper.keep(note(3))


def test_a_line_that_is_no_checkpoint_is_damage(tmp_path):
    with CheckpointKeeper(tmp_path) as keeper:
        keeper.keep(note(8))
    (segment,) = checkpoint_directory(tmp_path).glob("*.checkpoints")
    segment.write_bytes(b'"nothing"\n')
    with pytest.raises(ArchiveDamaged):
        CheckpointKeeper(tmp_path)
