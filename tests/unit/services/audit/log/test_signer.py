import os
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.audit.log.signer import (
    CheckpointSigner,
    ForkRefused,
    GuardUnusable,
    KeyRetired,
    guard_file,
    hand_over,
    keys_file,
    listed_keys,
)
from services.audit.tree import merkle
from services.audit.tree.merkle import EMPTY_ROOT
from services.audit.tree.notes import Checkpoint, NoteInvalid, NoteSigner, verify_checkpoint


class Crash(BaseException):
    """The process dies here."""


@pytest.fixture
def guard(tmp_path):
    return guard_file(tmp_path)


@pytest.fixture
def checkpoints(guard, signer):
    return CheckpointSigner(guard, signer, archived=0)


@pytest.fixture
def sign(log, signer):
    """Sign the tree of `size` leaves as the audit service does: with the proof from the checkpoint signed last."""

    def sign(checkpoints, size, tree=log.tree):
        last = verify_checkpoint(checkpoints.last, [signer.verifier])
        path = merkle.consistency_proof(tree, min(last.size, size), size)
        return checkpoints.sign(size, tree.root(size), path)

    return sign


def refusal(sign, *arguments):
    with pytest.raises(ForkRefused) as refused:
        sign(*arguments)
    return refused.value.reason


def test_a_log_begins_with_the_empty_tree(checkpoints, guard, signer):
    assert verify_checkpoint(checkpoints.last, [signer.verifier]) == Checkpoint(signer.verifier.name, 0, EMPTY_ROOT)
    assert guard.read_text() == checkpoints.last


def test_a_growing_tree_is_signed(checkpoints, guard, signer, sign, log):
    for size in (1, 2, 5, 8, 12):
        note = sign(checkpoints, size)
        assert verify_checkpoint(note, [signer.verifier]) == Checkpoint(signer.verifier.name, size, log.tree.root(size))
        assert guard.read_text() == note == checkpoints.last


def test_the_same_tree_answers_the_same_note(checkpoints, guard, signer, sign):
    note = sign(checkpoints, 5)
    assert sign(checkpoints, 5) == note
    assert sign(CheckpointSigner(guard, signer, archived=5), 5) == note


def test_forks_are_refused_and_change_nothing(checkpoints, guard, signer, sign, log, make_log, make_leaf):
    note = sign(checkpoints, 7)
    rewritten = make_log([*log.leaves[:6], make_leaf(99).to_bytes(), *log.leaves[7:]], signer).tree
    for signing in (checkpoints, CheckpointSigner(guard, signer, archived=7)):
        assert refusal(sign, signing, 6) == "size-shrank"
        assert refusal(sign, signing, 0) == "size-shrank"
        assert refusal(sign, signing, 7, rewritten) == "root-differs"
        assert refusal(sign, signing, 12, rewritten) == "root-differs"
        assert refusal(signing.sign, 12, log.tree.root(12), []) == "path-too-short"
        assert refusal(signing.sign, 12, log.tree.root(12)[:31], log.tree.proof(7, 0, 12)) == "hash-not-32-bytes"
        assert guard.read_text() == signing.last == note
    assert sign(checkpoints, 12)


def test_two_processes_share_one_guard(checkpoints, guard, signer, sign, log):
    other = CheckpointSigner(guard, signer, archived=0)
    sign(checkpoints, 5)
    sign(other, 7)
    stale = merkle.consistency_proof(log.tree, 5, 12)
    assert refusal(checkpoints.sign, 12, log.tree.root(12), stale) in {
        "root-differs",
        "path-too-long",
        "path-too-short",
    }
    assert refusal(checkpoints.sign, 5, log.tree.root(5), []) == "size-shrank"
    assert sign(checkpoints, 12)


# --- the guard file ---------------------------------------------------------------------------------------------------


def test_a_lost_guard_is_not_a_new_log(checkpoints, guard, signer, sign):
    note = sign(checkpoints, 5)
    guard.unlink()
    with pytest.raises(GuardUnusable, match="newest checkpoint that was ever published"):
        CheckpointSigner(guard, signer, archived=5)
    with pytest.raises(GuardUnusable, match="FileNotFoundError"):
        checkpoints.sign(5, bytes(32), [])
    assert not guard.exists()
    guard.write_text(note)
    assert sign(CheckpointSigner(guard, signer, archived=5), 7)


@pytest.mark.parametrize(
    "damage",
    [
        lambda note: b"",
        lambda note: note[:-10],
        lambda note: b"\xff" + note,
        lambda note: note.replace(b"\n5\n", b"\n4\n"),
        lambda note: note + note,
    ],
)
def test_a_damaged_guard_is_not_believed(checkpoints, guard, signer, sign, damage):
    sign(checkpoints, 5)
    guard.write_bytes(damage(guard.read_bytes()))
    with pytest.raises(GuardUnusable, match="from their backup"):
        CheckpointSigner(guard, signer, archived=5)
    with pytest.raises(GuardUnusable):
        checkpoints.sign(7, bytes(32), [])


# --- keys -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def successor(signer):
    return NoteSigner(signer.verifier.name, Ed25519PrivateKey.from_private_bytes(b"\x05" * 32))


def test_a_new_key_goes_on_from_what_the_old_one_signed(checkpoints, guard, signer, successor, sign, log):
    old_note = sign(checkpoints, 5)
    hand_over(guard.parent.parent, successor.verifier)
    taken_over = CheckpointSigner(guard, successor, archived=5)
    assert taken_over.last == old_note
    assert taken_over.awaits_first_signature
    note = sign(taken_over, 12)
    assert verify_checkpoint(note, [successor.verifier]) == Checkpoint(signer.verifier.name, 12, log.tree.root(12))
    assert not taken_over.awaits_first_signature
    assert [(key, key.signed_up_to) for key in taken_over.keys] == [(successor.verifier, None), (signer.verifier, 5)]


def test_a_retired_key_signs_nothing_more(checkpoints, guard, signer, successor, sign, log):
    note = sign(checkpoints, 5)
    hand_over(guard.parent.parent, successor.verifier)
    path = merkle.consistency_proof(log.tree, 5, 12)
    with pytest.raises(KeyRetired):
        checkpoints.sign(12, log.tree.root(12), path)
    with pytest.raises(GuardUnusable, match="was not given"):
        CheckpointSigner(guard, signer, archived=5)
    assert guard.read_text() == note


def test_a_retired_key_counts_for_what_it_signed_and_for_nothing_newer(
    checkpoints, guard, signer, successor, sign, log
):
    old_note = sign(checkpoints, 5)
    hand_over(guard.parent.parent, successor.verifier)
    keys = listed_keys(guard.parent.parent)
    assert verify_checkpoint(old_note, keys).size == 5
    forged = signer.sign(Checkpoint(signer.verifier.name, 6, log.tree.root(6)).format())
    with pytest.raises(NoteInvalid, match="key-retired"):
        verify_checkpoint(forged, keys)
    guard.write_text(forged)
    with pytest.raises(GuardUnusable, match="key-retired"):
        CheckpointSigner(guard, successor, archived=6)


def test_with_several_keys_at_hand_the_listed_one_signs(checkpoints, guard, signer, successor, sign):
    sign(checkpoints, 5)
    both = CheckpointSigner(guard, signer, successor, archived=5)
    assert verify_checkpoint(sign(both, 7), [signer.verifier])
    hand_over(guard.parent.parent, successor.verifier)
    with pytest.raises(KeyRetired):
        sign(both, 12)
    both = CheckpointSigner(guard, signer, successor, archived=7)
    assert verify_checkpoint(sign(both, 12), [successor.verifier])


def test_a_key_that_nobody_handed_over_to_is_refused(checkpoints, guard, successor, sign):
    sign(checkpoints, 5)
    with pytest.raises(GuardUnusable, match="was not given"):
        CheckpointSigner(guard, successor, archived=5)


def test_a_log_from_before_there_was_a_list_begins_one(checkpoints, guard, signer, successor, sign):
    sign(checkpoints, 5)
    keys_file(guard.parent.parent).unlink()
    with pytest.raises(GuardUnusable, match="not-signed-by-a-known-key"):
        CheckpointSigner(guard, successor, archived=5)
    assert CheckpointSigner(guard, signer, archived=5).keys == [signer.verifier]


def test_a_damaged_list_is_not_believed(checkpoints, guard, signer):
    keys_file(guard.parent.parent).write_text("nothing that is a key")
    with pytest.raises(GuardUnusable, match="Restore it from its backup"):
        CheckpointSigner(guard, signer, archived=0)


# --- crashes ----------------------------------------------------------------------------------------------------------


class Steps:
    """Counts the steps by which the guard becomes durable, and dies before one of them."""

    def __init__(self, patch, dies_before):
        self.taken = 0
        for owner, name in [(os, "fsync"), (Path, "replace"), (Path, "open")]:
            patch.setattr(owner, name, self._step(getattr(owner, name), dies_before))

    def _step(self, function, dies_before):
        def step(*arguments, **options):
            if self.taken == dies_before:
                raise Crash
            self.taken += 1
            return function(*arguments, **options)

        return step


def test_a_crash_at_any_step_leaves_a_guard_that_still_refuses_forks(
    guard, signer, sign, log, make_log, make_leaf, monkeypatch
):
    rewritten = make_log([*log.leaves[:6], make_leaf(99).to_bytes(), *log.leaves[7:]], signer).tree
    path = merkle.consistency_proof(log.tree, 7, 12)
    crashes = 0
    while True:
        guard.unlink(missing_ok=True)
        checkpoints = CheckpointSigner(guard, signer, archived=0)
        before = sign(checkpoints, 7)
        with monkeypatch.context() as patch:
            Steps(patch, dies_before=crashes)
            try:
                note = checkpoints.sign(12, log.tree.root(12), path)
            except Crash:
                note = None
        if note:
            break
        restarted = CheckpointSigner(guard, signer, archived=12)
        size = verify_checkpoint(restarted.last, [signer.verifier]).size
        assert restarted.last == before or size == 12
        assert refusal(sign, restarted, 12, rewritten) == "root-differs"
        assert verify_checkpoint(sign(restarted, 12), [signer.verifier]).root == log.tree.root(12)
        crashes += 1
    assert crashes >= 6


def test_the_guard_is_durable_before_the_note_is_answered(checkpoints, guard, sign, monkeypatch):
    """Also when the process died between replacing the guard and making its name durable, and is asked again."""
    events, fsync, replace = [], os.fsync, Path.replace

    def recording_fsync(descriptor):
        events.append(os.fstat(descriptor).st_ino)
        fsync(descriptor)

    def recording_replace(source, target):
        events.append("replace")
        return replace(source, target)

    monkeypatch.setattr(os, "fsync", recording_fsync)
    monkeypatch.setattr(Path, "replace", recording_replace)
    sign(checkpoints, 5)
    assert events[-3:] == [guard.stat().st_ino, "replace", guard.parent.stat().st_ino]
    events.clear()
    sign(checkpoints, 5)
    assert events[-1] == guard.parent.stat().st_ino
